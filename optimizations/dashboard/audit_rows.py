"""Audit entries as the page words them."""

import json
from collections.abc import Mapping
from typing import Any


def in_words(action: str) -> str:
    """`api_key.created` -> `API key created`."""
    subject, _, verb = action.partition(".")
    subject = "API key" if subject == "api_key" else subject.replace("_", " ").capitalize()
    return f"{subject} {verb.replace('_', ' ')}"


def change_rows(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> list[dict[str, str]]:
    """Per field that an entry tells of: `field`, `before`, `after`; the side that it does not tell is empty."""
    old, new = before or {}, after or {}
    return [
        {
            "field": name.replace("_", " "),
            "before": _shown(old[name]) if name in old else "",
            "after": _shown(new[name]) if name in new else "",
        }
        for name in [*new, *(name for name in old if name not in new)]
    ]


def _shown(value: Any) -> str:
    if value is None or value == "":
        return "–"
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, indent=2 if isinstance(value, dict | list) else None)
