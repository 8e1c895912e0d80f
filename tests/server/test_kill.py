"""`kill -9` in the middle of ingestion: what was acknowledged is there afterwards, and nothing is there twice."""

import http.client
import threading
import time
from typing import Any

import pytest

from tests.server.process import PREPARE, Server, run

THREADS = 4
BATCH = 20
COUNT = """
import django, json
django.setup()
from warehouse.models import Exposure
print(json.dumps(list(Exposure.objects.values_list("idempotency_key", flat=True))))
"""


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
        deadline = time.monotonic() + 10
        while min(len(s.acknowledged) for s in senders) < 5 * BATCH and time.monotonic() < deadline:
            time.sleep(0.01)
    finally:
        server.kill()
    for sender in senders:
        sender.join(10)
        assert not sender.is_alive()
    assert [s.refused for s in senders] == [[]] * THREADS
    acknowledged = set[str]().union(*(s.acknowledged for s in senders))
    assert len(acknowledged) >= THREADS * BATCH

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
