"""The variants of one optimization: narrowed by the levels of its factors, ordered as one likes."""

from typing import Any

from optimizations.config import Config
from optimizations.dashboard.paging import paged
from optimizations.dashboard.variants import ORDERS, level_filters, narrowed, scale_of, variant_rows
from optimizations.dashboard.views.optimization import OptimizationTab
from optimizations.models import Optimization
from optimizations.services.results import results

PAGE_SIZE = 25


class VariantsView(OptimizationTab):
    tab = "variants"

    def content(self, optimization: Optimization, config: Config) -> dict[str, Any]:
        variants = results(optimization)["variants"]
        filters = level_filters(config, self.request.GET)
        order = self.request.GET.get("order", "")
        found = narrowed(variant_rows(variants, order=order), filters)
        paging = paged(self.request, found, size=PAGE_SIZE)
        return {
            "variants": paging["page"],
            "previous_query": paging["previous_query"],
            "next_query": paging["next_query"],
            "variants_total": len(variants),
            "filters": filters,
            "filtered": any(f.chosen is not None for f in filters),
            "orders": [{"value": value, "label": label, "selected": value == order} for value, label in ORDERS],
            "scale": scale_of(paging["page"].object_list, variants),
        }
