"""Whether the data is fit to learn from, and the statements that read it."""

from typing import Any

from levered_site.errors import DomainError
from optimizations.config import Config
from optimizations.dashboard.views.optimization import OptimizationTab
from optimizations.models import Optimization
from optimizations.services.health import health
from optimizations.services.statements import optimization_statements


class HealthView(OptimizationTab):
    """Shows the last reading at once; `?read=1` reads the warehouse first, which the page asks for by itself."""

    tab = "health"

    def content(self, optimization: Optimization, config: Config) -> dict[str, Any]:
        read = "read" in self.request.GET
        found = health(optimization, read=read)
        by_status = [check["status"] for check in found["checks"]]
        assignment = found["sample_ratio"]["variants"] or {}
        rewards = found["rewards"] or {"last_30d": 0, "matched_30d": 0}
        return {
            "health": found,
            "was_read": read,
            "matched_share": rewards["matched_30d"] / rewards["last_30d"] if rewards["last_30d"] else None,
            "failing": by_status.count("failing"),
            "warning": by_status.count("warning"),
            "deviating": assignment.get("largest", []),
        }


class SqlView(OptimizationTab):
    tab = "sql"

    def content(self, optimization: Optimization, config: Config) -> dict[str, Any]:
        try:
            return {"found": optimization_statements(optimization), "problem": ""}
        except DomainError as error:
            return {"found": None, "problem": error.message}
