"""Whether the measured lift of an optimization may be quoted, and which conditions say so."""

from typing import Any

from bandits.lift import MIN_USERS, sample_ratio
from levered_site.mcp.outputs import Explained, Gate
from optimizations.models import Optimization
from optimizations.services.results import results


def explain(optimization: Optimization) -> Explained:
    """The verdict on the measured lift. A lift is told only when every gate has passed."""
    shown = results(optimization)
    measured = shown["primary_metric_vs_holdout"]
    gates = _gates(optimization, measured, trained=shown["model_version"] is not None)
    failed = [gate.gate for gate in gates if not gate.passed]
    valid = not failed
    verdict = _verdict(measured, failed)
    return Explained(
        verdict=verdict,
        statement=_statement(verdict, measured, gates),
        quotable=valid,
        failed_gates=failed,
        gates=gates,
        metric_name=measured["metric_name"],
        lift_percent=measured["lift_percent"] if valid else None,
        lift_ci=measured["lift_ci"] if valid else None,
        p_value=measured["p_value"] if valid else None,
        optimization_users=measured["optimization_users"],
        holdout_users=measured["holdout_users"],
        computed_at=shown["computed_at"],
    )


def _gates(optimization: Optimization, measured: dict[str, Any], *, trained: bool) -> list[Gate]:
    holdout, served = measured["holdout_users"], measured["optimization_users"]
    share = optimization.holdout_percentage
    enough = min(holdout, served) >= MIN_USERS
    has_interval = measured["lift_ci"] is not None
    return [
        _gate("trained", trained, "A training has read the warehouse.", "No training has read the warehouse yet."),
        _gate(
            "holdout", share > 0, f"{share} % of users are held out at random.", "There is no holdout to compare with."
        ),
        _gate(
            "sample_size",
            enough,
            f"{served:,} optimized and {holdout:,} held-out users.",
            f"{served:,} optimized and {holdout:,} held-out users; {MIN_USERS} are needed in each arm.",
        ),
        _sample_ratio_gate(optimization, served, holdout),
        _gate("interval", has_interval, "The lift has an interval.", measured["reason"] or "The lift has no interval."),
    ]


def _sample_ratio_gate(optimization: Optimization, served: int, holdout: int) -> Gate:
    """Arms of other sizes than were drawn: events of one arm are lost, and nobody knows which way that biases."""
    share = optimization.holdout_percentage / 100
    if not served + holdout or not 0 < share < 1:
        return Gate(gate="sample_ratio", passed=True, detail="Nothing to compare yet.")
    test = sample_ratio([served, holdout], [1 - share, share])
    found = f"{holdout / (served + holdout):.1%} of users are in the holdout, {share:.0%} were drawn."
    return _gate(
        "sample_ratio", not test.mismatch, found, f"{found} Events of one arm are missing; check the reporting."
    )


def _gate(name: str, passed: bool, yes: str, no: str) -> Gate:
    return Gate(gate=name, passed=passed, detail=yes if passed else no)


def _verdict(measured: dict[str, Any], failed: list[str]) -> Any:
    if "sample_ratio" in failed:
        return "invalid"
    if failed:
        return "too_early"
    low, high = measured["lift_ci"]
    return "better" if low > 0 else "worse" if high < 0 else "no_detectable_change"


def _statement(verdict: str, measured: dict[str, Any], gates: list[Gate]) -> str:
    if verdict in ("too_early", "invalid"):
        reasons = " ".join(gate.detail for gate in gates if not gate.passed)
        opening = "There is no valid result." if verdict == "invalid" else "It is too early for a result."
        return f"{opening} {reasons}"
    low, high = measured["lift_ci"]
    evidence = (
        f"{measured['lift_percent']:+.1f} % in {measured['metric_name']} against the holdout, 95 % interval from "
        f"{low:+.1f} % to {high:+.1f} %, {measured['optimization_users']:,} optimized and "
        f"{measured['holdout_users']:,} held-out users."
    )
    words = {
        "better": "The optimization beats the baseline:",
        "worse": "The optimization falls short of the baseline:",
        "no_detectable_change": "No difference from the baseline is proven:",
    }
    return f"{words[verdict]} {evidence}"
