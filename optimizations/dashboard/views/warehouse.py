"""Settings > Warehouse: where the organization's data lives."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect

from optimizations.dashboard.access import DashboardView
from warehouse.models import Provider
from warehouse.services.connections import provider_of, switch_to_managed


class WarehouseView(DashboardView):
    section = "warehouse"

    def get(self, request: Any) -> HttpResponse:
        provider = Provider(provider_of(self.organization))
        managed = provider == Provider.MANAGED
        text = (
            "Hosted by Levered. Events that you send to the ingestion API land here; only your organization reads them."
            if managed
            else "Your own warehouse. Training and results read exposures and rewards from it."
        )
        warehouse = {"title": "Managed warehouse" if managed else provider.label, "text": text, "managed": managed}
        context = {"warehouse": warehouse, "base_url": request.build_absolute_uri("/").rstrip("/")}
        return self.page("dashboard/warehouse.html", context)


class ManagedWarehouseView(DashboardView):
    write_scope = "administer"

    def post(self, request: Any) -> HttpResponse:
        switch_to_managed(self.organization)
        messages.success(request, "The managed warehouse is in use.")
        return redirect("dashboard:warehouse")
