"""Which warehouse an organization reads from: connecting, testing, leaving.

Nothing is saved that has not answered. Replacing a connection leaves metrics and the assignment source as they are:
where their SQL does not run in the new warehouse, training says so, and what is served stays what was learned last.
"""

from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone

from levered_site.errors import Conflict, DomainError, InvalidRequest, Issue, NotFound
from levered_site.organizations import audit
from levered_site.organizations.models import Organization
from warehouse.connectors.base import Connector
from warehouse.connectors.credentials import read_credentials
from warehouse.connectors.registry import connector_of, open_connector, provider_of
from warehouse.models import Connection, Provider
from warehouse.sealed import Sealed, reseal, seal

__all__ = ["connection_of", "provider_of", "require_managed", "switch_to_managed"]

SHOWN_TABLES = 100
_SECRETS = ("password", "passphrase", "private_key")


@dataclass(frozen=True)
class Tested:
    """What a test found: seconds of a round trip, and the first tables that SQL may read, by name."""

    provider: str
    seconds: float
    tables: list[str]
    tables_count: int


def connection_of(organization: Organization) -> Connection:
    """The organization's connection; the managed warehouse needs no stored one."""
    stored = Connection.objects.filter(organization=organization).first()
    return stored or Connection(organization=organization, provider=Provider.MANAGED)


def connect(organization: Organization, *, provider: str, credentials: Sealed | None, name: str = "") -> Connection:
    """Reads from this warehouse from now on, in the place of the one before, once it has answered.

    Raises:
        InvalidRequest: fields that are wrong, a host that may not be reached, or a warehouse that refuses.
        Unavailable: the warehouse does not answer.
    """
    if provider == Provider.MANAGED:
        if credentials is not None:
            raise InvalidRequest.of([Issue("credentials", "The managed warehouse takes none.")])
        return switch_to_managed(organization)
    read = read_credentials(provider, credentials or Sealed({}))
    _tested(provider, _opened(provider, read), read)
    return _save(organization, provider=provider, name=name.strip(), token=seal(read))


def try_connection(
    organization: Organization, *, provider: str | None = None, credentials: Sealed | None = None
) -> Tested:
    """Asks the warehouse of these credentials, or else the one that is connected. Nothing is saved; raises as above."""
    if provider in (None, Provider.MANAGED) and credentials is not None:
        raise InvalidRequest.of([Issue("provider", "Credentials belong to a provider.")])
    if provider is None or (provider == provider_of(organization) and credentials is None):
        return _tested(provider_of(organization), connector_of(organization), Sealed({}))
    if provider == Provider.MANAGED:
        raise Conflict("The managed warehouse can be tested once it is in use.", code="not_managed")
    read = read_credentials(provider, credentials or Sealed({}))
    return _tested(provider, _opened(provider, read), read)


def switch_to_managed(organization: Organization) -> Connection:
    """Reads from the managed warehouse from now on. Doing so twice changes nothing."""
    return _save(organization, provider=Provider.MANAGED, name="", token="")


def disconnect(organization: Organization) -> None:
    """Forgets the connection and its credentials: what is left is the managed warehouse."""
    with transaction.atomic():
        connection = Connection.objects.select_for_update().filter(organization=organization).first()
        if connection is None:
            raise NotFound("There is no connection")
        audit.record(organization, "warehouse.disconnected", connection, before=_told(connection))
        connection.delete()


def require_managed(organization: Organization) -> None:
    if provider_of(organization) != Provider.MANAGED:
        message = "This organization is not on the managed warehouse; enable it first."
        raise Conflict(message, code="not_managed")


def rotate_secrets() -> int:
    """Encrypts every connection's credentials with the first key again; returns how many. All of them, or none."""
    with transaction.atomic():
        stored = list(Connection.objects.select_for_update().exclude(token=""))
        for connection in stored:
            connection.token = reseal(connection.token)
            connection.save(update_fields=["token"])
    return len(stored)


def _save(organization: Organization, *, provider: str, name: str, token: str) -> Connection:
    with transaction.atomic():
        # the organization's row serializes replacements: provider and credentials of two must not be mixed
        Organization.objects.select_for_update().get(pk=organization.pk)
        connection, created = Connection.objects.get_or_create(organization=organization)
        before = None if created else _told(connection)
        changed = (connection.provider, connection.name) != (provider, name) or bool(token)
        connection.provider, connection.name, connection.token = provider, name, token
        if changed and not created:
            connection.updated_at = timezone.now()
        connection.save()
        after = _told(connection)
        if token:  # new credentials are a change, even of nothing that may be told
            audit.record(organization, "warehouse.connected", connection, before=before, after=after)
        else:
            audit.record_difference(organization, "warehouse.connected", connection, before, after)
    return connection


def _opened(provider: str, credentials: Sealed) -> Connector:
    try:
        return open_connector(provider, credentials)
    except DomainError as error:
        raise _silent(error, credentials) from None


def _tested(provider: str, connector: Connector, credentials: Sealed) -> Tested:
    try:
        seconds = connector.test()
        tables = [table.name for table in connector.tables()]
    except DomainError as error:
        raise _silent(error, credentials) from None
    return Tested(provider, seconds, tables[:SHOWN_TABLES], len(tables))


def _silent(error: DomainError, credentials: Sealed) -> DomainError:
    """The warehouse's own words, without a secret that they may repeat."""
    message = error.message
    service_account = credentials.values.get("service_account") or {}
    for source in (credentials.values, service_account):
        for secret in filter(None, map(source.get, _SECRETS)):
            message = message.replace(str(secret), "…")
    return type(error)(message, code=error.code, details=error.details if message == error.message else [])


def _told(connection: Connection) -> dict[str, str]:
    return audit.fields(connection, "provider", "name")
