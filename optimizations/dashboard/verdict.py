"""Where an optimization stands, in one sentence and what it rests on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from optimizations.models import Optimization
from optimizations.states import Status
from optimizations.templatetags.figures import count, points, signed


@dataclass(frozen=True)
class Verdict:
    """`tone` is `success`, `error`, `warning`, `accent` or `neutral`."""

    tone: str
    title: str
    text: str


def verdict_of(
    optimization: Optimization,
    *,
    measured: Mapping[str, Any],
    stats: Mapping[str, Any],
    exposures: float,
    trained: bool,
) -> Verdict:
    """`measured` and `stats` are `primary_metric_vs_holdout` and `stats` of the results."""
    evidence = _evidence(measured)
    if optimization.status == Status.ARCHIVED:
        return Verdict("neutral", "This optimization is archived.", f"Nothing is served any more. {evidence}".strip())
    if optimization.status == Status.COMPLETED:
        text = f"There is no exploration, no holdout and no training any more. {evidence}"
        return Verdict("accent", "Completed: the winner is served to everyone.", text.strip())
    if not exposures:
        text = "Ask for variants and report exposures and rewards; the model trains by itself when they arrive."
        return Verdict("neutral", "Waiting for the first visitors.", text)
    if not trained:
        text = f"{count(exposures)} exposures so far. Every variant is served evenly until the first training."
        return Verdict("neutral", "Collecting data.", text)
    interval = measured.get("lift_ci")
    if not interval:
        return _too_early(optimization, measured, stats)
    lift, (low, high) = measured["lift_percent"], interval
    if low > 0:
        return Verdict("success", f"The optimized experience beats the baseline by {points(lift)}.", evidence)
    if high < 0:
        return Verdict("error", f"The optimized experience falls short of the baseline by {points(-lift)}.", evidence)
    return Verdict("neutral", "No difference from the baseline is proven yet.", evidence)


def _evidence(measured: Mapping[str, Any]) -> str:
    interval = measured.get("lift_ci")
    if not interval:
        return ""
    return (
        f"Measured against a randomized holdout of {count(measured['holdout_users'])} users, the lift is "
        f"{signed(measured['lift_percent'])}, with a 95% interval from {signed(interval[0])} to {signed(interval[1])}."
    )


def _too_early(optimization: Optimization, measured: Mapping[str, Any], stats: Mapping[str, Any]) -> Verdict:
    improvement = stats.get("estimated_improvement_percent")
    modeled = f"The model expects {signed(improvement)}." if improvement is not None else ""
    if not optimization.holdout_percentage:
        text = f"Without a holdout the lift cannot be measured, only modeled. {modeled}"
        return Verdict("warning", "There is no holdout to measure against.", text.strip())
    served, held = count(measured.get("optimization_users") or 0), count(measured.get("holdout_users") or 0)
    text = (
        f"A measured lift needs 100 users in each arm: {served} optimized and {held} held out have been seen "
        f"through their conversion window. {modeled}"
    )
    return Verdict("neutral", "Too early for a verdict.", text.strip())
