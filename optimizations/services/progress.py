"""How far an optimization is: users, days, the leader, and when the lift will be known."""

import datetime as dt
import math
from typing import Any

from django.utils import timezone

from bandits.lift import ArmStatistics
from bandits.likelihood import Reward
from bandits.power import holdout_users_needed, rate_effect
from bandits.sequences import sequence_factor
from optimizations.models import Optimization
from optimizations.services.measured import arm_total, published_arms
from optimizations.services.observations import config_of, reward_of
from optimizations.services.results import arms_of, results
from warehouse.services.observations import ArmDay

TRAFFIC_DAYS = 7  # the latest complete days that tell the current traffic
MIN_LIFT_PERCENT = 0.1  # below, no number of users is worth waiting for


def progress(
    optimization: Optimization,
    *,
    start: dt.date | None = None,
    end: dt.date | None = None,
    shown: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Nulls have a reason. `start` and `end` restrict the observed numbers; `shown` are the results of the same days,
    for callers who have them already."""
    shown = shown or results(optimization, start=start, end=end)
    arms = arms_of(optimization, start=start, end=end)
    lead = max(shown["variants"], key=lambda v: v["weight"] or 0.0, default=None)
    leading = lead if lead and lead["weight"] is not None else None
    days_needed, reason = _days_until_known(
        shown, arms, reward_of(optimization.reward_metric, config_of(optimization).reward_type)
    )
    return {
        "model_version": shown["model_version"],
        "computed_at": shown["computed_at"],
        "days_running": _days_running(optimization, [a.day for a in arms]),
        "holdout_users": arm_total(arms, holdout=True).users,
        "optimization_users": arm_total(arms, holdout=False).users,
        "exposures": sum(v["exposures"] for v in shown["variants"]),
        "progress_to_best": shown["stats"]["estimated_progress"],
        "leader": leading
        and {
            "number": leading["number"],
            "variant_key": leading["variant_key"],
            "variant": leading["variant"],
            "traffic_share": leading["weight"],
            "prob_best": leading["prob_best"],
        },
        "verdict": shown["primary_metric_vs_holdout"]["robust"]["verdict"],
        "expected_days_until_known": days_needed,
        "reason": reason,
    }


def _days_running(optimization: Optimization, days: list[dt.date]) -> int:
    """Whole days from the creation, or the first exposure if that came before, until now or the end."""
    ended = optimization.completed_at or optimization.archived_at or timezone.now()
    if days and min(days) < optimization.created_at.date():
        return max((ended.date() - min(days)).days, 0)
    return max((ended - optimization.created_at).days, 0)


def _days_until_known(shown: dict[str, Any], arms: list[ArmDay], reward: Reward) -> tuple[int | None, str | None]:
    """Days until the always-valid interval leaves zero out in four of five cases, if the model is right about the lift.

    None with a reason where that cannot be said; 0 when a verdict stands.
    """
    measured = shown["primary_metric_vs_holdout"]
    if measured["robust"]["verdict"] in ("better", "worse"):
        return 0, None
    arms = published_arms(arms)
    held, served = arm_total(arms, holdout=True), arm_total(arms, holdout=False)
    if not held.users or not served.users:
        return None, "One of the arms has no users whose conversion window has closed."
    lift = shown["stats"]["estimated_improvement_percent"]
    if lift is None:
        return None, shown["stats"]["reason"] or "The model expects no lift yet."
    if abs(lift) < MIN_LIFT_PERCENT:
        return None, "The lift that the model expects is too small to be told from chance."
    effect = _effect(held, lift, reward)
    if not effect:
        return None, "The holdout has no conversions yet, or no variation."
    last = max(a.day for a in arms)
    recent = [a for a in arms if a.day > last - dt.timedelta(days=TRAFFIC_DAYS)]
    per_day = arm_total(recent, holdout=True).users / ((last - min(a.day for a in recent)).days + 1)
    if not per_day:
        return None, "Nobody was held out of late."
    z = sequence_factor(1.0, 1.0)  # where the sequence is tightest
    needed = holdout_users_needed(effect, served_per_held=served.users / held.users, z=z)
    return max(math.ceil((needed - held.users) / per_day), 1), None


def _effect(held: ArmStatistics, lift_percent: float, reward: Reward) -> float:
    """The expected lift in standard deviations of one user's reward; 0 where there is none."""
    if reward == "bool":
        return rate_effect(held.mean * (1.0 + lift_percent / 100.0), held.mean)
    deviation = math.sqrt(held.mean_variance("numeric") * held.users)
    return abs(held.mean) * lift_percent / 100.0 / deviation if deviation else 0.0
