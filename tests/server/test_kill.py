"""`kill -9` in the middle of ingestion: what was acknowledged is there afterwards, and nothing is there twice."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

ROOT = Path(__file__).resolve().parents[2]
THREADS = 4
BATCH = 20
PREPARE = """
import django, json
django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
from tests.conftest import tenant
from tests.ingestion import optimization
acme = tenant("Acme")
print(json.dumps({"secret": acme.secret, "optimization": str(optimization(acme).pk)}))
"""
COUNT = """
import django, json
django.setup()
from warehouse.models import Exposure
print(json.dumps(list(Exposure.objects.values_list("idempotency_key", flat=True))))
"""


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Of a server with a database of its own: a file, or a new database on the server that DATABASE_URL names."""
    own = os.environ | {
        "LEVERED_DATA_DIR": str(tmp_path),
        "DJANGO_SETTINGS_MODULE": "levered_site.settings",
        "PYTHONPATH": str(ROOT),
        "LEVERED_LOG_LEVEL": "ERROR",
        "LEVERED_RATE_LIMIT_INGEST": "1000000/m",
    }
    url = os.environ.get("DATABASE_URL", "")
    if not url.startswith("postgres"):
        yield own | {"DATABASE_URL": f"sqlite:///{tmp_path}/levered.sqlite3"}
        return
    name = f"kill_{os.getpid()}_{time.time_ns()}"
    address = url.rpartition("/")[0]
    with psycopg.connect(f"{address}/postgres", autocommit=True) as server:
        server.execute(f'CREATE DATABASE "{name}"')
        yield own | {"DATABASE_URL": f"{address}/{name}"}
        server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def run(script: str, environment: dict[str, str]) -> Any:
    """What a script prints as JSON, run in the server's environment."""
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


class Server:
    """The real server in a process group of its own."""

    def __init__(self, environment: dict[str, str]) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        command = [sys.executable, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1"]
        command += ["--port", str(self.port), "--blocking-threads", "4", "levered_site.wsgi:application"]
        self.process = subprocess.Popen(
            command, cwd=ROOT, env=environment, start_new_session=True, stdout=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 10
        while not self._answers():
            assert time.monotonic() < deadline, "the server did not start"
            assert self.process.poll() is None, "the server stopped"
            time.sleep(0.05)

    def _answers(self) -> bool:
        try:
            return self.request("GET", "/healthz", None, "")[0] == 200
        except OSError:
            return False

    def request(self, method: str, path: str, body: object, secret: str) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            headers = {"Content-Type": "application/json", "Authorization": f"Bearer {secret}"}
            connection.request(method, path, json.dumps(body), headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def kill(self) -> None:
        """Ends every process of the server at once, with no chance to finish anything."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)


class Sender(threading.Thread):
    """Sends batch after batch until the server is gone, and remembers what was acknowledged."""

    def __init__(self, number: int, server: Server, prepared: dict[str, str]) -> None:
        super().__init__()
        self.number, self.server, self.prepared = number, server, prepared
        self.sent: list[list[str]] = []
        self.acknowledged: set[str] = set()
        self.refused: list[Any] = []

    def run(self) -> None:
        while True:
            keys = [f"{self.number}-{len(self.sent)}-{i}" for i in range(BATCH)]
            self.sent.append(keys)
            try:
                status, body = send(self.server, self.prepared, keys)
            except (OSError, http.client.HTTPException, ValueError):
                return  # gone, perhaps after the commit and before the answer
            if status != 200 or body["duplicates"]:
                self.refused.append((status, body))
                return
            self.acknowledged.update(keys)


def send(server: Server, prepared: dict[str, str], keys: list[str]) -> tuple[int, Any]:
    event = {
        "anonymous_id": "u",
        "optimization_id": prepared["optimization"],
        "variant": {"cta": "try_it", "hero": "shield"},
    }
    events = [event | {"idempotency_key": key} for key in keys]
    return server.request("POST", "/api/v2/ingest/exposures", {"events": events}, prepared["secret"])


@pytest.mark.server
def test_every_acknowledged_event_survives_and_none_comes_twice(environment: dict[str, str]) -> None:
    prepared = run(PREPARE, environment)
    server = Server(environment)
    senders = [Sender(number, server, prepared) for number in range(THREADS)]
    try:
        for sender in senders:
            sender.start()
        deadline = time.monotonic() + 5
        while min(len(s.acknowledged) for s in senders) < 5 * BATCH and time.monotonic() < deadline:
            time.sleep(0.01)
    finally:
        server.kill()
    for sender in senders:
        sender.join(10)
        assert not sender.is_alive()
    assert [s.refused for s in senders] == [[]] * THREADS
    acknowledged = set[str]().union(*(s.acknowledged for s in senders))
    assert len(acknowledged) >= THREADS * 5 * BATCH

    server = Server(environment)
    try:
        stored = run(COUNT, environment)
        assert len(stored) == len(set(stored))
        assert acknowledged <= set(stored)
        whole = {key for s in senders for keys in s.sent if keys[0] in stored for key in keys}
        assert set(stored) == whole  # of the batches in flight, each is there or is not

        # the clients' retries of what they never heard of
        for sender in senders:
            status, body = send(server, prepared, sender.sent[-1])
            assert (status, body["accepted"]) == (200, BATCH)
            assert body["duplicates"] == (BATCH if sender.sent[-1][0] in stored else 0)
        stored = run(COUNT, environment)
    finally:
        server.kill()
    assert sorted(stored) == sorted(key for s in senders for keys in s.sent for key in keys)
