"""Numbers and figures: what is missing is a dash, what is certain is not claimed, geometry stays inside."""

import datetime as dt
import re

import pytest
from django.template import Context, Template
from django.utils import timezone

from optimizations.templatetags import figures


def render(text: str, **values: object) -> str:
    return Template("{% load figures %}" + text).render(Context(values))


@pytest.mark.parametrize(
    ("text", "value", "expected"),
    [
        ("x|count", 12345.4, "12,345"),
        ("x|count", 0, "0"),
        ("x|count", None, "–"),
        ("x|count", float("nan"), "–"),
        ("x|percent", 0.0823, "8.2%"),
        ("x|share", 0.0004, "< 0.1%"),
        ("x|share", 0, "0.0%"),
        ("x|share", 0.4833, "48.3%"),
        ("x|share", None, "–"),
        ("x|probability", 0.9996, "> 99.9%"),
        ("x|probability", 0.0, "< 0.1%"),
        ("x|probability", 0.912, "91.2%"),
        ("x|signed", 8.2, "+8.2%"),
        ("x|signed", -8.2, "−8.2%"),
        ("x|signed", -0.01, "0.0%"),
        ("x|points", 8.25, "8.2%"),
        ("x|p_value", 0.0004, "< 0.001"),
        ("x|p_value", 0.0131, "0.013"),
        ("x|reward:'bool'", 0.1234, "12.34%"),
        ("x|reward:'numeric'", 48.123, "48.12"),
        ("x|reward:'numeric'", 0, "0.00"),
        ("x|reward:'numeric'", -1234.5, "−1,234"),
        ("x|reward:'bool'", None, "–"),
    ],
)
def test_numbers(text: str, value: object, expected: str) -> None:
    assert render("{% autoescape off %}{{ " + text + " }}{% endautoescape %}", x=value) == expected


def test_ago_uses_one_unit() -> None:
    now = timezone.now()
    assert figures.ago(now) == "just now"
    assert figures.ago(now - dt.timedelta(minutes=5, seconds=1)) == "5 min ago"
    assert figures.ago(now - dt.timedelta(hours=30)) == "1 d ago"
    assert figures.ago(None) == "–"


def test_bars_stay_inside_their_figure() -> None:
    for html in (
        render("{% share_bar 1.7 %}"),
        render("{% interval_bar 5 -100 100 0 1 %}"),
        render("{% lift_bar 40000 -99 90000 %}"),
        render("{% importance_bar 2 -1 3 %}"),
    ):
        assert all(0 <= float(x) <= 100 for x in re.findall(r'"([\d.-]+)%"', html))


def test_the_tone_of_a_lift_follows_its_interval() -> None:
    assert "fig-band-success" in render("{% lift_bar 8 2 14 %}")
    assert "fig-band-error" in render("{% lift_bar a b c %}", a=-8, b=-14, c=-2)
    assert "fig-band-neutral" in render("{% lift_bar a b c %}", a=1, b=-14, c=16)
    assert "svg" not in render("{% lift_bar None None None %}")
