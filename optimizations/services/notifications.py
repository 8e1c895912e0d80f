"""Telling people and machines that a guardrail was violated: e-mail to the organization's admins, a signed webhook."""

import hashlib
import hmac
import socket
import ssl
import time
from http.client import HTTPConnection, HTTPSConnection
from urllib.parse import urlsplit

import orjson
from django.conf import settings
from django.core.mail import send_mail

from levered_site.addresses import vetted_address
from levered_site.errors import InvalidRequest, Unavailable
from levered_site.organizations.models import Organization, Role, User
from optimizations.models import Guardrail

SIGNATURE = "X-Levered-Signature"
TIMEOUT_SECONDS = 10


def admins(organization: Organization) -> list[str]:
    """The addresses that learn of a violation."""
    found = User.objects.filter(
        is_active=True, memberships__organization=organization, memberships__role=Role.ADMIN
    ).values_list("email", flat=True)
    return sorted(set(found))


def mail_violation(guardrail: Guardrail, recipient: str) -> bool:
    """Writes to one admin: a letter each, nobody sees the others' addresses. Goes nowhere without a mail server, nor to
    somebody who has ceased to be an admin.

    Raises:
        OSError: the mail server is away or refuses.
    """
    optimization = guardrail.optimization
    if recipient not in admins(optimization.organization):
        return False
    paused = "The baseline is now served to everyone until somebody resumes it.\n" if optimization.paused_at else ""
    sent = send_mail(
        f"Guardrail violated: {_line(guardrail.metric.name)} in {_line(optimization.name)}",
        f"{guardrail.reason}\n\nOptimization: {optimization.name} ({optimization.pk})\n{paused}",
        None,
        [recipient],
    )
    return sent > 0


def post_violation(guardrail: Guardrail) -> bool:
    """Posts to `LEVERED_WEBHOOK_URL`, signed; False when none is configured.

    Raises:
        InvalidRequest: the address is none that may be posted to (`levered_site.addresses`).
        Unavailable: its host is not resolved, or the answer is no 2xx.
        OSError, HTTPException: it does not answer.
    """
    if not settings.WEBHOOK_URL:
        return False
    optimization = guardrail.optimization
    body = orjson.dumps(
        {
            "event": "guardrail_violated",
            "organization_id": optimization.organization.public_id,
            "optimization": {"id": str(optimization.pk), "name": optimization.name},
            "guardrail": {"id": str(guardrail.pk), "metric": guardrail.metric.name, "reason": guardrail.reason},
            "violated_at": guardrail.violated_at,
            "paused": optimization.paused_at is not None,
        }
    )
    headers = {"Content-Type": "application/json", SIGNATURE: sign(body, at=int(time.time()))}
    status = _post(settings.WEBHOOK_URL, body, headers)
    if not 200 <= status < 300:
        raise Unavailable(f"The webhook answered {status}.")
    return True


def _post(url: str, body: bytes, headers: dict[str, str]) -> int:
    """The status of the answer. Connects to the vetted address, and follows no redirect: it could lead anywhere."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or {"https": 443, "http": 80}[parts.scheme]
    except (KeyError, ValueError) as error:
        raise InvalidRequest("LEVERED_WEBHOOK_URL is no http:// or https:// address.") from error
    peer = socket.create_connection((vetted_address(host), port), timeout=TIMEOUT_SECONDS)
    secure = parts.scheme == "https"
    connection = (HTTPSConnection if secure else HTTPConnection)(host, port, timeout=TIMEOUT_SECONDS)
    with peer:
        connection.sock = ssl.create_default_context().wrap_socket(peer, server_hostname=host) if secure else peer
        connection.request("POST", f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}", body, headers)
        return connection.getresponse().status


def sign(body: bytes, *, at: int) -> str:
    """`t=<unix time>,v1=<hex>`: HMAC-SHA256 of "<t>.<body>" with `LEVERED_WEBHOOK_SECRET`."""
    digest = hmac.new(settings.WEBHOOK_SECRET.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


def _line(text: str) -> str:
    """A header has one line."""
    return " ".join(text.split())
