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


def verdict_of(optimization: Optimization, shown: Mapping[str, Any], *, exposures: float, trained: bool) -> Verdict:
    """The verdict of `results`, `shown`, and what comes before any verdict: whether there is one to make."""
    robust = shown["primary_metric_vs_holdout"]["robust"]
    evidence = _evidence(robust)
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
    if shown["sample_ratio"]["mismatch"]:
        text = "Events of one arm are lost or doubled, so no lift should be believed. Data health says more."
        return Verdict("error", "The arms do not have the sizes that were asked for.", text)
    match robust["verdict"]:
        case "better":
            title = f"The optimized experience beats the baseline by {points(robust['lift_percent'])}."
            return Verdict("success", title, evidence)
        case "worse":
            title = f"The optimized experience falls short of the baseline by {points(-robust['lift_percent'])}."
            return Verdict("error", title, evidence)
        case "no_detectable_change":
            return Verdict("neutral", "No change can be told from chance.", evidence)
    return _too_early(optimization, robust, shown["stats"])


def _evidence(robust: Mapping[str, Any]) -> str:
    interval = robust["always_valid_ci"]
    if not interval:
        return ""
    return (
        f"Measured against a randomized holdout of {count(robust['holdout_users'])} users, the lift is "
        f"{signed(robust['lift_percent'])}; the 95% interval, which holds however often you look, runs from "
        f"{signed(interval[0])} to {signed(interval[1])}."
    )


def _too_early(optimization: Optimization, robust: Mapping[str, Any], stats: Mapping[str, Any]) -> Verdict:
    improvement = stats["estimated_improvement_percent"]
    modeled = f"The model expects {signed(improvement)}." if improvement is not None else ""
    if not optimization.holdout_percentage:
        text = f"Without a holdout the lift cannot be measured, only modeled. {modeled}"
        return Verdict("warning", "There is no holdout to measure against.", text.strip())
    return Verdict("neutral", "Too early for a verdict.", f"{robust['reason']} {modeled}".strip())
