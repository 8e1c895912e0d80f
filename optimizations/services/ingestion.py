"""What an organization may send: its own optimizations' events, for variants that exist. Storage lies below."""

import datetime as dt
from collections.abc import Iterable, Sequence
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
from warehouse.services.incoming import NewExposure, NewReward

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


def ingest_exposures(organization: Organization, events: Sequence[NewExposure]) -> Ingested:
    """Stores the exposures that can count. Forbidden when one names an optimization that is not the organization's."""
    now = timezone.now()
    targets = _targets(organization, [e.optimization_id for e in events])
    kept, rejected = [], []
    for i, event in enumerate(events):
        target = targets[event.optimization_id]
        problem = _problem(event.timestamp, target, now) or _unknown_variant(event, target)
        if problem:
            rejected.append(Rejected(i, *problem))
        else:
            kept.append(event)
    duplicates = storage.store_exposures(organization, kept, received_at=now)
    return Ingested(len(kept), duplicates, rejected)


def ingest_rewards(organization: Organization, events: Sequence[NewReward]) -> Ingested:
    """As `ingest_exposures`; a reward may name no optimization and then counts by its name for all."""
    now = timezone.now()
    targets = _targets(organization, [e.optimization_id for e in events])
    kept, rejected = [], []
    for i, event in enumerate(events):
        target = targets[event.optimization_id] if event.optimization_id else None
        problem = _problem(event.timestamp, target, now)
        if problem:
            rejected.append(Rejected(i, *problem))
        else:
            kept.append(event)
    duplicates = storage.store_rewards(organization, kept, received_at=now)
    return Ingested(len(kept), duplicates, rejected)


def _targets(organization: Organization, ids: Sequence[UUID | None]) -> dict[UUID, _Target]:
    """The named optimizations, by one query; Forbidden lists every one that is foreign or does not exist."""
    first = {id_: i for i, id_ in reversed(list(enumerate(ids))) if id_ is not None}
    if not first:
        return {}
    rows = Optimization.objects.filter(organization=organization, pk__in=first)
    targets = {
        pk: _Target(pk, status == Status.ARCHIVED, updated_at)
        for pk, status, updated_at in rows.order_by().values_list("pk", "status", "updated_at")
    }
    unknown = sorted((i, id_) for id_, i in first.items() if id_ not in targets)
    if unknown:
        raise Forbidden(
            f"Unknown optimization_ids, or not of your organization: {_listed(id_ for _, id_ in unknown)}.",
            details=[
                Issue(f"events[{i}].optimization_id", f"{id_} is unknown or not of your organization.")
                for i, id_ in unknown
            ],
        )
    return targets


def _listed(ids: Iterable[UUID]) -> str:
    return ", ".join(map(str, ids))


@lru_cache(maxsize=256)
def _config(id_: UUID, updated_at: dt.datetime) -> Config:
    """The parsed design. `updated_at` makes a changed optimization another entry; the old one falls out."""
    return read_config(Optimization.objects.values_list("training_data_config", flat=True).get(pk=id_))


def _problem(timestamp: dt.datetime | None, target: _Target | None, now: dt.datetime) -> tuple[str, str] | None:
    if target is not None and target.archived:
        return "optimization_archived", f"The optimization {target.id} is archived."
    if timestamp is not None and timestamp - now > MAX_AHEAD:
        return "timestamp_in_future", "The timestamp is more than 24 hours ahead."
    return None


def _unknown_variant(event: NewExposure, target: _Target) -> tuple[str, str] | None:
    _, issue = target.config().variant_of(event.variant)
    return ("unknown_variant", f"variant.{issue.field}: {issue.message}") if issue else None
