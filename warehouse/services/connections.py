"""Which warehouse an organization reads from."""

from django.db import transaction
from django.utils import timezone

from levered_site.errors import Conflict
from levered_site.organizations import audit
from levered_site.organizations.models import Organization
from warehouse.connectors.registry import provider_of
from warehouse.models import Connection, Provider

__all__ = ["connection_of", "provider_of", "require_managed", "switch_to_managed"]


def connection_of(organization: Organization) -> Connection:
    """The organization's connection; the managed warehouse needs no stored one."""
    stored = Connection.objects.filter(organization=organization).first()
    return stored or Connection(organization=organization, provider=Provider.MANAGED)


def switch_to_managed(organization: Organization) -> Connection:
    """Reads from the managed warehouse from now on. Doing so twice changes nothing."""
    with transaction.atomic():
        connection, created = Connection.objects.get_or_create(organization=organization)
        before = None if created else audit.fields(connection, "provider")
        if not created and connection.provider != Provider.MANAGED:
            connection.provider = Provider.MANAGED
            connection.updated_at = timezone.now()
            connection.save(update_fields=["provider", "updated_at"])
        after = audit.fields(connection, "provider")
        audit.record_difference(organization, "warehouse.connected", connection, before, after)
    return connection


def require_managed(organization: Organization) -> None:
    if provider_of(organization) != Provider.MANAGED:
        message = "This organization is not on the managed warehouse; enable it first."
        raise Conflict(message, code="not_managed")
