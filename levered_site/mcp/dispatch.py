"""From a Django request to the SDK's ASGI application and back."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings

from levered_site.mcp.server import server
from levered_site.organizations.principals import Principal

# Django has looked at the host, the view at the origin
_SECURITY = TransportSecuritySettings(enable_dns_rebinding_protection=False)


async def dispatch(request: HttpRequest, body: bytes, principal: Principal) -> HttpResponse:
    """One JSON-RPC message. Tools find the caller as `request.state.principal`."""
    answer = _Answer(body)
    manager = StreamableHTTPSessionManager(
        server._lowlevel_server,  # the SDK's only door for applications that bring their own HTTP server
        json_response=True,
        stateless=True,
        security_settings=_SECURITY,
        max_request_body_size=settings.MAX_BODY_BYTES,
    )
    async with manager.run():
        await manager.handle_request(_scope(request, principal), answer.receive, answer.send)
    return answer.response()


def _scope(request: HttpRequest, principal: Principal) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": request.scheme,
        "path": request.path,
        "raw_path": request.path.encode(),
        "query_string": request.META.get("QUERY_STRING", "").encode(),
        "root_path": "",
        "headers": [(k.lower().encode("latin-1"), v.encode("latin-1")) for k, v in request.headers.items()],
        "client": (request.META.get("REMOTE_ADDR", ""), 0),
        "server": (request.get_host(), None),
        "state": {"principal": principal},
    }


class _Answer:
    """The two ends of an ASGI request whose body is known and whose answer is collected."""

    def __init__(self, body: bytes) -> None:
        self._body: bytes | None = body
        self._status = 500
        self._headers: list[tuple[bytes, bytes]] = []
        self._content = b""

    async def receive(self) -> dict[str, Any]:
        if self._body is None:
            return {"type": "http.disconnect"}
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            self._headers = list(message.get("headers", []))
        else:
            self._content += message.get("body", b"")

    def response(self) -> HttpResponse:
        response = HttpResponse(self._content, status=self._status)
        for name, value in self._headers:
            if name.lower() != b"content-length":
                response.headers[name.decode("latin-1")] = value.decode("latin-1")
        return response
