"""Real server processes on one database: each sees a publication within a second, and serves on without a database."""

import json
import os
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings
from psycopg import sql

from benchmarks.load import ROOT, Server
from tests.server.proxy import Proxy

pytestmark = pytest.mark.server
POSTGRES = settings.DATABASES["default"]["ENGINE"].endswith("postgresql")
APPLICATION = "levered_site.wsgi:application"


class Site:
    """A database of its own, commands on it, and servers in front of it."""

    def __init__(self, directory: Path, database_url: str) -> None:
        self.environment = {
            "LEVERED_DATA_DIR": str(directory),
            "DATABASE_URL": database_url,
            "REDIS_URL": "",
            "LEVERED_RATE_LIMIT_SERVE": "1000000/m",
            "LEVERED_SNAPSHOT_POLL_SECONDS": "0.5",
        }
        self.servers: list[Server] = []

    def run(self, *arguments: str) -> dict[str, Any]:
        command = [sys.executable, "-m", "tests.server.scenario", *arguments]
        environment = os.environ | self.environment
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        told: dict[str, Any] = json.loads(done.stdout)
        return told

    def serve(self, *options: str, **environment: str) -> Server:
        server = Server.start(APPLICATION, self.environment | environment, *options)
        self.servers.append(server)
        return server


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    if not POSTGRES:
        made = Site(tmp_path, f"sqlite:///{tmp_path / 'site.sqlite3'}")
        yield made
        stop(made)
        return
    database = settings.DATABASES["default"]
    name = f"two_processes_{uuid.uuid4().hex[:8]}"
    server = {"host": database["HOST"], "port": database["PORT"] or 5432, "user": database["USER"]}
    server |= {"password": database["PASSWORD"]} if database["PASSWORD"] else {}
    with psycopg.connect(dbname="postgres", autocommit=True, **server) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        credentials = f"{database['USER']}:{database['PASSWORD']}".rstrip(":")
        made = Site(tmp_path, f"postgres://{credentials}@{server['host']}:{server['port']}/{name}")
        yield made
        stop(made)
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def stop(site: Site) -> None:
    for server in site.servers:
        server.stop()


def ask(port: int, optimization_id: str, anonymous_id: str = "visitor") -> tuple[int, dict[str, Any]]:
    """One request over a connection of its own."""
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        path = f"/api/v2/optimizations/{optimization_id}/serve"
        connection.request("POST", path, json.dumps({"anonymous_id": anonymous_id}))
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def version_at(port: int, optimization_id: str) -> int:
    status, body = ask(port, optimization_id)
    assert status == 200, body
    return int(body["model_version"])


def until(condition: Callable[[], bool], seconds: float) -> float:
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < seconds, "it did not happen in time"
        time.sleep(0.01)
    return time.monotonic() - started


class Watch(threading.Thread):
    """Asks a server all the time; notes when it first served each version, and everything that was not a 200."""

    def __init__(self, port: int, optimization_id: str) -> None:
        super().__init__(daemon=True)
        self.port, self.optimization_id = port, optimization_id
        self.first_seen: dict[int, float] = {}
        self.answers = 0
        self.failures: list[Any] = []
        self.ended = threading.Event()

    def run(self) -> None:
        while not self.ended.wait(0.01):
            try:
                status, body = ask(self.port, self.optimization_id)
            except OSError as error:
                self.failures.append(error)
                continue
            if status != 200:
                self.failures.append((status, body))
                continue
            self.answers += 1
            self.first_seen.setdefault(body["model_version"], time.time())

    def __enter__(self) -> "Watch":
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.ended.set()
        self.join(timeout=15)


def test_every_process_serves_a_new_version_within_a_second(site: Site) -> None:
    optimization_id = site.run("create")["id"]
    one, two = site.serve(), site.serve()
    three = site.serve("--workers", "2")
    with Watch(one.port, optimization_id) as first, Watch(two.port, optimization_id) as second:
        until(lambda: 0 in first.first_seen and 0 in second.first_seen, 10)
        for version in (1, 2):
            published = site.run("publish", optimization_id)
            assert published["version"] == version
            time.sleep(max(0.0, published["at"] + 1.0 - time.time()))
            # both workers of the third server take some of these connections
            assert {version_at(three.port, optimization_id) for _ in range(40)} == {version}
            for watch in (first, second):
                assert watch.first_seen[version] - published["at"] < 1.0
        assert first.failures == second.failures == []


def test_what_another_process_made_a_moment_ago_is_found(site: Site) -> None:
    site.run("create")
    server = site.serve(LEVERED_SNAPSHOT_POLL_SECONDS="60")
    made = site.run("another")
    assert version_at(server.port, made["id"]) == 0
    assert ask(server.port, str(uuid.uuid4()))[0] == 404


def test_a_body_in_chunks(site: Site) -> None:
    optimization_id = site.run("create")["id"]
    connection = HTTPConnection("127.0.0.1", site.serve().port, timeout=10)
    path = f"/api/v2/optimizations/{optimization_id}/serve"
    answers = []
    for chunks in ([b'{"anonymous', b'_id": "u"}'], [b" " * 1_000_000] * 6, [b"{"]):
        connection.request("POST", path, iter(chunks), encode_chunked=True)
        response = connection.getresponse()
        answers.append(response.status)
        response.read()
        connection.close()
    assert answers == [200, 413, 400]


@pytest.mark.skipif(POSTGRES, reason="moves the file of an embedded database")
def test_a_moved_database_file_does_not_stop_serving(site: Site, tmp_path: Path) -> None:
    optimization_id = site.run("create")["id"]
    site.run("publish", optimization_id)
    server = site.serve()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with Watch(server.port, optimization_id) as watch:
        until(lambda: 1 in watch.first_seen, 10)
        moved = list(tmp_path.glob("site.sqlite3*"))
        for file in moved:
            file.rename(elsewhere / file.name)
        time.sleep(1.5)
        assert not (tmp_path / "site.sqlite3").exists()
        status, body = ask(server.port, str(uuid.uuid4()))
        assert (status, body["error"]["code"]) == (503, "unavailable")
        before = watch.answers
        until(lambda: watch.answers > before + 20, 10)
        for file in list(elsewhere.iterdir()):
            file.rename(tmp_path / file.name)
        assert site.run("publish", optimization_id)["version"] == 2
        until(lambda: 2 in watch.first_seen, 5)
        assert watch.failures == []


@pytest.mark.skipif(not POSTGRES, reason="cuts the way to a database server")
@pytest.mark.parametrize("silently", [False, True], ids=["refused", "silent"])
def test_a_lost_database_server_does_not_stop_serving(site: Site, silently: bool) -> None:
    optimization_id = site.run("create")["id"]
    site.run("publish", optimization_id)
    database = settings.DATABASES["default"]
    address = f"{database['HOST']}:{database['PORT'] or 5432}"
    with Proxy(database["HOST"], int(database["PORT"] or 5432)) as proxy:
        behind = site.environment["DATABASE_URL"].replace(address, f"127.0.0.1:{proxy.port}")
        server = site.serve(DATABASE_URL=behind)
        with Watch(server.port, optimization_id) as watch:
            until(lambda: 1 in watch.first_seen, 10)
            proxy.cut(silently=silently)
            assert site.run("publish", optimization_id)["version"] == 2
            before = watch.answers
            until(lambda: watch.answers > before + 20, 10)
            time.sleep(4)
            assert set(watch.first_seen) == {1}
            proxy.restore()
            until(lambda: 2 in watch.first_seen, 20)
            assert watch.failures == []


@pytest.mark.skipif(not POSTGRES, reason="ends sessions of a database server")
def test_terminated_sessions_are_replaced(site: Site) -> None:
    optimization_id = site.run("create")["id"]
    server = site.serve()
    with Watch(server.port, optimization_id) as watch, psycopg.connect(site.environment["DATABASE_URL"]) as admin:
        until(lambda: 0 in watch.first_seen, 10)
        ended = admin.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        ).fetchone()
        assert ended
        assert ended[0] >= 1
        site.run("publish", optimization_id)
        until(lambda: 1 in watch.first_seen, 10)
        assert watch.failures == []
