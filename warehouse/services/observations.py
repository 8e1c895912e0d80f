"""What training and results read: aggregates of exposures and rewards, computed where the data lies."""

import datetime as dt
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from django.db.models import Model, Q
from sqlglot import exp

from levered_site.errors import InvalidRequest
from levered_site.organizations.models import Organization
from warehouse.connectors.base import Rows
from warehouse.mapping import read_metric_mapping, read_source_mapping
from warehouse.models import AssignmentSource, Exposure, Metric, Provider, Reward
from warehouse.services.connections import provider_of
from warehouse.services.reading import BEGINNING, Reader
from warehouse.sql.arms import arms
from warehouse.sql.attribution import Attribution
from warehouse.sql.parse import START_DATE
from warehouse.sql.scope import Scope
from warehouse.sql.simple import is_plain
from warehouse.sql.spec import Exposures, Period, ReadSpec, Rewards

__all__ = ["ArmDay", "Cell", "ReadSpec", "newest_event", "read_arms", "read_cells", "read_delays", "statements"]


@dataclass(frozen=True)
class Cell:
    """Exposures that share variant, context, day and age; factors raw, as the warehouse returned them.

    `age_hours` is None when the window had closed. The capped sums are for training on numeric rewards.
    """

    design: tuple[object, ...]
    context: tuple[object, ...]
    day: dt.date
    age_hours: int | None
    n: int
    total: float
    total_squares: float
    capped_total: float
    capped_total_squares: float


@dataclass(frozen=True)
class ArmDay:
    """Users by the day and the regime of their first exposure, whose windows have closed."""

    day: dt.date
    holdout: bool
    users: int
    total: float
    total_squares: float
    regime: int = 0


def read_cells(
    source: AssignmentSource,
    metric: Metric,
    spec: ReadSpec,
    *,
    now: dt.datetime,
    start: dt.date | None = None,
    end: dt.date | None = None,
) -> list[Cell]:
    """Exposures with their last-touch rewards, aggregated; `start` and `end` are UTC days, both included."""
    read = _Read(source, metric, spec, Period(now, start, end))
    cap = read.cap() if read.attribution.sums else None
    rows = read.run(read.attribution.cells(capped=cap is not None), cap=cap)
    split, context_end = len(spec.design), len(spec.design) + len(spec.context)
    return [
        Cell(
            row[:split],
            row[split:context_end],
            read.dialect.decode_day(row[context_end]),
            cast(int | None, row[context_end + 1]),
            cast(int, row[context_end + 2]),
            *_finite(row[context_end + 3 :]),
        )
        for row in rows.rows
    ]


def read_delays(
    source: AssignmentSource,
    metric: Metric,
    spec: ReadSpec,
    *,
    now: dt.datetime,
    start: dt.date | None = None,
    end: dt.date | None = None,
) -> list[int]:
    """How many rewards came in each whole hour since the exposure, over exposures whose window has closed."""
    read = _Read(source, metric, spec, Period(now, start, end))
    counts = [0] * math.ceil(spec.window_seconds / 3600)
    for hour, n in read.run(read.attribution.delays()).rows:
        counts[cast(int, hour)] = cast(int, n)
    return counts


def read_arms(
    source: AssignmentSource,
    metric: Metric,
    spec: ReadSpec,
    *,
    now: dt.datetime,
    start: dt.date | None = None,
    end: dt.date | None = None,
) -> list[ArmDay]:
    """Per UTC day and regime of the first exposure, and arm: users whose window has closed, and their rewards."""
    read = _Read(source, metric, spec, Period(now, start, end))
    return [
        ArmDay(read.dialect.decode_day(day), bool(holdout), cast(int, users), total, squares, cast(int, regime))
        for day, regime, holdout, users, *sums in read.run(arms(read.attribution)).rows
        for total, squares in [_finite(sums)]
    ]


def statements(source: AssignmentSource, metric: Metric, spec: ReadSpec, *, now: dt.datetime) -> dict[str, str]:
    """The statements behind the numbers, for people who want to check them."""
    read = _Read(source, metric, spec, Period(now))
    trees = {
        "cells": read.attribution.cells(capped=read.attribution.sums),
        "delays": read.attribution.delays(),
        "arms": arms(read.attribution),
    }
    return {name: read.dialect.explained(tree) for name, tree in trees.items()}


def newest_event(organization: Organization, spec: ReadSpec) -> dt.datetime | None:
    """When the latest event arrived that could count; None: there are no exposures, or the warehouse cannot tell.

    Rows arrive in the order of their ids, so this looks at the newest rows instead of at all of them.
    """
    if provider_of(organization) != Provider.MANAGED:
        return None
    exposures = Exposure.objects.filter(organization=organization, optimization_id=spec.optimization_id)
    newest = exposures.order_by("-pk").values_list("received_at", flat=True).first()
    if newest is None:
        return None
    pinned = Q(optimization_id=None) | Q(optimization_id=spec.optimization_id)
    rewards = Reward.objects.filter(pinned, organization=organization)
    return max(newest, rewards.order_by("-pk").values_list("received_at", flat=True).first() or newest)


class _Read:
    """One read of one optimization: both SELECTs through the gate, and their columns."""

    def __init__(self, source: AssignmentSource, metric: Metric, spec: ReadSpec, period: Period) -> None:
        _same_organization(source, metric)
        self.reader = Reader(source.organization)
        self.dialect = self.reader.dialect
        self.period = period
        self.attribution = Attribution(
            self._exposures(source, spec), self._rewards(metric, spec), spec, period, self.dialect
        )

    def run(self, tree: exp.Query, **params: object) -> Rows:
        moments = {"now_at": self.period.now, "start_at": self.period.start_at, "end_at": self.period.end_at}
        moments |= {f"change_{i}": at for i, (at, _) in enumerate(self.attribution.spec.holdout_changes, start=1)}
        bound = {name: self.dialect.moment(moment) for name, moment in moments.items() if moment}
        start_date = self.period.start_at or BEGINNING
        return self.reader.run(tree, {**bound, START_DATE: start_date, **params})

    def cap(self) -> float | None:
        """What rewards are cut to for training (`bandits.capping`); None: nothing to cut."""
        ((of_all, of_positive),) = self.run(self.attribution.cap()).rows
        quantile = cast(float | None, of_all or of_positive)
        return None if quantile is None else float(quantile)

    def _exposures(self, source: AssignmentSource, spec: ReadSpec) -> Exposures:
        mapping = read_source_mapping(source.column_mapping)
        pk = self.reader.organization.pk
        query = self.reader.scoped(source.sql, scope=Scope(pk), field="assignment_source")
        relation = self.reader.relation(query)
        if not relation.has("optimization_id") or is_plain(query):
            scope = Scope(pk, exposures_of=spec.optimization_id)
            query = self.reader.scoped(source.sql, scope=scope, field="assignment_source")
        return Exposures(type(relation)(query, relation.columns), mapping, pinned=True)

    def _rewards(self, metric: Metric, spec: ReadSpec) -> Rewards:
        scope = Scope(self.reader.organization.pk, rewards_for=spec.optimization_id)
        query = self.reader.scoped(metric.sql, scope=scope, field="reward_metric")
        return Rewards(self.reader.relation(query), read_metric_mapping(metric.column_mapping))


def _same_organization(source: Model, metric: Model) -> None:
    if source.organization_id != metric.organization_id:  # type: ignore[attr-defined]
        raise InvalidRequest("The metric and the assignment source belong to different organizations.")


def _finite(sums: Sequence[object]) -> list[float]:
    numbers = [float(cast(float, s)) for s in sums]
    if not all(map(math.isfinite, numbers)):
        raise InvalidRequest("The metric returns values whose sum is not a finite number.")
    return numbers
