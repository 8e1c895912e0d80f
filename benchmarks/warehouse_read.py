"""How the training read grows with the data, on PostgreSQL and DuckDB, and what one bot does to it.

    DATABASE_URL=postgres://… python benchmarks/warehouse_read.py [--exposures 1000000,10000000]

A customer's warehouse with 100 variants × 12 contexts over 30 days; every tenth exposure earns a reward, most of them
within the window. The rows are made inside the database from md5 of their number, so both databases hold the same ones
and the checksums of what is read must be equal. Timed are the statements of a training through the connectors: cells
(`numeric` with its cap), delays and arms; the tables of all sizes take turns. PostgreSQL in a temporary database when
DATABASE_URL names a server, DuckDB in a temporary file.

Then one more day on the largest size: all days but the last are kept as aggregates, and what a training reads of the
warehouse is timed against a full read of the same moment; both must give the same numbers. `--one-more-day` does only
this.
"""

# ruff: noqa: E402  (Django is set up before its models are imported)
import argparse
import datetime as dt
import hashlib
import os
import socket
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "levered_site.settings")

SERVER = os.environ.get("DATABASE_URL", "")
os.environ["DATABASE_URL"] = "sqlite://:memory:"  # of the application: what is kept of closed days

import django
from django.conf import settings
from django.core.management import call_command

django.setup()

from levered_site.organizations.models import Organization
from warehouse.connectors.base import Connector
from warehouse.connectors.config import DuckDBConfig, PostgresConfig
from warehouse.connectors.duckdb import DuckDB
from warehouse.connectors.postgres import Postgres
from warehouse.models import AssignmentSource, Metric, ReadSeries
from warehouse.services import reading
from warehouse.services.increments import read_arm_days, read_learned
from warehouse.services.observations import ReadSpec, read_arms, read_cells, read_delays

BEGIN = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
DAYS = 30
NOW = BEGIN + dt.timedelta(days=DAYS)
WINDOW = 24 * 3600
OPTIMIZATION = uuid.UUID("1bd1a1b3-4a2c-4f6e-9b1a-0c8f6f1d2e3a")
BOT_EXPOSURES, BOT_REWARDS = 20_000, 5_000
DAY = 86_400_000_000  # microseconds

SOURCE = "SELECT anonymous_id, timestamp, variant, context FROM exposures_{label} WHERE timestamp >= @start_date"
METRIC = "SELECT anonymous_id, timestamp, value FROM rewards_{label} WHERE timestamp >= @start_date"
VALUED = {"anonymous_id": "anonymous_id", "timestamp": "timestamp", "value": "value"}
IN_JSON = {name: name for name in ("anonymous_id", "timestamp", "variant", "context")}

# One md5 per row says who, when, which of 10 × 10 variants in which of 3 × 4 contexts, and whether there is a reward.
TABLES = """
CREATE TABLE exposures_{label} (anonymous_id text, timestamp timestamptz, variant {json}, context {json}, dice bigint);
CREATE TABLE rewards_{label} (anonymous_id text, timestamp timestamptz, value double precision)
"""
EXPOSURES = """
INSERT INTO exposures_{label}
SELECT 'user-' || (who % {users}), {begin} + {micro}(moment * {seconds} {div} 4294967296 * 1000000 + i % 1000000),
       CAST('{{"headline": "h' || (what % 10) || '", "cta": "c' || (what {div} 10 % 10) || '"}}' AS {json}),
       CAST('{{"device": "d' || (what {div} 100 % 3) || '", "country": "l' || (what {div} 300 % 4) || '"}}' AS {json}),
       dice
FROM (SELECT i, {word1} AS who, {word2} AS moment, {word3} AS what, {word4} AS dice
      FROM (SELECT i, md5('exposure' || i) AS h FROM {series}) AS hashed) AS drawn
"""
REWARDS = """
INSERT INTO rewards_{label} SELECT anonymous_id, timestamp + {micro}(dice {div} 10 % 30 * 3600000000), dice % 977 / 4.0
FROM exposures_{label} WHERE dice % 10 = 0
"""
BOT = """
INSERT INTO exposures_{label} SELECT 'bot', {begin} + {micro}(CAST(i AS bigint) * {step}),
       CAST('{{"headline": "h1", "cta": "c1"}}' AS {json}), CAST('{{"device": "d1", "country": "l1"}}' AS {json}), 1
FROM {series}
"""
BOT_REWARDED = (
    "INSERT INTO rewards_{label} SELECT 'bot', {begin} + {micro}(CAST(i AS bigint) * {step}), 1 FROM {series}"
)
POSTGRES = {
    "json": "jsonb", "div": "/", "micro": "interval '1 microsecond' * ",
    "series": "generate_series(1, {n}) AS i", "word": "('x' || substr(h, {start}, 8))::bit(32)::bigint",
}  # fmt: skip
DUCKDB = {
    "json": "json", "div": "//", "micro": "to_microseconds",
    "series": "generate_series(1, {n}) AS numbers(i)", "word": "('0x' || substr(h, {start}, 8))::bigint",
}  # fmt: skip


@dataclass(frozen=True)
class Database:
    """`execute` runs one statement as the owner; `words` is how this database says what the others say differently."""

    name: str
    connector: Connector
    execute: Callable[[str], object]
    words: dict[str, str]

    def load(self, label: str, exposures: int, *, bot: bool = False) -> None:
        """The tables `exposures_<label>` and `rewards_<label>`; all that the bot does is within the first day."""
        for statement in TABLES.split(";"):
            self.execute(self.said(statement, label))
        self.execute(self.said(EXPOSURES, label, exposures, users=exposures * 2 // 3 + 1))
        self.execute(self.said(REWARDS, label))
        if bot:
            self.execute(self.said(BOT, label, BOT_EXPOSURES, step=DAY // BOT_EXPOSURES))
            self.execute(self.said(BOT_REWARDED, label, BOT_REWARDS, step=DAY // BOT_REWARDS))
        self.execute("ANALYZE")

    def said(self, text: str, label: str, n: int = 0, **more: object) -> str:
        words = {f"word{i + 1}": self.words["word"].format(start=8 * i + 1) for i in range(4)}
        begin = f"timestamptz '{BEGIN.isoformat()}'"
        series = self.words["series"].format(n=n)
        return text.format(
            **(self.words | words | {"series": series}), label=label, begin=begin, seconds=DAYS * 86_400, **more
        )


@contextmanager
def on_postgresql(server: str) -> Iterator[Database]:
    import psycopg

    parts, name = urlsplit(server), f"bench_{uuid.uuid4().hex[:12]}"
    host, password = parts.hostname or "127.0.0.1", unquote(parts.password or "")
    config = PostgresConfig(host, name, parts.username or "postgres", password, parts.port or 5432)
    address = server.rpartition("/")[0]
    with psycopg.connect(f"{address}/postgres", autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{name}"')
        try:
            with psycopg.connect(f"{address}/{name}", autocommit=True) as owner:
                yield Database(
                    "PostgreSQL", Postgres(config, hostaddr=socket.gethostbyname(host)), owner.execute, POSTGRES
                )
        finally:
            admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@contextmanager
def on_duckdb() -> Iterator[Database]:
    import duckdb

    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "bench.duckdb"

        def execute(statement: str) -> None:
            with duckdb.connect(file) as owner:  # closed again, or nobody else may open it
                owner.execute(statement)

        duckdb.connect(file).close()
        yield Database("DuckDB", DuckDB(DuckDBConfig(file.name), directory=file.parent), execute, DUCKDB)


def measure(database: Database, label: str, reward_types: Sequence[str]) -> tuple[dict[str, float], str]:
    """Seconds of each statement of one training, and the checksum of everything that was read."""
    reading.connector_of = lambda organization: database.connector
    settings.TASK_SECONDS = 3600
    owner = Organization(name="Bench")
    source = AssignmentSource(organization=owner, sql=SOURCE.format(label=label), column_mapping=IN_JSON)
    seconds: dict[str, float] = {}
    digest = hashlib.sha256()
    for reward_type in reward_types:
        mapping = VALUED | {"reward_type": reward_type}
        metric = Metric(organization=owner, sql=METRIC.format(label=label), column_mapping=mapping)
        read: dict[str, Callable[..., Any]] = {"cells": read_cells, "delays": read_delays, "arms": read_arms}
        for name, function in read.items():
            started = time.perf_counter()
            found = function(source, metric, spec_of(reward_type), now=NOW)
            seconds[f"{name}, {reward_type}"] = time.perf_counter() - started
            digest.update("\n".join(sorted(map(repr, found))).encode())
    return seconds, digest.hexdigest()[:12]


def spec_of(reward_type: Any) -> ReadSpec:
    return ReadSpec(OPTIMIZATION, ("headline", "cta"), ("device", "country"), reward_type, WINDOW, (1 << 32) // 10)


def report(database: Database, sizes: list[int], rounds: int, reward_types: Sequence[str]) -> dict[str, str]:
    """Prints one database's table and returns its checksums. The tables take turns, round by round."""
    labels = {f"{size:,}": f"of_{size}" for size in sizes} | {"with a bot": "with_a_bot"}
    for size in sizes:
        database.load(f"of_{size}", size)
    database.load("with_a_bot", sizes[0], bot=True)
    taken: dict[str, list[dict[str, float]]] = {column: [] for column in labels}
    checksums: dict[str, str] = {}
    for _ in range(rounds):
        for column, label in labels.items():
            seconds, checksums[column] = measure(database, label, reward_types)
            taken[column].append(seconds | {"**training**": sum(seconds.values())})
    first, last = f"{sizes[0]:,}", f"{sizes[-1]:,}"
    print(f"\n{database.name}: seconds\n\n| statement | {' | '.join(taken)} | {last} / {first} | bot |")
    print("|---" * (len(taken) + 3) + "|")
    for name in taken[first][0]:
        of = {column: statistics.median(seconds[name] for seconds in rows) for column, rows in taken.items()}
        cells = " | ".join(f"{of[column]:.2f}" for column in taken)
        print(f"| {name} | {cells} | {of[last] / of[first]:.1f} | {of['with a bot'] / of[first]:.2f} |", flush=True)
    return checksums


def one_more_day(database: Database, label: str, rounds: int) -> bool:
    """Prints what a training reads after one more day against a full read; returns whether all numbers are equal."""
    reading.connector_of = lambda organization: database.connector
    owner, _ = Organization.objects.get_or_create(name="Bench")
    source, _ = AssignmentSource.objects.get_or_create(
        organization=owner,
        defaults={"name": "Exposures", "sql": SOURCE.format(label=label), "column_mapping": IN_JSON},
    )
    later, equal = NOW + dt.timedelta(days=1), True  # the last window has closed
    settings.WAREHOUSE_LATENESS_HOURS = 0
    print(
        f"\n{database.name}: one more day\n\n| reward | open days | full | increment | ratio |\n|---|---|---|---|---|"
    )
    for reward_type in ("bool", "numeric"):
        mapping = VALUED | {"reward_type": reward_type}
        sql = METRIC.format(label=label)
        metric = Metric.objects.create(organization=owner, name=reward_type, sql=sql, column_mapping=mapping)
        read = (source, metric, spec_of(reward_type))
        full, everything = timed(lambda r=read: _training(r, later, reread=True), rounds)
        for days in (1, 3):
            increment, found = timed(lambda r=read, d=days: _training(r, later, open_days=d), rounds)
            equal &= _checksum(found) == _checksum(everything)
            row = f"{reward_type} | {days} of {DAYS} | {full:.1f} s | {increment:.2f} s"
            print(f"| {row} | {increment / full:.3f} |", flush=True)
    print(f"\nchecksums of increments and full reads: {'equal' if equal else 'NOT EQUAL'}")
    return equal


def timed(function: Callable[[], Any], rounds: int) -> tuple[float, Any]:
    taken = []
    for _ in range(rounds):
        started = time.perf_counter()
        found = function()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken), found


def _training(read: Any, now: dt.datetime, *, open_days: int = 0, reread: bool = False) -> tuple[Any, Any]:
    """What a training reads, when all days but the last `open_days` are kept."""
    ReadSeries.objects.update(until=(NOW - dt.timedelta(days=open_days)).date())
    return read_learned(*read, now=now, reread=reread), read_arm_days(*read, now=now, reread=reread)


def _checksum(training: tuple[Any, Any]) -> str:
    learned, arms = training
    numbers = [*map(repr, learned.cells), *map(repr, arms), repr(learned.delays)]
    return hashlib.sha256("\n".join(sorted(numbers)).encode()).hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--exposures", default="1000000,10000000", help="Sizes, ascending; the bot joins those of the first."
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--one-more-day", action="store_true", help="Nothing but this, on the last of the sizes.")
    parser.add_argument("--reward-types", default="bool,numeric")
    options = parser.parse_args()
    call_command("migrate", verbosity=0)
    sizes = [int(size) for size in options.exposures.split(",")]
    reward_types = options.reward_types.split(",")
    checksums = []
    equal = True
    databases = [on_duckdb()]
    if SERVER.startswith("postgres"):
        databases.insert(0, on_postgresql(SERVER))
    else:
        print("DATABASE_URL names no PostgreSQL server: only DuckDB is measured.")
    for opened in databases:
        with opened as database:
            if options.one_more_day:
                database.load(f"of_{sizes[-1]}", sizes[-1])
            else:
                checksums.append(report(database, sizes, options.rounds, reward_types))
            equal &= one_more_day(database, f"of_{sizes[-1]}", options.rounds)
    if options.one_more_day:
        sys.exit(not equal)
    equal = all(c == checksums[0] for c in checksums)
    print(f"\nchecksums {checksums[0]}: {'equal' if equal else 'NOT EQUAL: ' + str(checksums)}")


if __name__ == "__main__":
    main()
