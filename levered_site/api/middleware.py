"""Nothing under `/api/` answers an error as HTML, whoever made it: URL resolver, CSRF check or crash."""

from collections.abc import Callable
from typing import cast

from django.http import HttpRequest, HttpResponse
from rest_framework.response import Response

from levered_site.api.exceptions import STATUS_CODES, error_response
from levered_site.request_id import TracedRequest

API_PREFIX = "/api/"
_MESSAGES = {
    400: "The request is malformed.",
    403: "This request is not allowed.",
    404: "No such path.",
    405: "This path does not answer that method.",
    500: "Something went wrong on our side; the request id tells us where.",
}


class JsonErrorsMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        ours = isinstance(response, Response) or response.headers.get("Content-Type", "").startswith("application/json")
        if response.status_code < 400 or ours or not request.path.startswith(API_PREFIX):
            return response
        status = response.status_code
        converted = error_response(
            cast(TracedRequest, request).request_id,
            status=status,
            code=STATUS_CODES.get(status, "invalid_request" if status < 500 else "internal"),
            message=_MESSAGES.get(status, response.reason_phrase),
        )
        if allow := response.headers.get("Allow"):
            converted["Allow"] = allow
        return converted
