import contextlib
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from django.conf import settings

from tests.warehouse.conformance import events
from tests.warehouse.conformance.bigquery_server import BigQueryServer
from tests.warehouse.conformance.stages import BigQueryStage, DuckDBStage, PostgresStage, SnowflakeStage

ROOT = Path(__file__).resolve().parents[3]


@contextmanager
def _postgres(factory: pytest.TempPathFactory) -> Iterator[PostgresStage]:
    database = settings.DATABASES["default"]
    if database["ENGINE"] != "django.db.backends.postgresql":
        pytest.skip("DATABASE_URL names no PostgreSQL server")
    password = f":{database['PASSWORD']}" if database["PASSWORD"] else ""
    where = f"{database['HOST'] or '127.0.0.1'}:{database['PORT'] or 5432}"
    yield PostgresStage(f"postgres://{database['USER']}{password}@{where}/postgres")


@contextmanager
def _duckdb(factory: pytest.TempPathFactory) -> Iterator[DuckDBStage]:
    yield DuckDBStage(factory.mktemp("duckdb"))


@contextmanager
def _snowflake(factory: pytest.TempPathFactory) -> Iterator[SnowflakeStage]:
    python = ROOT / ".venv-snowflake" / "bin" / "python"
    if not python.exists():
        pytest.skip("there is no .venv-snowflake with the emulator: make emulators")
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    phrase = BestAvailableEncryption(b"open sesame")
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, phrase).decode()
    public = factory.mktemp("snowflake") / "public.pem"
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    script = Path(__file__).with_name("snowflake_server.py")
    server = subprocess.Popen([python, script, str(port), public], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_for(port, server)
        yield SnowflakeStage(port, private, "open sesame")
    finally:
        server.kill()  # it waits for its queries otherwise
        server.wait()


def _wait_for(port: int, server: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and server.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.2)
    pytest.fail("the emulator did not start")


@contextmanager
def _bigquery(factory: pytest.TempPathFactory) -> Iterator[BigQueryStage]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    service_account = {
        "type": "service_account", "project_id": "the-project", "client_email": "reader@the-project.example",
        "private_key_id": "1", "token_uri": "http://169.254.169.254/token",
        "private_key": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
    }  # fmt: skip
    with BigQueryServer("the-project", "shop", public) as server:
        yield BigQueryStage(server, service_account)


STAGES = {"postgres": _postgres, "duckdb": _duckdb, "snowflake": _snowflake, "bigquery": _bigquery}
ON_A_NETWORK = ["postgres", "snowflake", "bigquery"]


@pytest.fixture(scope="session", params=list(STAGES))
def stage(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A customer's warehouse that holds the events of `events.draw(1)`."""
    with STAGES[request.param](tmp_path_factory) as stage, stage.filled(*events.draw(1)):
        yield stage
