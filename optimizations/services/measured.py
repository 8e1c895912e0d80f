"""The measured lift: what held-out and served users really did. Every door and every page asks these functions."""

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from bandits.lift import ArmStatistics, MeasuredLift, measured_lift, stratified_lift
from bandits.likelihood import Reward
from bandits.sample_ratio import split_ratio
from bandits.verdict import verdict_of
from warehouse.services.observations import ArmDay


def lift_of_arms(arms: Sequence[ArmDay], *, reward: Reward) -> MeasuredLift:
    """The published estimate over the days of one regime, see `published_arms`."""
    arms = published_arms(arms)
    return measured_lift(arm_total(arms, holdout=True), arm_total(arms, holdout=False), reward=reward)


def published_arms(arms: Sequence[ArmDay]) -> list[ArmDay]:
    """What the published estimate pools: the latest regime that has users in both arms; else the latest of all.

    Pooling days is fair while the arms' shares stay the same. Across regimes it is not: a base rate that moved would
    pass for an effect.
    """
    regimes = sorted({a.regime for a in arms})
    both = [r for r in regimes if len({a.holdout for a in arms if a.regime == r and a.users}) == 2]
    chosen = (both or regimes or [0])[-1]
    return [a for a in arms if a.regime == chosen]


def arm_total(arms: Sequence[ArmDay], *, holdout: bool) -> ArmStatistics:
    chosen = [a for a in arms if a.holdout == holdout]
    return ArmStatistics(
        users=sum(a.users for a in chosen),
        total=math.fsum(a.total for a in chosen),
        total_squares=math.fsum(a.total_squares for a in chosen),
    )


def strata_of(arms: Sequence[ArmDay]) -> list[tuple[ArmStatistics, ArmStatistics]]:
    """(holdout, model) per day and regime, in the order of time."""
    cells: dict[tuple[Any, int], list[ArmDay]] = defaultdict(list)
    for arm in arms:
        cells[arm.day, arm.regime].append(arm)
    return [(arm_total(cells[k], holdout=True), arm_total(cells[k], holdout=False)) for k in sorted(cells)]


def robust_lift(arms: Sequence[ArmDay], *, reward: Reward) -> dict[str, Any]:
    """The lift stratified by day and regime, safe to look at every day, and the verdict it allows. In percent."""
    strata = strata_of(arms)
    lift = stratified_lift(strata, reward=reward)
    compared = [(held, served) for held, served in strata if held.users and served.users]
    users = sum(held.users for held, _ in compared), sum(served.users for _, served in compared)
    verdict, reason = verdict_of(lift, *users)
    return {
        "holdout_users": users[0],
        "optimization_users": users[1],
        "lift_percent": lift.lift_percent,
        "lift_ci": pair(lift.lift_ci),
        "p_value": lift.p_value,
        "always_valid_ci": pair(lift.sequence),
        "always_valid_p_value": lift.sequence_p,
        "strata": lift.strata,
        "verdict": verdict,
        "reason": reason,
    }


def sample_ratio_of(arms: Sequence[ArmDay], percentages: Sequence[int]) -> dict[str, Any]:
    """Whether the holdout has the size that was asked for, over all regimes.

    Args:
        percentages: held out in each regime.
    """
    per_regime = []
    for regime, percentage in enumerate(percentages):
        own = [a for a in arms if a.regime == regime]
        held, served = arm_total(own, holdout=True).users, arm_total(own, holdout=False).users
        per_regime.append((held, served, percentage / 100))
    found = split_ratio(per_regime)
    held, users = sum(h for h, _, _ in per_regime), sum(h + s for h, s, _ in per_regime)
    expected = sum((h + s) * share for h, s, share in per_regime)
    return {
        "holdout_share": held / users if users else None,
        "expected_holdout_share": expected / users if users else None,
        "p_value": found.p_value,
        "mismatch": found.mismatch,
        "reason": None if found.p_value is not None else "Too few users to compare the arms' sizes.",
    }


def pair(bounds: tuple[float, float] | None) -> list[float] | None:
    return list(bounds) if bounds else None
