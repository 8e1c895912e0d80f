"""Clients register themselves (RFC 7591), as those of the Model Context Protocol do: within bounds."""

import json
from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlsplit

from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase

from levered_site.errors import Unavailable
from levered_site.organizations.applications import make_room

MAX_BYTES = 16 * 1024
MAX_REDIRECT_URIS = 10
GRANTS = ["authorization_code", "refresh_token"]
LOCAL = {"localhost", "127.0.0.1", "::1"}

View = Callable[..., HttpResponseBase]


def bounded(view: View) -> View:
    """The toolkit's view, for metadata that it would take and we do not."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.method in {"POST", "PUT"} and (problem := _problem(request)):
            return JsonResponse({"error": problem[0], "error_description": problem[1]}, status=400)
        if request.method == "POST":
            try:
                make_room()
            except Unavailable as error:
                told = {"error": "temporarily_unavailable", "error_description": error.message}
                return JsonResponse(told, status=503, headers={"Retry-After": "3600"})
        return view(request, *args, **kwargs)

    return guarded


def _problem(request: HttpRequest) -> tuple[str, str] | None:
    if len(request.body) > MAX_BYTES:
        return "invalid_client_metadata", f"The metadata is larger than {MAX_BYTES // 1024} KB."
    try:
        told = json.loads(request.body)
    except ValueError:
        return None  # the toolkit says so itself, also of what is no object
    if not isinstance(told, dict):
        return None
    name, grants, uris = told.get("client_name", ""), told.get("grant_types", []), told.get("redirect_uris", [])
    if not isinstance(name, str) or not name.isprintable() or "\x00" in name:
        return "invalid_client_metadata", "client_name must be printable text."
    if isinstance(grants, list) and not all(grant in GRANTS for grant in grants):
        return "invalid_client_metadata", "Clients here use authorization_code and refresh_token."
    if isinstance(uris, list) and len(uris) > MAX_REDIRECT_URIS:
        return "invalid_redirect_uri", f"At most {MAX_REDIRECT_URIS} redirect URIs."
    for uri in uris if isinstance(uris, list) else []:
        if not _safe(uri):
            return "invalid_redirect_uri", "http:// is for this computer only: localhost, 127.0.0.1 or [::1]."
    return None


def _safe(uri: object) -> bool:
    """Plain http only where nobody listens on the way (RFC 8252, 7.3). The toolkit looks at everything else."""
    try:
        address = urlsplit(str(uri))
        return address.scheme != "http" or address.hostname in LOCAL
    except ValueError:
        return False
