"""The guardrails of one optimization, and ending the pause that one of them began."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect

from levered_site.errors import DomainError
from optimizations.config import Config
from optimizations.dashboard.access import DashboardView
from optimizations.dashboard.guardrails import guarded
from optimizations.dashboard.views.optimization import OptimizationTab
from optimizations.models import Optimization
from optimizations.services import lifecycle, pausing


class GuardrailsView(OptimizationTab):
    tab = "guardrails"

    def content(self, optimization: Optimization, config: Config) -> dict[str, Any]:
        return {"guardrails": guarded(optimization)}


class ResumeView(DashboardView):
    """Asks first: a violated guardrail that was resumed does not pause a second time."""

    section = "optimizations"
    read_scope = "manage"

    def get(self, request: Any, optimization_id: UUID) -> HttpResponse:
        optimization = lifecycle.get_optimization(self.organization, optimization_id)
        if optimization.paused_at is None:
            return redirect("dashboard:optimization-guardrails", optimization.pk)
        violated = [row for row in guarded(optimization) if row["status"] == "violated"]
        return self.page("dashboard/resume.html", {"optimization": optimization, "violated": violated})

    def post(self, request: Any, optimization_id: UUID) -> HttpResponse:
        optimization = lifecycle.get_optimization(self.organization, optimization_id)
        try:
            pausing.resume(optimization)
        except DomainError as error:
            messages.error(request, error.message)
        else:
            messages.success(request, "Resumed. The variants are served again.")
        return redirect("dashboard:optimization-guardrails", optimization.pk)
