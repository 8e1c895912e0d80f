"""Chart data: columns of numbers for the browser, and the same as rows for the table beside the chart."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

LARGEST = 5
COLOURS = ("1", "2", "3", "4", "5")


def _seconds(day: str | dt.date) -> int:
    date = dt.date.fromisoformat(day) if isinstance(day, str) else day
    return int(dt.datetime(date.year, date.month, date.day, tzinfo=dt.UTC).timestamp())


def traffic(
    time_series: Sequence[Mapping[str, Any]], labels: Mapping[str, tuple[str, str]], *, baseline: str
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Each day's share of exposures of the largest variants and of all others together.

    `labels` maps a variant's key to its name and its short name; the variant of the key `baseline` is grey.
    """
    totals: dict[str, float] = {}
    for point in time_series:
        for key, numbers in point["variants"].items():
            totals[key] = totals.get(key, 0) + numbers["exposures"]
    largest = sorted(totals, key=lambda key: -totals[key])[:LARGEST]
    others = len(totals) - len(largest)
    columns: dict[str, list[float | None]] = {key: [] for key in largest}
    rest: list[float | None] = []
    for point in time_series:
        total = sum(numbers["exposures"] for numbers in point["variants"].values())
        shown = {key: point["variants"].get(key, {"exposures": 0})["exposures"] for key in largest}
        for key in largest:
            columns[key].append(shown[key] / total if total else None)
        rest.append((total - sum(shown.values())) / total if total else None)
    colours = iter(COLOURS)
    series: list[dict[str, Any]] = [
        {
            "label": labels[key][0],
            "short": labels[key][1],
            "color": "baseline" if key == baseline else next(colours),
            "values": columns[key],
        }
        for key in largest
    ]
    if others:
        name = f"{others} other variant{'s' if others > 1 else ''}"
        series.append({"label": name, "short": "Other", "color": "other", "values": rest})
    for line in series:
        line["latest"] = line["values"][-1] if line["values"] else None
    dates = [str(point["date"]) for point in time_series]
    rows = [{"date": date, "values": [line["values"][i] for line in series]} for i, date in enumerate(dates)]
    return {"dates": [_seconds(date) for date in dates], "series": series}, rows


def measured_lift(points: Sequence[Mapping[str, Any]]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The measured lift as it stood at the end of each day, with its interval where both arms are large enough."""
    rows = []
    for point in points:
        low, high = point["always_valid_ci"] or (None, None)
        rows.append({"date": str(point["date"]), "mean": point["lift_percent"], "low": low, "high": high})
    rows = [row for row in rows if row["low"] is not None]
    columns: dict[str, Any] = {name: [row[name] for row in rows] for name in ("mean", "low", "high")}
    return {"dates": [_seconds(row["date"]) for row in rows]} | columns, rows
