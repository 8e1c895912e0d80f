"""What was learned: what drives the reward, and what works for whom."""

from typing import Any

from django.http import Http404

from optimizations.config import Config
from optimizations.dashboard.factors import factor_rows, heat_map, importance_groups, pair_links
from optimizations.dashboard.paging import paged
from optimizations.dashboard.segments import personalization_of, segment_rows, segment_scale
from optimizations.dashboard.views.optimization import OptimizationTab
from optimizations.models import Optimization
from optimizations.services.results import learned

SEGMENTS_PER_PAGE = 25


class FactorsView(OptimizationTab):
    tab = "factors"

    def content(self, optimization: Optimization, config: Config) -> dict[str, Any]:
        found = learned(optimization)
        pairs = pair_links(found["interactions"], chosen=self.request.GET.get("pair", ""))
        shown = next((pair for pair in pairs if pair.current), None)
        return {
            "design_factors": config.design,
            "context_factors": config.context,
            "importance": importance_groups(found),
            "factors": factor_rows(found["levels"]),
            "pairs": pairs,
            "heat": heat_map(found["interactions"][shown.index], config) if shown else None,
            "version": found["model_version"],
        }


class ContextsView(OptimizationTab):
    tab = "contexts"

    def content(self, optimization: Optimization, config: Config) -> dict[str, Any]:
        if not config.context:
            raise Http404("This optimization has no context factors.")
        found = learned(optimization)
        rows = segment_rows(found)
        paging = paged(self.request, rows, size=SEGMENTS_PER_PAGE)
        return {
            "context_factors": config.context,
            "importance": [group for group in importance_groups(found) if group["title"] == "Context"],
            "personalization": personalization_of(found, rows),
            "segments": paging["page"],
            "previous_query": paging["previous_query"],
            "next_query": paging["next_query"],
            "scale": segment_scale(rows),
            "best": found["best_variant"],
            "coverage": found["context_coverage"],
            "version": found["model_version"],
        }
