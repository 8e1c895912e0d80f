"""One optimization: what its tabs share, and the first of them, where it stands."""

from abc import ABC, abstractmethod
from typing import Any
from uuid import UUID

from django.http import HttpResponse

from optimizations.config import Config
from optimizations.dashboard import charts
from optimizations.dashboard.access import DashboardView
from optimizations.dashboard.snippets import snippets_of
from optimizations.dashboard.tabs import tabs_of
from optimizations.dashboard.training import latest_runs, training_card
from optimizations.dashboard.variants import chart_labels, scale_of, variant_rows
from optimizations.dashboard.verdict import verdict_of
from optimizations.models import Optimization
from optimizations.services import lifecycle
from optimizations.services.observations import config_of
from optimizations.services.results import lift_by_day, results

LEADING_VARIANTS = 5


class OptimizationTab(DashboardView, ABC):
    """A tab of one optimization's page: its header, the tabs, and `content`."""

    section = "optimizations"
    tab = ""

    def get(self, request: Any, optimization_id: UUID) -> HttpResponse:
        optimization = lifecycle.get_optimization(self.organization, optimization_id)
        return self.show(optimization, self.content(optimization, config_of(optimization)))

    @abstractmethod
    def content(self, optimization: Optimization, config: Config) -> dict[str, Any]:
        """The tab's own part of the template's context."""

    def show(self, optimization: Optimization, content: dict[str, Any], *, status: int = 200) -> HttpResponse:
        config = config_of(optimization)
        shared = {
            "optimization": optimization,
            "tab": self.tab,
            "tabs": tabs_of(optimization, config, current=self.tab, can_edit=self.request.principal.may("manage")),
            "conversion_window_hours": config.window_hours,
            "reward_type": config.reward_type,
        }
        return self.page(f"dashboard/optimization/{self.tab}.html", shared | content, status=status)

    def snippets(self, optimization: Optimization, config: Config) -> list[dict[str, str]]:
        base_url = self.request.build_absolute_uri("/").rstrip("/")
        return snippets_of(optimization, config, reward_name=config.reward_name, base_url=base_url)


class OverviewView(OptimizationTab):
    tab = "overview"

    def content(self, optimization: Optimization, config: Config) -> dict[str, Any]:
        model = lifecycle.active_model(optimization)
        found = results(optimization)
        measured, variants = found["primary_metric_vs_holdout"], found["variants"]
        exposures = sum(v["exposures"] for v in variants)
        users = [measured["optimization_users"] or 0, measured["holdout_users"] or 0]
        leading = variant_rows(variants)[:LEADING_VARIANTS]
        traffic, traffic_rows = charts.traffic(found["time_series"], chart_labels(variants), baseline=config.key(0))
        lift_history, lift_rows = charts.measured_lift(lift_by_day(optimization))
        return {
            "verdict": verdict_of(
                optimization, found, exposures=exposures, trained=model is not None and model.version > 0
            ),
            "measured": measured,
            "robust": measured["robust"],
            "stats": found["stats"],
            "users_total": sum(users),
            "exposures_total": exposures,
            "optimized_share": users[0] / sum(users) if sum(users) else 0,
            "holdout_share": users[1] / sum(users) if sum(users) else 0,
            "training": training_card(optimization, model, latest_runs(model, 1)),
            "variants": leading,
            "variants_total": len(variants),
            "scale": scale_of(leading, variants),
            "traffic": traffic,
            "traffic_rows": traffic_rows,
            "lift_history": lift_history,
            "lift_rows": lift_rows,
            "snippets": [] if exposures else self.snippets(optimization, config),
        }


class IntegrateView(OptimizationTab):
    tab = "integrate"

    def content(self, optimization: Optimization, config: Config) -> dict[str, Any]:
        return {"snippets": self.snippets(optimization, config)}
