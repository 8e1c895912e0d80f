"""A small HTTP client of the public API: keep-alive connections, one per thread."""

import http.client
import json
import threading
import time
from typing import Any
from urllib.parse import urlsplit

RETRIES = 5


class ApiError(Exception):
    """The server refused a request."""


class Api:
    def __init__(self, url: str, key: str) -> None:
        self._netloc = urlsplit(url).netloc
        self._key = key
        self._local = threading.local()

    def call(self, method: str, path: str, body: Any = None, *, address: str | None = None) -> dict[str, Any]:
        """The JSON answer. A server that is restarting is asked again; any other refusal is an ApiError."""
        headers = {"Content-Type": "application/json"}
        if address is None:
            headers["Authorization"] = f"Bearer {self._key}"
        else:
            headers["X-Forwarded-For"] = address  # a visitor's browser: no key, an address of its own
        payload = None if body is None else json.dumps(body)
        for attempt in range(RETRIES):
            try:
                connection = self._connection()
                connection.request(method, f"/api/v2{path}", payload, headers)
                response = connection.getresponse()
                answer: dict[str, Any] = json.loads(response.read() or b"{}")
            except (OSError, http.client.HTTPException, ValueError):
                self._local.connection = None
                time.sleep(0.5 * 2**attempt)
                continue
            if response.status in {429, 503}:
                time.sleep(float(response.headers.get("Retry-After", 1)))
                continue
            if response.status >= 400:
                raise ApiError(f"{method} {path}: {response.status} {answer.get('error', {}).get('message')}")
            return answer
        raise ApiError(f"{method} {path}: the server does not answer.")

    def _connection(self) -> http.client.HTTPConnection:
        connection: http.client.HTTPConnection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = http.client.HTTPConnection(self._netloc, timeout=60)
        return connection


def wait_until_ready(url: str, *, seconds: float = 60) -> None:
    """Returns when `/readyz` answers 200; raises ApiError when it does not within `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=5)
            connection.request("GET", "/readyz")
            if connection.getresponse().status == 200:
                return
        except OSError:
            pass
        time.sleep(0.2)
    raise ApiError(f"No server became ready at {url} within {seconds:.0f} s.")
