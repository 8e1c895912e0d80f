"""What an organization may send: its own optimizations' events, for variants that exist. Storage lies below."""

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from uuid import UUID

from django.utils import timezone

from levered_site.errors import Forbidden, Issue
from levered_site.organizations.models import Organization
from optimizations.config import Config, read_config
from optimizations.models import Optimization
from optimizations.states import Status
from warehouse.services import events as storage
from warehouse.services.incoming import E, NewExposure, NewReward

MAX_AHEAD = dt.timedelta(hours=24)


@dataclass(frozen=True)
class Rejected:
    """A well-formed event that cannot count."""

    index: int
    code: str
    message: str


@dataclass(frozen=True)
class Ingested:
    """`accepted` events are stored, now or, as `duplicates` among them, by an earlier one of the same key."""

    accepted: int
    duplicates: int
    rejected: list[Rejected]


@dataclass(frozen=True)
class _Target:
    """An optimization as its events see it."""

    id: UUID
    archived: bool
    updated_at: dt.datetime

    def config(self) -> Config:
        return _config(self.id, self.updated_at)


_Events = Sequence[NewExposure] | Sequence[NewReward]
_Targets = dict[int, _Target]  # by UUID.int: a UUID hashes itself in Python, which is felt for every event
_Problem = tuple[str, str] | None
_ARCHIVED = "optimization_archived", "The optimization is archived."


def ingest_exposures(organization: Organization, events: Sequence[NewExposure]) -> Ingested:
    """Stores the exposures that can count. Forbidden when one names an optimization that is not the organization's."""
    now = timezone.now()
    targets = _targets(organization, events)
    variant_of = {key: None if target.archived else target.config().variant_of for key, target in targets.items()}

    def problem(event: NewExposure) -> _Problem:
        find = variant_of[event.optimization_id.int]
        if find is None:
            return _ARCHIVED
        _, issue = find(event.variant)
        return ("unknown_variant", f"variant.{issue.field}: {issue.message}") if issue else None

    kept, rejected = _sorted(events, problem, now)
    return Ingested(len(kept), storage.store_exposures(organization, kept, received_at=now), rejected)


def ingest_rewards(organization: Organization, events: Sequence[NewReward]) -> Ingested:
    """As `ingest_exposures`; a reward may name no optimization and then counts by its name for all."""
    now = timezone.now()
    archived = {key for key, target in _targets(organization, events).items() if target.archived}

    def problem(event: NewReward) -> _Problem:
        return _ARCHIVED if event.optimization_id is not None and event.optimization_id.int in archived else None

    kept, rejected = _sorted(events, problem, now)
    return Ingested(len(kept), storage.store_rewards(organization, kept, received_at=now), rejected)


def _sorted(events: Sequence[E], problem: Callable[[E], _Problem], now: dt.datetime) -> tuple[list[E], list[Rejected]]:
    """The events that can count, and why the others cannot."""
    latest = now + MAX_AHEAD
    kept: list[E] = []
    rejected: list[Rejected] = []
    for i, event in enumerate(events):
        found = problem(event)
        if found is None and event.timestamp is not None and event.timestamp > latest:
            found = "timestamp_in_future", "The timestamp is more than 24 hours ahead."
        if found is None:
            kept.append(event)
        else:
            rejected.append(Rejected(i, *found))
    return kept, rejected


def _targets(organization: Organization, events: _Events) -> _Targets:
    """The named optimizations, by one query; Forbidden lists every one that is foreign or does not exist."""
    named = {e.optimization_id.int: e.optimization_id for e in events if e.optimization_id is not None}
    if not named:
        return {}
    rows = Optimization.objects.filter(organization=organization, pk__in=named.values()).order_by()
    targets = {
        pk.int: _Target(pk, status == Status.ARCHIVED, updated_at)
        for pk, status, updated_at in rows.values_list("pk", "status", "updated_at")
    }
    if len(targets) < len(named):
        raise _not_yours(events, targets)
    return targets


def _not_yours(events: _Events, targets: _Targets) -> Forbidden:
    first: dict[UUID, int] = {}
    for i, id_ in enumerate([e.optimization_id for e in events]):
        if id_ is not None and id_.int not in targets:
            first.setdefault(id_, i)
    return Forbidden(
        f"Unknown optimization_ids, or not of your organization: {', '.join(map(str, first))}.",
        details=[
            Issue(f"events[{i}].optimization_id", f"{id_} is unknown or not of your organization.")
            for id_, i in first.items()
        ],
    )


@lru_cache(maxsize=256)
def _config(id_: UUID, updated_at: dt.datetime) -> Config:
    """The parsed design. `updated_at` makes a changed optimization another entry; the old one falls out in time."""
    return read_config(Optimization.objects.values_list("training_data_config", flat=True).get(pk=id_))
