"""Results as a file for a spreadsheet."""

import csv
import datetime as dt
import io
from typing import Any

from optimizations.models import Optimization
from optimizations.services.observations import config_of
from optimizations.services.results import results

FIGURES = (
    "exposures", "conversions", "rate", "expected_reward_mean", "expected_reward_lo", "expected_reward_hi", "prob_best",
    "weight",
)  # fmt: skip
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def variants_csv(optimization: Optimization, *, start: dt.date | None = None, end: dt.date | None = None) -> str:
    """One row per variant, best first; empty cells where a number is missing."""
    factors = [factor.name for factor in config_of(optimization).design]
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(map(_cell, ["number", *factors, *FIGURES]))
    for row in results(optimization, start=start, end=end)["variants"]:
        levels = [row["variant"][name] for name in factors]
        writer.writerow(map(_cell, [row["number"], *levels, *(row[name] for name in FIGURES)]))
    return out.getvalue()


def _cell(value: Any) -> Any:
    """Spreadsheets run text that begins like a formula; an apostrophe makes it text again."""
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return "" if value is None else value
