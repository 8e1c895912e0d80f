"""What every connector promises, asked of each of them."""

import datetime as dt
import threading
import time
from typing import Any

import pytest
from sqlglot import exp

from levered_site.errors import InvalidRequest, Unavailable
from tests.server.proxy import Proxy
from tests.warehouse.conformance.conftest import ON_A_NETWORK
from tests.warehouse.conformance.events import draw
from warehouse.connectors.base import Connector, Query, Rows
from warehouse.sql.dialects import dialect_of
from warehouse.sql.parse import parse_select
from warehouse.sql.reach import check_reach

BOUND = 30.0  # seconds: what is cut off or refused ends within them, on a busy machine too


def run(connector: Connector, sql: str, limit: int | None = None, timeout: float = 20, **params: object) -> Rows:
    """As the product does it: through the gate, rendered again."""
    dialect = dialect_of(connector.dialect)
    tree = parse_select(sql, dialect.name)
    check_reach(tree, dialect)
    return connector.run(dialect.render(tree, params), limit=limit, timeout=timeout)


class TestAnswers:
    @pytest.mark.parametrize(
        "value", ["it's", "'; DROP TABLE won; --", "back\\slash", "%s %(x)s $1 @p1 :1 ?", "é𝄞", 7, -2.5, True]
    )
    def test_parameters_are_bound(self, stage: Any, value: object) -> None:
        connector = stage.connector()
        dialect = dialect_of(connector.dialect)
        kind = {str: "text", bool: "boolean", int: "bigint", float: "double"}[type(value)]
        mark = exp.cast(exp.Placeholder(this="given"), kind)
        tree = exp.select(exp.alias_(mark, "one"), exp.alias_(mark.copy(), "again"))
        assert connector.run(dialect.render(tree, {"given": value})).rows == [(value, value)]

    def test_the_start_date_is_bound(self, stage: Any) -> None:
        exposures, rewards = draw(1)
        since = sorted(e.at for e in exposures)[len(exposures) // 2]
        (answer,) = run(
            stage.connector(), "SELECT COUNT(*) AS n FROM seen WHERE shown_at >= @start_date", start_date=since
        ).rows
        assert answer == (sum(e.at >= since for e in exposures),)
        (answer,) = run(
            stage.connector(), "SELECT COUNT(*) AS n FROM won WHERE happened_at >= @start_date", start_date=since
        ).rows
        assert answer == (sum(r.at >= since for r in rewards),)

    def test_percent_signs_in_like(self, stage: Any) -> None:
        exposures, _ = draw(1)
        sql = (
            "SELECT COUNT(*) AS n FROM seen WHERE cta LIKE '%50\\% off' OR cta LIKE 'it%' OR anonymous_id LIKE '%(x)s'"
        )
        assert run(stage.connector(), sql).rows == [(sum("50% off" in e.cta for e in exposures),)]

    def test_what_a_literal_says_arrives(self, stage: Any) -> None:
        for text in ("it's", "new\nline", "%s %(x)s %%", "é𝄞", "--", "/*", "$1 ?1 :x @p1", '"`[]'):
            sql = dialect_of(stage.connector().dialect).spelled_out(
                exp.select(exp.alias_(exp.convert(text), "said")), {}
            )
            assert run(stage.connector(), sql).rows == [(text,)]

    def test_at_most_the_limit(self, stage: Any) -> None:
        connector = stage.connector()
        assert len(run(connector, "SELECT * FROM won").rows) == len(draw(1)[1])
        few = run(connector, "SELECT * FROM won", limit=3)
        assert len(few.rows) == 3
        none = run(connector, "SELECT * FROM won", limit=0)
        assert none.rows == []
        assert [c.lower() for c in none.columns] == ["user_id", "happened_at", "name", "value"]

    def test_moments_arrive_as_moments(self, stage: Any) -> None:
        _, rewards = draw(1)
        rows = run(stage.connector(), "SELECT MIN(happened_at) AS first FROM won").rows
        (moment,) = rows[0]
        assert isinstance(moment, dt.datetime)
        assert moment.astimezone(dt.UTC) == min(r.at for r in rewards)

    def test_tables_and_columns(self, stage: Any) -> None:
        connector = stage.connector()
        tables = {table.name.lower(): table for table in connector.tables()}
        assert {"seen", "won", "other.winners"} <= tables.keys()
        assert not [name for name in tables if "information_schema" in name or name.startswith("pg_")]
        columns = connector.columns("won")
        assert columns is not None
        assert [c.name.lower() for c in columns] == ["user_id", "happened_at", "name", "value"]
        assert all(c.type for c in columns)
        view = connector.columns("other.winners")
        assert view is not None
        assert [c.name.lower() for c in view] == ["user_id"]
        assert connector.columns("nowhere") is None
        assert connector.columns("won'; --") is None

    def test_a_round_trip(self, stage: Any) -> None:
        assert 0 < stage.connector().test() < BOUND


class TestRefusals:
    def test_the_warehouses_own_words(self, stage: Any) -> None:
        for sql, word in stage.refusals.items():
            with pytest.raises(InvalidRequest) as refused:
                run(stage.connector(), sql)
            assert word.lower() in refused.value.message.lower(), refused.value.message

    def test_nothing_can_be_written(self, stage: Any) -> None:
        """Past the gate, too."""
        before = run(stage.connector(), "SELECT COUNT(*) AS n FROM won").rows
        for sql in ("DELETE FROM won", "CREATE TABLE evil (a int)", "SELECT 1; DELETE FROM won", "DROP TABLE won"):
            for limit in (None, 5):
                with pytest.raises((InvalidRequest, Unavailable)):
                    stage.connector().run(Query(sql), limit=limit)
        assert run(stage.connector(), "SELECT COUNT(*) AS n FROM won").rows == before


class TestTime:
    @pytest.mark.parametrize("limit", [None, 10])
    def test_a_query_that_never_ends_is_stopped_at_the_warehouse(self, stage: Any, limit: int | None) -> None:
        started = time.monotonic()
        with pytest.raises(Unavailable, match=r"did not end within 0\.5 seconds"):
            run(stage.connector(), stage.endless, limit=limit, timeout=0.5)
        assert time.monotonic() - started < BOUND
        assert not stage.is_running("10000000")

    def test_a_query_can_be_cancelled(self, stage: Any) -> None:
        connector, told = stage.connector(), []

        def wait() -> None:
            try:
                run(connector, stage.endless, timeout=60)
            except Unavailable as error:
                told.append(error.message)

        thread = threading.Thread(target=wait)
        thread.start()
        deadline = time.monotonic() + BOUND
        while not told and time.monotonic() < deadline:
            time.sleep(0.2)
            connector.cancel()
        thread.join(BOUND)
        assert told == ["The query was cancelled."]
        assert not stage.is_running("10000000")
        assert run(connector, "SELECT 1 AS one").rows == [(1,)]  # the connector lives on


@pytest.mark.parametrize("stage", ON_A_NETWORK, indirect=True)
class TestTheNetwork:
    def test_wrong_credentials(self, stage: Any) -> None:
        started = time.monotonic()
        with pytest.raises(InvalidRequest) as refused:
            stage.wrong_credentials().run(Query("SELECT 1"))
        assert time.monotonic() - started < BOUND
        assert "s3cret" not in str(refused.value.message) + repr(stage.wrong_credentials().config)

    def test_nobody_listens(self, stage: Any) -> None:
        with Proxy(*stage.address()) as proxy, stage.through(proxy) as connector:
            proxy.cut(silently=False)
            self.ends(connector, "SELECT 1")

    def test_the_server_is_silent(self, stage: Any) -> None:
        with Proxy(*stage.address()) as proxy, stage.through(proxy) as connector:
            proxy.cut(silently=True)
            self.ends(connector, "SELECT 1")

    @pytest.mark.parametrize("silently", [False, True])
    def test_the_connection_breaks_half_way(self, stage: Any, silently: bool) -> None:
        with Proxy(*stage.address()) as proxy, stage.through(proxy) as connector:
            cut = threading.Timer(1.5, proxy.cut, kwargs={"silently": silently})
            cut.start()
            self.ends(connector, stage.endless)
            cut.join()

    def ends(self, connector: Connector, sql: str) -> None:
        started = time.monotonic()
        with pytest.raises(Unavailable) as told:
            run(connector, sql, timeout=5)
        assert time.monotonic() - started < BOUND
        assert "127.0.0.1" not in told.value.message


@pytest.mark.parametrize("stage", ["snowflake"], indirect=True)
class TestKeyPairs:
    def test_an_encrypted_key(self, stage: Any) -> None:
        assert run(stage.with_key(), "SELECT 1 AS one").rows == [(1,)]

    def test_another_passphrase(self, stage: Any) -> None:
        for phrase in ("s3cret", None):
            with pytest.raises(InvalidRequest) as refused:
                stage.with_key(passphrase=phrase)
            assert "s3cret" not in refused.value.message

    def test_a_key_of_somebody_else(self, stage: Any) -> None:
        with pytest.raises(InvalidRequest, match="Incorrect username or password"):
            run(stage.with_key(username="somebody"), "SELECT 1 AS one")


@pytest.mark.parametrize("stage", ["bigquery"], indirect=True)
def test_a_query_that_would_read_too_much_never_runs(stage: Any) -> None:
    ran = len(stage.server.jobs)
    with pytest.raises(InvalidRequest, match="would read"):
        run(stage._connector(maximum_bytes_billed=1_000_000), "SELECT * FROM won")
    assert len(stage.server.jobs) == ran
