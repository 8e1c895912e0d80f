"""The training runs of one optimization, the card that refreshes itself, and training by hand."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect

from levered_site.errors import DomainError, NotFound
from optimizations.config import Config
from optimizations.dashboard.access import DashboardView
from optimizations.dashboard.paging import paged
from optimizations.dashboard.training import all_runs, latest_runs, run_rows, training_card
from optimizations.dashboard.views.optimization import OptimizationTab
from optimizations.models import Optimization, TrainingRun
from optimizations.services import lifecycle, training

RUNS_PER_PAGE = 25


class RunsView(OptimizationTab):
    tab = "runs"

    def content(self, optimization: Optimization, config: Config) -> dict[str, Any]:
        model = lifecycle.active_model(optimization)
        paging = paged(self.request, all_runs(model), size=RUNS_PER_PAGE)
        page = paging["page"]
        card = training_card(optimization, model, latest_runs(model, 1))
        page.object_list = run_rows(page.object_list)
        return paging | {"page": page, "training": card, "bias": model.bias if model else {}}


class TrainingStateView(DashboardView):
    """The training card alone; it asks for itself every few seconds."""

    def get(self, request: Any, optimization_id: UUID) -> HttpResponse:
        optimization = lifecycle.get_optimization(self.organization, optimization_id)
        model = lifecycle.active_model(optimization)
        shown = request.GET.get("shown", "")
        card = training_card(
            optimization, model, latest_runs(model, 1), shown=int(shown) if shown.isdecimal() else None
        )
        context = {"optimization": optimization, "training": card}
        return self.page("dashboard/parts/training_state.html", context)


class TrainView(DashboardView):
    def post(self, request: Any, optimization_id: UUID) -> HttpResponse:
        optimization = lifecycle.get_optimization(self.organization, optimization_id)
        model = lifecycle.active_model(optimization)
        if model is None:
            raise NotFound("The optimization has no model")
        try:
            training.train(model, trigger=TrainingRun.Trigger.DASHBOARD)
        except DomainError as error:
            messages.error(request, error.message)
        else:
            messages.success(request, "The model is trained.")
        return redirect("dashboard:optimization", optimization.pk)
