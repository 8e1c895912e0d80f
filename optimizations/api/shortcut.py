"""The outermost middleware: it answers the two public serve paths itself and passes everything else on."""

from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from optimizations.api.serve import best_variant, serve

_PREFIX = "/api/v2/optimizations/"
_SERVE = "/serve"


class ServeShortcut:
    """The URL map names the same views: what answers is the same, only the way there is shorter."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        path = request.path_info
        if path.startswith(_PREFIX):
            rest = path[len(_PREFIX) :]
            if rest == "best-variant":
                return best_variant(request)
            optimization_id = rest.removesuffix(_SERVE)
            if optimization_id and optimization_id != rest and "/" not in optimization_id:
                return serve(request, optimization_id=optimization_id)
        return self.get_response(request)
