"""Signing in to the dashboard at the issuer: OpenID Connect's authorization code flow with state, nonce and PKCE.

Authlib does the protocol. Who somebody is, and in which organization, is read as it is from bearer tokens.
"""

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Any

import structlog
from authlib.integrations.base_client.errors import MismatchingStateError
from authlib.integrations.django_client import DjangoOAuth2App, OAuth, OAuthError
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, REDIRECT_FIELD_NAME, login
from django.contrib.auth.views import LoginView, LogoutView
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render, resolve_url
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from joserfc.errors import JoseError
from requests.exceptions import RequestException

from levered_site.api.authentication import SESSION_ORGANIZATION
from levered_site.api.oidc import ALGORITHMS, LEEWAY_SECONDS, TIMEOUT_SECONDS, identity_of
from levered_site.api.throttling import seconds_to_wait
from levered_site.errors import Forbidden
from levered_site.login import too_many
from levered_site.organizations.identities import member

View = Callable[[HttpRequest], HttpResponseBase]

log = structlog.get_logger("levered.sso")
BACKEND = "levered_site.organizations.backends.IssuerBackend"
NEXT = "sso_next"
_UNREADABLE = (OAuthError, JoseError, ValueError, TypeError, KeyError)


class SignInView(LoginView):
    redirect_authenticated_user = True

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        sso = {"sso": bool(settings.OIDC_CLIENT_ID), "passwords": passwords_are_taken()}
        return super().get_context_data(**kwargs) | sso


class SignOutView(LogoutView):
    """Ends our session; that at the issuer as well, where it says how (OpenID Connect RP-Initiated Logout)."""

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        with_issuer = request.session.get(BACKEND_SESSION_KEY) == BACKEND
        response: Any = super().post(request, *args, **kwargs)
        if with_issuer and settings.OIDC_CLIENT_ID and (address := _end_of_session(request)):
            # a page that leads there: a form, such as the one that was sent, may lead to our own addresses only
            return render(request, "registration/signed_out.html", {"address": address})
        return response  # type: ignore[no-any-return]


def configured(view: View) -> View:
    """The view, where we are known to an issuer."""

    @wraps(view)
    def guarded(request: HttpRequest) -> HttpResponseBase:
        if not settings.OIDC_CLIENT_ID:
            raise Http404
        return view(request)

    return guarded


def begin(request: HttpRequest) -> HttpResponseBase:
    """Sends the browser to the issuer. `next` is where it goes afterwards, within our own pages."""
    if (wait := seconds_to_wait(request, "login")) is not None:
        return too_many(request, wait)
    try:
        client = _client()
        answer: HttpResponse = client.authorize_redirect(request, request.build_absolute_uri(reverse("sso-callback")))
    except (RequestException, RuntimeError, *_UNREADABLE) as error:
        return _issuer_away(request, error)
    request.session[NEXT] = _safe(request, request.GET.get(REDIRECT_FIELD_NAME, ""))
    return answer


def callback(request: HttpRequest) -> HttpResponseBase:
    """The browser comes back, with a code or with a refusal."""
    if request.GET.get("error"):
        denied = request.GET["error"] == "access_denied"
        told = "You did not allow it, or you may not use this application." if denied else "Please try again."
        return _failed(request, 403, "You are not signed in", f"Your identity provider refused. {told}")
    try:
        claims = _claims(request)
        membership = member(identity_of(claims))
    except MismatchingStateError:
        return _failed(request, 400, "This sign-in cannot be finished", "It was not begun here, or too long ago.")
    except RequestException as error:
        return _issuer_away(request, error)
    except _UNREADABLE as error:
        log.warning("sign_in_refused", reason=type(error).__name__, error=str(error))
        told = "What your identity provider said about you cannot be verified."
        return _failed(request, 400, "This sign-in cannot be finished", told)
    except Forbidden as error:
        return _failed(request, 403, "You cannot sign in here", error.message)
    if not membership.user.is_active:
        return _failed(request, 403, "You cannot sign in here", "Your account is disabled.")
    target = request.session.get(NEXT) or resolve_url(settings.LOGIN_REDIRECT_URL)
    login(request, membership.user, backend=BACKEND)  # with a new session key
    request.session[SESSION_ORGANIZATION] = membership.organization.public_id
    return redirect(target)


def passwords_are_taken() -> bool:
    return not settings.OIDC_CLIENT_ID or bool(settings.OIDC_PASSWORDS)


def _claims(request: HttpRequest) -> dict[str, Any]:
    """What the issuer says of whoever signed in. Where its token names no organization, its user-info may."""
    client = _client()
    token = client.authorize_access_token(request, leeway=LEEWAY_SECONDS)
    claims = dict(token["userinfo"])
    if str(claims["iss"]).rstrip("/") != settings.OIDC_ISSUER:
        raise ValueError("the token is of another issuer")
    named = "org_id" in claims or "o" in claims
    if named or not client.server_metadata.get("userinfo_endpoint"):
        return claims
    more = dict(client.userinfo(token=token))
    if more.get("sub") != claims["sub"]:
        raise ValueError("the user-info is of somebody else")
    return more | claims


def _client() -> DjangoOAuth2App:
    return _registered(settings.OIDC_ISSUER, settings.OIDC_CLIENT_ID, settings.OIDC_CLIENT_SECRET)


@lru_cache(maxsize=4)
def _registered(issuer: str, client_id: str, client_secret: str) -> DjangoOAuth2App:
    """Us, as the issuer knows us. It is asked once per process; a failure is not remembered."""
    client = OAuth().register(
        "issuer",
        client_id=client_id,
        client_secret=client_secret or None,
        server_metadata_url=f"{issuer}/.well-known/openid-configuration",
        client_kwargs={
            "scope": settings.OIDC_SCOPES,
            "code_challenge_method": "S256",
            "default_timeout": TIMEOUT_SECONDS,
        },
    )
    told = client.load_server_metadata()
    if str(told["issuer"]).rstrip("/") != issuer:  # OpenID Connect Discovery, 4.3
        raise ValueError(f"the discovery document is of {told['issuer']!r}")
    for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
        if issuer.startswith("https://") and not str(told[name]).startswith("https://"):
            raise ValueError(f"{name} is not an https:// address")
    told["id_token_signing_alg_values_supported"] = list(ALGORITHMS)  # whatever it says itself
    return client


def _end_of_session(request: HttpRequest) -> str | None:
    try:
        client = _client()
        if not client.load_server_metadata().get("end_session_endpoint"):
            return None
        back = request.build_absolute_uri(resolve_url("login"))
        told = client.create_logout_url(post_logout_redirect_uri=back, client_id=settings.OIDC_CLIENT_ID)
    except (RequestException, *_UNREADABLE) as error:
        log.warning("issuer_unavailable", issuer=settings.OIDC_ISSUER, kind=type(error).__name__)
        return None
    return str(told["url"])


def _safe(request: HttpRequest, target: str) -> str:
    allowed = url_has_allowed_host_and_scheme(target, {request.get_host()}, require_https=request.is_secure())
    return target if allowed else ""


def _issuer_away(request: HttpRequest, error: Exception) -> HttpResponse:
    log.error("issuer_unavailable", issuer=settings.OIDC_ISSUER, kind=type(error).__name__, error=str(error))
    told = "Your identity provider does not answer as it should. Please try again in a moment."
    return _failed(request, 503, "Signing in does not work right now", told)


def _failed(request: HttpRequest, status: int, title: str, told: str) -> HttpResponse:
    context = {"status": status, "title": title, "told": told}
    response = render(request, "registration/sso_failed.html", context, status=status)
    if status == 503:
        response.headers["Retry-After"] = "5"
    return response
