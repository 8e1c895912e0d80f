"""From an organization's connection to the connector that reads its warehouse."""

from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

from django.conf import settings
from django.db import connections
from django.utils.module_loading import import_string

from levered_site.addresses import vetted_address
from levered_site.errors import InvalidRequest
from levered_site.organizations.models import Organization
from warehouse.connectors.base import Connector
from warehouse.connectors.config import BigQueryConfig, DuckDBConfig, PostgresConfig, SnowflakeConfig
from warehouse.connectors.managed_postgres import ManagedPostgres
from warehouse.connectors.managed_sqlite import ManagedSqlite
from warehouse.models import Connection, Provider
from warehouse.sealed import Sealed, unseal


def provider_of(organization: Organization) -> str:
    """No row means the managed warehouse."""
    row = Connection.objects.filter(organization=organization).values_list("provider", flat=True).first()
    return row or Provider.MANAGED


def connector_of(organization: Organization) -> Connector:
    """The connector of the warehouse that the organization reads from.

    Raises:
        InvalidRequest: its host is none that may be reached, or a client is not installed.
        Conflict: its credentials cannot be decrypted.
        Unavailable: its host is not resolved.
    """
    row = Connection.objects.filter(organization=organization).first()
    if row is None or row.provider == Provider.MANAGED:
        return _managed(organization)
    return open_connector(row.provider, unseal(row.token))


def open_connector(provider: str, credentials: Sealed) -> Connector:
    """A connector with credentials that `read_credentials` has read. Names are resolved and vetted here, each time.

    The clients are imported when they are used: not everybody has them installed.
    """
    values: Any = credentials.values
    if provider == Provider.POSTGRES:
        from warehouse.connectors.postgres import Postgres

        address = vetted_address(values["host"], field="credentials.host")
        return Postgres(PostgresConfig(**values), hostaddr=address)
    if provider == Provider.DUCKDB:
        from warehouse.connectors.duckdb import DuckDB

        if not settings.DUCKDB_DIRECTORY:
            raise InvalidRequest("DuckDB files are not allowed on this server: LEVERED_DUCKDB_DIRECTORY is not set.")
        return DuckDB(DuckDBConfig(**values), directory=Path(settings.DUCKDB_DIRECTORY))
    if provider == Provider.SNOWFLAKE:
        snowflake = import_string("warehouse.connectors.snowflake.Snowflake")
        return cast(Connector, snowflake(SnowflakeConfig(**values, **_endpoint(settings.SNOWFLAKE_ENDPOINT))))
    if provider == Provider.BIGQUERY:
        bigquery = import_string("warehouse.connectors.bigquery.BigQuery")
        return cast(Connector, bigquery(BigQueryConfig(**values, endpoint=settings.BIGQUERY_ENDPOINT or None)))
    raise InvalidRequest(f"There is no connector for '{provider}'.")


def _managed(organization: Organization) -> Connector:
    on_sqlite = connections["default"].vendor == "sqlite"
    return ManagedSqlite(organization.pk) if on_sqlite else ManagedPostgres(organization.pk)


def _endpoint(url: str) -> dict[str, Any]:
    """Of a server in the place of Snowflake's own; nothing without one."""
    parts = urlsplit(url)
    return {"host": parts.hostname, "port": parts.port, "protocol": parts.scheme} if url else {}
