"""The URL map of the whole product."""

from django.contrib import admin
from django.contrib.auth import views as auth
from django.http import HttpRequest, HttpResponseNotFound
from django.urls import URLPattern, URLResolver, include, path, re_path
from django.views.decorators.csrf import csrf_exempt
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from levered_site.health import healthz, readyz
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
    path("admin/login/", limited(admin.site.login)),  # the admin's own door, in front of its URL map
    path("admin/", admin.site.urls),
    path("login", limited(auth.LoginView.as_view(redirect_authenticated_user=True)), name="login"),
    path("logout", auth.LogoutView.as_view(), name="logout"),
    path("", include("optimizations.dashboard.urls")),
]
