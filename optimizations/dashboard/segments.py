"""What works for whom: one row per context cell that was seen."""

from collections.abc import Mapping, Sequence
from typing import Any

from optimizations.dashboard.variants import level_text

OTHER = "not sent or unknown"


def segment_rows(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The segments of `learned`, most traffic first. `differs`: its best variant is not the best one overall."""
    overall = found["best_variant"]["number"] if found["best_variant"] else None
    return [
        {
            "chips": [
                {"factor": name, "level": OTHER if level is None else level_text(level)}
                for name, level in segment["context"].items()
            ],
            "share": segment["traffic_share"],
            "best": segment["best_variant"],
            "best_chips": [
                {"factor": f, "level": level_text(v)} for f, v in segment["best_variant"]["variant"].items()
            ],
            "differs": segment["best_variant"]["number"] != overall,
            "reward": segment["expected_reward"],
            "prob_best": segment["prob_best"],
            "lift": segment["lift_percent"],
            "regret": segment["regret"],
        }
        for segment in found["contexts"]
    ]


def segment_scale(rows: Sequence[Mapping[str, Any]]) -> dict[str, float | None]:
    """One scale for the expected rewards of all segments."""
    if not rows:
        return {"low": None, "high": None}
    low = min(row["reward"]["ci_lower"] for row in rows)
    high = max(row["reward"]["ci_upper"] for row in rows)
    room = (high - low) * 0.04
    return {"low": low - room, "high": high + room}


def personalization_of(found: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """What serving each segment its own best variant gains over serving everyone the best one overall.

    In the reward's unit with its interval, and relative to the best variant's expected reward in per cent.
    """
    gain, base = found["personalization"], found["best_reward"]
    if not rows or gain is None:
        return None
    relative = {key: value / abs(base) * 100 for key, value in gain.items()} if base else None
    return {
        "gain": gain,
        "relative": relative,
        "differing": sum(row["differs"] for row in rows),
        "segments": len(rows),
        "proven": gain["ci_lower"] is not None and gain["ci_lower"] > 0,
    }
