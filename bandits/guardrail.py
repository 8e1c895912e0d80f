"""One-sided non-inferiority that may be looked at every day: has a metric moved the wrong way by more than a margin?"""

from math import log1p
from typing import Literal

from bandits.lift import PLANNED_ERROR, StratifiedLift
from bandits.sequences import always_valid_p

Direction = Literal["increase", "decrease"]
GuardrailStatus = Literal["ok", "violated", "pending"]


def judge(lift: StratifiedLift, *, direction: Direction, margin_percent: float) -> GuardrailStatus:
    """`violated`: the whole always-valid 95 % interval lies beyond the margin; `ok`: none of it does; else `pending`.

    Args:
        direction: where the metric should go: with "increase" it must not fall by more than the margin.
    """
    if lift.sequence is None:
        return "pending"
    low, high = lift.sequence
    if direction == "decrease":
        low, high = -high, -low
    if high < -margin_percent:
        return "violated"
    return "ok" if low > -margin_percent else "pending"


def harm_p_value(lift: StratifiedLift, *, direction: Direction, margin_percent: float) -> float | None:
    """Always-valid one-sided p-value of "the metric has not moved beyond the margin"; at most 0.025 when violated."""
    if lift.lift_percent is None or not lift.error:
        return None
    edge = margin_percent / 100.0 if direction == "decrease" else -margin_percent / 100.0
    center = lift.lift_percent / 100.0
    if lift.is_log:
        if edge <= -1.0:
            return 1.0  # a rate cannot fall by more than all of it
        center, edge = log1p(center), log1p(edge)
    z = (center - edge) / lift.error
    if (z >= 0) == (direction == "increase"):
        return 1.0
    return always_valid_p(z, lift.error**-2, PLANNED_ERROR**-2) / 2.0
