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
            f"#{v['number']} "
            + " · ".join(level_text(level) for level in v["variant"].values())
            + (" (baseline)" if v["number"] == BASELINE else ""),
            f"#{v['number']}",
        )
        for v in variants
    }


def importance_groups(results: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What drives the reward, in two groups whose shares do not add up across them: design, and context."""
    design = [(row["factor"], row["mean"], row["q1"], row["q3"]) for row in results["factor_importance"]]
    if pairs := results["interaction_importance"]:
        design.append(("Interactions", pairs["mean"], pairs["q1"], pairs["q3"]))
    context = [(row["factor"], row["mean"], row["lo"], row["hi"]) for row in results["context_importance"]]
    groups = [
        (
            "Design",
            "Share of the differences between variants; the whisker holds the middle half of the draws.",
            design,
        ),
        ("Context", "Share of the differences between visitors as well; the whisker is a 95% interval.", context),
    ]
    return [{"title": title, "note": note, "rows": _ranked(rows)} for title, note, rows in groups if _ranked(rows)]


def _ranked(rows: Sequence[tuple[str, float | None, float | None, float | None]]) -> list[dict[str, Any]]:
    """Largest first; what is unknown is left out."""
    known = [(label, mean, low, high) for label, mean, low, high in rows if mean is not None]
    ranked = sorted(known, key=lambda row: -row[1])
    return [{"label": label, "mean": mean, "low": low, "high": high} for label, mean, low, high in ranked]
