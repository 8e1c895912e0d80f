"""From a read-out to what is stored and shown: plain JSON in the words of the API."""

import math
from typing import Any

import numpy as np

from bandits.lift import ArmStatistics, MeasuredLift, measured_lift
from bandits.readout import Interval, Readout
from optimizations.config import Config
from optimizations.services.observations import Evidence
from warehouse.services.observations import ArmDay


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
        "levels": _levels(config, read),
        "interactions": _interactions(config, read),
        "contexts": [
            {
                "context": list(cell.context),
                "weight": _number(cell.weight),
                "best": int(cell.best),
                "expected_reward": interval(cell.mean),
                "prob_best": _number(cell.prob_best),
                "lift": interval(cell.lift, 100),
                "regret": interval(cell.regret),
            }
            for cell in read.contexts
        ],
        "personalization": interval(read.personalization),
        "context_coverage": _number(read.context_coverage),
    }


def _levels(config: Config, read: Readout) -> list[dict[str, Any]]:
    """Per design factor its levels' effects (link scale) and mean rewards, and what its best level is worth."""
    return [
        {
            "factor": factor.name,
            "range": interval(width),
            "levels": [
                {"level": factor.levels[row.level], "effect": interval(row.effect), "reward": interval(row.reward)}
                for row in rows
            ],
        }
        for factor, rows, width in zip(config.design, read.levels, read.ranges, strict=True)
    ]


def _interactions(config: Config, read: Readout) -> list[dict[str, Any]]:
    """Per pair of design factors its share of the variance, and tables of levels by levels."""
    shares = {members: (mean, q1, q3) for members, mean, q1, q3 in read.pair_importance}
    return [
        {
            "factors": [config.design[f].name for f in pair.factors],
            "share": dict(zip(("mean", "q1", "q3"), map(_number, shares[pair.factors]), strict=True)),
            "effect": [_list(row) for row in pair.mean],
            "sd": [_list(row) for row in pair.sd],
            "flagged": pair.flagged.tolist(),
            "synergy": [_list(row) for row in pair.synergy],
        }
        for pair in read.interactions
    ]


def lift_of_arms(arms: list[ArmDay], *, reward_type: str) -> MeasuredLift:
    """The published estimate of the lift over these days."""
    return measured_lift(
        arm_total(arms, holdout=True),
        arm_total(arms, holdout=False),
        reward="numeric" if reward_type == "numeric" else "bool",
    )


def arm_total(arms: list[ArmDay], *, holdout: bool) -> ArmStatistics:
    chosen = [a for a in arms if a.holdout == holdout]
    return ArmStatistics(
        users=sum(a.users for a in chosen),
        total=math.fsum(a.total for a in chosen),
        total_squares=math.fsum(a.total_squares for a in chosen),
    )


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
