"""Two organizations' rows lie in the same tables. Whatever SQL is sent, a caller sees its own rows and changes nothing."""

import datetime as dt
import time
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection

from levered_site.errors import InvalidRequest, Unavailable
from levered_site.organizations.models import ApiKey, User
from tests.conftest import Tenant
from tests.warehouse import honest
from tests.warehouse.attacks import ENDLESS, FINE, REFUSED, REWRITTEN
from warehouse.connectors import managed_postgres, managed_sqlite
from warehouse.connectors.base import Connector, Query
from warehouse.connectors.managed_postgres import ManagedPostgres
from warehouse.connectors.managed_sqlite import ManagedSqlite
from warehouse.connectors.registry import connector_of
from warehouse.models import Exposure, Reward
from warehouse.services.reading import Reader

SECRET = "zzz-only-globex-knows"
ON_SQLITE = connection.vendor == "sqlite"
NOW = dt.datetime(2026, 3, 28, 14, 0, tzinfo=dt.UTC)


def fill(tenant: Tenant, mark: str) -> None:
    common: dict[str, Any] = {"organization": tenant.organization, "anonymous_id": mark, "timestamp": NOW}
    for _ in range(5):
        Exposure.objects.create(**common, optimization_id=uuid4(), variant={"cta": mark}, context={"device": mark})
        Reward.objects.create(**common, name=mark, value=1, properties={"note": mark})


@pytest.fixture
def stored(acme: Tenant, globex: Tenant) -> None:
    fill(acme, "mine")
    fill(globex, SECRET)
    user = globex.user()
    user.set_password("a password")
    user.save()


def state() -> tuple[Any, ...]:
    rewards = Reward.objects.order_by("pk").values_list("pk", "organization", "name", "value")
    exposures = Exposure.objects.order_by("pk").values_list("pk", "organization", "anonymous_id")
    return list(rewards), list(exposures), sorted(connection.introspection.table_names(include_views=True))


def told_nothing(answer: object) -> bool:
    text = str(answer)
    hashes = [*ApiKey.objects.values_list("secret_hash", flat=True), *User.objects.values_list("password", flat=True)]
    return SECRET not in text and not any(h in text for h in hashes)


def addressed(sql: str, acme: Tenant, globex: Tenant) -> str:
    return sql.replace("{MINE}", str(acme.organization.pk)).replace("{THEIRS}", str(globex.organization.pk))


@pytest.mark.django_db
@pytest.mark.usefixtures("stored")
class TestTheGate:
    def test_attacks_are_refused_or_harmless(self, acme: Tenant, globex: Tenant) -> None:
        before, passed = state(), []
        reader = Reader(acme.organization)
        for sql in REFUSED:
            answer: object
            try:
                answer = reader.sample(addressed(sql, acme, globex), limit=100)
                passed.append(sql)
            except InvalidRequest as refused:
                answer = refused.message
            assert told_nothing(answer), sql
        assert state() == before
        # What got through must be a handful of statements that are harmless when rewritten.
        assert set(passed) <= set(REWRITTEN), "\n".join(set(passed) - set(REWRITTEN))

    def test_bombs_end(self, acme: Tenant) -> None:
        reader = Reader(acme.organization)
        for sql in ENDLESS:
            tree = reader.scoped(sql)
            query = reader.dialect.render(tree, {})
            started = time.monotonic()
            try:
                rows = reader.connector.run(query, limit=10, timeout=0.5)
                assert len(rows.rows) <= 10
            except (Unavailable, InvalidRequest):
                pass
            assert time.monotonic() - started < 5, sql

    @pytest.mark.parametrize("sql", FINE)
    def test_honest_sql_passes_and_sees_its_own_rows(self, acme: Tenant, sql: str) -> None:
        assert told_nothing(Reader(acme.organization).sample(sql, limit=100))

    @pytest.mark.parametrize("sql", honest.BOTH + (honest.SQLITE if ON_SQLITE else honest.POSTGRES))
    def test_what_people_write_passes(self, acme: Tenant, sql: str) -> None:
        assert told_nothing(Reader(acme.organization).sample(sql, limit=100))

    def test_what_a_literal_says_arrives(self, acme: Tenant) -> None:
        for text in ("it's", "back\\slash", "new\nline", "\\n", "%s %(x)s %%", "é𝄞", "--", "/*", "$1 ?1 :x", '"`[]'):
            sql = "SELECT '" + text.replace("'", "''") + "' AS text"
            assert Reader(acme.organization).sample(sql, limit=1).rows == [(text,)]

    @pytest.mark.parametrize(
        ("sql", "says"),
        [
            ("", "empty"),
            ("SELECT 1; SELECT 2", "one statement"),
            ("DROP TABLE rewards", "DROP"),
            ("SELECT * FROM conversions", "no table"),
            ("SELECT pg_sleep(1)", "pg_sleep"),
            ("SELECT revenue FROM rewards", "revenue"),
            ("SELECT * FROM rewards WHERE timestamp > @end_date", "@start_date"),
            ("SELECT " + "(" * 60 + "1" + ")" * 60, "nested"),
            ("SELECT '" + "x" * 30_000 + "'", "longer"),
            (
                "SELECT " + ", ".join(["a [b]"] * 50),
                "subscripts" if connection.vendor == "postgresql" else "no such column",
            ),
            ("SELECT 1 " + "+ 1" * 3_000, "too long"),
        ],
    )
    def test_a_refusal_says_why(self, acme: Tenant, sql: str, says: str) -> None:
        with pytest.raises(InvalidRequest) as refused:
            Reader(acme.organization).sample(sql, limit=1)
        assert says in refused.value.message


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("stored")
class TestTheSecondLock:
    """The same attacks as they are, past the gate, on the connector's own connection."""

    @pytest.fixture(autouse=True)
    def _own_connections(self, monkeypatch: pytest.MonkeyPatch, _managed_warehouse_sees_the_test: None) -> None:
        monkeypatch.setattr(ManagedPostgres, "session", staticmethod(managed_postgres.own_connection))
        monkeypatch.setattr(ManagedSqlite, "connect", staticmethod(managed_sqlite.own_connection))

    @pytest.fixture
    def connector(self, acme: Tenant) -> Connector:
        return connector_of(acme.organization)

    @pytest.mark.parametrize("limit", [None, 100])
    def test_attacks_find_nothing(self, connector: Connector, acme: Tenant, globex: Tenant, limit: int | None) -> None:
        before = state()
        for sql in [*REFUSED, *FINE, "COMMIT", "ROLLBACK", "END"]:
            answer: object
            try:
                answer = connector.run(Query(addressed(sql, acme, globex)), limit=limit, timeout=0.3)
            except (InvalidRequest, Unavailable) as refused:
                answer = refused.message
            assert told_nothing(answer), sql
        assert state() == before

    def test_the_tables_hold_this_organizations_rows(self, connector: Connector, globex: Tenant) -> None:
        mine = connector.run(Query("SELECT anonymous_id FROM managed_rewards"))
        assert mine.rows == [("mine",)] * 5
        theirs = connector_of(globex.organization).run(Query("SELECT anonymous_id FROM managed_exposures"))
        assert theirs.rows == [(SECRET,)] * 5

    def test_nothing_else_can_be_read(self, connector: Connector) -> None:
        for table in ("organizations_apikey", "organizations_user", "django_session", "warehouse_metric"):
            with pytest.raises(InvalidRequest):
                connector.run(Query(f"SELECT * FROM {table}"))

    def test_nothing_can_be_written(self, connector: Connector) -> None:
        for sql in ("DELETE FROM managed_rewards", "CREATE TABLE evil (a int)", "UPDATE managed_rewards SET value = 2"):
            with pytest.raises(InvalidRequest):
                connector.run(Query(sql))

    def test_time_is_bounded(self, connector: Connector) -> None:
        endless = "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT COUNT(*) FROM t"
        started = time.monotonic()
        with pytest.raises(Unavailable, match="did not end"):
            connector.run(Query(endless), timeout=0.3)
        assert time.monotonic() - started < 5

    def test_a_round_trip(self, connector: Connector) -> None:
        assert 0 < connector.test() < 5


@pytest.mark.django_db
class TestADeadWarehouse:
    def test_it_is_told_in_bounded_time(self, acme: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
        own: Any
        if ON_SQLITE:
            own = ManagedSqlite(acme.organization.pk)
            nowhere = {"NAME": "/nowhere/at/all.sqlite3"}
            monkeypatch.setattr(own, "connect", managed_sqlite.own_connection)
        else:
            own = ManagedPostgres(acme.organization.pk)
            nowhere = {"HOST": "127.0.0.1", "PORT": "1"}
            monkeypatch.setattr(own, "session", managed_postgres.own_connection)
        for key, value in nowhere.items():
            monkeypatch.setitem(connection.settings_dict, key, value)
        started = time.monotonic()
        with pytest.raises(Unavailable):
            own.run(Query("SELECT 1"))
        assert time.monotonic() - started < 10
