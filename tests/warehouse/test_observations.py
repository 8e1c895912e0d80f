"""What is read, case by case; `test_attribution.py` has the same against a reference on random data."""

import datetime as dt
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from django.db import connection
from sqlglot import exp

from levered_site.errors import InvalidRequest
from optimizations.config import Factor
from tests.conftest import Tenant
from tests.warehouse.reference import held_out
from tests.warehouse.test_attribution import LIMIT, NOW, WINDOW, spec_of
from warehouse.connectors.sqlite_functions import Functions
from warehouse.models import AssignmentSource, Exposure, Metric, Reward
from warehouse.services.attributed import AttributedRead
from warehouse.services.catalog import metric_for_event
from warehouse.services.metrics import create_metric
from warehouse.services.observations import newest_event, read_arms, read_cells, read_delays, statements
from warehouse.services.sources import default_source, replace_source
from warehouse.sql.arms import arms
from warehouse.sql.spec import Period

T0 = dt.datetime(2026, 3, 8, 10, 30, 0, 123_456, tzinfo=dt.UTC)
MICRO = dt.timedelta(microseconds=1)
MAPPING = {"anonymous_id": "anonymous_id", "timestamp": "timestamp"}


class World:
    """One organization with one optimization, and shorthands for what happens in it."""

    def __init__(self, tenant: Tenant) -> None:
        self.organization = tenant.organization
        self.optimization_id = uuid4()
        self.source: AssignmentSource = default_source(self.organization)
        self.metric: Metric = metric_for_event(self.organization, name="buy")

    def see(self, uid: str, at: dt.datetime = T0, cta: Any = "a", of: UUID | None = None, **context: Any) -> None:
        Exposure.objects.create(
            organization=self.organization,
            optimization_id=of or self.optimization_id,
            anonymous_id=uid,
            timestamp=at,
            variant=cta if isinstance(cta, dict) else {"cta": cta},
            context=context,
        )

    def win(
        self, uid: str, at: dt.datetime = T0, value: float = 1.0, name: str = "buy", to: UUID | None = None
    ) -> None:
        Reward.objects.create(
            organization=self.organization, anonymous_id=uid, timestamp=at, value=value, name=name, optimization_id=to
        )

    def read_from(self, sql: str, **mapping: Any) -> None:
        self.source = replace_source(self.organization, name="Own", sql=sql, column_mapping=MAPPING | mapping)

    def measure(self, sql: str, **mapping: Any) -> None:
        self.metric = create_metric(self.organization, name="Own", sql=sql, column_mapping=MAPPING | mapping)

    def cells(self, reward_type: str = "bool", *, start: Any = None, end: Any = None, **spec: Any) -> list[Any]:
        return read_cells(
            self.source, self.metric, spec_of(self.optimization_id, reward_type, **spec), now=NOW, start=start, end=end
        )

    def total(self, reward_type: str = "bool", **spec: Any) -> tuple[int, float]:
        cells = self.cells(reward_type, **spec)
        return sum(c.n for c in cells), sum(c.total for c in cells)

    def arms(self, reward_type: str = "bool", *, now: dt.datetime = NOW, **options: Any) -> list[Any]:
        period = {k: options.pop(k) for k in ("start", "end") if k in options}
        spec = spec_of(self.optimization_id, reward_type, **options)
        return read_arms(self.source, self.metric, spec, now=now, **period)


@pytest.fixture
def world(acme: Tenant, globex: Tenant) -> World:
    return World(acme)


@pytest.mark.django_db
class TestTheWindow:
    @pytest.mark.parametrize(
        ("after", "counts"),
        [
            (-MICRO, False),
            (dt.timedelta(0), True),
            (MICRO, True),
            (WINDOW - MICRO, True),
            (WINDOW, False),
            (WINDOW + MICRO, False),
        ],
    )
    @pytest.mark.parametrize("at", [T0, T0.replace(microsecond=0), T0.replace(microsecond=999_999)])
    def test_it_is_closed_at_the_start_and_open_at_the_end(
        self, world: World, at: dt.datetime, after: dt.timedelta, counts: bool
    ) -> None:
        world.see("ann", at)
        world.win("ann", at + after, value=3)
        assert world.total() == (1, float(counts))
        assert world.total("numeric") == (1, 3.0 * counts)
        (arm,) = world.arms()
        assert (arm.users, arm.total) == (1, float(counts))

    def test_the_latest_exposure_takes_the_credit(self, world: World) -> None:
        world.see("ann", T0, "a")
        world.see("ann", T0 + MICRO, "b")
        world.win("ann", T0 + 2 * MICRO)
        assert {c.design: c.total for c in world.cells()} == {("a",): 0.0, ("b",): 1.0}

    def test_an_exposure_at_the_moment_of_the_reward_comes_first(self, world: World) -> None:
        world.win("ann", T0)
        world.see("ann", T0 - MICRO, "a")
        world.see("ann", T0, "b")
        assert {c.design: c.total for c in world.cells()} == {("a",): 0.0, ("b",): 1.0}

    def test_twins_share_nothing(self, world: World) -> None:
        for cta in ("b", "a", "c"):
            world.see("ann", T0, cta)
        world.win("ann", T0 + MICRO)
        assert {c.design: c.total for c in world.cells()} == {("a",): 0.0, ("b",): 0.0, ("c",): 1.0}

    def test_bool_counts_once_and_numeric_sums(self, world: World) -> None:
        world.see("ann")
        for value in (2.0, 0.0, 5.0):
            world.win("ann", T0 + MICRO, value)
        (cell,) = world.cells()
        assert (cell.n, cell.total, cell.total_squares) == (1, 1.0, 1.0)
        (cell,) = world.cells("numeric")
        assert (cell.n, cell.total, cell.total_squares) == (1, 7.0, 49.0)

    def test_a_value_of_zero_is_no_conversion(self, world: World) -> None:
        world.see("ann")
        world.win("ann", T0, 0.0)
        assert world.total() == (1, 0.0)

    def test_days_are_utc(self, world: World) -> None:
        world.see("ann", dt.datetime(2026, 3, 8, 23, 59, 59, 999_999, tzinfo=dt.UTC))
        world.see("bob", dt.datetime(2026, 3, 9, 1, 30, tzinfo=dt.timezone(dt.timedelta(hours=2))))
        world.see("cee", dt.datetime(2026, 3, 9, tzinfo=dt.UTC))
        assert {c.day: c.n for c in world.cells()} == {dt.date(2026, 3, 8): 2, dt.date(2026, 3, 9): 1}

    def test_young_exposures_carry_their_age(self, world: World) -> None:
        world.see("ann", NOW - WINDOW)
        world.see("bob", NOW - WINDOW + MICRO)
        world.see("cee", NOW)
        world.see("dee", NOW + MICRO)  # not yet
        assert sorted((c.age_hours is None, c.age_hours or 0, c.n) for c in world.cells()) == [
            (False, 0, 1),
            (False, 1, 1),
            (True, 0, 1),
        ]


@pytest.mark.django_db
class TestThePeriod:
    def test_a_later_exposure_still_takes_its_credit(self, world: World) -> None:
        late, eighth = dt.datetime(2026, 3, 8, 23, 30, tzinfo=dt.UTC), dt.date(2026, 3, 8)
        world.see("ann", late)
        world.see("ann", late + dt.timedelta(hours=1), "b")
        world.win("ann", late + dt.timedelta(hours=1.5))
        assert [(c.design, c.n, c.total) for c in world.cells(end=eighth)] == [(("a",), 1, 0.0)]
        assert [(c.design, c.n, c.total) for c in world.cells(start=dt.date(2026, 3, 9))] == [(("b",), 1, 1.0)]
        world.see("bob", late)
        world.win("bob", late + dt.timedelta(hours=1))  # on the next day, within the window
        assert sum(c.total for c in world.cells(start=eighth, end=eighth)) == 1.0

    def test_parts_add_up_to_the_whole(self, world: World) -> None:
        for hour in range(0, 60, 5):
            world.see("ann", T0 - dt.timedelta(hours=hour), "ab"[hour % 2])
            world.win("ann", T0 - dt.timedelta(hours=hour - 1))
        whole = {(c.design, c.day): (c.n, c.total) for c in world.cells()}
        days = [dt.date(2026, 3, d) for d in range(5, 10)]
        parts = {(c.design, c.day): (c.n, c.total) for day in days for c in world.cells(start=day, end=day)}
        assert parts == whole

    def test_a_users_first_exposure_stays_the_first(self, world: World) -> None:
        world.see("ann", T0 - dt.timedelta(days=1))
        world.see("ann", T0)
        assert world.arms(start=T0.date()) == []
        (arm,) = world.arms(end=T0.date())
        assert (arm.day, arm.users) == (T0.date() - dt.timedelta(days=1), 1)


@pytest.mark.django_db
class TestWhichRowsCount:
    def test_other_optimizations_and_their_rewards(self, world: World) -> None:
        other = uuid4()
        world.see("ann")
        world.see("ann", T0 + MICRO, of=other)  # takes no credit
        world.win("ann", T0 + 2 * MICRO, to=other)
        assert world.total() == (1, 0.0)
        world.win("ann", T0 + 2 * MICRO, to=world.optimization_id)
        assert world.total() == (1, 1.0)

    def test_projecting_the_optimization_away_lets_no_others_in(self, world: World) -> None:
        other = uuid4()
        world.read_from("SELECT anonymous_id, timestamp, variant FROM exposures", variant="variant")
        world.measure("SELECT anonymous_id, timestamp FROM rewards")
        world.see("ann")
        world.see("bob", of=other)
        world.win("ann", to=other)
        world.win("bob")
        assert world.total() == (1, 0.0)
        world.win("ann", T0 + MICRO)
        assert world.total() == (1, 1.0)

    def test_a_source_may_hand_over_another_optimizations_rows(self, world: World) -> None:
        old = uuid4()
        world.read_from(
            f"SELECT anonymous_id, timestamp, variant, '{world.optimization_id}' AS optimization_id"
            f" FROM exposures WHERE optimization_id = '{old}'",
            variant="variant",
        )
        world.see("ann", of=old)
        world.see("bob", of=uuid4())
        assert world.total() == (1, 0.0)

    def test_sql_that_looks_at_other_rows_sees_them_all(self, world: World) -> None:
        world.read_from(
            "SELECT * FROM exposures WHERE anonymous_id NOT IN"
            " (SELECT anonymous_id FROM exposures GROUP BY anonymous_id HAVING COUNT(*) > 2)",
            variant="variant",
            context="context",
        )
        for _ in range(3):
            world.see("bot", of=uuid4())
        world.see("bot")
        world.see("ann")
        assert world.total() == (1, 0.0)

    def test_factors_from_columns(self, world: World) -> None:
        world.read_from(
            "SELECT anonymous_id, timestamp, variant ->> 'x' AS cta_col, variant ->> 'hero' AS hero,"
            " context ->> 'device' AS device FROM exposures",
            factors={"cta": "cta_col"},
        )
        world.see("ann", cta={"x": "go", "hero": "shield"}, device="mobile")
        (cell,) = world.cells(design=("cta", "hero"), context=("device", "country"))
        assert (cell.design, cell.context) == (("go", "shield"), ("mobile", None))
        with pytest.raises(InvalidRequest, match="no column 'colour'"):
            world.cells(design=("colour",))

    @pytest.mark.parametrize(
        ("dtype", "levels"),
        [
            ("str", ("a", "A", "true", "1", "", 'it\'s "quoted"', "é𝄞", "null", "a.b")),
            ("bool", (False, True)),
            ("int", (0, 1, -7, 10**12)),
            ("float", (0.1, 1.0, 1e-7, 123456.789012345, -2.5, 1e21)),
        ],
    )
    def test_levels_come_back_as_what_they_were(self, world: World, dtype: str, levels: tuple[Any, ...]) -> None:
        factor = Factor("my.factor-1", dtype, levels)
        for level in levels:
            world.see("ann", cta={"my.factor-1": level, "my": {"factor-1": "no"}}, **{"my.factor-1": level})
        cells = world.cells(design=(factor.name,), context=(factor.name,))
        assert sorted(factor.decode(c.design[0]) for c in cells) == list(range(len(levels)))
        assert all(factor.decode(c.design[0]) == factor.decode(c.context[0]) for c in cells)

    def test_missing_factors_are_none(self, world: World) -> None:
        world.see("ann", cta={"cta": None}, device=None)
        world.see("bob", cta={})
        (cell,) = world.cells()
        assert (cell.design, cell.context, cell.n) == ((None,), (None,), 2)

    def test_start_date_is_the_start_of_the_period(self, world: World) -> None:
        world.measure("SELECT anonymous_id, timestamp FROM rewards WHERE timestamp >= @start_date")
        world.see("ann")
        world.win("ann")
        assert world.total() == (1, 1.0)
        assert [c.total for c in world.cells(start=T0.date())] == [1.0]

    def test_two_organizations_cannot_be_mixed(self, world: World, globex: Tenant) -> None:
        theirs = metric_for_event(globex.organization, name="buy")
        with pytest.raises(InvalidRequest, match="different organizations"):
            read_cells(world.source, theirs, spec_of(world.optimization_id), now=NOW)

    def test_a_numeric_read_needs_a_value(self, world: World) -> None:
        world.measure("SELECT anonymous_id, timestamp FROM rewards")
        with pytest.raises(InvalidRequest, match="value"):
            world.cells("numeric")

    @pytest.mark.parametrize(
        "columns", ["anonymous_id, name AS timestamp, value", "anonymous_id, timestamp, name AS value"]
    )
    def test_what_cannot_be_read_is_told(self, world: World, columns: str) -> None:
        world.measure(f"SELECT {columns} FROM rewards", reward_type="numeric", value="value")
        world.see("ann")
        world.win("ann")
        with pytest.raises(InvalidRequest, match="buy"):
            world.cells("numeric")


OUTCOMES = [
    {"key": "trial", "weight": 1, "match": {"by": "name", "value": "trial"}},
    {"key": "paid", "weight": 10.5, "match": {"by": "name", "value": "paid"}},
    {"key": "left", "weight": -2, "match": {"by": "value", "value": -1}},
]


@pytest.mark.django_db
class TestOutcomes:
    @pytest.mark.parametrize(
        ("events", "total"),
        [
            ([], 0.0),
            ([("nothing", 0, 1.0)], 0.0),
            ([("paid", 0, 1.0)], 10.5),
            ([("nothing", 0, 1.0), ("trial", 1, 1.0), ("paid", 2, 1.0)], 1.0),
            ([("paid", 1, 1.0), ("trial", 1, 1.0)], 1.0),  # at the same moment the order of the outcomes decides
            ([("any", 0, -1.0), ("paid", 1, 1.0)], -2.0),
            ([("paid", 2 * 3_600 * 1_000_000, 1.0)], 0.0),
        ],
    )
    def test_the_first_match_counts(self, world: World, events: list[tuple[str, int, float]], total: float) -> None:
        sql = "SELECT anonymous_id, timestamp, name, value FROM rewards"
        world.measure(sql, name="name", value="value", outcomes=OUTCOMES)
        world.see("ann")
        for name, micros, value in events:
            world.win("ann", T0 + micros * MICRO, value, name)
        (cell,) = world.cells()
        assert (cell.n, cell.total, cell.total_squares) == (1, total, total**2)
        (arm,) = world.arms()
        assert (arm.users, arm.total) == (1, total)


@pytest.mark.django_db
class TestTheCap:
    def seen(self, world: World, values: list[float]) -> Any:
        for i, value in enumerate(values):
            world.see(f"u{i}")
            if value:
                world.win(f"u{i}", T0, value)
        (cell,) = world.cells("numeric")
        assert cell.n == len(values)
        assert cell.total == pytest.approx(sum(values))
        return cell

    def test_the_largest_half_percent_is_cut(self, world: World) -> None:
        cell = self.seen(world, [1.0] * 194 + [2.0] * 2 + [50.0, 60.0, 70.0, 1000.0])  # rank 199 of 200 is 70
        assert cell.capped_total == pytest.approx(194 + 4 + 50 + 60 + 70 + 70)
        assert cell.capped_total_squares == pytest.approx(194 + 8 + 50**2 + 60**2 + 2 * 70**2)
        assert cell.total_squares == pytest.approx(194 + 8 + 50**2 + 60**2 + 70**2 + 1000**2)

    def test_where_nearly_all_is_zero_the_positive_ones_set_it(self, world: World) -> None:
        assert self.seen(world, [0.0] * 399 + [5.0]).capped_total == 5.0

    def test_negative_rewards_are_not_raised(self, world: World) -> None:
        assert self.seen(world, [-3.0] * 3 + [0.0] * 297).capped_total == -9.0

    def test_only_matured_exposures_set_it(self, world: World) -> None:
        world.see("young", NOW)
        world.win("young", NOW, 1000.0)
        world.see("old")
        world.win("old", T0, 2.0)
        assert sorted((c.total, c.capped_total) for c in world.cells("numeric")) == [(2.0, 2.0), (1000.0, 2.0)]

    def test_bool_has_none(self, world: World) -> None:
        world.see("ann")
        world.win("ann")
        (cell,) = world.cells()
        assert (cell.capped_total, cell.capped_total_squares) == (1.0, 1.0)


@pytest.mark.django_db
class TestArmsAndDelays:
    def test_nobody_and_everybody_is_held_out(self, world: World) -> None:
        for i in range(20):
            world.see(f"u{i}")
        limits = (0, 1, LIMIT, (1 << 32) - 1, 1 << 32)
        counts = {limit: {a.holdout: a.users for a in world.arms(holdout_limit=limit)} for limit in limits}
        assert counts[0] == counts[1] == {False: 20}
        assert counts[1 << 32] == counts[(1 << 32) - 1] == {True: 20}
        assert sum(counts[LIMIT].values()) == 20
        assert len(counts[LIMIT]) == 2  # twenty users all in one arm: one chance in half a million

    def test_the_limit_in_force_at_the_first_exposure_decides(self, world: World) -> None:
        everyone, nobody = 1 << 32, 0
        change = T0 + dt.timedelta(minutes=1)
        world.see("before", change - MICRO)
        world.see("before", change + MICRO)  # seen again: stays where it was first
        world.see("at", change)
        world.see("after", change + 5 * MICRO)
        world.see("later", change + dt.timedelta(minutes=2))
        changes = ((change, nobody), (change + dt.timedelta(minutes=1), everyone))
        arms = world.arms(holdout_limit=everyone, holdout_changes=changes)
        assert {(a.regime, a.holdout): a.users for a in arms} == {(0, True): 1, (1, False): 2, (2, True): 1}

    def test_a_changed_limit_moves_only_those_between_the_limits(self, world: World) -> None:
        for i in range(40):
            world.see(f"u{i}", T0)
            world.see(f"v{i}", T0 + dt.timedelta(minutes=2))
        arms = world.arms(holdout_limit=1 << 31, holdout_changes=((T0 + dt.timedelta(minutes=1), LIMIT),))
        found = {(a.regime, a.holdout): a.users for a in arms}
        for regime, prefix, limit in ((0, "u", 1 << 31), (1, "v", LIMIT)):
            held = sum(held_out(world.optimization_id, f"{prefix}{i}", limit) for i in range(40))
            assert (found.get((regime, True), 0), found.get((regime, False), 0)) == (held, 40 - held)

    def test_an_open_window_waits(self, world: World) -> None:
        world.see("ann", NOW - WINDOW + MICRO)
        assert world.arms() == []
        assert [a.users for a in world.arms(now=NOW + MICRO)] == [1]

    def test_delays_of_matured_conversions(self, world: World) -> None:
        for hours in (0.0, 0.5, 1.0, 1.9):
            uid = f"u{hours}"
            world.see(uid)
            world.win(uid, T0 + dt.timedelta(hours=hours))
            world.win(uid, T0 + dt.timedelta(hours=1.95))  # only the first one counts
        world.see("young", NOW)
        world.win("young", NOW)

        def delays(reward_type: str = "bool", **changes: Any) -> list[int]:
            spec = spec_of(world.optimization_id, reward_type, **changes)
            return read_delays(world.source, world.metric, spec, now=NOW)

        assert delays() == [2, 2]
        assert delays("numeric") == [2, 6]
        assert delays(window_seconds=5400) == [2, 1]


@pytest.mark.django_db
class TestOnePass:
    def test_a_bot_makes_no_product_of_its_events(self, world: World) -> None:
        """20,000 exposures and 5,000 rewards of one user: a join per user would pair 100 million."""
        common: dict[str, Any] = {"organization": world.organization, "anonymous_id": "bot"}
        exposed = common | {"optimization_id": world.optimization_id, "variant": {"cta": "a"}, "context": {}}
        Exposure.objects.bulk_create(Exposure(**exposed, timestamp=T0 + 4 * i * MICRO) for i in range(20_000))
        Reward.objects.bulk_create(Reward(**common, name="buy", timestamp=T0 + 16 * i * MICRO) for i in range(5_000))
        assert world.total() == (20_000, 5_000.0)
        assert world.total("numeric") == (20_000, 5_000.0)
        (arm,) = world.arms("numeric")
        assert (arm.users, arm.total) == (1, 5_000.0)

    @pytest.mark.parametrize("reward_type", ["bool", "numeric"])
    def test_no_plan_joins_and_each_table_is_read_once(self, world: World, reward_type: str) -> None:
        spec = spec_of(world.optimization_id, reward_type)
        read = AttributedRead(world.source, world.metric, spec, Period(NOW))
        trees = [read.attribution.cells(capped=False), read.attribution.delays(), arms(read.attribution)]
        if reward_type == "numeric":
            trees.append(read.attribution.cap())
        for tree in trees:
            assert not list(tree.find_all(exp.Join))
            plan = self.plan(read, tree)
            assert not [line for line in plan if "Join" in line or "Nested Loop" in line or "CORRELATED" in line]
            assert sum(" managed_" in line or ".managed_" in line for line in plan) == 2, plan

    @staticmethod
    def plan(read: AttributedRead, tree: exp.Query) -> list[str]:
        query = read.dialect.render(tree, {"now_at": read.dialect.moment(NOW)})
        connector: Any = read.reader.connector
        if connection.vendor == "sqlite":
            own = connector.connect()
            Functions().register(own)
            plan = [row[-1] for row in own.execute(f"EXPLAIN QUERY PLAN {query.text}", query.params)]
            own.close()
            return plan
        with connector.session() as session, psycopg.RawCursor(session) as cursor:
            cursor.execute(f"EXPLAIN {query.text}", query.params)
            return [
                row[0]
                for row in cursor.fetchall()
                if ("Scan" in row[0] and "on managed_" in row[0]) or "Join" in row[0]
            ]

    def test_the_statements_can_be_shown(self, world: World) -> None:
        shown = statements(world.source, world.metric, spec_of(world.optimization_id), now=NOW)
        assert set(shown) == {"cells", "delays", "arms"}
        assert f"{world.optimization_id}:holdout:" in shown["arms"]


@pytest.mark.django_db
class TestNewestEvent:
    def test_the_latest_arrival_of_a_row_that_could_count(self, world: World, globex: Tenant) -> None:
        spec = spec_of(world.optimization_id)
        world.see("ann", of=uuid4())
        world.win("ann", to=uuid4())
        assert newest_event(world.organization, spec) is None
        world.see("ann")
        first = newest_event(world.organization, spec)
        assert first is not None
        world.win("ann")
        second = newest_event(world.organization, spec)
        assert second is not None
        assert second > first
        assert newest_event(globex.organization, spec) is None
