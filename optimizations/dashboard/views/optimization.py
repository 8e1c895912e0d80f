"""One optimization: where it stands, what it learned, how to integrate it; and what can be done with it."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect

from levered_site.errors import DomainError, NotFound
from optimizations.config import read_config
from optimizations.dashboard import charts
from optimizations.dashboard.access import DashboardView
from optimizations.dashboard.paging import paged
from optimizations.dashboard.snippets import snippets_of
from optimizations.dashboard.training import latest_runs, run_rows, training_card
from optimizations.dashboard.variants import chart_labels, importance_groups, scale_of, variant_rows
from optimizations.dashboard.verdict import verdict_of
from optimizations.models import Optimization, TrainingRun
from optimizations.services import lifecycle, training
from optimizations.services.results import lift_by_day, results
from optimizations.states import MOVES, Status

VARIANTS_PER_PAGE = 10


class OptimizationView(DashboardView):
    section = "optimizations"

    def get(self, request: Any, optimization_id: UUID) -> HttpResponse:
        optimization = lifecycle.get_optimization(self.organization, optimization_id)
        return self.page("dashboard/optimization.html", self._context(optimization))

    def _context(self, optimization: Optimization) -> dict[str, Any]:
        config = read_config(
            optimization.training_data_config, optimization.excluded_combinations, model_type=optimization.model_type
        )
        model = lifecycle.active_model(optimization)
        runs = latest_runs(model)
        found = results(optimization)
        measured, variants = found["primary_metric_vs_holdout"], found["variants"]
        exposures = sum(v["exposures"] for v in variants)
        users = [measured["optimization_users"] or 0, measured["holdout_users"] or 0]
        paging = paged(self.request, variant_rows(variants), size=VARIANTS_PER_PAGE)
        traffic, traffic_rows = charts.traffic(found["time_series"], chart_labels(variants), baseline=config.key(0))
        lift_history, lift_rows = charts.measured_lift(lift_by_day(optimization))
        return {
            "optimization": optimization,
            "design_factors": config.design,
            "context_factors": config.context,
            "conversion_window_hours": config.window_hours,
            "reward_type": config.reward_type,
            "can_complete": Status.COMPLETED in MOVES[optimization.status],
            "can_archive": Status.ARCHIVED in MOVES[optimization.status],
            "verdict": verdict_of(
                optimization,
                measured=measured,
                stats=found["stats"],
                exposures=exposures,
                trained=model is not None and model.version > 0,
            ),
            "measured": measured,
            "stats": found["stats"],
            "users_total": sum(users),
            "exposures_total": exposures,
            "optimized_share": users[0] / sum(users) if sum(users) else 0,
            "holdout_share": users[1] / sum(users) if sum(users) else 0,
            "training": training_card(optimization, model, runs),
            "runs": run_rows(runs),
            "variants": paging["page"],
            "previous_query": paging["previous_query"],
            "next_query": paging["next_query"],
            "variants_total": len(variants),
            "scale": scale_of(paging["page"].object_list, variants),
            "traffic": traffic,
            "traffic_rows": traffic_rows,
            "lift_history": lift_history,
            "lift_rows": lift_rows,
            "importance": importance_groups(found),
            "snippets": snippets_of(
                optimization,
                config,
                reward_name=config.reward_name,
                base_url=self.request.build_absolute_uri("/").rstrip("/"),
            ),
        }


class TrainingStateView(DashboardView):
    """The training card alone; it asks for itself every few seconds."""

    def get(self, request: Any, optimization_id: UUID) -> HttpResponse:
        optimization = lifecycle.get_optimization(self.organization, optimization_id)
        model = lifecycle.active_model(optimization)
        shown = request.GET.get("shown", "")
        card = training_card(optimization, model, latest_runs(model), shown=int(shown) if shown.isdecimal() else None)
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


class MoveView(DashboardView):
    """Completes or archives; the confirmation stands on the page before it."""

    status: str = ""
    done: str = ""

    def post(self, request: Any, optimization_id: UUID) -> HttpResponse:
        optimization = lifecycle.get_optimization(self.organization, optimization_id)
        try:
            lifecycle.update_optimization(optimization, status=self.status)
        except DomainError as error:
            messages.error(request, error.message)
        else:
            messages.success(request, self.done)
        return redirect("dashboard:optimization", optimization.pk)
