"""The short way to the two public serve paths, past everything they do not need.

The URL map names the same views, and each view is complete: what answers is the same, only the way there is shorter.
"""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from optimizations.api.serve import best_variant, serve

_PREFIX = "/api/v2/optimizations/"
_SERVE = "/serve"
WsgiApplication = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def public_view(path: str) -> Callable[[HttpRequest], HttpResponse] | None:
    """The public view that answers at this path, as `optimizations.api.urls` maps it."""
    if not path.startswith(_PREFIX):
        return None
    rest = path[len(_PREFIX) :]
    if rest.endswith(_SERVE):
        optimization_id = rest[: -len(_SERVE)]
        if optimization_id and "/" not in optimization_id:
            return partial(serve, optimization_id=optimization_id)
    return best_variant if rest == "best-variant" else None


class ServeMiddleware:
    """The outermost middleware: it answers the two paths itself and passes everything else on."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        view = public_view(request.path_info)
        return view(request) if view else self.get_response(request)


class ServeApplication:
    """The same around Django's WSGI handler.

    Django's handler opens and ends every request by looking after database connections and caches of its thread, which
    costs more than the whole answer; these views use neither.
    """

    def __init__(self, application: WsgiApplication) -> None:
        self.application = application

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        # a mounted application (SCRIPT_NAME) takes the long way, which knows about prefixes
        view = None if environ.get("SCRIPT_NAME") else public_view(environ.get("PATH_INFO", ""))
        if view is None:
            return self.application(environ, start_response)
        response = view(WSGIRequest(environ))
        start_response(f"{response.status_code} {response.reason_phrase}", list(response.items()))
        return (response.content,)
