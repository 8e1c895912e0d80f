"""The URL map of the whole product."""

from django.contrib import admin
from django.http import HttpRequest, HttpResponseNotFound
from django.urls import URLPattern, URLResolver, include, path, re_path
from django.views.decorators.csrf import csrf_exempt
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from levered_site import sso
from levered_site.health import healthz, readyz
from levered_site.join import JoinView
from levered_site.login import limited
from levered_site.mcp.views import McpView, protected_resource


@csrf_exempt
def no_such_path(request: HttpRequest) -> HttpResponseNotFound:
    """Anything else under /api/: JsonErrorsMiddleware gives it the documented shape."""
    return HttpResponseNotFound()


api: list[URLPattern | URLResolver] = [
    path("", include("levered_site.api.urls")),
    path("warehouse/", include("warehouse.api.urls")),
    path("", include("optimizations.api.urls")),
    path("schema", SpectacularAPIView.as_view(), name="schema"),
    path("docs", SpectacularSwaggerSplitView.as_view(url_name="schema"), name="docs"),
]

urlpatterns = [
    path("healthz", healthz, name="healthz"),
    path("readyz", readyz, name="readyz"),
    path("api/v2/", include(api)),
    re_path(r"^api/", no_such_path),
    path("mcp", McpView.as_view(), name="mcp"),
    path(".well-known/oauth-protected-resource", protected_resource),
    path(".well-known/oauth-protected-resource/mcp", protected_resource, name="protected-resource"),
    path("", include("levered_site.oauth.urls")),
    path("admin/login/", limited(admin.site.login)),  # the admin's own door, in front of its URL map
    path("admin/", admin.site.urls),
    path("login", limited(sso.SignInView.as_view()), name="login"),
    path("login/sso", sso.configured(sso.begin), name="sso"),
    path("login/sso/callback", sso.configured(sso.callback), name="sso-callback"),
    path("join", JoinView.as_view(), name="join"),
    path("logout", sso.SignOutView.as_view(), name="logout"),
    path("", include("optimizations.dashboard.urls")),
]
