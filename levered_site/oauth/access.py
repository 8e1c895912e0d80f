"""What guards every address of the authorization server."""

import hashlib
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, JsonResponse
from django.http.response import HttpResponseBase

from levered_site.api.throttling import seconds_to_wait

View = Callable[..., HttpResponseBase]


def own(view: View) -> View:
    """The view, where we are the authorization server: with an issuer of its own, an installation has no second one."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if settings.OIDC_ISSUER:
            raise Http404
        return view(request, *args, **kwargs)

    return guarded


def limited(view: View) -> View:
    """The view, with a bound on requests: one host cannot try many secrets, nor many hosts those of one client."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        waits = [seconds_to_wait(request, "token")]
        if request.POST.get("client_id"):
            waits.append(seconds_to_wait(request, "token", key=_client))
        if wait := max((w for w in waits if w is not None), default=None):
            told = {"error": "slow_down", "error_description": f"Too many requests; retry in {wait} seconds."}
            return JsonResponse(told, status=429, headers={"Retry-After": str(wait)})
        return view(request, *args, **kwargs)

    return guarded


def as_json(view: View) -> View:
    """The view, whose answers are JSON: some of the toolkit's refusals repeat what was sent, and say they are HTML."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response = view(request, *args, **kwargs)
        response.headers["Content-Type"] = "application/json"
        return response

    return guarded


def _client(group: str, request: HttpRequest) -> str:
    return "client:" + hashlib.sha256(request.POST["client_id"].encode()).hexdigest()
