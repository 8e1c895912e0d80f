"""From an organization's connection to the connector that reads its warehouse."""

from collections.abc import Callable

from django.db import connections

from levered_site.errors import InvalidRequest
from levered_site.organizations.models import Organization
from warehouse.connectors.base import Connector
from warehouse.connectors.managed_postgres import ManagedPostgres
from warehouse.connectors.managed_sqlite import ManagedSqlite
from warehouse.models import Connection, Provider


def _managed(organization: Organization) -> Connector:
    on_sqlite = connections["default"].vendor == "sqlite"
    return ManagedSqlite(organization.pk) if on_sqlite else ManagedPostgres(organization.pk)


_CONNECTORS: dict[str, Callable[[Organization], Connector]] = {Provider.MANAGED: _managed}


def provider_of(organization: Organization) -> str:
    """No row means the managed warehouse."""
    row = Connection.objects.filter(organization=organization).values_list("provider", flat=True).first()
    return row or Provider.MANAGED


def connector_of(organization: Organization) -> Connector:
    provider = provider_of(organization)
    if provider not in _CONNECTORS:
        raise InvalidRequest(f"There is no connector for '{provider}'.")
    return _CONNECTORS[provider](organization)
