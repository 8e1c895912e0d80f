"""The clients of warehouses are optional: without one, the error says what to install."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from levered_site.errors import InvalidRequest
from warehouse.connectors.bigquery import BigQuery
from warehouse.connectors.config import BigQueryConfig, DuckDBConfig, SnowflakeConfig
from warehouse.connectors.duckdb import DuckDB
from warehouse.connectors.snowflake import Snowflake


@pytest.mark.parametrize(
    ("module", "package", "connector"),
    [
        ("duckdb", "duckdb", lambda: DuckDB(DuckDBConfig("x"), directory=Path("/"))),
        ("snowflake.connector", "snowflake-connector-python", lambda: Snowflake(SnowflakeConfig("a", "u", "w", "d", "s"))),
        ("google.cloud.bigquery", "google-cloud-bigquery", lambda: BigQuery(BigQueryConfig({}))),
    ],
)  # fmt: skip
def test_a_missing_client(
    monkeypatch: pytest.MonkeyPatch, module: str, package: str, connector: Callable[[], object]
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    if module.startswith("google"):
        monkeypatch.delattr("google.cloud.bigquery", raising=False)
    with pytest.raises(InvalidRequest, match=f"pip install {package}"):
        connector()


@pytest.mark.parametrize("path", ["../secret.duckdb", "/etc/passwd", "link.duckdb", "nowhere.duckdb", "a\x00b", "."])
def test_files_outside_the_directory(tmp_path: Path, path: str) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    (tmp_path / "secret.duckdb").touch()
    (inside / "link.duckdb").symlink_to(tmp_path / "secret.duckdb")
    with pytest.raises(InvalidRequest, match="no such file"):
        DuckDB(DuckDBConfig(path), directory=inside)
