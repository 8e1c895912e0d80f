"""Telling people and machines that a guardrail was violated: e-mail to the organization's admins, a signed webhook."""

import hashlib
import hmac
import time
from urllib.request import Request, urlopen

import orjson
from django.conf import settings
from django.core.mail import send_mail

from levered_site.organizations.models import Role, User
from optimizations.models import Guardrail

SIGNATURE = "X-Levered-Signature"
TIMEOUT_SECONDS = 10


def mail_violation(guardrail: Guardrail) -> int:
    """Writes to every active admin; returns to how many. None is written when no mail server is configured."""
    optimization = guardrail.optimization
    admins = User.objects.filter(
        is_active=True, memberships__organization=optimization.organization, memberships__role=Role.ADMIN
    ).values_list("email", flat=True)
    recipients = sorted(set(admins))
    paused = "The baseline is now served to everyone until somebody resumes it.\n" if optimization.paused_at else ""
    for recipient in recipients:  # one letter each: nobody sees the others' addresses
        send_mail(
            f"Guardrail violated: {_line(guardrail.metric.name)} in {_line(optimization.name)}",
            f"{guardrail.reason}\n\nOptimization: {optimization.name} ({optimization.pk})\n{paused}",
            None,
            [recipient],
        )
    return len(recipients)


def post_violation(guardrail: Guardrail) -> bool:
    """Posts to `LEVERED_WEBHOOK_URL`, signed; False when none is configured. Raises OSError when it fails."""
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
    request = Request(settings.WEBHOOK_URL, data=body, headers=headers, method="POST")  # noqa: S310  # the operator's
    with urlopen(request, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310
        return 200 <= int(answer.status) < 300


def sign(body: bytes, *, at: int) -> str:
    """`t=<unix time>,v1=<hex>`: HMAC-SHA256 of "<t>.<body>" with `LEVERED_WEBHOOK_SECRET`."""
    digest = hmac.new(settings.WEBHOOK_SECRET.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


def _line(text: str) -> str:
    """A header has one line."""
    return " ".join(text.split())
