"""Attempts to sign in with a password, limited per client and per account."""

import hashlib
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render

from levered_site.api.throttling import seconds_to_wait

View = Callable[..., HttpResponseBase]


def limited(view: View) -> View:
    """The view, with a bound on POSTs: one client cannot try many accounts, nor many clients one account."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.method == "POST":
            waits = [seconds_to_wait(request, "login"), seconds_to_wait(request, "login", key=_account)]
            if wait := max((w for w in waits if w is not None), default=None):
                return too_many(request, wait)
        return view(request, *args, **kwargs)

    return guarded


def too_many(request: HttpRequest, wait: int) -> HttpResponse:
    response = render(request, "429.html", {"wait": wait}, status=429)
    response.headers["Retry-After"] = str(wait)
    return response


def _account(group: str, request: HttpRequest) -> str:
    """The address that is tried, however it is written; as a hash, since counters are no place for addresses."""
    address = request.POST.get("username", "").strip().lower()
    return "account:" + hashlib.sha256(address.encode()).hexdigest()
