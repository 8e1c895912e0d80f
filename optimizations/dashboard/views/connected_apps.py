"""Settings > Connected apps: which applications act for whom, and the end of it."""

from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect

from levered_site.organizations.applications import disconnect, list_connections
from optimizations.dashboard.access import DashboardView


class ConnectedAppsView(DashboardView):
    section = "connected-apps"

    def get(self, request: Any) -> HttpResponse:
        context = {
            "connections": list_connections(request.principal),
            "address": request.build_absolute_uri("/mcp"),
            "issuer": settings.OIDC_ISSUER,
        }
        return self.page("dashboard/connected_apps.html", context)


class DisconnectView(DashboardView):
    write_scope = "read"  # everybody ends what they have allowed themselves

    def post(self, request: Any, connection_id: UUID) -> HttpResponse:
        ended = disconnect(request.principal, connection_id=connection_id)
        messages.success(request, f"“{ended.application}” is disconnected.")
        return redirect("dashboard:connected-apps")
