"""Bodies without a declared length: chunked ones, and HTTP/2's. Django takes them for empty."""

from collections.abc import Callable, Iterable
from io import BytesIO
from typing import Any

from django.conf import settings

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def with_length(application: Application) -> Application:
    """Reads such a body, up to one byte above the limit, so that everything below sees its true length."""

    def measured(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        # only a server that ends the input itself may be read to the end: another would wait for ever
        if not environ.get("CONTENT_LENGTH") and environ.get("wsgi.input_terminated"):
            body = _read(environ["wsgi.input"], settings.MAX_BODY_BYTES + 1)
            environ |= {"CONTENT_LENGTH": str(len(body)), "wsgi.input": BytesIO(body)}
        return application(environ, start_response)

    return measured


def _read(stream: Any, limit: int) -> bytes:
    pieces: list[bytes] = []
    while limit > 0 and (piece := stream.read(limit)):
        pieces.append(piece)
        limit -= len(piece)
    return b"".join(pieces)
