"""Settings > API keys. A new secret is in the one answer that made it, and stored nowhere, not even in the session."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache

from levered_site.errors import InvalidRequest
from levered_site.organizations.services import create_api_key, list_api_keys, revoke_api_key
from optimizations.dashboard.access import DashboardView
from optimizations.dashboard.issues import add_issues
from optimizations.dashboard.organization_forms import ApiKeyForm


class ApiKeysView(DashboardView):
    section = "api-keys"
    write_scope = "administer"

    def get(self, request: Any) -> HttpResponse:
        return self._page(ApiKeyForm())

    @method_decorator(never_cache)
    def post(self, request: Any) -> HttpResponse:
        form = ApiKeyForm(request.POST)
        if not form.is_valid():
            return self._page(form, status=400)
        try:
            key, secret = create_api_key(self.organization, created_by=request.user, **form.cleaned_data)
        except InvalidRequest as error:
            add_issues(form, error)
            return self._page(form, status=400)
        return self._page(ApiKeyForm(), created={"name": key.name, "secret": secret})

    def _page(self, form: ApiKeyForm, *, created: dict[str, str] | None = None, status: int = 200) -> HttpResponse:
        keys = list(list_api_keys(self.organization))
        context = {
            "keys": [key for key in keys if key.revoked_at is None],
            "revoked": [key for key in keys if key.revoked_at is not None],
            "form": form,
            "created": created,
        }
        return self.page("dashboard/api_keys.html", context, status=status)


class RevokeApiKeyView(DashboardView):
    write_scope = "administer"

    def post(self, request: Any, key_id: UUID) -> HttpResponse:
        key = revoke_api_key(self.organization, key_id=key_id)
        messages.success(request, f"“{key.name}” is revoked.")
        return redirect("dashboard:api-keys")
