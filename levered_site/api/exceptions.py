"""One error shape for every failure: `{"error": {"code", "message", "details"?}, "meta": {"request_id", …}}`."""

from collections.abc import Iterator
from typing import Any

import structlog
from django.core.exceptions import PermissionDenied
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpResponse, JsonResponse
from rest_framework import exceptions as drf
from rest_framework.response import Response

from levered_site.errors import DomainError, Issue

log = structlog.get_logger("levered.api")

CODE_STATUS = {
    "invalid_request": 400,
    "unauthenticated": 401,
    "forbidden": 403,
    "not_found": 404,
    "method_not_allowed": 405,
    "not_acceptable": 406,
    "conflict": 409,
    "invalid_transition": 409,
    "training_in_progress": 409,
    "model_unavailable": 409,
    "ambiguous_match": 409,
    "not_managed": 409,
    "payload_too_large": 413,
    "unsupported_media_type": 415,
    "rate_limited": 429,
    "internal": 500,
    "unavailable": 503,
}
STATUS_CODES = {
    400: "invalid_request", 401: "unauthenticated", 403: "forbidden", 404: "not_found", 405: "method_not_allowed",
    406: "not_acceptable", 409: "conflict", 413: "payload_too_large", 415: "unsupported_media_type",
    429: "rate_limited", 500: "internal", 503: "unavailable",
}  # fmt: skip
RETRY_SECONDS = 2


def error_body(code: str, message: str, details: list[Issue] | None = None) -> dict[str, Any]:
    """The `error` object alone; `meta` is added where the answer is rendered."""
    error: dict[str, Any] = {"code": code, "message": message}
    if details:
        error["details"] = [{"field": d.field, "message": d.message} for d in details]
    return {"error": error}


def error_response(
    request_id: str, *, status: int, code: str, message: str, details: list[Issue] | None = None
) -> HttpResponse:
    """The documented shape as a plain Django response, for what is answered outside DRF."""
    body = error_body(code, message, details) | {"meta": {"request_id": request_id}}
    response = JsonResponse(body, status=status)
    if status == 503:
        response["Retry-After"] = str(RETRY_SECONDS)
    if status == 401:
        response["WWW-Authenticate"] = "Bearer"
    return response


def domain_error_response(request_id: str, error: DomainError) -> HttpResponse:
    return error_response(
        request_id, status=CODE_STATUS[error.code], code=error.code, message=error.message, details=error.details
    )


def exception_handler(exception: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's hook: every exception that a view raises becomes the one shape; None lets a bug become a logged 500."""
    match exception:
        case DomainError():
            status = CODE_STATUS[exception.code]
            body = error_body(exception.code, exception.message, exception.details)
        case drf.ValidationError():
            issues = list(flatten(exception.detail))
            summary = "; ".join(f"{i.field}: {i.message}" if i.field else i.message for i in issues[:3])
            status, body = 400, error_body("invalid_request", summary, issues)
        case drf.APIException():
            status = exception.status_code
            body = error_body(STATUS_CODES.get(status, "invalid_request"), str(exception.detail))
        case Http404():
            status, body = 404, error_body("not_found", "Not found")
        case PermissionDenied():
            status, body = 403, error_body("forbidden", "This request is not allowed.")
        case OperationalError() | InterfaceError():
            log.exception("database_error")
            status, body = 503, error_body("unavailable", "The database does not answer; please retry.")
        case _:
            return None
    headers: dict[str, str] = {}
    if status == 503:
        headers["Retry-After"] = str(RETRY_SECONDS)
    if isinstance(exception, drf.APIException):
        if header := getattr(exception, "auth_header", None):
            headers["WWW-Authenticate"] = header
        if (wait := getattr(exception, "wait", None)) is not None:
            headers["Retry-After"] = str(max(1, int(wait)))
    return Response(body, status=status, headers=headers)


def flatten(detail: Any, path: str = "") -> Iterator[Issue]:
    """DRF's nested error detail as `field[3].name` issues."""
    if isinstance(detail, dict):
        for key, value in detail.items():
            if key == "non_field_errors":
                yield from flatten(value, path)
            elif str(key).isdigit():
                yield from flatten(value, f"{path}[{key}]")
            else:
                yield from flatten(value, f"{path}.{key}" if path else str(key))
    elif isinstance(detail, list):
        for i, value in enumerate(detail):
            nested = isinstance(value, dict | list)
            if nested and not value:
                continue
            yield from flatten(value, f"{path}[{i}]" if nested else path)
    else:
        yield Issue(path, str(detail))
