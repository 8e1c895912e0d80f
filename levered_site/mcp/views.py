"""The endpoint of agents: the API's authentication and limits around the official SDK's protocol."""

from typing import Any

from asgiref.sync import async_to_sync
from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.http import url_has_allowed_host_and_scheme
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request

from levered_site.api.authentication import BearerAuthentication, TenantRequest
from levered_site.api.parsers import read_request_body
from levered_site.api.views import TenantView

METADATA_PATH = "/.well-known/oauth-protected-resource/mcp"


class McpView(TenantView):
    """Streamable HTTP without sessions: every POST stands alone, so any process may answer it."""

    authentication_classes = [BearerAuthentication]  # a session's cookie would make every page of the web a client
    required_scope = "read"
    schema = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        _refuse_foreign_origin(request._request)
        super().initial(request, *args, **kwargs)

    def post(self, request: TenantRequest) -> HttpResponse:
        from levered_site.mcp.dispatch import dispatch  # loads the SDK

        return async_to_sync(dispatch)(request._request, read_request_body(request._request), request.user)

    def get_authenticate_header(self, request: Request) -> str:
        """Where a client that has no token learns who gives one (RFC 9728, section 5.1)."""
        challenge = f'Bearer resource_metadata="{request.build_absolute_uri(METADATA_PATH)}"'
        return f'{challenge}, error="invalid_token"' if "Authorization" in request.headers else challenge


def protected_resource(request: HttpRequest) -> JsonResponse:
    """RFC 9728: whose tokens `/mcp` takes: the issuer's, else those that we make ourselves."""
    ours = {"scopes_supported": sorted(settings.OAUTH_SCOPES)}
    return JsonResponse(
        {
            "resource": request.build_absolute_uri("/mcp"),
            "resource_name": "Levered",
            "authorization_servers": [settings.OIDC_ISSUER or request.build_absolute_uri("/").rstrip("/")],
            "bearer_methods_supported": ["header"],
            "resource_documentation": request.build_absolute_uri("/api/v2/docs"),
        }
        | ({} if settings.OIDC_ISSUER else ours),
        headers={"Access-Control-Allow-Origin": "*"},
    )


def _refuse_foreign_origin(request: HttpRequest) -> None:
    """The protocol asks servers to look at `Origin`: a page of another site must not use the reader's network."""
    origin = request.headers.get("Origin")
    if origin is None or origin in settings.CSRF_TRUSTED_ORIGINS:
        return
    if not url_has_allowed_host_and_scheme(origin, allowed_hosts={request.get_host()}):
        raise PermissionDenied("Requests from pages of another origin are not answered here.")
