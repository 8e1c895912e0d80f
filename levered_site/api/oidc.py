"""Tokens of the configured issuer: verified against its published keys, read as an identity."""

import json
import threading
import time
import urllib.request
from functools import lru_cache
from http.client import HTTPException
from typing import Any

import jwt
import structlog
from django.conf import settings
from jwt import PyJWK, PyJWKClient
from jwt.exceptions import PyJWKClientConnectionError, PyJWTError

from levered_site.errors import Forbidden, Unavailable
from levered_site.organizations.identities import Identity, member
from levered_site.organizations.models import Role
from levered_site.organizations.principals import Principal

log = structlog.get_logger("levered.oidc")

ALGORITHMS = ("RS256", "ES256", "EdDSA")  # asymmetric only: a public key must never pass for a shared secret
LEEWAY_SECONDS = 10
LIFESPAN_SECONDS = 300.0
COOLDOWN_SECONDS = 5.0  # between two searches for an unknown key, and after a failure: nobody waits for a dead issuer
TIMEOUT_SECONDS = 3.0
STALE_SECONDS = 86_400.0  # how long the last keys go on while the issuer does not answer
MAX_ID = 255
_ROLES = {"admin": Role.ADMIN, "owner": Role.ADMIN, "member": Role.MEMBER, "basic_member": Role.MEMBER}


def principal_of_token(token: str) -> Principal | None:
    """The caller that a token of the issuer names; None when it is not one, or not valid.

    Raises:
        Forbidden: it is valid, but names no organization.
        Unavailable: its key is not known, and the issuer does not answer.
    """
    if not settings.OIDC_ISSUER or token.count(".") != 2:
        return None
    try:
        claims = _verified(token)
    except PyJWKClientConnectionError as error:
        raise Unavailable("The identity provider does not answer; please retry.") from error
    except (PyJWTError, ValueError, TypeError) as error:
        log.info("token_refused", reason=type(error).__name__)
        return None
    membership = member(identity_of(claims))
    return Principal.of_membership(membership, kind="token") if membership.user.is_active else None


def _verified(token: str) -> dict[str, Any]:
    header = jwt.get_unverified_header(token)
    kid = header.get("kid")
    if header.get("alg") not in ALGORITHMS or not isinstance(kid, str):  # before any key is looked for
        raise jwt.InvalidAlgorithmError("The algorithm is not allowed.")
    issuer = settings.OIDC_ISSUER
    claims: dict[str, Any] = jwt.decode(
        token,
        keys_of(issuer).get_signing_key(kid),
        algorithms=ALGORITHMS,
        issuer=[issuer, f"{issuer}/"],  # some issuers' names end with a slash
        leeway=LEEWAY_SECONDS,
        options={"require": ["exp", "iss", "sub"], "verify_aud": False},
    )
    _check_receiver(claims)
    return claims


def _check_receiver(claims: dict[str, Any]) -> None:
    """Whether the token is meant for us: by `aud`, or by `azp` where the issuer sets no audience, as Clerk does.

    A claim that is there must be right, and one of them must be there.
    """
    named = claims.get("aud", [])
    audience = {named} if isinstance(named, str) else set(named)
    party = claims.get("azp")
    if settings.OIDC_AUDIENCE and audience and not audience & set(settings.OIDC_AUDIENCE):
        raise jwt.InvalidAudienceError("The token is meant for somebody else.")
    if settings.OIDC_AUTHORIZED_PARTIES and party and party not in settings.OIDC_AUTHORIZED_PARTIES:
        raise jwt.InvalidAudienceError("The token was made for another application.")
    told = (settings.OIDC_AUDIENCE and audience) or (settings.OIDC_AUTHORIZED_PARTIES and party)
    if (settings.OIDC_AUDIENCE or settings.OIDC_AUTHORIZED_PARTIES) and not told:
        raise jwt.MissingRequiredClaimError("aud")


def identity_of(claims: dict[str, Any]) -> Identity:
    """Both of Clerk's forms: `o: {id, rol, slg}` (version 2), and `org_id`, `org_role`, `org_slug` (version 1)."""
    compact = claims.get("o")
    if isinstance(compact, dict):
        organization, role, slug = compact.get("id"), compact.get("rol"), compact.get("slg")
    else:
        organization, role, slug = claims.get("org_id"), claims.get("org_role"), claims.get("org_slug")
    if not isinstance(organization, str) or not 0 < len(organization) <= MAX_ID:
        raise Forbidden("The token names no organization. Choose one where you signed in.")
    user = claims["sub"]
    if not 0 < len(user) <= MAX_ID:
        raise Forbidden("The token's subject is not usable.")
    email = claims.get("email")
    name = claims.get("org_name") or slug or organization
    return Identity(
        issuer=settings.OIDC_ISSUER,
        user_id=user,
        organization_id=organization,
        organization_name=str(name),
        role=_role(role),
        email=str(email) if email and claims.get("email_verified") is True else None,
        name=str(claims.get("name") or ""),
    )


def _role(told: object) -> Role:
    """A role that we do not know may read, and nothing else."""
    return _ROLES.get(str(told).removeprefix("org:"), Role.VIEWER)


class IssuerKeys(PyJWKClient):
    """The issuer's keys, found by its discovery document. While it does not answer, those last seen go on."""

    def __init__(self, issuer: str) -> None:
        super().__init__(
            f"{issuer}/.well-known/openid-configuration",
            lifespan=LIFESPAN_SECONDS,
            timeout=TIMEOUT_SECONDS,
            cooldown_duration=COOLDOWN_SECONDS,
        )
        self._issuer = issuer
        self._discovery = self.uri
        self._last: list[PyJWK] = []
        self._last_at = 0.0
        self._paused_until = 0.0
        self._asking = threading.Lock()

    def get_signing_key(self, kid: str) -> PyJWK:
        """The key of this id. One that is known is never waited for: the issuer may be slow, or away.

        Raises:
            PyJWKClientConnectionError: it is not known, and the issuer does not answer.
            PyJWKClientError: the issuer has no such key.
        """
        known, age = self.match_kid(self._last, kid), time.monotonic() - self._last_at
        if known is None or age > STALE_SECONDS:
            return super().get_signing_key(kid)
        if age < LIFESPAN_SECONDS or not self._asking.acquire(blocking=False):
            return known
        try:
            return super().get_signing_key(kid)
        except PyJWKClientConnectionError:
            return known
        finally:
            self._asking.release()

    def fetch_data(self) -> Any:
        if time.monotonic() < self._paused_until:
            raise PyJWKClientConnectionError("The issuer did not answer a moment ago.")
        try:
            self.uri = self._discovered()
            data = super().fetch_data()
            self._last = self._get_signing_keys_from_jwk_set(jwt.PyJWKSet.from_dict(data))
        except (PyJWTError, OSError, HTTPException, ValueError, TypeError, KeyError) as error:
            self._paused_until = time.monotonic() + self.cooldown_duration
            log.error("issuer_unavailable", issuer=self._issuer, kind=type(error).__name__, error=str(error))
            raise PyJWKClientConnectionError(str(error)) from error
        self._last_at = time.monotonic()
        return data

    def _discovered(self) -> str:
        """The address of the keys, of a document that is really this issuer's (OpenID Connect Discovery, 4.3)."""
        with urllib.request.urlopen(self._discovery, timeout=self.timeout) as response:  # noqa: S310  (operator's own)
            document = json.load(response)
        if str(document["issuer"]).rstrip("/") != self._issuer:
            raise ValueError(f"the discovery document is of {document['issuer']!r}")
        address = str(document["jwks_uri"])
        if not address.startswith("https://") and self._issuer.startswith("https://"):
            raise ValueError("the keys are not at an https:// address")
        return address


@lru_cache(maxsize=4)
def keys_of(issuer: str) -> IssuerKeys:
    """One per issuer and process: its cache is what makes verification cheap."""
    return IssuerKeys(issuer)
