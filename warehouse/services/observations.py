"""What training and results read: aggregates of exposures and rewards, computed where the data lies."""

import datetime as dt
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, cast

from django.db.models import Q
from sqlglot import exp

from levered_site.organizations.models import Organization
from warehouse.models import AssignmentSource, Exposure, Metric, Provider, Reward
from warehouse.services.attributed import AttributedRead
from warehouse.services.connections import provider_of
from warehouse.sql.arms import arms
from warehouse.sql.spec import Period, ReadSpec

__all__ = ["ArmDay", "Cell", "ReadSpec", "newest_event", "read_arms", "read_cells", "read_delays", "statements"]


class Cell(NamedTuple):
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
    read = AttributedRead(source, metric, spec, Period(now, start, end))
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
            *floats(row[context_end + 3 :]),
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
    read = AttributedRead(source, metric, spec, Period(now, start, end))
    counts = [0] * math.ceil(spec.window_seconds / 3600)
    for _, hour, n in read.run(read.attribution.delays()).rows:
        counts[cast(int, hour)] += cast(int, n)
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
    read = AttributedRead(source, metric, spec, Period(now, start, end))
    return [
        ArmDay(read.dialect.decode_day(day), bool(holdout), cast(int, users), total, squares, cast(int, regime))
        for day, regime, holdout, users, *sums in read.run(arms(read.attribution)).rows
        for total, squares in [floats(sums)]
    ]


def statements(source: AssignmentSource, metric: Metric, spec: ReadSpec, *, now: dt.datetime) -> dict[str, str]:
    """The statements behind the numbers, for people who want to check them: values spelled out, ready to be run.

    On the managed warehouse they name its tables as customers know them: the gate lets them in, and puts the filter by
    organization beneath.
    """
    read = AttributedRead(source, metric, spec, Period(now), for_people=True)
    capped = read.attribution.sums
    trees: dict[str, exp.Query] = {
        "cells": read.attribution.cells(capped=capped),
        "delays": read.attribution.delays(),
        "arms": arms(read.attribution),
    }
    if capped:
        cap = read.attribution.cap()
        trees["cap"] = cap
        trees["cells"] = trees["cells"].transform(
            lambda node: _cap_of(cap) if node == exp.Placeholder(this="cap") else node
        )
    return {name: read.dialect.spelled_out(tree, read.bound) for name, tree in trees.items()}


def _cap_of(quantiles: exp.Select) -> exp.Subquery:
    """What `AttributedRead.cap` makes of the two quantiles."""
    either = exp.func("COALESCE", exp.func("NULLIF", exp.column("of_all"), exp.convert(0)), exp.column("of_positive"))
    return exp.select(either).from_(quantiles.subquery("quantiles")).subquery()


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


def floats(sums: Sequence[object]) -> list[float]:
    return [float(cast(float, s)) for s in sums]
