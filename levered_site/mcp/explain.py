"""Whether the measured lift of an optimization may be quoted, and which conditions say so."""

from typing import Any

from bandits.lift import MIN_USERS
from levered_site.mcp.outputs import Explained, Gate
from optimizations.models import Optimization
from optimizations.services.results import results


def explain(optimization: Optimization) -> Explained:
    """The verdict on the measured lift. A lift is told only when every gate has passed.

    The numbers are the robust ones: compared within days, with an interval that holds at every look, since nobody
    knows how often an agent looks.
    """
    shown = results(optimization)
    measured = shown["primary_metric_vs_holdout"]
    robust = measured["robust"]
    gates = _gates(optimization, shown)
    failed = [gate.gate for gate in gates if not gate.passed]
    quotable = not failed
    verdict: Any = "invalid" if "sample_ratio" in failed else "too_early" if failed else robust["verdict"]
    return Explained(
        verdict=verdict,
        statement=_statement(verdict, measured, gates),
        quotable=quotable,
        failed_gates=failed,
        gates=gates,
        metric_name=measured["metric_name"],
        lift_percent=robust["lift_percent"] if quotable else None,
        lift_ci=robust["always_valid_ci"] if quotable else None,
        p_value=robust["always_valid_p_value"] if quotable else None,
        optimization_users=robust["optimization_users"],
        holdout_users=robust["holdout_users"],
        computed_at=shown["computed_at"],
    )


def _gates(optimization: Optimization, shown: dict[str, Any]) -> list[Gate]:
    measured, ratio = shown["primary_metric_vs_holdout"], shown["sample_ratio"]
    robust = measured["robust"]
    holdout, served = robust["holdout_users"], robust["optimization_users"]
    percentage = optimization.holdout_percentage
    trained = shown["model_version"] is not None
    enough = min(holdout, served) >= MIN_USERS
    users = f"{served:,} optimized and {holdout:,} held-out users."
    return [
        _gate("trained", trained, "A training has read the warehouse.", "No training has read the warehouse yet."),
        _gate(
            "holdout",
            percentage > 0,
            f"{percentage} % of users are held out at random.",
            "There is no holdout to compare with.",
        ),
        _gate("sample_size", enough, users, f"{users} {MIN_USERS} are needed in each arm."),
        _gate(
            "sample_ratio",
            not ratio["mismatch"],
            ratio["reason"] or "The arms have the sizes that were drawn.",
            "The arms do not have the sizes that were drawn: events of one arm are missing; check the reporting.",
        ),
        _gate(
            "interval",
            robust["verdict"] != "too_early",
            "The lift's interval, which holds at every look, allows a verdict.",
            robust["reason"],
        ),
    ]


def _gate(name: str, passed: bool, yes: str, no: str) -> Gate:
    return Gate(gate=name, passed=passed, detail=yes if passed else no)


def _statement(verdict: str, measured: dict[str, Any], gates: list[Gate]) -> str:
    failed = [gate.detail for gate in gates if not gate.passed]
    if failed:
        opening = "There is no valid result." if verdict == "invalid" else "It is too early for a result."
        return f"{opening} {' '.join(failed)}"
    robust = measured["robust"]
    return (
        f"{robust['reason']} Measured: {robust['lift_percent']:+.1f} % in {measured['metric_name']} against the "
        f"holdout, {robust['optimization_users']:,} optimized and {robust['holdout_users']:,} held-out users."
    )
