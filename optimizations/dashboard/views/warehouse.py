"""Settings > Warehouse: where the organization's data lives, and connecting another warehouse."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters

from levered_site.errors import DomainError
from optimizations.dashboard.access import DashboardView
from optimizations.dashboard.issues import add_issues
from optimizations.dashboard.warehouse_forms import WarehouseForm
from warehouse.connectors.credentials import FIELDS
from warehouse.models import Provider
from warehouse.services import connections

_TEXTS = {
    Provider.MANAGED: "Hosted by Levered. Send events to the ingestion API; there is nothing to set up.",
    Provider.POSTGRES: "Any PostgreSQL server, with a user that may only read.",
    Provider.BIGQUERY: "A project in Google Cloud, by a service account.",
    Provider.SNOWFLAKE: "An account, by password or by key pair.",
    Provider.DUCKDB: "A file on this server, in the directory that its operator allows.",
}


@method_decorator([never_cache, sensitive_post_parameters()], name="dispatch")
class WarehouseView(DashboardView):
    section = "warehouse"
    write_scope = "administer"

    def get(self, request: Any) -> HttpResponse:
        wanted = request.GET.get("provider", "")
        offered = wanted in _TEXTS and request.principal.may("administer")
        return self._page(self._form(wanted) if offered else None, wanted)

    def post(self, request: Any) -> HttpResponse:
        provider = request.POST.get("provider", "")
        if provider not in FIELDS:
            return self._page(None, "", status=400)
        form = self._form(provider, request.POST)
        if not form.is_valid():
            return self._page(form, provider, status=400)
        try:
            connections.connect(
                self.organization, provider=provider, credentials=form.sealed(), name=form.cleaned_data["name"]
            )
        except DomainError as error:
            add_issues(form, error, fields=form.issues([issue.field for issue in error.details]))
            return self._page(form, provider, status=503 if error.code == "unavailable" else 400)
        messages.success(request, "Connected. Training and results now read from this warehouse.")
        return redirect("dashboard:warehouse")

    def _form(self, provider: str, data: Any = None) -> WarehouseForm:
        """Who leaves a warehouse for one of another kind types the organization's name."""
        leaving = connections.provider_of(self.organization) != provider
        confirm = self.organization.name if leaving else ""
        return WarehouseForm(data, provider=provider, confirm=confirm)

    def _page(self, form: WarehouseForm | None, wanted: str, *, status: int = 200) -> HttpResponse:
        current = connections.connection_of(self.organization)
        cards = [
            {
                "provider": provider.value,
                "label": "Managed warehouse" if provider == Provider.MANAGED else provider.label,
                "text": text,
                "current": provider == current.provider,
                "wanted": form is not None and provider == wanted,
                "missing": provider == Provider.DUCKDB and not settings.DUCKDB_DIRECTORY,
            }
            for provider, text in _TEXTS.items()
        ]
        base_url = self.request.build_absolute_uri("/").rstrip("/")
        context = {
            "current": current,
            "managed": current.provider == Provider.MANAGED,
            "cards": cards,
            "card": next((c for c in cards if c["wanted"]), None),
            "form": form,
            "required": [f.name for f in FIELDS.get(wanted, ()) if f.required],
            "base_url": base_url,
        }
        return self.page("dashboard/warehouse.html", context, status=status)


class ManagedWarehouseView(WarehouseView):
    http_method_names = ["post"]

    def post(self, request: Any) -> HttpResponse:
        form = self._form(Provider.MANAGED, request.POST)
        if not form.is_valid():
            return self._page(form, Provider.MANAGED, status=400)
        connections.switch_to_managed(self.organization)
        messages.success(request, "The managed warehouse is in use.")
        return redirect("dashboard:warehouse")


class TryWarehouseView(WarehouseView):
    """What the warehouse answers, as a part of the page: of these credentials, or of the connection in use."""

    http_method_names = ["post"]

    def post(self, request: Any) -> HttpResponse:
        provider = request.POST.get("provider", "")
        context: dict[str, Any] = {}
        try:
            if provider in FIELDS:
                credentials = WarehouseForm(request.POST, provider=provider).sealed()
                context["found"] = connections.try_connection(
                    self.organization, provider=provider, credentials=credentials
                )
            else:
                context["found"] = connections.try_connection(self.organization)
        except DomainError as error:
            labels = {f"credentials.{f.name}": f.label for f in FIELDS.get(provider, ())}
            found = [(labels.get(i.field, i.field.removeprefix("credentials.")), i.message) for i in error.details]
            context["problems"] = [f"{label}: {message}" for label, message in found] or [error.message]
        else:
            context["milliseconds"] = context["found"].seconds * 1000
        return self.page("dashboard/parts/warehouse_test.html", context)
