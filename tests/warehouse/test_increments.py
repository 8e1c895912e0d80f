"""Closed days as they were kept and open days as they are read: together what a full read gives, to the last number."""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID, uuid4

import pytest
import time_machine
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from levered_site.organizations.models import Organization
from tests.conftest import Tenant
from tests.warehouse.test_attribution import MICRO, WINDOW, spec_of
from warehouse.connectors.sqlite_functions import Functions
from warehouse.models import AssignmentSource, ClosedDay, Exposure, Metric, ReadSeries, Reward
from warehouse.services import attributed, increments
from warehouse.services.attributed import AttributedRead
from warehouse.services.catalog import metric_for_event
from warehouse.services.closed_days import MANAGED_LATENESS, SETTLING
from warehouse.services.connections import switch_to_managed
from warehouse.services.increments import read_arm_days, read_learned
from warehouse.services.metrics import create_metric
from warehouse.services.observations import ReadSpec, read_arms, read_cells, read_delays
from warehouse.services.sources import default_source, replace_source

pytestmark = pytest.mark.django_db
DAY, HOUR = dt.timedelta(days=1), dt.timedelta(hours=1)
T0 = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)


class World:
    """One optimization on the managed warehouse, whose events arrive when they are said to."""

    def __init__(self, organization: Organization, *, reward_type: str = "bool") -> None:
        self.organization, self.optimization_id = organization, uuid4()
        self.source: AssignmentSource = default_source(organization)
        self.metric: Metric = metric_for_event(organization, name="buy", reward_type=reward_type)  # type: ignore[arg-type]
        self.spec: ReadSpec = spec_of(self.optimization_id, reward_type)

    def see(
        self, uid: str, at: dt.datetime, *, cta: str = "a", arrives: dt.datetime | None = None, of: UUID | None = None
    ) -> None:
        Exposure.objects.create(
            organization=self.organization, optimization_id=of or self.optimization_id, anonymous_id=uid, timestamp=at,
            received_at=arrives or at, variant={"cta": cta}, context={},
        )  # fmt: skip

    def win(self, uid: str, at: dt.datetime, value: float = 1.0, *, arrives: dt.datetime | None = None) -> None:
        Reward.objects.create(
            organization=self.organization, anonymous_id=uid, timestamp=at, received_at=arrives or at, name="buy",
            value=value,
        )  # fmt: skip

    def check(self, now: dt.datetime, *, reread: bool = False) -> dt.date | None:
        """Reads both ways at `now` and compares; returns the first day that had to be read, None for all."""
        with time_machine.travel(now, tick=False), periods() as seen:
            learned = read_learned(self.source, self.metric, self.spec, now=now, reread=reread)
            arms = read_arm_days(self.source, self.metric, self.spec, now=now, reread=reread)
            starts = {period.start for period in seen}
            assert set(learned.cells) == set(read_cells(self.source, self.metric, self.spec, now=now))
            assert len(learned.cells) == len(set(learned.cells))
            assert learned.delays == read_delays(self.source, self.metric, self.spec, now=now)
            assert sorted(map(repr, arms)) == sorted(map(repr, read_arms(self.source, self.metric, self.spec, now=now)))
        assert len(starts) == 1
        return starts.pop()


@contextmanager
def periods() -> Iterator[list[Any]]:
    """The periods of the reads that begin while it lasts."""
    seen: list[Any] = []
    original = AttributedRead.__init__

    def beginning(self: AttributedRead, source: Any, metric: Any, spec: Any, period: Any, **options: Any) -> None:
        seen.append(period)
        original(self, source, metric, spec, period, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(attributed.AttributedRead, "__init__", beginning)
        yield seen


@pytest.fixture
def world(acme: Tenant, globex: Tenant) -> World:
    return World(acme.organization)


# Few users and moments around midnights and windows, so that most examples cross days; arrival up to days late.
hours = st.sampled_from([0, 1, 5, 22, 23, 24, 25, 26, 46, 47, 48, 49, 71, 72, 73])
lateness = st.sampled_from([0, 0, 0, 0, 1, 2, 30, 60])
event = st.tuples(
    st.booleans(),
    st.sampled_from(["ann", "bob", "cee", "dee"]),
    hours,
    st.integers(-1, 1),
    lateness,
    st.sampled_from([0.25, 1.0, 3.0, 64.0, 0.0, -2.0]),
    st.sampled_from("ab"),
)


class TestAgainstAFullRead:
    @given(events=st.lists(event, max_size=40))
    @settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @pytest.mark.parametrize("reward_type", ["bool", "numeric"])
    def test_the_sum_of_increments_is_a_full_read(
        self, acme: Tenant, globex: Tenant, reward_type: str, events: list[Any]
    ) -> None:
        for table in (Exposure, Reward, ReadSeries):
            table.objects.all().delete()
        world, theirs = (World(t.organization, reward_type=reward_type) for t in (acme, globex))
        arriving = []
        for is_exposure, uid, hour, micros, late, value, cta in events:
            at = T0 + DAY + hour * HOUR + micros * MICRO
            arriving.append((max(at + late * HOUR, at), is_exposure, uid, at, value, cta))
        arriving.sort(key=lambda e: e[0])
        for now in (T0 + (2 + i * 0.9) * DAY for i in range(5)):
            while arriving and arriving[0][0] <= now:
                arrives, is_exposure, uid, at, value, cta = arriving.pop(0)
                for each in (world, theirs):
                    if is_exposure:
                        each.see(uid, at, cta=cta, arrives=arrives)
                    else:
                        each.win(uid, at, value, arrives=arrives)
            world.check(now)
        assert ReadSeries.objects.filter(until__isnull=False).count() == 2


def busy_days(world: World, days: int = 4, users: int = 5) -> None:
    for day in range(days):
        for i in range(users):
            at = T0 + day * DAY + (2 + i) * HOUR
            world.see(f"u{day}-{i}", at)
            world.see("again", at)
            world.win(f"u{day}-{i}", at + HOUR, 2.0**i)


@pytest.mark.parametrize("value", [1e16, -1e16, 1e200, 1e308])
def test_values_beyond_all_reason_do_not_count(acme: Tenant, value: float) -> None:
    """Each is a finite number, but squares and sums of such values are not: one event would end all training."""
    world = World(acme.organization, reward_type="numeric")
    for user, won in (("ann", value), ("bob", 1e15), ("cy", -1e15)):
        world.see(user, T0)
        world.win(user, T0 + HOUR, won)
    world.check(T0 + 4 * DAY)
    read = read_learned(world.source, world.metric, world.spec, now=T0 + 4 * DAY)
    assert [(cell.n, cell.total, cell.total_squares) for cell in read.cells] == [(3, 0.0, 2e30)]


class TestWhatIsRead:
    def test_open_days_only(self, world: World) -> None:
        busy_days(world)
        assert world.check(T0 + 3 * DAY + 12 * HOUR) is None
        assert world.check(T0 + 3 * DAY + 13 * HOUR) == (T0 + 3 * DAY).date()
        assert world.check(T0 + 9 * DAY) == (T0 + 3 * DAY).date()
        assert world.check(T0 + 9 * DAY + HOUR) == (T0 + 8 * DAY).date()

    @pytest.mark.skipif("connection.vendor != 'sqlite'", reason="counts calls of SQLite's functions")
    def test_rows_of_closed_days_are_not_touched(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        busy_days(world, days=8, users=25)
        now = T0 + 7 * DAY + 12 * HOUR
        world.check(now)
        counts = []
        original = Functions.instant
        monkeypatch.setattr(Functions, "instant", lambda self, value: (counts.append(value), original(self, value))[1])
        with time_machine.travel(now, tick=False):
            read_learned(world.source, world.metric, world.spec, now=now)
        assert counts
        assert min(counts) >= str((T0 + 7 * DAY).date())

    def test_a_day_closes_when_its_last_window_has_passed_and_rows_had_time_to_arrive(self, world: World) -> None:
        world.see("ann", T0 + DAY - MICRO)
        closing = T0 + DAY + WINDOW + MANAGED_LATENESS
        world.check(closing - MICRO)
        assert world.check(closing) == T0.date()
        assert world.check(closing + MICRO) == (T0 + DAY).date()

    def test_what_is_kept_names_no_user(self, world: World) -> None:
        import zlib

        busy_days(world)
        world.check(T0 + 9 * DAY)
        stored = b"".join(zlib.decompress(bytes(c)) for c in ClosedDay.objects.values_list("content", flat=True))
        assert len(ClosedDay.objects.all()) == 8
        assert b"again" not in stored
        assert b"u0-0" not in stored


class TestLateRows:
    NOW = T0 + 5 * DAY

    @pytest.fixture
    def closed(self, world: World) -> World:
        busy_days(world)
        world.check(self.NOW)
        assert world.check(self.NOW + HOUR) == (T0 + 4 * DAY).date()
        return world

    def test_a_late_reward_opens_the_days_it_may_count_for(self, closed: World) -> None:
        at = T0 + 2 * DAY + HOUR
        closed.see("u2-0", T0 + 2 * DAY - HOUR + MICRO, arrives=self.NOW + HOUR)
        closed.win("u2-0", at, arrives=self.NOW + HOUR)
        assert closed.check(self.NOW + 2 * HOUR) == (T0 + DAY).date()
        assert closed.check(self.NOW + 3 * HOUR) == (T0 + 4 * DAY).date()

    def test_a_late_first_exposure_moves_its_user(self, closed: World) -> None:
        closed.see("u3-1", T0 + 5 * HOUR, arrives=self.NOW + HOUR)
        closed.check(self.NOW + 2 * HOUR)

    def test_rows_of_a_transaction_that_ended_late_are_seen(self, closed: World) -> None:
        """Its ids were given out before the read, and its rows could not be seen then."""
        newest = Exposure.objects.order_by("-pk").values_list("pk", flat=True)[0]
        Exposure.objects.filter(pk=newest).delete()
        closed.check(self.NOW + 2 * HOUR, reread=True)
        event = {"variant": {"cta": "b"}, "context": {}, "organization": closed.organization}
        written = self.NOW + 2 * HOUR - SETTLING + dt.timedelta(seconds=1)
        closed.see("new", self.NOW + HOUR)  # a greater id was there already
        Exposure.objects.create(
            pk=newest, optimization_id=closed.optimization_id, anonymous_id="slow", timestamp=T0, received_at=written,
            **event,
        )  # fmt: skip
        with time_machine.travel(self.NOW + 3 * HOUR, tick=False):
            cells = read_cells(closed.source, closed.metric, closed.spec, now=self.NOW + 3 * HOUR)
        assert sum(c.n for c in cells if c.design == ("b",)) == 1

    def test_others_rows_open_nothing(self, closed: World, globex: Tenant) -> None:
        closed.see("ann", T0, of=uuid4(), arrives=self.NOW + HOUR)
        World(globex.organization).win("ann", T0, arrives=self.NOW + HOUR)
        assert closed.check(self.NOW + 2 * HOUR) == (T0 + 4 * DAY).date()


class TestWhatDeterminesTheNumbers:
    NOW = T0 + 5 * DAY

    @pytest.mark.parametrize(
        "change",
        [
            {"design": ("hero",)}, {"context": ()}, {"window_seconds": 3600}, {"holdout_limit": 5},
            {"holdout_changes": ((T0 + DAY, 1 << 30),)},
        ],
    )  # fmt: skip
    def test_another_spec_lets_go_of_it(self, world: World, change: dict[str, Any]) -> None:
        busy_days(world)
        world.check(self.NOW)
        world.spec = spec_of(world.optimization_id, **change)
        for kind, read in (("cells", read_learned), ("arms", read_arm_days)):
            hangs_on = kind == "cells" if set(change) & {"design", "context"} else kind == "arms"
            hangs_on = hangs_on or "window_seconds" in change
            with time_machine.travel(self.NOW, tick=False), periods() as seen:
                read(world.source, world.metric, world.spec, now=self.NOW)
            assert (seen[0].start is None) == hangs_on, kind
        with time_machine.travel(self.NOW, tick=False):
            full = read_cells(world.source, world.metric, world.spec, now=self.NOW)
            assert set(read_learned(world.source, world.metric, world.spec, now=self.NOW).cells) == set(full)

    def test_other_sql_another_mapping_or_another_warehouse(self, world: World) -> None:
        busy_days(world)
        world.check(self.NOW)
        original = world.source
        mapping = dict(original.column_mapping)
        world.source = replace_source(
            world.organization, name="Own", column_mapping=mapping, sql=f"{original.sql} WHERE anonymous_id <> 'again'"
        )
        assert world.check(self.NOW) is None
        world.source = replace_source(
            world.organization, name="Own", column_mapping=mapping | {"context": "variant"}, sql=original.sql
        )
        assert world.check(self.NOW) is None
        assert world.check(self.NOW) is not None
        switch_to_managed(world.organization)  # a row, where there was none
        assert world.check(self.NOW) is None
        world.metric.column_mapping |= {"reward_type": "numeric"}
        world.metric.save()
        assert world.check(self.NOW) is None
        assert ReadSeries.objects.count() == 2

    def test_on_demand_everything_is_read_again(self, world: World) -> None:
        busy_days(world)
        world.check(self.NOW)
        ClosedDay.objects.update(content=b"spoilt")
        assert world.check(self.NOW, reread=True) is None
        assert world.check(self.NOW) is not None

    @pytest.mark.parametrize(
        "sql",
        [
            "SELECT anonymous_id, MIN(timestamp) AS timestamp FROM rewards GROUP BY anonymous_id",
            "SELECT DISTINCT anonymous_id, timestamp FROM rewards",
            "SELECT anonymous_id, timestamp FROM rewards ORDER BY timestamp LIMIT 3",
            "SELECT r.anonymous_id, r.timestamp FROM rewards r JOIN exposures e ON e.anonymous_id = r.anonymous_id",
            "SELECT anonymous_id, timestamp FROM rewards UNION ALL SELECT anonymous_id, timestamp FROM rewards",
            "WITH x AS (SELECT * FROM rewards) SELECT anonymous_id, timestamp FROM x",
            "SELECT anonymous_id, timestamp FROM rewards WHERE value >= (SELECT AVG(value) FROM rewards)",
            "SELECT anonymous_id, timestamp FROM rewards WHERE anonymous_id IN (SELECT anonymous_id FROM exposures)",
            "SELECT anonymous_id, timestamp, ROW_NUMBER() OVER (ORDER BY timestamp) AS n FROM rewards",
            "SELECT anonymous_id, timestamp FROM rewards WHERE timestamp < CURRENT_TIMESTAMP",
            "SELECT anonymous_id, timestamp FROM rewards WHERE timestamp < @start_date OR value = 1",
            "SELECT anonymous_id, timestamp FROM rewards WHERE NOT (timestamp < @start_date)",
            "SELECT anonymous_id, timestamp FROM rewards WHERE timestamp >= @start_date OR value = 1",
            "SELECT anonymous_id, timestamp_utc AS timestamp FROM rewards WHERE timestamp >= @start_date AND value = 1",
            "SELECT anonymous_id, CASE WHEN timestamp >= @start_date THEN timestamp END AS timestamp FROM rewards",
        ],
    )
    def test_sql_whose_rows_do_not_stand_alone_is_read_in_full(self, world: World, sql: str) -> None:
        busy_days(world)
        mapping = {"anonymous_id": "anonymous_id", "timestamp": "timestamp"}
        world.metric = create_metric(world.organization, name="Own", sql=sql, column_mapping=mapping)
        for _ in range(2):
            assert world.check(self.NOW) is None
        assert not ReadSeries.objects.exists()

    @pytest.mark.parametrize(
        "sql",
        [
            "SELECT anonymous_id, timestamp FROM rewards WHERE timestamp >= @start_date AND value > 1",
            "SELECT * FROM rewards WHERE name = 'buy' AND (@start_date <= timestamp)",
            "SELECT anonymous_id, timestamp FROM (SELECT * FROM rewards WHERE value > 1) AS r",
            "SELECT LOWER(anonymous_id) AS anonymous_id, timestamp_utc AS timestamp FROM managed_dw.rewards",
        ],
    )
    def test_sql_whose_rows_stand_alone_is_not(self, world: World, sql: str) -> None:
        busy_days(world)
        mapping = {"anonymous_id": "anonymous_id", "timestamp": "timestamp"}
        world.metric = create_metric(world.organization, name="Own", sql=sql, column_mapping=mapping)
        assert world.check(self.NOW) is None
        assert world.check(self.NOW) == (T0 + 4 * DAY).date()


class TestTheFloor:
    NOW = T0 + 5 * DAY

    @pytest.fixture
    def world(self, acme: Tenant, globex: Tenant) -> World:
        return World(acme.organization, reward_type="numeric")

    def spread(self, world: World, day: int, values: list[float]) -> None:
        for i, value in enumerate(values):
            at = T0 + day * DAY + i * dt.timedelta(seconds=1)
            world.see(f"u{day}-{i}", at)
            if value:
                world.win(f"u{day}-{i}", at + MICRO, value)

    def test_the_cap_of_all_days_is_exact(self, world: World) -> None:
        self.spread(world, 0, [float(i) for i in range(250)])
        world.check(T0 + 2 * DAY)
        self.spread(world, 2, [2.0 * i for i in range(250)])
        assert world.check(T0 + 4 * DAY) == (T0 + DAY).date()
        assert world.check(self.NOW) == (T0 + 3 * DAY).date()

    def test_where_all_rewards_are_alike(self, world: World) -> None:
        for day in range(3):
            self.spread(world, day, [0.0] * 20 + [10.0] * 30)
        assert world.check(self.NOW) is None
        assert world.check(self.NOW) is not None

    def test_where_nearly_all_is_zero_or_negative(self, world: World) -> None:
        for day in range(3):
            self.spread(world, day, [0.0] * 299 + [float(day + 1), -5.0])
        assert world.check(self.NOW) is None
        assert world.check(self.NOW) is not None

    def test_a_cap_below_the_floor_is_found_by_reading_again(self, world: World) -> None:
        self.spread(world, 0, [float(i) for i in range(100)])
        world.check(T0 + 2 * DAY)
        floor = ReadSeries.objects.get(floor__isnull=False).floor
        self.spread(world, 2, [1.0] * 2000)
        with time_machine.travel(self.NOW, tick=False), periods() as seen:
            learned = read_learned(world.source, world.metric, world.spec, now=self.NOW)
            assert [p.start for p in seen] == [(T0 + DAY).date(), None]
            assert set(learned.cells) == set(read_cells(world.source, world.metric, world.spec, now=self.NOW))
        assert ReadSeries.objects.get(floor__isnull=False).floor < floor

    def test_too_many_values_above_the_floor_raise_it(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(increments, "MOST_KEPT", 20)
        self.spread(world, 0, [float(i) for i in range(100)])
        world.check(T0 + 2 * DAY)
        floor = ReadSeries.objects.get(floor__isnull=False).floor
        self.spread(world, 2, [1000.0 + i for i in range(300)])
        world_check = read_learned
        with time_machine.travel(self.NOW, tick=False):
            learned = world_check(world.source, world.metric, world.spec, now=self.NOW)
            assert set(learned.cells) == set(read_cells(world.source, world.metric, world.spec, now=self.NOW))
        assert ReadSeries.objects.get(floor__isnull=False).floor > floor


def test_of_two_reads_at_once_the_slower_one_keeps_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    busy_days(world)
    now = T0 + 5 * DAY
    slow = increments.keep

    def overtaken(kept: Any, *args: Any, **options: Any) -> None:
        ReadSeries.objects.filter(pk=kept.series.pk).update(revision=99)
        slow(kept, *args, **options)

    monkeypatch.setattr(increments, "keep", overtaken)
    world.check(now)
    assert not ClosedDay.objects.exists()
    assert connection.vendor
