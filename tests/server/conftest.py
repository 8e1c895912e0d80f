import os
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.server.process import ROOT


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
