"""A database that goes away and comes back: 503 in the documented shape meanwhile, nothing stored, no restart needed."""

import http.client
import json
from typing import Any

import psycopg
import pytest

from tests.server.process import PREPARE, Server, run

URL = "/api/v2/ingest/rewards"


def post(server: Server, secret: str, key: str) -> tuple[int, str | None, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    body = json.dumps({"events": [{"anonymous_id": "u", "name": "sale", "idempotency_key": key}]})
    connection.request("POST", URL, body, {"Content-Type": "application/json", "X-API-Key": secret})
    answer = connection.getresponse()
    read = answer.status, answer.headers["Retry-After"], json.loads(answer.read())
    connection.close()
    return read


@pytest.mark.server
@pytest.mark.postgres
def test_ingestion_waits_for_postgresql(environment: dict[str, str]) -> None:
    if not environment["DATABASE_URL"].startswith("postgres"):
        pytest.skip("DATABASE_URL names no PostgreSQL server")
    address, _, name = environment["DATABASE_URL"].rpartition("/")
    secret = run(PREPARE, environment)["secret"]
    server = Server(environment)
    try:
        assert post(server, secret, "before")[0] == 200
        with psycopg.connect(f"{address}/postgres", autocommit=True) as administrator:
            administrator.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
            administrator.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s", [name]
            )
            try:
                for attempt in range(2):  # the first finds a dead connection, the second gets none
                    status, retry_after, body = post(server, secret, f"meanwhile-{attempt}")
                    assert (status, body["error"]["code"]) == (503, "unavailable")
                    assert retry_after is not None
                    assert int(retry_after) >= 1
            finally:
                administrator.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
        for _ in range(20):
            status, _, body = post(server, secret, "after")
            if status == 200:
                break
        assert (status, body["duplicates"]) == (200, 0)
        with psycopg.connect(environment["DATABASE_URL"]) as database:
            stored = database.execute("SELECT idempotency_key FROM managed_rewards ORDER BY 1").fetchall()
        assert stored == [("after",), ("before",)]
    finally:
        server.kill()
