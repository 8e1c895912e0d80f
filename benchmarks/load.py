"""A server process and a load generator that is much cheaper than what it measures."""

import os
import select
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Server:
    """Granian with one worker process, on a free port."""

    process: subprocess.Popen[bytes]
    port: int

    @classmethod
    def start(cls, application: str, environment: dict[str, str], *options: str) -> "Server":
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        command = [sys.executable, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port)]
        command += ["--workers", "1", "--no-access-log", "--log-level", "error", *options, application]
        process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **environment})
        server = cls(process, port)
        server._wait()
        return server

    def _wait(self, seconds: float = 30.0) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until and self.process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.05)
        self.stop()
        raise RuntimeError("the server did not start")

    def cpu_seconds(self) -> float:
        """CPU time of the process and its children so far."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        total = 0.0
        for pid in [str(self.process.pid), *children]:
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            total += (int(fields[11]) + int(fields[12])) / CLOCK_TICKS
        return total

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def post(path: str, body: bytes) -> bytes:
    head = ["Host: localhost", "Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([f"POST {path} HTTP/1.1", *head, "", ""]).encode() + body


def drive(port: int, requests: list[bytes], *, seconds: float, connections: int) -> int:
    """Sends the requests round and round over kept-alive connections; returns how many were answered with 200.

    Raises:
        RuntimeError: an answer was not 200.
    """
    poll = select.epoll()
    sockets: dict[int, socket.socket] = {}
    buffers: dict[int, bytes] = {}
    sent = answered = 0
    for _ in range(connections):
        connection = socket.create_connection(("127.0.0.1", port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sockets[connection.fileno()], buffers[connection.fileno()] = connection, b""
        poll.register(connection.fileno(), select.EPOLLIN)
        connection.sendall(requests[sent % len(requests)])
        sent += 1
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        for number, _ in poll.poll(1.0):
            buffer = buffers[number] + sockets[number].recv(65536)
            head, separator, body = buffer.partition(b"\r\n\r\n")
            if not separator:
                buffers[number] = buffer
                continue
            if not head.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(buffer.decode(errors="replace"))
            if not complete(head, body):
                buffers[number] = buffer
                continue
            answered += 1
            buffers[number] = b""
            sockets[number].sendall(requests[sent % len(requests)])
            sent += 1
    for connection in sockets.values():
        connection.close()
    poll.close()
    return answered


def complete(head: bytes, body: bytes) -> bool:
    """Whether the whole body is there, by its declared length or by the last chunk."""
    _, found, rest = head.lower().partition(b"content-length:")
    if found:
        return len(body) >= int(rest.split(b"\r\n", 1)[0])
    return body.endswith(b"0\r\n\r\n")
