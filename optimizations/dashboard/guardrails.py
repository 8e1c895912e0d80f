"""Guardrails as rows: each interval drawn against its margin."""

from collections.abc import Mapping
from typing import Any

from optimizations.models import Guardrail, Optimization
from optimizations.services.guardrails import guardrail_rows

TONES = {Guardrail.State.OK: "success", Guardrail.State.VIOLATED: "error", Guardrail.State.PENDING: "neutral"}
ROOM = 1.15  # of the figure beyond its farthest mark


def guarded(optimization: Optimization) -> list[dict[str, Any]]:
    """The API's rows with `edge`, the change that is just allowed, `low` and `high`, the figure's ends, and `tone`."""
    return [row | _figure(row) for row in guardrail_rows(optimization)]


def _figure(row: Mapping[str, Any]) -> dict[str, Any]:
    edge = -row["margin_percent"] if row["direction"] == Guardrail.Direction.INCREASE else row["margin_percent"]
    reach = ROOM * max(*(abs(bound) for bound in (*(row["lift_ci"] or ()), edge)), 1.0)
    return {"edge": edge, "low": -reach, "high": reach, "tone": TONES[row["status"]]}
