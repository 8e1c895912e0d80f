"""Events per second through the ingestion endpoint against raw inserts of the same rows.

    python benchmarks/ingest.py [--rounds 40]

Both write to one database with the same durability: the endpoint through the whole WSGI application (middleware, key,
ownership, decoding, storage, answer), the raw side with one `executemany` of prepared rows per transaction on an open
connection. The two take turns batch by batch, so that whatever else the machine does hits both; a second raw series in
the same rotation is the control, whose ratio would be 1 without noise. SQLite in a temporary directory always;
PostgreSQL in a temporary database when DATABASE_URL names a server.
"""

import argparse
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SIZES = (500, 100, 10, 1)
EXPOSURE_COLUMNS = (
    "organization_id, anonymous_id, timestamp, received_at, idempotency_key, optimization_id, variant, context"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=40, help="Batches of every size and series.")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        measure(options.rounds)
        return
    server = os.environ.get("DATABASE_URL", "")
    with tempfile.TemporaryDirectory() as directory:
        child(f"sqlite:///{directory}/bench.sqlite3", directory, options.rounds)
        if server.startswith("postgres"):
            on_postgresql(server, directory, options.rounds)


def on_postgresql(server: str, directory: str, rounds: int) -> None:
    import psycopg

    address, name = server.rpartition("/")[0], f"bench_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(f"{address}/postgres", autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
        try:
            child(f"{address}/{name}", directory, rounds)
        finally:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def child(database: str, directory: str, rounds: int) -> None:
    """A process per database: Django reads its settings once."""
    environment = os.environ | {
        "DATABASE_URL": database,
        "LEVERED_DATA_DIR": directory,
        "DJANGO_SETTINGS_MODULE": "levered_site.settings",
        "LEVERED_RATE_LIMIT_INGEST": "100000000/m",
        "PYTHONPATH": str(ROOT),
    }
    command = [sys.executable, __file__, "--inside", "--rounds", str(rounds)]
    with (Path(directory) / "requests.log").open("w") as log:  # requests are logged, as always
        done = subprocess.run(command, env=environment, cwd=ROOT, stderr=log, check=False)
    if done.returncode:
        sys.exit((Path(directory) / "requests.log").read_text()[-3000:])


def measure(rounds: int) -> None:
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connection

    from levered_site.wsgi import application

    call_command("migrate", verbosity=0)
    organization, secret, optimization = prepare()
    raw = raw_writer(organization)
    print(f"\n{connection.vendor}, {rounds} batches of each size, medians")
    print(f"{'events/batch':>12} {'raw events/s':>14} {'endpoint events/s':>18} {'ratio':>7} {'A/A control':>12}")
    for size in SIZES:
        times: dict[str, list[float]] = {"raw": [], "endpoint": [], "control": []}
        for turn in range(rounds + 3):
            order = list(times)
            for series in order[turn % 3 :] + order[: turn % 3]:  # nobody always follows the same one
                batch = events(optimization, size)
                run = endpoint(application, secret, batch) if series == "endpoint" else raw(batch)
                started = time.perf_counter()
                run()
                if turn >= 3:  # the first ones warm up
                    times[series].append(time.perf_counter() - started)
        of = {series: size / statistics.median(seconds) for series, seconds in times.items()}
        ratio, control = of["endpoint"] / of["raw"], of["control"] / of["raw"]
        print(f"{size:>12} {of['raw']:>14,.0f} {of['endpoint']:>18,.0f} {ratio:>7.2f} {control:>12.2f}")


def prepare() -> tuple[int, str, str]:
    from tests.conftest import tenant
    from tests.ingestion import optimization

    acme = tenant("Acme")
    return acme.organization.pk, acme.secret, str(optimization(acme).pk)


def events(optimization: str, size: int) -> list[dict[str, Any]]:
    return [
        {
            "anonymous_id": f"user_{uuid.uuid4()}",
            "optimization_id": optimization,
            "variant": {"cta": "sign_up_now", "hero": "shield"},
            "context": {"country": "US", "device": "mobile"},
            "timestamp": "2026-06-16T10:30:00Z",
            "idempotency_key": str(uuid.uuid4()),
        }
        for _ in range(size)
    ]


def endpoint(application: Any, secret: str, batch: list[dict[str, Any]]) -> Callable[[], None]:
    body = json.dumps({"events": batch}).encode()
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/api/v2/ingest/exposures",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_HOST": "localhost",
        "HTTP_AUTHORIZATION": f"Bearer {secret}",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
    }

    def run() -> None:
        answered = []
        response = application(environ, lambda status, headers: answered.append(status))
        b"".join(response)
        response.close()
        assert answered == ["200 OK"], answered

    return run


def raw_writer(organization: int) -> Callable[[list[dict[str, Any]]], Callable[[], None]]:
    """Rows as the database wants them, made outside the measured time."""
    from django.db import connection

    marks = ", ".join(["%s" if connection.vendor == "postgresql" else "?"] * 8)
    insert = f"INSERT INTO managed_exposures ({EXPOSURE_COLUMNS}) VALUES ({marks})"
    if connection.vendor == "postgresql":
        import psycopg

        postgresql = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)

        def write(rows: list[tuple[Any, ...]]) -> None:
            with postgresql.transaction(), postgresql.cursor() as cursor:
                cursor.executemany(insert, rows)

    else:
        import sqlite3

        from django.conf import settings

        database = settings.DATABASES["default"]
        sqlite = sqlite3.connect(database["NAME"], isolation_level=None)
        sqlite.executescript(database["OPTIONS"]["init_command"])

        def write(rows: list[tuple[Any, ...]]) -> None:
            sqlite.execute("BEGIN IMMEDIATE")
            sqlite.executemany(insert, rows)
            sqlite.execute("COMMIT")

    def prepared(batch: list[dict[str, Any]]) -> Callable[[], None]:
        at = "2026-06-16 10:30:00+00" if connection.vendor == "postgresql" else "2026-06-16 10:30:00"
        rows = [
            (
                organization,
                e["anonymous_id"],
                at,
                at,
                e["idempotency_key"],
                e["optimization_id"] if connection.vendor == "postgresql" else e["optimization_id"].replace("-", ""),
                json.dumps(e["variant"]),
                json.dumps(e["context"]),
            )
            for e in batch
        ]
        return lambda: write(rows)

    return prepared


if __name__ == "__main__":
    main()
