"""The variants of one optimization as rows of a table."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from optimizations.config import Config, Level

SCALED_BY = 12
BASELINE = 1
ORDERS = [
    ("", "Share of traffic"),
    ("expected", "Expected reward"),
    ("best", "P(best)"),
    ("exposures", "Exposures"),
    ("number", "Number"),
]
_KEYS = {"expected": "expected_reward_mean", "best": "prob_best", "exposures": "exposures"}


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


def variant_rows(variants: Sequence[Mapping[str, Any]], *, order: str = "") -> list[VariantRow]:
    """Largest share of traffic first, unless one of `ORDERS` is wanted.

    The leader is the one most likely to be best, once there is evidence.
    """
    ordered = sorted(variants, key=lambda v: (-(v["weight"] or 0.0), -(v["exposures"] or 0), v["number"]))
    if order == "number":
        ordered.sort(key=lambda v: v["number"])
    elif key := _KEYS.get(order):
        ordered.sort(key=lambda v: -math.inf if v[key] is None else v[key], reverse=True)
    chances = [(v["prob_best"], v["number"]) for v in variants if v["prob_best"] is not None]
    leader = max(chances)[1] if chances else None
    return [VariantRow(v, v["number"] == BASELINE, v["number"] == leader) for v in ordered]


@dataclass(frozen=True)
class LevelFilter:
    """A design factor's levels to choose from; `chosen` is the position of one of them."""

    field: str
    factor: str
    levels: tuple[Level, ...]
    chosen: int | None

    @property
    def options(self) -> list[dict[str, Any]]:
        return [
            {"value": code, "label": level_text(level), "selected": code == self.chosen}
            for code, level in enumerate(self.levels)
        ]


def level_filters(config: Config, query: Mapping[str, Any]) -> list[LevelFilter]:
    """One filter per design factor; what the query says of unknown levels is ignored."""
    filters = []
    for position, factor in enumerate(config.design):
        raw = str(query.get(f"f{position}", ""))
        code = int(raw) if raw.isdecimal() and len(raw) < 6 and int(raw) < len(factor.levels) else None
        filters.append(LevelFilter(f"f{position}", factor.name, factor.levels, code))
    return filters


def narrowed(rows: Sequence[VariantRow], filters: Sequence[LevelFilter]) -> list[VariantRow]:
    wanted = {f.factor: f.levels[f.chosen] for f in filters if f.chosen is not None}
    return [row for row in rows if all(row.numbers["variant"][name] == level for name, level in wanted.items())]


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
