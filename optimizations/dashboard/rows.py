"""Rows of the list of optimizations: stored numbers, worded for a table."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import OuterRef, Prefetch, QuerySet, Subquery

from optimizations.config import read_config
from optimizations.models import BanditModel, LiftSnapshot, Optimization, TrainingRun
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
class Trend:
    """The lift day by day, in per cent; `label` says whose."""

    label: str
    values: list[float]


def trend_of(snapshots: Sequence[LiftSnapshot]) -> Trend | None:
    """What was measured, once it is; before that what the model expected. None before there are two days of it."""
    for label, values in (
        ("Measured lift", [s.measured["lift_percent"] for s in snapshots if s.measured]),
        ("Modeled lift", [s.policy["mean"] for s in snapshots if s.policy]),
    ):
        known = [value for value in values if value is not None]
        if len(known) > 1:
            return Trend(label, known)
    return None


def _modeled_interval(snapshots: Sequence[LiftSnapshot]) -> tuple[float | None, float | None]:
    policy = snapshots[-1].policy if snapshots else None
    return (policy["ci_lower"], policy["ci_upper"]) if policy else (None, None)


def _tone(measured: Sequence[float] | None) -> str:
    """`success` or `error` where the measured interval leaves zero out."""
    if not measured or measured[0] <= 0 <= measured[1]:
        return "neutral"
    return "success" if measured[0] > 0 else "error"


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
    trend: Trend | None

    @classmethod
    def of(cls, optimization: Optimization, snapshots: Sequence[LiftSnapshot] = ()) -> "Row":
        """`optimization` comes from `with_models`; `snapshots` are its own, oldest first.

        A modeled lift has the interval of the latest snapshot.
        """
        models: list[Any] = optimization.active_models  # type: ignore[attr-defined]  # set by the prefetch
        model = models[0] if models else None
        summary: dict[str, Any] = optimization.summary or {}
        measured = summary.get("lift_ci")
        low, high = measured or _modeled_interval(snapshots)
        config = read_config(optimization.training_data_config, optimization.excluded_combinations)
        return cls(
            optimization=optimization,
            model_status=model_state(model, model.last_outcome if model else None),
            factor_names=", ".join(f.name for f in config.design),
            variants_count=summary.get("variants_count") or config.n_variants,
            summary=summary,
            lift_low=low,
            lift_high=high,
            lift_source="" if measured else "modeled",
            tone=_tone(measured),
            trend=trend_of(snapshots),
        )


def scale_of(rows: list[Row]) -> dict[str, float]:
    """One scale for the intervals of all rows, symmetric around zero."""
    reach = max((abs(x) for row in rows for x in (row.lift_low, row.lift_high) if x is not None), default=1.0)
    return {"low": -reach, "high": reach}
