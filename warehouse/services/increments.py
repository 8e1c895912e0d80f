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
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

from levered_site.errors import Unavailable
from warehouse.models import AssignmentSource, Metric
from warehouse.services.attributed import AttributedRead
from warehouse.services.closed_days import determined_by, keep, recall
from warehouse.services.observations import ArmDay, Cell, floats, read_arms
from warehouse.sql.attribution import CAP_QUANTILE, CAP_QUANTILE_OF_POSITIVE
from warehouse.sql.spec import Period, ReadSpec

FLOOR_QUANTILE = 0.98
MOST_KEPT = 200_000  # single values; beyond them, and if they are more than twice what was meant, a new floor is chosen

_AnyRows = list[tuple[Any, ...]]


@dataclass(frozen=True)
class Learned:
    """What training learns from; as `observations.read_cells` and `read_delays` give it."""

    cells: list[Cell]
    delays: list[int]


class _Part(NamedTuple):
    """A cell: what lies below the floor as sums, and each `high` value from the floor on with how often it came."""

    design: tuple[object, ...]
    context: tuple[object, ...]
    day: dt.date
    age_hours: int | None
    n: int = 0
    total: float = 0.0
    total_squares: float = 0.0
    high: Sequence[tuple[float, int]] = ()


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

    everything = [part for day, content in kept.days.items() for part in _unpacked(day, content["parts"])] + parts
    cap = None if floor is None else _cap([part for part in everything if part.age_hours is None])
    cells = [_cell(part, cap) for part in everything]
    counts = [0] * math.ceil(spec.window_seconds / 3600)
    for content in [*(c["delays"] for c in kept.days.values()), *delays.values()]:
        for hour, n in content:
            counts[hour] += n

    closed: dict[dt.date, list[_Part]] = {day: [] for day in delays}
    for part in parts:
        if part.age_hours is None:
            closed.setdefault(part.day, []).append(part)
    if kept.until is not None and _too_many(everything):
        raise _AnotherFloor
    by_day = {day: {"parts": _packed(rows), "delays": delays[day]} for day, rows in closed.items()}
    keep(kept, spec, by_day, now=now, floor=floor)
    return Learned(cells, counts)


def _parts(read: AttributedRead, spec: ReadSpec, floor: float | None) -> list[_Part]:
    split, end = len(spec.design), len(spec.design) + len(spec.context)

    def cell_of(row: tuple[Any, ...]) -> tuple[Any, ...]:
        return row[:split], row[split:end], read.dialect.decode_day(row[end]), row[end + 1]

    if floor is None:
        rows = cast(_AnyRows, read.run(read.attribution.cells(capped=False), cap=None).rows)
        return [_Part(*[*cell_of(row), int(row[end + 2]), *floats(row[end + 3 : end + 5])]) for row in rows]
    low: dict[tuple[Any, ...], list[Any]] = {}
    high: dict[tuple[Any, ...], list[tuple[float, int]]] = defaultdict(list)
    for row in cast(_AnyRows, read.run(read.attribution.cells_by_value(), floor=floor).rows):
        value, n, *sums = row[end + 2 :]
        if value is None:
            low[cell_of(row)] = [int(n), *floats(sums)]
        else:
            high[cell_of(row)].append((float(value), int(n)))
    return [_Part(*[*cell, *low.get(cell, [0, 0.0, 0.0]), high.get(cell, [])]) for cell in low | high]


def _cell(part: _Part, cap: float | None) -> Cell:
    """The part's sums, and beside them those with every reward cut to the cap."""
    n, total, squares = part[4:7]
    capped, capped_squares = total, squares
    for value, count in part.high:
        n += count
        total += value * count
        squares += value * value * count
        cut = value if cap is None else min(value, cap)
        capped += cut * count
        capped_squares += cut * cut * count
    return Cell(*part[:4], n, total, squares, capped, capped_squares)


def _cap(matured: list[_Part]) -> float | None:
    """As `AttributedRead.cap` finds it in the warehouse, among the values from the floor on."""
    counts: dict[float, int] = defaultdict(int)
    for part in matured:
        for value, count in part.high:
            counts[value] += count
    n = sum(part.n for part in matured) + sum(counts.values())
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
    single = sum(len(part.high) for part in parts)
    n = sum(part.n + sum(count for _, count in part.high) for part in parts)
    return single > max(MOST_KEPT, 2 * (1 - FLOOR_QUANTILE) * n)


def _packed(parts: Iterable[_Part]) -> dict[str, list[Any]]:
    """A day's parts, as short as JSON allows: factors once, and by their number in the rows."""
    designs: dict[tuple[object, ...], int] = {}
    contexts: dict[tuple[object, ...], int] = {}
    rows = [
        [designs.setdefault(p.design, len(designs)), contexts.setdefault(p.context, len(contexts)), *p[4:]]
        for p in parts
    ]
    return {"designs": list(designs), "contexts": list(contexts), "rows": rows}


def _unpacked(day: dt.date, packed: dict[str, list[Any]]) -> Iterator[_Part]:
    designs, contexts = ([tuple(factors) for factors in packed[name]] for name in ("designs", "contexts"))
    return (_Part(designs[row[0]], contexts[row[1]], day, None, *row[2:]) for row in packed["rows"])
