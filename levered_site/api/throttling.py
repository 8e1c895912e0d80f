"""Rate limits per client, counted by django-ratelimit, told by DRF as 429 + `Retry-After`."""

from typing import Any, cast

from django.conf import settings
from django.http import HttpRequest
from django_ratelimit.core import get_usage
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from levered_site.api.authentication import TenantRequest


def client_ip(request: HttpRequest) -> str:
    """The client's address: the peer's, or behind N trusted proxies the N-th from the right of `X-Forwarded-For`.

    Whatever a client writes into the header itself stands further left and changes nothing.
    """
    peer: str = request.META.get("REMOTE_ADDR", "") or "127.0.0.1"
    hops = settings.TRUSTED_PROXIES
    if not hops:
        return peer
    chain = [a.strip() for a in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",") if a.strip()]
    return chain[-min(hops, len(chain))] if chain else peer


def seconds_to_wait(request: HttpRequest, group: str, *, key: Any = "ip") -> int | None:
    """Counts this request in its group; None when it may pass, else the whole seconds until the next window."""
    usage = get_usage(request, group=group, key=key, rate=settings.RATE_LIMITS[group], increment=True)
    if usage is None or not usage["should_limit"]:
        return None
    return max(1, int(usage["time_left"]))


class ApiThrottle(BaseThrottle):
    """100 requests a minute and client over all authenticated endpoints together."""

    group = "api"
    key: Any = "ip"
    _wait: int | None = None

    def allow_request(self, request: Request, view: Any) -> bool:
        self._wait = seconds_to_wait(request._request, self.group, key=self.key)
        return self._wait is None

    def wait(self) -> float | None:
        return self._wait


class IngestThrottle(ApiThrottle):
    """Ingestion is limited per credential, not per address: one gateway sends for a whole company."""

    group = "ingest"

    def allow_request(self, request: Request, view: Any) -> bool:
        # by the key itself, not by the header that carries it, which can be written in many ways
        principal = cast(TenantRequest, request).user
        counted = str(principal.api_key.pk) if principal.api_key else client_ip(request._request)
        self.key = lambda group, http_request: counted
        return super().allow_request(request, view)
