"""Real server processes with a database of their own."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
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


def run(script: str, environment: dict[str, str]) -> Any:
    """What a script prints as JSON, run in the server's environment."""
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
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
        deadline = time.monotonic() + 30  # a busy machine
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
        return self.send(method, path, json.dumps(body).encode(), secret)

    def send(self, method: str, path: str, body: bytes | Iterable[bytes], secret: str) -> tuple[int, Any]:
        """The status and the JSON of one request; an iterable body goes out in chunks, without its length."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            headers = {"Content-Type": "application/json", "Authorization": f"Bearer {secret}"}
            with suppress(BrokenPipeError):  # a refusal that comes before the whole body went out can still be read
                connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def kill(self) -> None:
        """Ends every process of the server at once, with no chance to finish anything."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)
