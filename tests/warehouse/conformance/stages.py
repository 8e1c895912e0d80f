"""The warehouses that are to conform, each filled with the same events and able to fail in the same ways."""

import datetime as dt
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import psycopg
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from sqlglot import exp

from tests.server.proxy import Proxy
from tests.warehouse.conformance.bigquery_server import BigQueryServer
from tests.warehouse.conformance.events import Exposed, Rewarded
from warehouse.connectors.base import Connector
from warehouse.connectors.bigquery import BigQuery
from warehouse.connectors.config import BigQueryConfig, DuckDBConfig, PostgresConfig, SnowflakeConfig
from warehouse.connectors.duckdb import DuckDB
from warehouse.connectors.postgres import Postgres
from warehouse.connectors.snowflake import Snowflake

SEEN_SQL = "SELECT anonymous_id, shown_at, variant, context, cta, device FROM seen WHERE shown_at >= @start_date"
WON_SQL = "SELECT user_id, happened_at, name, value FROM won WHERE happened_at >= @start_date"


class Stage(Protocol):
    """`endless`: SQL that never ends. `refusals`: SQL that the gate passes and the warehouse refuses, and its words."""

    name: str
    endless: str
    refusals: dict[str, str]

    def connector(self) -> Connector: ...

    def wrong_credentials(self) -> Connector:
        """With a password, or what there is of it, that contains `s3cret`."""

    @contextmanager
    def through(self, proxy: Proxy) -> Iterator[Connector]: ...

    def address(self) -> tuple[str, int]:
        """Where the server listens, for a proxy."""

    def is_running(self, mark: str) -> bool:
        """Whether the warehouse still works on a query with this text in it."""


def seen_rows(exposures: Sequence[Exposed]) -> list[tuple[Any, ...]]:
    return [
        (
            e.anonymous_id,
            e.at.replace(tzinfo=None),  # a timestamp without a zone is UTC
            json.dumps({"cta": e.cta, "n": 1.5, "yes": True, "none": None}),
            json.dumps({} if e.device is None else {"device": e.device}),
            e.cta,
            e.device,
        )
        for e in exposures
    ]


def won_rows(rewards: Sequence[Rewarded]) -> list[tuple[Any, ...]]:
    return [(r.anonymous_id, r.at, r.name, r.value) for r in rewards]


def literals(rows: Sequence[tuple[Any, ...]], dialect: str = "duckdb") -> str:
    """What stands after VALUES: one statement, where a batch would be run row by row."""
    texts = [tuple(str(v) if isinstance(v, dt.datetime) else v for v in row) for row in rows]
    return ", ".join(exp.convert(row).sql(dialect) for row in texts)


class PostgresStage:
    name = "postgres"
    endless = "SELECT COUNT(*) FROM generate_series(1, 10000000) AS a, generate_series(1, 10000000) AS b"
    refusals = {
        "SELECT nope FROM seen": "nope",
        "SELECT CAST(anonymous_id AS int) FROM seen": "integer",
        "SELECT * FROM nowhere": "nowhere",
        "SELECT 1 / (value - value) FROM won": "division by zero",
    }

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.host, self.port = parts.hostname or "127.0.0.1", parts.port or 5432
        self.user, self.password = parts.username or "postgres", parts.password or ""
        self.database = "levered_conformance"
        self.admin = url

    @contextmanager
    def filled(self, exposures: Sequence[Exposed], rewards: Sequence[Rewarded]) -> Iterator[None]:
        with psycopg.connect(self.admin, autocommit=True) as admin:
            admin.execute(f"DROP DATABASE IF EXISTS {self.database} WITH (FORCE)")
            admin.execute(f"CREATE DATABASE {self.database}")
            # a server and a user elsewhere on the globe: neither may matter
            admin.execute(f"ALTER DATABASE {self.database} SET TimeZone = 'Pacific/Auckland'")
        try:
            with self._connect() as connection, connection.cursor() as cursor:
                cursor.execute(
                    "CREATE TABLE seen (anonymous_id text, shown_at timestamp, variant jsonb, context jsonb, cta text, device text)"
                )
                cursor.execute("CREATE TABLE won (user_id text, happened_at timestamptz, name text, value numeric)")
                cursor.execute("CREATE SCHEMA other CREATE VIEW winners AS SELECT user_id FROM public.won")
                for table, rows in (("seen", seen_rows(exposures)), ("won", won_rows(rewards))):
                    with cursor.copy(f"COPY {table} FROM STDIN") as copy:
                        for row in rows:
                            copy.write_row(row)
            yield
        finally:
            with psycopg.connect(self.admin, autocommit=True) as admin:
                admin.execute(f"DROP DATABASE IF EXISTS {self.database} WITH (FORCE)")

    def _connect(self) -> "psycopg.Connection[Any]":
        return psycopg.connect(
            host=self.host, port=self.port, user=self.user, password=self.password, dbname=self.database
        )

    def connector(self) -> Connector:
        return self._connector()

    def _connector(self, **changes: Any) -> Postgres:
        fields: dict[str, Any] = {
            "host": self.host, "port": self.port, "database": self.database,
            "username": self.user, "password": self.password,
        }  # fmt: skip
        return Postgres(PostgresConfig(**(fields | changes)), hostaddr="127.0.0.1")

    def wrong_credentials(self) -> Connector:
        return self._connector(username="nobody-s-name", password="s3cret")

    @contextmanager
    def through(self, proxy: Proxy) -> Iterator[Connector]:
        yield self._connector(port=proxy.port)

    def address(self) -> tuple[str, int]:
        return self.host, self.port

    def is_running(self, mark: str) -> bool:
        with self._connect() as connection:
            sql = "SELECT COUNT(*) FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid() AND query LIKE %s"
            (n,) = connection.execute(sql, [f"%{mark}%"]).fetchone() or (0,)
        return bool(n)


class DuckDBStage:
    name = "duckdb"
    endless = "SELECT SUM(a.range + b.range) AS s FROM range(10000000) AS a, range(10000000) AS b"
    refusals = {
        "SELECT nope FROM seen": "nope",
        "SELECT CAST(anonymous_id AS INTEGER) FROM seen": "INT32",
        "SELECT * FROM nowhere": "nowhere",
    }

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    @contextmanager
    def filled(self, exposures: Sequence[Exposed], rewards: Sequence[Rewarded]) -> Iterator[None]:
        import duckdb

        with duckdb.connect(self.directory / "shop.duckdb") as file:
            file.execute(
                "CREATE TABLE seen (anonymous_id text, shown_at timestamp, variant json, context json, cta text, device text)"
            )
            file.execute("CREATE TABLE won (user_id text, happened_at timestamptz, name text, value decimal(20, 2))")
            file.execute("CREATE SCHEMA other; CREATE VIEW other.winners AS SELECT user_id FROM main.won")
            file.execute(f"INSERT INTO seen VALUES {literals(seen_rows(exposures))}")
            file.execute(f"INSERT INTO won VALUES {literals(won_rows(rewards))}")
        yield

    def connector(self) -> Connector:
        return DuckDB(DuckDBConfig("shop.duckdb"), directory=self.directory)

    def is_running(self, mark: str) -> bool:
        return False  # the engine ended with the query


class SnowflakeStage:
    """`server` is fakesnow's (snowflake_server.py), reached by Snowflake's own client."""

    name = "snowflake"
    endless = "SELECT SUM(a.n + b.n) AS s FROM big AS a CROSS JOIN big AS b CROSS JOIN big AS c"
    refusals = {
        "SELECT nope FROM seen": "nope",
        "SELECT CAST(anonymous_id AS INTEGER) AS i FROM seen": "convert",
        "SELECT * FROM nowhere": "nowhere",
    }

    def __init__(self, port: int, private_key: str, passphrase: str) -> None:
        self.port, self.private_key, self.passphrase = port, private_key, passphrase

    @contextmanager
    def filled(self, exposures: Sequence[Exposed], rewards: Sequence[Rewarded]) -> Iterator[None]:
        import snowflake.connector

        with snowflake.connector.connect(
            user="owner", password="the right one", account="fakesnow", host="127.0.0.1", port=self.port,
            protocol="http", database="SHOP", schema="PUBLIC", network_timeout=30,
        ) as owner, owner.cursor() as cursor:  # fmt: skip
            cursor.execute(
                "CREATE TABLE seen (anonymous_id varchar, shown_at timestamp_ntz, variant variant, context varchar, cta varchar, device varchar)"
            )
            cursor.execute(
                "CREATE TABLE won (user_id varchar, happened_at timestamp_tz, name varchar, value number(20, 2))"
            )
            cursor.execute("CREATE SCHEMA other")
            cursor.execute("USE SCHEMA public")
            cursor.execute("CREATE VIEW other.winners AS SELECT user_id FROM public.won")
            cursor.execute("CREATE TABLE big AS SELECT seq4() AS n FROM TABLE(GENERATOR(ROWCOUNT => 100000))")
            east = dt.timezone(dt.timedelta(hours=4))  # the offset is the row's own
            won = [(uid, at.astimezone(east), name, value) for uid, at, name, value in won_rows(rewards)]
            seen = f"(VALUES {literals(seen_rows(exposures), self.name)}) AS v (a, b, c, d, e, f)"
            cursor.execute(f"INSERT INTO seen SELECT a, b::timestamp_ntz, PARSE_JSON(c), d, e, f FROM {seen}")
            rows = f"(VALUES {literals(won, self.name)}) AS v (a, b, c, d)"
            cursor.execute(f"INSERT INTO won SELECT a, b::timestamp_tz, c, d FROM {rows}")
            yield

    def connector(self) -> Connector:
        return self._connector()

    def _connector(self, **changes: Any) -> Snowflake:
        fields: dict[str, Any] = {
            "account": "fakesnow", "username": "reader", "password": "the right one", "warehouse": "WH",
            "database": "SHOP", "schema": "PUBLIC", "host": "127.0.0.1", "port": self.port, "protocol": "http",
        }  # fmt: skip
        return Snowflake(SnowflakeConfig(**(fields | changes)))

    def with_key(self, **changes: Any) -> Snowflake:
        """By the encrypted key pair instead of the password."""
        keys = {"password": None, "private_key": self.private_key, "passphrase": self.passphrase}
        return self._connector(**(keys | changes))

    def wrong_credentials(self) -> Connector:
        return self._connector(password="s3cret")

    @contextmanager
    def through(self, proxy: Proxy) -> Iterator[Connector]:
        yield self._connector(port=proxy.port)

    def address(self) -> tuple[str, int]:
        return "127.0.0.1", self.port

    def is_running(self, mark: str) -> bool:
        return False  # one engine runs one query at a time: the next one's answer is the proof


class BigQueryStage:
    """Google's own client against `bigquery_server`."""

    name = "bigquery"
    endless = "SELECT SUM(a + b) AS s FROM UNNEST(GENERATE_ARRAY(1, 1000000)) AS a CROSS JOIN UNNEST(GENERATE_ARRAY(1, 1000000)) AS b"
    refusals = {
        "SELECT nope FROM seen": "nope",
        "SELECT CAST(anonymous_id AS INT64) AS i FROM seen": "convert",
        "SELECT * FROM nowhere": "nowhere",
    }

    def __init__(self, server: BigQueryServer, service_account: dict[str, str]) -> None:
        self.server, self.service_account = server, service_account

    @contextmanager
    def filled(self, exposures: Sequence[Exposed], rewards: Sequence[Rewarded]) -> Iterator[None]:
        database = self.server.database
        database.execute("CREATE SCHEMA shop; CREATE SCHEMA other")
        database.execute(
            "CREATE TABLE shop.seen (anonymous_id text, shown_at timestamp, variant json, context text, cta text, device text)"
        )
        database.execute(
            "CREATE TABLE shop.won (user_id text, happened_at timestamptz, name text, value decimal(20, 2))"
        )
        database.execute("CREATE VIEW other.winners AS SELECT user_id FROM shop.won")
        database.execute(f"INSERT INTO shop.seen VALUES {literals(seen_rows(exposures))}")
        database.execute(f"INSERT INTO shop.won VALUES {literals(won_rows(rewards))}")
        yield

    def connector(self) -> Connector:
        return self._connector()

    def _connector(self, *, port: int = 0, **changes: Any) -> BigQuery:
        fields: dict[str, Any] = {
            "service_account": self.service_account,
            "dataset": "shop", "endpoint": f"http://127.0.0.1:{port or self.server.port}",
        }  # fmt: skip
        return BigQuery(BigQueryConfig(**(fields | changes)))

    def wrong_credentials(self) -> Connector:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        return self._connector(service_account=self.service_account | {"private_key": pem, "client_id": "s3cret"})

    @contextmanager
    def through(self, proxy: Proxy) -> Iterator[Connector]:
        yield self._connector(port=proxy.port)

    def address(self) -> tuple[str, int]:
        return "127.0.0.1", self.server.port

    def is_running(self, mark: str) -> bool:
        return not all(job.done.wait(5) for job in self.server.jobs.values())
