"""From a credential to a `Principal`."""

from collections.abc import Callable
from typing import cast

from django.conf import settings
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.request import Request

from levered_site.api.oidc import principal_of_token
from levered_site.organizations import keys
from levered_site.organizations.applications import principal_of_access_token
from levered_site.organizations.models import Organization, User
from levered_site.organizations.principals import Principal
from levered_site.organizations.services import find_api_key, membership_of

SESSION_ORGANIZATION = "organization"


class TenantRequest(Request):
    """A DRF request whose caller is known: below the permission check `user` is a Principal."""

    user: Principal  # type: ignore[assignment]

    @property
    def organization(self) -> Organization:
        return self.user.organization


def principal_of_key(token: str) -> Principal | None:
    key = find_api_key(token) if token.startswith(keys.MARK) else None
    return Principal.of_key(key) if key else None


def principal_of_ours(token: str) -> Principal | None:
    """Tokens of our own authorization server, where there is no issuer."""
    return None if settings.OIDC_ISSUER else principal_of_access_token(token)


# Each reads a bearer token and answers None when the token is not its own, or not valid.
TOKEN_READERS: list[Callable[[str], Principal | None]] = [principal_of_key, principal_of_token, principal_of_ours]


def bearer_token(request: Request) -> str | None:
    """The token of `Authorization: Bearer` or `X-API-Key`; None when the request carries neither."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return token.strip()
    return request.headers.get("X-API-Key")


class BearerAuthentication(BaseAuthentication):
    def authenticate(self, request: Request) -> tuple[Principal, str] | None:
        token = bearer_token(request)
        if token is None:
            return None
        for read in TOKEN_READERS:
            if principal := read(token):
                return principal, token
        raise AuthenticationFailed("The token is invalid, expired or revoked.")

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class DashboardAuthentication(SessionAuthentication):
    """The dashboard's session, with its CSRF check."""

    def authenticate(self, request: Request) -> tuple[Principal, None] | None:
        user = cast(User | None, getattr(request._request, "user", None))
        if user is None or not user.is_active or not user.is_authenticated:
            return None
        self.enforce_csrf(request)
        membership = membership_of(user, request._request.session.get(SESSION_ORGANIZATION))
        if membership is None:
            raise PermissionDenied("You are not a member of any organization.")
        return Principal.of_membership(membership), None
