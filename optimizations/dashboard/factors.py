"""What the factors do: importance, effects of levels, interactions of pairs."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from optimizations.config import Config
from optimizations.dashboard.variants import level_text

HEAT_STEPS = 4  # shades on either side of nothing


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


def factor_rows(levels: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Per design factor its levels with mean rewards, all on one scale; the factor that matters most comes first."""
    known = [row["expected_reward"] for factor in levels for row in factor["levels"] if row["expected_reward"]]
    low = min((reward["ci_lower"] for reward in known), default=0.0)
    high = max((reward["ci_upper"] for reward in known), default=1.0)
    room = (high - low) * 0.04
    ordered = sorted(levels, key=lambda factor: -(factor["range"]["mean"] or 0.0))
    return [
        {
            "name": factor["factor"],
            "range": factor["range"],
            "scale": {"low": low - room, "high": high + room},
            "reference": (factor["levels"][0]["expected_reward"] or {}).get("mean"),
            "best": _best(factor["levels"]),
            "levels": [
                {"label": level_text(row["level"]), "reward": row["expected_reward"], "is_baseline": position == 0}
                for position, row in enumerate(factor["levels"])
            ],
        }
        for factor in ordered
    ]


def _best(levels: Sequence[Mapping[str, Any]]) -> str | None:
    known = [row for row in levels if row["expected_reward"]]
    return level_text(max(known, key=lambda row: row["expected_reward"]["mean"])["level"]) if known else None


@dataclass(frozen=True)
class PairLink:
    """A pair of factors to look at; `index` is its place in the results' `interactions`."""

    index: int
    key: str
    label: str
    share: Mapping[str, float | None]
    current: bool


def pair_links(interactions: Sequence[Mapping[str, Any]], *, chosen: str) -> list[PairLink]:
    """Every pair, the one that explains most first; `chosen` is the key of one of them, else the first is current."""
    ranked = sorted(enumerate(interactions), key=lambda row: -(row[1]["share"]["mean"] or 0.0))
    keys = [f"{index}" for index, _ in ranked]
    current = chosen if chosen in keys else keys[0] if keys else ""
    return [
        PairLink(index, key, " × ".join(pair["factors"]), pair["share"], key == current)
        for (index, pair), key in zip(ranked, keys, strict=True)
    ]


def heat_map(pair: Mapping[str, Any], config: Config) -> dict[str, Any]:
    """A pair's table of extra rewards, and the same as rows with intervals, the surest first.

    `tone` is `p1`..`p4` above and `n1`..`n4` below what the two levels add up to, and `0` for nothing to speak of.
    """
    by_name = {factor.name: factor for factor in config.design}
    down, across = (by_name[name] for name in pair["factors"])
    known = iter(pair["cells"])
    largest = max((abs(cell["reward_beyond_additive"] or 0.0) for cell in pair["cells"]), default=0.0)
    rows, cells = [], []
    for first in down.levels:
        row = []
        for second in across.levels:
            found = next(known)
            extra = found["reward_beyond_additive"]
            cell = {
                "down": level_text(first),
                "across": level_text(second),
                "extra": extra,
                "tone": _tone(extra, largest),
                "kind": found["kind"],
                "observed": found.get("observed_reward"),
                "together": found.get("expected_reward"),
                "sum": found.get("additive_reward"),
                "beyond": found.get("beyond_additive"),
            }
            row.append(cell)
            cells.append(cell)
        rows.append({"label": level_text(first), "cells": row})
    cells = [cell for cell in cells if cell["extra"] is not None]
    cells.sort(key=lambda cell: (cell["kind"] is None, -abs(cell["extra"])))
    return {
        "down": down.name,
        "across": across.name,
        "columns": [level_text(level) for level in across.levels],
        "rows": rows,
        "cells": cells,
        "sure": sum(cell["kind"] is not None for cell in cells),
    }


def _tone(extra: float | None, largest: float) -> str:
    if extra is None or not largest:
        return "none" if extra is None else "0"
    step = math.ceil(abs(extra) / largest * HEAT_STEPS - 0.5)
    return f"{'p' if extra > 0 else 'n'}{step}" if step > 0 else "0"
