"""What training reads, day by day: closed days as they are kept, open ones from the warehouse. Both together are what a
full read gives, to the last number.

- **Cells and delays** of a day follow from the events of that day and of one window after it: an exposure takes no
  credit from an earlier one's rewards, and loses its own only to later ones. So a read from the first open day on is
  complete without anything before it.
- **Arms** hang on every user's *first* exposure, so that a day's newcomers are told by all days before. No user is kept
  here to know them again; instead the warehouse looks the open days' users up among the earlier exposures, which is a
  scan of one column, and neither sorts nor credits anything but the open days.
- **The cap** of numeric rewards is a quantile over all days. Rewards from a floor on, a lower quantile, are kept one by
  one (by cell and value, never by user), and so the cap of all days is exact as long as it is not below the floor. If
  it falls below, everything is read again with a new floor.
"""

import datetime as dt
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

from levered_site.errors import Unavailable
from warehouse.models import AssignmentSource, Metric
from warehouse.services.attributed import AttributedRead
from warehouse.services.closed_days import determined_by, keep, recall
from warehouse.services.observations import ArmDay, Cell, finite, read_arms
from warehouse.sql.attribution import CAP_QUANTILE, CAP_QUANTILE_OF_POSITIVE
from warehouse.sql.spec import Period, ReadSpec

FLOOR_QUANTILE = 0.98
MOST_KEPT = 200_000  # single values; beyond them, and if they are more than twice what was meant, a new floor is chosen


@dataclass(frozen=True)
class Learned:
    """What training learns from; as `observations.read_cells` and `read_delays` give it."""

    cells: list[Cell]
    delays: list[int]


class _Part(NamedTuple):
    """Some of a cell's exposures: those with a reward of exactly `high`, or, without it, those below the floor."""

    design: tuple[object, ...]
    context: tuple[object, ...]
    day: dt.date
    age_hours: int | None
    high: float | None
    n: int
    total: float
    total_squares: float


class _AnotherFloor(Exception):
    """The cap lies below the floor, or nearly nothing does."""


def read_learned(
    source: AssignmentSource, metric: Metric, spec: ReadSpec, *, now: dt.datetime, reread: bool = False
) -> Learned:
    """Cells and delays of all days; only the open ones are read. `reread`: read and keep everything anew."""
    try:
        return _read_learned(source, metric, spec, now=now, reread=reread)
    except _AnotherFloor:
        pass
    try:
        return _read_learned(source, metric, spec, now=now, reread=True)
    except _AnotherFloor as error:
        raise Unavailable("The warehouse's rows are changing while they are read.") from error


def read_arm_days(
    source: AssignmentSource, metric: Metric, spec: ReadSpec, *, now: dt.datetime, reread: bool = False
) -> list[ArmDay]:
    """As `observations.read_arms` of all days; only users of the open ones are read."""
    determining = determined_by(spec, "design", "context")
    kept = recall("arms", source, metric, spec, now=now, reread=reread, **determining)
    read = read_arms(source, metric, spec, now=now, start=kept.until)
    by_day: dict[dt.date, list[list[Any]]] = defaultdict(list)
    for a in read:
        by_day[a.day].append([a.holdout, a.users, a.total, a.total_squares, a.regime])
    keep(kept, spec, by_day, now=now)
    return [ArmDay(day, *row) for day in sorted(kept.days) for row in kept.days[day]] + read


def _read_learned(
    source: AssignmentSource, metric: Metric, spec: ReadSpec, *, now: dt.datetime, reread: bool
) -> Learned:
    determining = determined_by(spec, "holdout_limit", "holdout_changes")
    kept = recall("cells", source, metric, spec, now=now, reread=reread, **determining)
    read = AttributedRead(source, metric, spec, Period(now, kept.until))
    floor = kept.floor
    if read.attribution.sums and floor is None:
        floor = read.quantiles(FLOOR_QUANTILE)[0] or 0.0
    parts = _parts(read, spec, floor)
    delays: dict[dt.date, list[tuple[int, int]]] = defaultdict(list)
    for day, hour, n in read.run(read.attribution.delays()).rows:
        delays[read.dialect.decode_day(day)].append((cast(int, hour), cast(int, n)))

    everything = [_unpacked(day, row) for day, content in kept.days.items() for row in content["parts"]] + parts
    cells = _capped(everything, floor) if floor is not None else [_as_read(part) for part in everything]
    counts = [0] * math.ceil(spec.window_seconds / 3600)
    for content in [*(c["delays"] for c in kept.days.values()), *delays.values()]:
        for hour, n in content:
            counts[hour] += n

    by_day: dict[dt.date, dict[str, list[Any]]] = {day: {"parts": [], "delays": rows} for day, rows in delays.items()}
    for part in parts:
        if part.age_hours is None:
            by_day.setdefault(part.day, {"parts": [], "delays": []})["parts"].append(_packed(part))
    if kept.until is not None and _too_many(everything):
        raise _AnotherFloor
    keep(kept, spec, by_day, now=now, floor=floor)
    return Learned(cells, counts)


def _parts(read: AttributedRead, spec: ReadSpec, floor: float | None) -> list[_Part]:
    split, context_end = len(spec.design), len(spec.design) + len(spec.context)
    if floor is None:
        rows = read.run(read.attribution.cells(capped=False), cap=None).rows
        tails: Iterable[Sequence[object]] = [[None, *row[context_end + 2 : context_end + 5]] for row in rows]
    else:
        rows = read.run(read.attribution.cells_by_value(), floor=floor).rows
        tails = [row[context_end + 2 :] for row in rows]
    return [
        _Part(
            row[:split],
            row[split:context_end],
            read.dialect.decode_day(row[context_end]),
            cast(int | None, row[context_end + 1]),
            None if high is None else finite([high])[0],
            int(cast(int, n)),
            *finite(sums),
        )
        for row, (high, n, *sums) in zip(rows, tails, strict=True)
    ]


def _as_read(part: _Part) -> Cell:
    sums = (part.total, part.total_squares)
    return Cell(part.design, part.context, part.day, part.age_hours, part.n, *sums, *sums)


def _capped(parts: list[_Part], floor: float) -> list[Cell]:
    cap = _cap([p for p in parts if p.age_hours is None], floor)
    cells: dict[tuple[Any, ...], list[float]] = {}
    for part in parts:
        cut = part.high is not None and cap is not None and part.high > cap
        low = (part.n * cap, part.n * cap * cap) if cut and cap is not None else (part.total, part.total_squares)
        sums = cells.setdefault(part[:4], [0, 0.0, 0.0, 0.0, 0.0])
        for i, value in enumerate((part.n, part.total, part.total_squares, *low)):
            sums[i] += value
    return [
        Cell(design, context, day, age, int(n), total, squares, capped, capped_squares)
        for (design, context, day, age), (n, total, squares, capped, capped_squares) in cells.items()
    ]


def _cap(matured: list[_Part], floor: float) -> float | None:
    """As `AttributedRead.cap` finds it in the warehouse, among the values from the floor on."""
    counts: dict[float, int] = defaultdict(int)
    for part in matured:
        if part.high is not None:
            counts[part.high] += part.n
    n = sum(part.n for part in matured)
    of_all = _from_above(counts, n, CAP_QUANTILE)
    if n and of_all is None:
        raise _AnotherFloor
    positive = {value: count for value, count in counts.items() if value > 0}
    return of_all or _from_above(positive, sum(positive.values()), CAP_QUANTILE_OF_POSITIVE)


def _from_above(counts: dict[float, int], n: int, quantile: float) -> float | None:
    """The value at a quantile's rank among n, counted from the greatest; None: it is not among the known ones."""
    rank = -(-n * round(quantile * 1000) // 1000)
    above = n - max(rank, 1) + 1
    for value in sorted(counts, reverse=True):
        above -= counts[value]
        if above <= 0:
            return value
    return None


def _too_many(parts: list[_Part]) -> bool:
    """Whether too little is below the floor."""
    single = sum(part.high is not None for part in parts)
    return single > max(MOST_KEPT, 2 * (1 - FLOOR_QUANTILE) * sum(part.n for part in parts))


def _packed(part: _Part) -> list[Any]:
    return [part.design, part.context, part.high, part.n, part.total, part.total_squares]


def _unpacked(day: dt.date, row: list[Any]) -> _Part:
    design, context, high, *rest = row
    return _Part(tuple(design), tuple(context), day, None, high, *rest)
