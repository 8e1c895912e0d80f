"""From a read-out to what is stored and shown: plain JSON in the words of the API."""

import math
from typing import Any

import numpy as np

from bandits.readout import Interval, Readout
from optimizations.config import Config
from optimizations.services.measured import lift_of_arms
from optimizations.services.observations import Evidence


def conclude(config: Config, read: Readout) -> dict[str, Any]:
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
        "confidence": _number(read.confidence),
        "factor_importance": [
            {"factor": names[f], "mean": _number(mean), "q1": _number(q1), "q3": _number(q3), "kind": "design"}
            for f, mean, q1, q3 in read.factor_importance
        ],
        "interaction_importance": (
            dict(zip(("mean", "q1", "q3"), map(_number, read.interaction_importance), strict=True))
            if read.interaction_importance
            else None
        ),
        "context_importance": [
            {"factor": contexts[f], "mean": _number(mean), "lo": _number(lo), "hi": _number(hi)}
            for f, mean, lo, hi in read.context_importance
        ],
    }


def summarize(config: Config, evidence: Evidence, conclusions: dict[str, Any]) -> dict[str, Any]:
    """The list's summary: the measured lift where it exists, else the modeled lift of the policy, in percent.

    `lift_ci` is the measured lift's interval, and null while the lift is a modeled one.
    """
    measured = lift_of_arms(evidence.arms, reward_type=config.reward_type)
    modeled = conclusions["policy_lift"]
    lift = measured.lift_percent if measured.lift_ci else (modeled["mean"] if modeled else None)
    return {
        "variants_count": config.n_variants,
        "lift": None if lift is None else round(lift, 2),
        "lift_ci": [round(bound, 2) for bound in measured.lift_ci] if measured.lift_ci else None,
        "confidence": conclusions["confidence"],
        "exposures": int(evidence.table.n.sum()),
    }


def interval(value: Interval | None, scale: float = 1.0) -> dict[str, float | None] | None:
    if value is None:
        return None
    return {
        "mean": _number(value.mean * scale),
        "ci_lower": _number(value.lo * scale),
        "ci_upper": _number(value.hi * scale),
    }


def _number(value: float) -> float | None:
    """Six significant digits; JSON has no NaN."""
    return float(f"{value:.6g}") if math.isfinite(value) else None


def _list(values: np.ndarray[Any, Any]) -> list[float | None]:
    return [_number(float(v)) for v in values]
