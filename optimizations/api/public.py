"""What stands around the two public serve operations, and nothing else: request id, rate limit, CORS, errors, a line
in the log.

They are the hottest path of the product and need no session, no CSRF check, no tenant and no database.
"""

import logging
import time
from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, cast

import structlog
from corsheaders.middleware import CorsMiddleware
from django.core.signals import got_request_exception
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.views.decorators.csrf import csrf_exempt

from levered_site.api.counters import seconds_to_wait
from levered_site.api.exceptions import domain_error_response, error_response
from levered_site.errors import DomainError
from levered_site.request_id import new_request_id
from optimizations.services.serving import CLOSING

log = structlog.get_logger("levered.request")
_standard_log = logging.getLogger("levered.request")
METHODS = "POST, OPTIONS"
EXPOSED = "X-Request-ID, Retry-After"
Path = ParamSpec("Path")


def public(
    operation: Callable[Concatenate[HttpRequest, Path], bytes],
) -> Callable[Concatenate[HttpRequest, Path], HttpResponse]:
    """A complete view of an operation, which makes the JSON answer up to the request id or raises DomainError.

    It answers alike below all the middleware and below none.
    """

    def post(request: HttpRequest, request_id: str, *args: Path.args, **kwargs: Path.kwargs) -> HttpResponse:
        wait = seconds_to_wait(request, "serve")
        if wait is not None:
            return _rate_limited(request_id, wait)
        body = operation(request, *args, **kwargs)
        return HttpResponse(body + request_id.encode() + CLOSING, content_type="application/json")

    @csrf_exempt
    @wraps(operation)
    def view(request: HttpRequest, /, *args: Path.args, **kwargs: Path.kwargs) -> HttpResponse:
        started = time.perf_counter()
        request_id = new_request_id()
        if request.method == "POST":
            try:
                response = post(request, request_id, *args, **kwargs)
            except Exception as error:
                response = _failed(request, request_id, error)
            # the same for every origin, so that no cache between needs to vary
            response.headers["Access-Control-Allow-Origin"] = "*"
            response.headers["Access-Control-Expose-Headers"] = EXPOSED
            response.headers["Content-Length"] = str(len(response.content))
        else:
            response = _not_posted(request, request_id)
        response.headers["X-Request-ID"] = request_id
        status = response.status_code
        if (status >= 400 and status != 429) or _standard_log.isEnabledFor(logging.DEBUG):
            _write_line(request, request_id, status, started)
        return response

    return view


def _rate_limited(request_id: str, wait: int) -> HttpResponse:
    message = f"Too many requests; retry in {wait} seconds."
    response = error_response(request_id, status=429, code="rate_limited", message=message)
    response.headers["Retry-After"] = str(wait)
    return response


def _failed(request: HttpRequest, request_id: str, error: Exception) -> HttpResponse:
    if isinstance(error, DomainError):
        return domain_error_response(request_id, error)
    if isinstance(error, UnreadablePostError):
        return error_response(request_id, status=400, code="invalid_request", message="The body ended early.")
    got_request_exception.send(sender=None, request=request)
    log.error("request_failed", request_id=request_id, path=request.path, exc_info=error)
    message = "Something went wrong on our side; the request id tells us where."
    return error_response(request_id, status=500, code="internal", message=message)


def _not_posted(request: HttpRequest, request_id: str) -> HttpResponse:
    """A preflight, a bare OPTIONS, or a method that is not allowed."""

    def answer(request: HttpRequest) -> HttpResponse:
        if request.method == "OPTIONS":
            response = HttpResponse(status=204)
        else:
            message = f"This path answers {METHODS}."
            response = error_response(request_id, status=405, code="method_not_allowed", message=message)
        response.headers["Allow"] = METHODS
        return response

    return cast(HttpResponse, CorsMiddleware(answer)(request))


def _write_line(request: HttpRequest, request_id: str, status: int, started: float) -> None:
    """Successes and floods are told at DEBUG only: at this rate a line costs more than the answer."""
    write = log.debug if status < 400 or status == 429 else log.info
    milliseconds = round(1000 * (time.perf_counter() - started), 1)
    write("request", request_id=request_id, method=request.method, path=request.path, status=status, ms=milliseconds)
