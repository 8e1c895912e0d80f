"""From a read-out to what is stored and shown: plain JSON in the words of the API."""

from typing import Any

import numpy as np

from bandits.baseline import BaselineCheck
from bandits.readout import Readout
from optimizations.config import Config
from optimizations.services.insights import insights, interval, number
from optimizations.services.measured import robust_lift
from optimizations.services.observations import Evidence, Table


def conclude(config: Config, read: Readout, baseline: BaselineCheck, table: Table) -> dict[str, Any]:
    """The model's conclusions. Rewards are on the reward scale, lifts in percent."""
    names = [f.name for f in config.design]
    contexts = [f.name for f in config.context]
    return {
        "mean": _list(read.mean),
        "lo": _list(read.lo),
        "hi": _list(read.hi),
        "prob_best": _list(read.prob_best),
        "weight": _list(read.weight) if read.weight is not None else None,
        "best": int(read.best),
        "policy": interval(read.policy),
        "policy_lift": interval(read.policy_lift, 100),
        "best_lift": interval(read.best_lift, 100),
        "no_lift_reason": read.reason,
        "confidence": number(read.confidence),
        "factor_importance": [
            {"factor": names[f], "mean": number(mean), "q1": number(q1), "q3": number(q3), "kind": "design"}
            for f, mean, q1, q3 in read.factor_importance
        ],
        "interaction_importance": (
            dict(zip(("mean", "q1", "q3"), map(number, read.interaction_importance), strict=True))
            if read.interaction_importance
            else None
        ),
        "context_importance": [
            {"factor": contexts[f], "mean": number(mean), "lo": number(lo), "hi": number(hi)}
            for f, mean, lo, hi in read.context_importance
        ],
        "baseline_check": _baseline_check(baseline),
        "insights": insights(config, read, table),
    }


def _baseline_check(check: BaselineCheck) -> dict[str, Any]:
    known = check.observed is not None and check.modeled is not None
    return {
        "status": None if check.tracking is None else "tracking" if check.tracking else "stale",
        "observed_rate": number(check.observed) if check.observed is not None else None,
        "modeled_rate": number(check.modeled) if check.modeled is not None else None,
        "exposures": int(check.exposures),
        "days": check.periods,
        "reason": None if known else "The baseline was seen too rarely of late to compare.",
    }


def summarize(config: Config, evidence: Evidence, conclusions: dict[str, Any]) -> dict[str, Any]:
    """The list's summary: the robust measured lift where it exists, else the modeled lift of the policy, in percent.

    `lift_ci` is the measured lift's always-valid interval, and null while the lift is a modeled one.
    """
    measured = robust_lift(evidence.arms, reward=evidence.reward)
    bounds = measured["always_valid_ci"]
    modeled = conclusions["policy_lift"]
    lift = measured["lift_percent"] if bounds else (modeled["mean"] if modeled else None)
    return {
        "variants_count": config.n_variants,
        "lift": None if lift is None else round(lift, 2),
        "lift_ci": [round(bound, 2) for bound in bounds] if bounds else None,
        "verdict": measured["verdict"],
        "confidence": conclusions["confidence"],
        "exposures": int(evidence.table.n.sum()),
        "users": int(sum(arm.users for arm in evidence.arms)),
    }


def _list(values: np.ndarray[Any, Any]) -> list[float | None]:
    return [number(float(v)) for v in values]
