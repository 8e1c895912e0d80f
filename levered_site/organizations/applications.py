"""Clients of our own authorization server: who has let which of them act, for which organization."""

import datetime as dt
import hashlib
import secrets
from collections import defaultdict
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import models, transaction
from django.utils import timezone
from oauth2_provider.models import AccessToken, Application, Grant, RefreshToken

from levered_site.errors import NotFound, Unavailable
from levered_site.organizations import audit
from levered_site.organizations.models import ConnectedApplication, Membership, Organization, User
from levered_site.organizations.principals import Principal

MARK = "lvo_"
LAST_USED_RESOLUTION = dt.timedelta(minutes=1)
# anybody may register a client: those that nobody has allowed anything are bounded in number and time
UNUSED_LIFE = dt.timedelta(days=1)
MAX_UNUSED = 1000


def new_token(request: Any) -> str:
    """The toolkit's generator: 256 random bits, marked so that leaked ones can be found."""
    return f"{MARK}{secrets.token_urlsafe(32)}"


def connect(user: User, organization: Organization, *, application: Application, scopes: list[str]) -> None:
    """Lets the application act for the user. What it held for another organization of theirs ends."""
    with transaction.atomic():
        before = ConnectedApplication.objects.select_for_update().filter(user=user, application=application).first()
        if before and before.organization_id != organization.pk:
            end(before)
            before = None
        connection = before or ConnectedApplication.objects.create(
            user=user, application=application, organization=organization
        )
        audit.record(organization, "application.allowed", connection, after={"scopes": scopes}, by=user)


def list_connections(caller: Principal) -> list[ConnectedApplication]:
    """What the caller has allowed applications to do for them; administrators see everybody's.

    `scopes` are those of the tokens that an application can use, or can have renewed.
    """
    connections = list(_connections(caller))
    alive = models.Q(expires__gt=timezone.now()) | models.Q(refresh_token__in=RefreshToken.objects.filter(revoked=None))
    tokens = AccessToken.objects.filter(
        alive, user__in={c.user_id for c in connections}, application__in={c.application_id for c in connections}
    )
    held: dict[tuple[int, int], set[str]] = defaultdict(set)
    for user, application, scopes in tokens.values_list("user_id", "application_id", "scope"):
        held[user, application] |= set(scopes.split())
    for connection in connections:
        scopes = held[connection.user_id, connection.application_id]
        connection.scopes = [scope for scope in settings.OAUTH_SCOPES if scope in scopes]
    return connections


def _connections(caller: Principal) -> models.QuerySet[ConnectedApplication]:
    found = caller.organization.connected_applications.select_related("application", "user", "organization")
    return found if caller.may("administer") else found.filter(user=caller.user)


def disconnect(caller: Principal, *, connection_id: UUID) -> ConnectedApplication:
    """Ends at once what an application may do."""
    found = _connections(caller).filter(pk=connection_id).first()
    if found is None:
        raise NotFound("Connected application not found")
    end(found)
    return found


def end(connection: ConnectedApplication) -> None:
    held = {"user": connection.user_id, "application": connection.application_id}
    with transaction.atomic():
        for model in (RefreshToken, AccessToken, Grant):
            model.objects.filter(**held).delete()
        audit.record(connection.organization, "application.revoked", connection)
        ConnectedApplication.objects.filter(pk=connection.pk).delete()  # the caller may still name it


def principal_of_access_token(token: str) -> Principal | None:
    """The caller that one of our access tokens stands for; None when it is not one, expired or revoked."""
    if not token.startswith(MARK):
        return None
    found = (
        AccessToken.objects.select_related("application")
        .filter(token_checksum=hashlib.sha256(token.encode()).hexdigest(), user__is_active=True)
        .first()
    )
    if found is None or found.is_expired():
        return None
    connection = ConnectedApplication.objects.filter(user=found.user_id, application=found.application_id).first()
    if connection is None:
        return None
    membership = (
        Membership.objects.select_related("user", "organization")
        .filter(user=connection.user_id, organization=connection.organization_id)
        .first()
    )
    if membership is None:
        return None
    now = timezone.now()
    if connection.last_used_at is None or now - connection.last_used_at > LAST_USED_RESOLUTION:
        ConnectedApplication.objects.filter(pk=connection.pk).update(last_used_at=now)
    return Principal.of_application(
        membership, application=str(found.application), scopes=frozenset(found.scope.split())
    )


def make_room() -> None:
    """Forgets clients that nobody allowed anything in time.

    Raises:
        Unavailable: so many registered of late that another one must wait.
    """
    unused = Application.objects.filter(
        registration_source=Application.RegistrationSource.DCR, connections__isnull=True
    )
    unused.filter(created__lt=timezone.now() - UNUSED_LIFE).delete()
    if unused.count() >= MAX_UNUSED:
        raise Unavailable("Too many clients have registered of late; please retry later.")
