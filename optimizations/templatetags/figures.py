"""Numbers and small figures as the pages show them.

Figures are SVG whose geometry stands in attributes (per cent of the figure's width), because the
Content-Security-Policy forbids inline styles. A missing number is an en dash everywhere.
"""

from __future__ import annotations

import json
import math
from datetime import datetime
from typing import Any

from django import template
from django.templatetags.static import static
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()

MISSING = "–"
MINUS = "\u2212"
RELATIVE_SCALE_STEPS = (5.0, 10.0, 20.0, 30.0, 50.0, 75.0, 100.0, 150.0, 200.0, 300.0, 500.0, 1000.0)


def _finite(value: Any) -> float | None:
    """``value`` as a float, or None when it is absent or not a number."""
    if value is None or value == "":
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _text(number: float, digits: int) -> str:
    rounded = round(number, digits)
    return f"{rounded if rounded != 0 else 0.0:,.{digits}f}".replace("-", MINUS)


@register.filter
def count(value: Any) -> str:
    """12345.0 -> 12,345."""
    number = _finite(value)
    return MISSING if number is None else _text(number, 0)


@register.filter
def percent(value: Any, digits: int = 1) -> str:
    """A fraction as per cent: 0.0823 -> 8.2%."""
    number = _finite(value)
    return MISSING if number is None else f"{_text(number * 100, digits)}%"


@register.filter
def share(value: Any) -> str:
    """A share as per cent; a small one is not rounded to nothing: 0.0004 -> < 0.1%."""
    number = _finite(value)
    return "< 0.1%" if number is not None and 0 < number < 0.0005 else percent(value)


@register.filter
def probability(value: Any) -> str:
    """A probability as per cent that never claims certainty: 0.9996 -> > 99.9%."""
    number = _finite(value)
    if number is None:
        return MISSING
    if number > 0.999:
        return "> 99.9%"
    if number < 0.001:
        return "< 0.1%"
    return f"{number * 100:.1f}%"


@register.filter
def points(value: Any, digits: int = 1) -> str:
    """A number that already is per cent: 8.2 -> 8.2%."""
    number = _finite(value)
    return MISSING if number is None else f"{_text(number, digits)}%"


@register.filter
def signed(value: Any, digits: int = 1) -> str:
    """A change in per cent with its sign: 8.2 -> +8.2%."""
    number = _finite(value)
    if number is None:
        return MISSING
    sign = "+" if round(number, digits) > 0 else ""
    return f"{sign}{_text(number, digits)}%"


@register.filter
def p_value(value: Any) -> str:
    """0.0004 -> < 0.001."""
    number = _finite(value)
    if number is None:
        return MISSING
    return "< 0.001" if number < 0.001 else f"{number:.3f}"


@register.filter
def reward(value: Any, reward_type: str = "bool") -> str:
    """An expected reward in its own unit: a rate for ``bool``, a plain number for ``numeric``."""
    number = _finite(value)
    if number is None:
        return MISSING
    if reward_type == "bool":
        return f"{_text(number * 100, 2)}%"
    digits = max(0, 3 - math.floor(math.log10(abs(number)))) if number else 2
    return _text(number, min(digits, 4))


@register.filter
def change(value: Any, reward_type: str = "bool") -> str:
    """A difference of expected rewards with its sign: percentage points for ``bool``, else a number."""
    number = _finite(value)
    if number is None:
        return MISSING
    text = f"{_text(number * 100, 2)} pp" if reward_type == "bool" else reward(number, reward_type)
    return f"+{text}" if number > 0 and text.strip("0. p") else text


@register.filter
def ago(value: datetime | None) -> str:
    """How long ago, in one unit: 4 h ago."""
    if value is None:
        return MISSING
    seconds = (timezone.now() - value).total_seconds()
    if seconds < 60:
        return "just now"
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{int(seconds // size)} {unit} ago"
    return "just now"


@register.filter
def lookup(mapping: Any, key: Any) -> Any:
    """``mapping[key]`` where the key is itself a variable; None when it is missing."""
    try:
        return mapping[key]
    except (KeyError, TypeError, IndexError):
        return None


@register.filter
def pretty_json(value: Any) -> str:
    """One-line JSON for an example request."""
    return json.dumps(value, ensure_ascii=False, default=str)


@register.simple_tag
def icon(name: str, classes: str = "") -> SafeString:
    """An icon of the sprite; decorative, so the text beside it must carry the meaning."""
    return format_html(
        '<svg class="icon {}" aria-hidden="true"><use href="{}#{}"></use></svg>',
        classes,
        static("vendor/lucide/icons.svg"),
        name,
    )


def _position(value: float, low: float, high: float) -> float:
    """Where ``value`` stands between ``low`` and ``high``, in per cent, kept inside the figure."""
    if high <= low:
        return 50.0
    return round(min(100.0, max(0.0, (value - low) / (high - low) * 100)), 2)


@register.inclusion_tag("dashboard/figures/share.html")
def share_bar(value: Any, label: str = "", tone: str = "") -> dict[str, Any]:
    """A bar filled to ``value`` (0..1). ``tone`` is '' or 'baseline'."""
    number = _finite(value)
    return {"width": _position(number or 0.0, 0.0, 1.0), "label": label, "tone": tone, "missing": number is None}


@register.inclusion_tag("dashboard/figures/interval.html")
def interval_bar(
    mean: Any, low: Any, high: Any, scale_low: Any, scale_high: Any, reference: Any = None, tone: str = ""
) -> dict[str, Any]:
    """A point with its interval on a scale shared by the rows of a table; ``reference`` draws a dashed line."""
    centre, start, end = _finite(mean), _finite(low), _finite(high)
    left, right = _finite(scale_low), _finite(scale_high)
    if centre is None or left is None or right is None:
        return {"missing": True}
    start, end = centre if start is None else start, centre if end is None else end
    first, last = _position(start, left, right), _position(end, left, right)
    mark = _finite(reference)
    return {
        "missing": False,
        "x": first,
        "width": round(max(last - first, 0.5), 2),
        "point": _position(centre, left, right),
        "reference": None if mark is None else _position(mark, left, right),
        "tone": tone,
    }


@register.inclusion_tag("dashboard/figures/lift.html")
def lift_bar(mean: Any, low: Any, high: Any) -> dict[str, Any]:
    """A change in per cent with its interval on a scale centred on zero, with the scale's ends named."""
    centre, start, end = _finite(mean), _finite(low), _finite(high)
    if centre is None:
        return {"missing": True}
    start, end = centre if start is None else start, centre if end is None else end
    reach = max(abs(start), abs(end), abs(centre))
    scale = next((step for step in RELATIVE_SCALE_STEPS if step >= reach), math.ceil(reach / 1000) * 1000.0)
    first, last = _position(start, -scale, scale), _position(end, -scale, scale)
    tone = "success" if start > 0 else "error" if end < 0 else "neutral"
    return {
        "missing": False,
        "x": first,
        "width": round(max(last - first, 0.5), 2),
        "point": _position(centre, -scale, scale),
        "tone": tone,
        "scale": f"{scale:g}%",
    }


@register.inclusion_tag("dashboard/figures/guardrail.html")
def guardrail_bar(row: dict[str, Any]) -> dict[str, Any]:
    """A guardrail's interval around zero, against the side that its margin forbids."""
    left, right, (start, end) = row["low"], row["high"], row["lift_ci"]
    first, last, edge = (_position(value, left, right) for value in (start, end, row["edge"]))
    return {
        "x": first,
        "width": round(max(last - first, 0.5), 2),
        "point": _position(row["lift_percent"], left, right),
        "edge": edge,
        "harm_x": 0 if row["edge"] <= 0 else edge,
        "harm_width": edge if row["edge"] <= 0 else round(100 - edge, 2),
        "tone": row["tone"],
    }


@register.inclusion_tag("dashboard/figures/importance.html")
def importance_bar(mean: Any, low: Any, high: Any, scale: Any = 1) -> dict[str, Any]:
    """A bar from zero to ``mean`` with the interval ``low``..``high`` as a whisker; ``scale`` fills the width."""
    centre, start, end = _finite(mean), _finite(low), _finite(high)
    full = _finite(scale) or 1.0
    if centre is None:
        return {"missing": True}
    return {
        "missing": False,
        "width": _position(centre, 0, full),
        "low": None if start is None else _position(start, 0, full),
        "high": None if end is None else _position(end, 0, full),
    }


@register.inclusion_tag("dashboard/figures/sparkline.html")
def sparkline(values: Any, tone: str = "neutral", label: str = "") -> dict[str, Any]:
    """A line of at least two numbers, with zero dashed where it lies within; ``label`` is told to screen readers."""
    numbers = [number for number in map(_finite, values) if number is not None]
    if len(numbers) < 2:
        return {"missing": True}
    low, high = min(0.0, *numbers), max(0.0, *numbers)
    heights = [round(100 - _position(number, low, high), 2) for number in numbers]
    step = 100 / (len(heights) - 1)
    return {
        "missing": False,
        "points": " ".join(f"{round(i * step, 2):g},{height:g}" for i, height in enumerate(heights)),
        "last": heights[-1],
        "zero": round(100 - _position(0.0, low, high), 2),
        "tone": tone,
        "label": f"{label}: {signed(numbers[0])} to {signed(numbers[-1])} over {len(numbers)} days",
    }
