"""Bodies on the wire: with their length, in chunks, and too long either way."""

import json
from collections.abc import Iterator

import pytest

from tests.server.process import PREPARE, Server, run

URL = "/api/v2/ingest/rewards"
COUNT = """
import django
django.setup()
from warehouse.models import Reward
print(Reward.objects.count())
"""


def chunks(body: bytes, size: int) -> Iterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]


@pytest.mark.server
def test_a_body_in_chunks_is_read_and_bounded_like_any_other(environment: dict[str, str]) -> None:
    secret = run(PREPARE, environment)["secret"]
    good = json.dumps({"events": [{"anonymous_id": f"user_{i}", "name": "sale"} for i in range(500)]}).encode()
    large = json.dumps({"events": [{"anonymous_id": "u", "name": "sale", "properties": "x" * 6_000_000}]}).encode()
    server = Server(environment)
    try:
        assert server.send("POST", URL, good, secret)[0] == 200
        status, body = server.send("POST", URL, chunks(good, 1000), secret)
        assert (status, body["accepted"]) == (200, 500)
        assert server.send("POST", URL, chunks(large, 100_000), secret)[0] == 413
        assert server.send("POST", URL, large, secret)[0] == 413
        # not only where bodies are read by hand
        key = json.dumps({"name": "CI", "scopes": ["read"]}).encode()
        assert server.send("POST", "/api/v2/api-keys", chunks(key, 5), secret)[0] == 201
        assert server.send("POST", URL, good, "wrong")[0] == 401
        assert run(COUNT, environment) == 1000
    finally:
        server.kill()
