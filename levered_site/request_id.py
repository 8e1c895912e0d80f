"""Every request has an id: in its answer, its `X-Request-ID` header and every log line it causes."""

import secrets
import time
from collections.abc import Callable
from typing import cast

import structlog
from django.http import HttpRequest, HttpResponse

log = structlog.get_logger("levered.request")


class TracedRequest(HttpRequest):
    """A request below the middleware: it has its id."""

    request_id: str


def new_request_id() -> str:
    return f"req_{secrets.token_urlsafe(16)}"


class RequestIdMiddleware:
    """Gives the request its id and writes one line when it is answered."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request_id = cast(TracedRequest, request).request_id = new_request_id()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        started = time.perf_counter()
        try:
            response = self.get_response(request)
            response["X-Request-ID"] = request_id
            log.info(
                "request",
                method=request.method,
                path=request.path,
                status=response.status_code,
                ms=round(1000 * (time.perf_counter() - started), 1),
            )
            return response
        finally:
            structlog.contextvars.clear_contextvars()
