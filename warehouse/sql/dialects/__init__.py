"""One file per database: what it says differently from the others."""

from warehouse.sql.dialects.base import Dialect, ManagedDialect
from warehouse.sql.dialects.bigquery import BigQueryDialect
from warehouse.sql.dialects.duckdb import DuckDBDialect
from warehouse.sql.dialects.postgres import PostgresDialect
from warehouse.sql.dialects.snowflake import SnowflakeDialect
from warehouse.sql.dialects.sqlite import SqliteDialect

__all__ = ["Dialect", "ManagedDialect", "dialect_of"]

_DIALECTS: dict[str, Dialect] = {
    d.name: d for d in (SqliteDialect(), PostgresDialect(), DuckDBDialect(), SnowflakeDialect(), BigQueryDialect())
}


def dialect_of(name: str) -> Dialect:
    return _DIALECTS[name]
