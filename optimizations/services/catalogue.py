"""All snapshots of one moment, and the two ways to find one."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from optimizations.services.snapshot import Snapshot
from optimizations.states import Status


@dataclass(frozen=True)
class Catalogue:
    """Immutable: a reload makes a new one, which replaces the old in one assignment.

    Attributes:
        by_id: every servable optimization by its id as text.
        live_by_names: live optimizations by their set of design factor names, newest first.
        organizations: public organization id by publishable key.
    """

    by_id: Mapping[str, Snapshot] = field(default_factory=dict)
    organizations: Mapping[str, str] = field(default_factory=dict)
    live_by_names: Mapping[frozenset[str], tuple[Snapshot, ...]] = field(init=False)

    def __post_init__(self) -> None:
        matching: dict[frozenset[str], list[Snapshot]] = {}
        newest_first = sorted(self.by_id.values(), key=lambda s: (s.created_at, s.id), reverse=True)
        for snapshot in newest_first:
            if snapshot.status == Status.LIVE:
                matching.setdefault(snapshot.config.names, []).append(snapshot)
        object.__setattr__(self, "live_by_names", {names: tuple(found) for names, found in matching.items()})

    def updated(
        self, loaded: Iterable[Snapshot], *, gone: Iterable[UUID] = (), organizations: Mapping[str, str] | None = None
    ) -> "Catalogue":
        """A catalogue with these snapshots added or replaced, and those no longer servable taken out."""
        by_id = dict(self.by_id)
        known = dict(self.organizations) if organizations is None else dict(organizations)
        for snapshot in loaded:
            by_id[snapshot.id] = snapshot
            known[snapshot.publishable_key] = snapshot.organization_id
        for pk in gone:
            by_id.pop(str(pk), None)
        return Catalogue(by_id, known)
