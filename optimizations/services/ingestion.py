"""What an organization may send: its own optimizations' events, for variants that exist. Storage lies below."""

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.utils import timezone

from levered_site.errors import Forbidden, Issue
from levered_site.organizations.models import Organization
from optimizations.models import Optimization
from optimizations.services.design_cache import configs_of
from optimizations.services.rejections import count_rejected
from optimizations.states import Status
from warehouse.services import events as storage
from warehouse.services.incoming import E, NewExposure, NewReward

MAX_AHEAD = dt.timedelta(hours=24)
MAX_MESSAGE = 300  # it quotes what was sent


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


_Events = Sequence[NewExposure] | Sequence[NewReward]
_Targets = dict[int, _Target]  # by UUID.int: a UUID hashes itself in Python, which is felt for every event
_Problem = tuple[str, str] | None
_ARCHIVED = "optimization_archived", "The optimization is archived."


def ingest_exposures(organization: Organization, events: Sequence[NewExposure], *, dry_run: bool = False) -> Ingested:
    """Stores the exposures that can count; a dry run only says which would be.

    Raises Forbidden when one names an optimization that is not the organization's.
    """
    now = timezone.now()
    targets = _targets(organization, events)
    configs = configs_of((t.id, t.updated_at) for t in targets.values() if not t.archived)

    def problem(event: NewExposure) -> _Problem:
        config = configs.get(event.optimization_id.int)
        if config is None:
            return _ARCHIVED
        _, issue = config.variant_of(event.variant)
        return ("unknown_variant", f"variant.{issue.field}: {issue.message}"[:MAX_MESSAGE]) if issue else None

    kept, rejected = _sorted(events, problem, now)
    duplicates = 0 if dry_run else storage.store_exposures(organization, kept, received_at=now)
    if rejected and not dry_run:
        count_rejected(((events[r.index].optimization_id, r.code) for r in rejected), day=now.date())
    return Ingested(len(kept), duplicates, rejected)


def ingest_rewards(organization: Organization, events: Sequence[NewReward], *, dry_run: bool = False) -> Ingested:
    """As `ingest_exposures`; a reward may name no optimization and then counts by its name for all."""
    now = timezone.now()
    archived = {key for key, target in _targets(organization, events).items() if target.archived}

    def problem(event: NewReward) -> _Problem:
        return _ARCHIVED if event.optimization_id is not None and event.optimization_id.int in archived else None

    kept, rejected = _sorted(events, problem, now)
    duplicates = 0 if dry_run else storage.store_rewards(organization, kept, received_at=now)
    return Ingested(len(kept), duplicates, rejected)


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
