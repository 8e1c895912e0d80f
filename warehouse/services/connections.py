"""Which warehouse an organization uses."""

from levered_site.errors import Conflict
from levered_site.organizations.models import Organization
from warehouse.models import Connection, Provider


def provider_of(organization: Organization) -> str:
    """The organization's provider; without a connection it is the managed warehouse."""
    provider = Connection.objects.filter(organization=organization).values_list("provider", flat=True).first()
    return provider or Provider.MANAGED


def require_managed(organization: Organization) -> None:
    """Conflict when the organization's data lives in a warehouse of its own."""
    if provider_of(organization) != Provider.MANAGED:
        raise Conflict(
            "Your organization is not on the managed warehouse; enable it under Settings > Warehouse first.",
            code="not_managed",
        )
