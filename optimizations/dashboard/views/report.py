"""A report to print or forward."""

from typing import Any
from uuid import UUID

from django.http import HttpResponse

from optimizations.dashboard.access import DashboardView
from optimizations.services import lifecycle
from optimizations.services.report import report


class ReportView(DashboardView):
    section = "optimizations"

    def get(self, request: Any, optimization_id: UUID) -> HttpResponse:
        optimization = lifecycle.get_optimization(self.organization, optimization_id)
        return self.page("dashboard/report.html", {"optimization": optimization} | report(optimization))
