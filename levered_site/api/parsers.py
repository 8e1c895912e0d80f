"""Request bodies: JSON only, bounded before they are read into memory, strict about NaN and Infinity."""

from collections.abc import Mapping
from typing import Any

import orjson
from django.conf import settings
from django.http import HttpRequest
from rest_framework.exceptions import UnsupportedMediaType
from rest_framework.parsers import BaseParser

from levered_site.errors import InvalidRequest, PayloadTooLarge


def read_body(stream: Any, declared: str | int | None) -> bytes:
    """The body's bytes; refused by its declared length before a byte is read, and by its true length at the limit."""
    limit = settings.MAX_BODY_BYTES
    message = f"The body is larger than {limit // 1024 // 1024} MB."
    if declared and str(declared).isdigit() and int(declared) > limit:
        raise PayloadTooLarge(message)
    body: bytes = stream.read(limit + 1)
    if len(body) > limit:
        raise PayloadTooLarge(message)
    return body


def read_request_body(request: HttpRequest) -> bytes:
    """The body's bytes, also of a client that sends them in chunks and declares no length.

    Django reads what is declared and nothing else; a server that ends the stream itself can be read without.
    """
    declared = request.META.get("CONTENT_LENGTH")
    if not declared and "HTTP_TRANSFER_ENCODING" in request.META and request.META.get("wsgi.input_terminated"):
        return read_body(request.META["wsgi.input"], declared)
    return read_body(request, declared)


def read_json_bytes(request: HttpRequest) -> bytes:
    """The body's bytes, for views that decode JSON themselves; another content type is a 415."""
    media_type = request.META.get("CONTENT_TYPE", "")
    if media_type.partition(";")[0].strip().lower() != JsonParser.media_type:
        raise UnsupportedMediaType(media_type)
    if (encoding := request.headers.get("Content-Encoding", "identity")) != "identity":
        raise UnsupportedMediaType(encoding, f"Bodies are read as they are, not with Content-Encoding {encoding}.")
    return read_request_body(request)


class JsonParser(BaseParser):
    media_type = "application/json"

    def parse(
        self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        declared = (parser_context or {})["request"].META.get("CONTENT_LENGTH")
        try:
            body = orjson.loads(read_body(stream, declared) or b"{}")
        except orjson.JSONDecodeError as error:
            raise InvalidRequest(f"The body is not valid JSON: {error}") from error
        if not isinstance(body, dict):
            raise InvalidRequest("The body must be a JSON object.")
        return body
