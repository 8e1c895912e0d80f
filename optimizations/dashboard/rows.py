"""Rows of the list of optimizations: stored numbers, worded for a table."""

from dataclasses import dataclass
from typing import Any

from django.db.models import OuterRef, Prefetch, QuerySet, Subquery

from optimizations.config import read_config
from optimizations.models import BanditModel, Optimization, TrainingRun
from optimizations.states import ModelStatus


def with_models(found: QuerySet[Optimization]) -> QuerySet[Optimization]:
    """Brings each optimization's active model, and how its last training ended, in one more query."""
    last = TrainingRun.objects.filter(model=OuterRef("pk")).order_by("-started_at").values("outcome")[:1]
    active = BanditModel.objects.exclude(status=ModelStatus.ARCHIVED).annotate(last_outcome=Subquery(last))
    return found.prefetch_related(Prefetch("models", queryset=active, to_attr="active_models"))


def model_state(model: BanditModel | None, last_outcome: str | None) -> str:
    """`training`, `failed`, `trained`, `untrained`, or `archived` when there is no model."""
    if model is None:
        return ModelStatus.ARCHIVED
    if model.training_claimed_at is not None:
        return "training"
    return "failed" if last_outcome == TrainingRun.Outcome.FAILED else model.status


@dataclass(frozen=True)
class Row:
    optimization: Optimization
    model_status: str
    factor_names: str
    variants_count: int
    summary: dict[str, Any]
    lift_low: float | None
    lift_high: float | None
    lift_source: str
    tone: str

    @classmethod
    def of(cls, optimization: Optimization) -> "Row":
        """`optimization` comes from `with_models`."""
        models: list[Any] = optimization.active_models  # type: ignore[attr-defined]  # set by the prefetch
        model = models[0] if models else None
        summary: dict[str, Any] = optimization.summary or {}
        low, high = summary.get("lift_ci") or (None, None)
        config = read_config(optimization.training_data_config, optimization.excluded_combinations)
        return cls(
            optimization=optimization,
            model_status=model_state(model, model.last_outcome if model else None),
            factor_names=", ".join(f.name for f in config.design),
            variants_count=summary.get("variants_count") or config.n_variants,
            summary=summary,
            lift_low=low,
            lift_high=high,
            lift_source="modeled" if low is None else "",
            tone="neutral" if low is None or high is None or low <= 0 <= high else "success" if low > 0 else "error",
        )


def scale_of(rows: list[Row]) -> dict[str, float]:
    """One scale for the intervals of all rows, symmetric around zero."""
    reach = max((abs(x) for row in rows for x in (row.lift_low, row.lift_high) if x is not None), default=1.0)
    return {"low": -reach, "high": reach}
