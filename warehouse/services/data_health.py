"""What tells whether the data is fit to learn from: arrivals, matches, clocks, and who was shown what."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from django.db.models import Count, F, Q
from sqlglot import exp

from levered_site.organizations.models import Organization
from warehouse.connectors.managed_postgres import ManagedPostgres
from warehouse.connectors.managed_sqlite import ManagedSqlite
from warehouse.connectors.sqlite_functions import moment
from warehouse.models import AssignmentSource, Exposure, Metric
from warehouse.services.attributed import AttributedRead
from warehouse.sql.arrivals import arrived, matched
from warehouse.sql.assigned import assigned
from warehouse.sql.events import exposure_rows, reward_rows
from warehouse.sql.spec import Period, ReadSpec

DAY, WEEK, MATCHED_OVER = dt.timedelta(days=1), dt.timedelta(days=7), dt.timedelta(days=30)
AHEAD = dt.timedelta(minutes=5)  # clocks may differ by this much
LATE = dt.timedelta(hours=1)


@dataclass(frozen=True)
class Stream:
    """Events of one kind. Those more than five minutes ahead of now are counted apart."""

    total: int
    last_at: dt.datetime | None
    last_24h: int
    last_7d: int
    ahead: int


@dataclass(frozen=True)
class Arrivals:
    """`rewards_30d` of the latest 30 days, `matched_30d` of them of users who were ever exposed.

    `clock` is None on a warehouse of the customer's own, which does not tell when rows arrived.
    """

    exposures: Stream
    rewards: Stream
    rewards_30d: int
    matched_30d: int
    clock: "Clock | None"


@dataclass(frozen=True)
class Clock:
    """Recent exposures by when the managed warehouse received them: how many came an hour late, or ahead of time."""

    received: int
    late: int
    ahead: int


@dataclass(frozen=True)
class Shown:
    """Users whose first exposure showed this; factors raw, as the warehouse returned them."""

    design: tuple[object, ...]
    context: tuple[object, ...]
    policy: int
    holdout: bool
    users: int


def read_arrivals(
    source: AssignmentSource, metric: Metric, spec: ReadSpec, *, now: dt.datetime, clock_since: dt.datetime
) -> Arrivals:
    """Reads within the time that a person waits; the clock from exposures dated `clock_since` or later.

    Raises:
        InvalidRequest: the SQL of the source or of the metric no longer runs.
        Unavailable: the warehouse does not answer in time.
    """
    read = AttributedRead(source, metric, spec, Period(now))
    since = {"day_at": now - DAY, "week_at": now - WEEK, "month_at": now - MATCHED_OVER, "ahead_at": now + AHEAD}
    bound = {name: read.dialect.moment(at) for name, at in since.items()}
    exposures, rewards = read.attribution.exposures, read.attribution.rewards

    def one(tree: exp.Select) -> tuple[object, ...]:
        return read.reader.run(tree, {**read.bound, **bound}, limit=1).rows[0]

    shown = one(arrived(exposure_rows(exposures, spec, read.dialect, factors=False)))
    rewarded = one(arrived(reward_rows(rewards, spec, read.dialect, factors=False)))
    pair = one(matched(exposures, rewards, spec, read.dialect))
    managed = isinstance(read.reader.connector, ManagedSqlite | ManagedPostgres)
    clock = _clock(source.organization, spec, since=clock_since) if managed else None
    recent, of_exposed = map(_count, pair)
    return Arrivals(_stream(shown), _stream(rewarded), recent, of_exposed, clock)


def _clock(organization: Organization, spec: ReadSpec, *, since: dt.datetime) -> Clock:
    recent = Exposure.objects.filter(organization=organization, optimization_id=spec.optimization_id)
    counts = recent.filter(timestamp__gte=since).aggregate(
        received=Count("pk"),
        late=Count("pk", filter=Q(received_at__gt=F("timestamp") + LATE)),
        ahead=Count("pk", filter=Q(timestamp__gt=F("received_at") + AHEAD)),
    )
    return Clock(**counts)


def read_shown(
    source: AssignmentSource, metric: Metric, spec: ReadSpec, *, began: Sequence[dt.datetime], now: dt.datetime
) -> list[Shown]:
    """Users by their first exposure since `began[0]`; `began` says since when each policy was served, in order."""
    read = AttributedRead(source, metric, spec, Period(now))
    moments = {f"policy_{i}": at for i, at in enumerate(began) if i} | {"start_at": began[0]}
    bound = {name: read.dialect.moment(at) for name, at in moments.items()}
    tree = assigned(read.attribution.exposures, spec, read.dialect, policies=len(began))
    split, end = len(spec.design), len(spec.design) + len(spec.context)
    return [
        Shown(row[:split], row[split:end], _count(row[end]), bool(row[end + 1]), _count(row[end + 2]))
        for row in read.run(tree, **bound).rows
    ]


def _stream(row: tuple[object, ...]) -> Stream:
    total, latest, last_day, last_week, ahead = row
    return Stream(_count(total), _moment(latest), _count(last_day), _count(last_week), _count(ahead))


def _count(value: object) -> int:
    return int(cast(int, value))


def _moment(instant: object) -> dt.datetime | None:
    """Instants come back as moments or, where a database has none that can be trusted, as microseconds."""
    if instant is None or isinstance(instant, dt.datetime):
        return instant
    return moment(_count(instant))
