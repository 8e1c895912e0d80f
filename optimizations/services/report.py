"""The report that is forwarded: the same numbers as everywhere, in the order in which somebody asks for them."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils import timezone

from optimizations.models import Optimization
from optimizations.services.guardrails import guardrail_rows
from optimizations.services.observations import config_of
from optimizations.services.progress import progress
from optimizations.services.results import results
from optimizations.states import Status

LISTED_VARIANTS = 12
NEAR_THE_BEST = 0.9  # of the best variant's lift: waiting longer gains little


def report(optimization: Optimization) -> dict[str, Any]:
    """Results, progress and guardrails as the API has them, and what they recommend."""
    shown = results(optimization)
    reached, guards = progress(optimization, shown=shown), guardrail_rows(optimization)
    config = config_of(optimization)
    action, why = recommend(optimization, shown, reached, guards)
    variants = [v for v in shown["variants"] if v["exposures"] or v["weight"]]
    return {
        "made_at": timezone.now(),
        "results": shown,
        "progress": reached,
        "guardrails": guards,
        "recommended_action": action,
        "recommended_because": why,
        "variants": variants[:LISTED_VARIANTS],
        "variants_left_out": max(len(variants) - LISTED_VARIANTS, 0),
        "reward_type": config.reward_type,
        "design_factors": config.design,
        "conversion_window_hours": config.window_hours,
    }


def recommend(
    optimization: Optimization,
    shown: Mapping[str, Any],
    reached: Mapping[str, Any],
    guards: Sequence[Mapping[str, Any]],
) -> tuple[str, str]:
    """What to do next, and why. What makes the numbers unfit comes before what they say."""
    robust = shown["primary_metric_vs_holdout"]["robust"]
    violated = [g["metric"]["name"] for g in guards if g["status"] == "violated"]
    if optimization.status != Status.LIVE:
        return "Nothing.", f"The optimization is {optimization.status}; its numbers do not change any more."
    if shown["sample_ratio"]["mismatch"]:
        return (
            "Check how exposures are reported before anything else.",
            "The arms do not have the sizes that were asked for: events of one arm are lost or doubled.",
        )
    if (shown["sample_ratio"].get("variants") or {}).get("mismatch"):
        return (
            "Check what users are shown.",
            "Variants are seen more or less often than they were served; the health of the data names them.",
        )
    if violated:
        pause = " The baseline is served to everyone until somebody resumes." if optimization.paused_at else ""
        return "Look at the violated guardrail.", f"Harmed: {', '.join(violated)}.{pause}"
    if optimization.paused_at:
        return "Resume, or archive.", "The baseline is served to everyone since a guardrail was violated."
    if robust["verdict"] == "worse":
        return "Archive it, or change the design.", robust["reason"]
    if robust["verdict"] == "better":
        if (reached["progress_to_best"] or 0.0) >= NEAR_THE_BEST:
            return "Complete it: serve the winner to everyone.", f"{robust['reason']} Little is left to learn."
        return "Keep it running.", f"{robust['reason']} The policy still has room to the best variant."
    if robust["verdict"] == "no_detectable_change":
        return "Try bolder variants.", robust["reason"]
    days = reached["expected_days_until_known"]
    if days:
        return (
            "Wait.",
            f"{robust['reason']} At the current traffic it takes about {days:,} more {'day' if days == 1 else 'days'}.",
        )
    return "Wait.", robust["reason"]
