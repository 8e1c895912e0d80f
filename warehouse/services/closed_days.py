"""Days that nothing can change any more are read once and kept as aggregates; a read then begins at the first open day.

A UTC day is closed when the window of its last moment has passed, and the time that rows may take to arrive. Rows that
arrive later still: the managed warehouse tells of them by their ids, and the days from the earliest one on are opened
again. Another warehouse does not tell: there everything is read anew every `WAREHOUSE_REREAD_DAYS`, or on demand.

Only SELECTs whose rows stand alone (`sql.simple.is_rowwise`) are read this way: where a join, a group or the clock is
involved, a day that is over may still change, and everything is read each time.
"""

import datetime as dt
import hashlib
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import orjson
from django.conf import settings
from django.db import transaction
from django.db.models import F, Min, Q
from django.utils import timezone

from warehouse.models import AssignmentSource, ClosedDay, Connection, Exposure, Metric, ReadSeries, Reward
from warehouse.services.reading import Reader
from warehouse.sql.simple import is_plain, is_rowwise
from warehouse.sql.spec import ReadSpec, midnight

FORMAT = 2  # of what is kept; another number lets go of it all
# Managed rows are as old as their transaction: ids are given out before it ends, by hosts whose clocks differ.
SETTLING = dt.timedelta(minutes=10)
MANAGED_LATENESS = dt.timedelta(hours=1)


@dataclass
class Kept:
    """What a read may rely on: the content of closed days before `until`. None: everything is to be read.

    Attributes:
        floor: the value from which on single rewards are kept (`increments`); None where none are.
    """

    series: ReadSeries | None
    until: dt.date | None = None
    days: Mapping[dt.date, Any] = field(default_factory=dict)
    floor: float | None = None
    marks: tuple[int, int] = (0, 0)
    lateness: dt.timedelta = MANAGED_LATENESS


def recall(
    kind: str,
    source: AssignmentSource,
    metric: Metric,
    spec: ReadSpec,
    *,
    now: dt.datetime,
    reread: bool,
    **determining: Any,
) -> Kept:
    """What is kept of a read of this kind, before it begins.

    Args:
        reread: rely on nothing; what is read replaces what is kept.
        determining: whatever determines the numbers besides the two SELECTs and the warehouse.
    """
    reader = Reader(source.organization)
    if not _keeps(reader, source, metric):
        return Kept(None)
    managed = reader.connector.managed
    marks = _marks() if managed else (0, 0)
    lateness = MANAGED_LATENESS if managed else dt.timedelta(hours=settings.WAREHOUSE_LATENESS_HOURS)
    series = _series(kind, source, metric, spec, determining)
    kept = Kept(series, marks=marks, lateness=lateness)
    due = not managed and timezone.now() - series.begun_at >= dt.timedelta(days=settings.WAREHOUSE_REREAD_DAYS)
    if series.until is None or reread or due:
        return kept
    late = _first_late_day(series, spec) if managed else None
    until = min(filter(None, (series.until, late, _closing(now, kept.lateness, spec))))
    kept.until, kept.floor = until, series.floor
    stored = series.days.filter(day__lt=until).values_list("day", "content")
    kept.days = {day: _unpacked(content) for day, content in stored}
    return kept


def keep(
    kept: Kept, spec: ReadSpec, days: Mapping[dt.date, Any], *, now: dt.datetime, floor: float | None = None
) -> None:
    """Keeps those of the newly read `days` that are closed at `now`. Nothing, if another read was faster."""
    series = kept.series
    if series is None:
        return
    closing = _closing(now, kept.lateness, spec)
    until = closing if kept.until is None else max(closing, kept.until)
    rows = [
        ClosedDay(series=series, day=day, content=_packed(content))
        for day, content in days.items()
        if day < until and (kept.until is None or day >= kept.until)
    ]
    with transaction.atomic():
        mine = ReadSeries.objects.filter(pk=series.pk, revision=series.revision, key=series.key)
        changed = {"begun_at": timezone.now()} if kept.until is None else {}
        if not mine.update(
            revision=F("revision") + 1, until=until, floor=floor, exposures_mark=kept.marks[0],
            rewards_mark=kept.marks[1], **changed,
        ):  # fmt: skip
            return
        stale = ClosedDay.objects.filter(series=series)
        (stale.filter(day__gte=kept.until) if kept.until else stale).delete()
        ClosedDay.objects.bulk_create(rows, batch_size=100)


def _closing(now: dt.datetime, lateness: dt.timedelta, spec: ReadSpec) -> dt.date:
    """The first day that is still open."""
    return (now - lateness - dt.timedelta(seconds=spec.window_seconds)).astimezone(dt.UTC).date()


def _keeps(reader: Reader, source: AssignmentSource, metric: Metric) -> bool:
    selects: Iterable[AssignmentSource | Metric] = (source, metric)
    if not all(is_rowwise(reader.scoped(s.sql), s.column_mapping["timestamp"]) for s in selects):
        return False
    # late exposures are looked for among those of the optimization: others must not be handed over as its own
    return not reader.connector.managed or is_plain(reader.scoped(source.sql))


def _series(
    kind: str, source: AssignmentSource, metric: Metric, spec: ReadSpec, determining: Mapping[str, Any]
) -> ReadSeries:
    """The series of this subject, emptied if anything that determines its numbers is another than it was."""
    connection = Connection.objects.filter(organization=source.organization).values("pk", "provider", "updated_at")
    determined = {
        "format": FORMAT, "connection": connection.first(), "source": [source.pk, source.sql, source.column_mapping],
        "metric": [metric.sql, metric.column_mapping], **determining,
    }  # fmt: skip
    key = hashlib.sha256(orjson.dumps(determined, option=orjson.OPT_SORT_KEYS, default=str)).hexdigest()
    subject = f"{kind}:{spec.optimization_id}:{metric.pk}:{spec.reward_type}"
    defaults = {"organization": source.organization, "key": key}
    series, _ = ReadSeries.objects.get_or_create(subject=subject, defaults=defaults)
    if series.key != key:
        with transaction.atomic():
            series.days.all().delete()
            series.key, series.until, series.floor, series.revision = key, None, None, series.revision + 1
            series.save(update_fields=["key", "until", "floor", "revision"])
    return series


def _marks() -> tuple[int, int]:
    """The newest rows that had surely been written before this moment; what has a greater id may be seen again."""
    before = timezone.now() - SETTLING
    newest = [
        table.objects.filter(received_at__lt=before).order_by("-pk").values_list("pk", flat=True).first() or 0
        for table in (Exposure, Reward)
    ]
    return newest[0], newest[1]


def _first_late_day(series: ReadSeries, spec: ReadSpec) -> dt.date | None:
    """The first day that rows have changed which arrived since: a reward counts for exposures of a window before it."""
    assert series.until
    window = dt.timedelta(seconds=spec.window_seconds)
    late = {"organization": series.organization_id, "timestamp__lt": midnight(series.until) + window}
    ours = Q(optimization_id=spec.optimization_id)
    exposures = Exposure.objects.filter(ours, pk__gt=series.exposures_mark, **late)
    rewards = Reward.objects.filter(ours | Q(optimization_id=None), pk__gt=series.rewards_mark, **late)
    found = [table.aggregate(first=Min("timestamp"))["first"] for table in (exposures, rewards)]
    moments = [moment for moment in found if moment is not None]
    return (min(moments) - window).date() if moments else None


def determined_by(spec: ReadSpec, *left_out: str) -> dict[str, Any]:
    """A spec as `recall` takes it, without what its kind of numbers does not hang on."""
    return {name: value for name, value in asdict(spec).items() if name not in left_out}


def _packed(content: Any) -> bytes:
    return zlib.compress(orjson.dumps(content), 6)


def _unpacked(content: bytes | memoryview) -> Any:
    return orjson.loads(zlib.decompress(bytes(content)))
