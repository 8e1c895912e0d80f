"""The variants of one optimization as rows of a table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

SCALED_BY = 12
BASELINE = 1


@dataclass(frozen=True)
class VariantRow:
    """`numbers` is one element of the results' `variants`, with the documented names."""

    numbers: Mapping[str, Any]
    is_baseline: bool
    is_leader: bool

    @property
    def chips(self) -> list[dict[str, str]]:
        return [{"factor": f, "level": level_text(level)} for f, level in self.numbers["variant"].items()]


def level_text(level: object) -> str:
    if isinstance(level, bool):
        return "yes" if level else "no"
    return str(level)


def variant_rows(variants: Sequence[Mapping[str, Any]]) -> list[VariantRow]:
    """Largest share of traffic first. The leader is the one most likely to be best, once there is evidence."""
    ordered = sorted(variants, key=lambda v: (-(v["weight"] or 0.0), -(v["exposures"] or 0), v["number"]))
    chances = [(v["prob_best"], v["number"]) for v in variants if v["prob_best"] is not None]
    leader = max(chances)[1] if chances else None
    return [VariantRow(v, v["number"] == BASELINE, v["number"] == leader) for v in ordered]


def scale_of(rows: Sequence[VariantRow], variants: Sequence[Mapping[str, Any]]) -> dict[str, float | None]:
    """A common scale for expected rewards: wide enough for the rows that matter, so that a variant that was hardly
    shown does not squeeze all others together. `reference` is the baseline's mean."""
    known = [row.numbers for row in rows if row.numbers["expected_reward_mean"] is not None][:SCALED_BY]
    baseline = next((v for v in variants if v["number"] == BASELINE), None)
    reference = baseline["expected_reward_mean"] if baseline else None
    if not known:
        return {"low": None, "high": None, "reference": None}
    if baseline is not None and reference is not None:
        known.append(baseline)
    low = min(v["expected_reward_lo"] for v in known)
    high = max(v["expected_reward_hi"] for v in known)
    room = (high - low) * 0.04
    return {"low": low - room, "high": high + room, "reference": reference}


def chart_labels(variants: Sequence[Mapping[str, Any]]) -> dict[str, tuple[str, str]]:
    """Per variant key its name and its short name."""
    return {
        v["variant_key"]: (
            " · ".join(level_text(level) for level in v["variant"].values())
            + (" (baseline)" if v["number"] == BASELINE else ""),
            f"#{v['number']}",
        )
        for v in variants
    }


def importance_rows(results: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Factors, their interactions and contexts in one list, largest first; shares of the modeled effect."""
    kinds = {"design": "design factor", "context": "context"}
    rows = [
        {
            "label": row["factor"],
            "kind_label": kinds.get(row["kind"], row["kind"]),
            "mean": row["mean"],
            "low": row["q1"],
            "high": row["q3"],
        }
        for row in results.get("factor_importance") or []
    ]
    if interactions := results.get("interaction_importance"):
        rows.append(
            {
                "label": "Interactions",
                "kind_label": "between design factors",
                "mean": interactions["mean"],
                "low": interactions["q1"],
                "high": interactions["q3"],
            }
        )
    rows += [
        {
            "label": row["factor"],
            "kind_label": "context, and what it changes",
            "mean": row["mean"],
            "low": row["lo"],
            "high": row["hi"],
        }
        for row in results.get("context_importance") or []
    ]
    return sorted((row for row in rows if row["mean"] is not None), key=lambda row: -row["mean"])
