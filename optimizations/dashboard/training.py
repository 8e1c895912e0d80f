"""The training card and the list of runs."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db.models import QuerySet

from optimizations.dashboard.rows import model_state
from optimizations.models import BanditModel, Optimization, TrainingRun
from optimizations.states import Status

# what a run says it is doing, and how much of the way lies behind it then
STAGES = {"reading the warehouse": 0.1, "fitting the model": 0.35, "building the policy": 0.55, "reading out": 0.7}


@dataclass(frozen=True)
class TrainingCard:
    """`live`: the card refreshes itself. `error`: what the last run failed with. `stage`: what a running one does.

    `shown` is the version whose results the page around the card shows; `stale` says that there are newer ones.
    """

    state: str
    version: int | None
    trained_at: datetime | None
    running: bool
    stage: str
    error: str
    next_text: str
    live: bool
    can_train: bool
    shown: int

    @property
    def stale(self) -> bool:
        return (self.version or 0) > self.shown

    @property
    def progress(self) -> float | None:
        """0..1 of a running training, by its stage."""
        return STAGES.get(self.stage) if self.running else None


def all_runs(model: BanditModel | None) -> QuerySet[TrainingRun]:
    """Latest first."""
    return model.training_runs.order_by("-started_at") if model else TrainingRun.objects.none()


def latest_runs(model: BanditModel | None, count: int) -> list[TrainingRun]:
    return list(all_runs(model)[:count])


def training_card(
    optimization: Optimization, model: BanditModel | None, runs: list[TrainingRun], *, shown: int | None = None
) -> TrainingCard:
    """`runs` are the latest first. `shown` is None when the page shows the newest version."""
    last = runs[0] if runs else None
    state = model_state(model, last.outcome if last else None)
    version = model.version if model else 0
    learning = optimization.status == Status.LIVE and model is not None
    minutes = settings.TRAINING_MINUTES
    every = "every minute" if minutes == 1 else f"every {minutes} minutes"
    return TrainingCard(
        state=state,
        version=version or None,
        trained_at=model.trained_at if model else None,
        running=state == "training",
        stage=last.stage if last and state == "training" else "",
        error=last.error if last and state == "failed" else "",
        next_text=f"Looks for new data {every}." if learning else "No further training.",
        live=learning,
        can_train=learning,
        shown=version if shown is None else shown,
    )


def run_rows(runs: Iterable[TrainingRun]) -> list[dict[str, Any]]:
    rows = []
    for run in runs:
        metrics = run.in_sample_metrics or {}
        expected = metrics.get("expected_reward") or {}
        rows.append(
            {
                "started_at": run.started_at,
                "outcome": run.outcome,
                "stage": run.stage,
                "progress": STAGES.get(run.stage),
                "trigger": run.get_trigger_display(),
                "error": run.error,
                "version": run.version,
                "observations": run.observations,
                "historic_reward": metrics.get("historic_reward"),
                "expected_mean": expected.get("mean"),
                "expected_low": expected.get("ci_lower"),
                "expected_high": expected.get("ci_upper"),
                "seconds": (run.finished_at - run.started_at).total_seconds() if run.finished_at else None,
            }
        )
    return rows
