"""The form of a metric."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from optimizations.dashboard.widgets import RADIO, REWARD_TYPES, area, assignments, only, select, sql_area, text

METRIC_TYPES = [*REWARD_TYPES, ("outcomes", "Which of several outcomes, by weight")]
MATCHES = [("name", "By name"), ("value", "By value")]
EVENT_SOURCES = [("event", "An event sent to the managed warehouse"), ("sql", "A query")]


class MetricForm(forms.Form):
    """A metric from a named event of the managed warehouse, or from a query."""

    name = forms.CharField(max_length=255, required=False, widget=text("Sign-up completed"))
    reward_type = forms.ChoiceField(label="What it measures", choices=METRIC_TYPES, initial="bool", widget=select())
    source = forms.ChoiceField(
        choices=EVENT_SOURCES,
        initial="event",
        widget=forms.RadioSelect(attrs=RADIO),
    )
    event_name = forms.CharField(
        max_length=255,
        required=False,
        widget=text("signup_completed", list="event-names"),
        help_text="The name that your application sends with each reward.",
    )
    sql = forms.CharField(
        label="Query",
        required=False,
        widget=sql_area("SELECT anonymous_id, timestamp FROM rewards WHERE name = 'signup'"),
        help_text="One SELECT. It is run with LIMIT 0 before it is saved.",
    )
    anonymous_id_column = forms.CharField(label="User column", required=False, initial="anonymous_id", widget=text())
    timestamp_column = forms.CharField(label="Time column", required=False, initial="timestamp", widget=text())
    value_column = forms.CharField(
        label="Value column", required=False, widget=text("value"), help_text="For summed values."
    )
    outcomes = forms.CharField(
        required=False,
        widget=area(
            4, **{"class": "textarea font-mono", "spellcheck": "false", "placeholder": "purchase = 1\nsignup = 0.3"}
        ),
        help_text="One “outcome = weight” per line, at least two. The first to happen within the window counts.",
    )
    match_by = forms.ChoiceField(label="Told apart", choices=MATCHES, required=False, initial="name", widget=select())
    name_column = forms.CharField(label="Name column", required=False, widget=text("name"))

    def __init__(self, *args: Any, managed: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not managed:
            only(self, "source", EVENT_SOURCES[1:])

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if data.get("source") == "event" and not data.get("event_name"):
            self.add_error("event_name", "Name the event.")
        if data.get("source") == "sql":
            for field in ("name", "sql", "anonymous_id_column", "timestamp_column"):
                if not data.get(field):
                    self.add_error(field, "This field is required.")
        if data.get("reward_type") == "outcomes" and data.get("source") == "event":
            self.add_error("source", "Several outcomes need a query that returns all of them.")
        return data

    def clean_outcomes(self) -> list[tuple[str, float]]:
        shape = "outcome = weight"
        outcomes = []
        for key, weight in assignments(self.cleaned_data["outcomes"], shape, split=str.rpartition):
            try:
                outcomes.append((key, float(weight)))
            except ValueError as error:
                raise ValidationError(f"“{key} = {weight}” is not of the form {shape}.") from error
        return outcomes

    def _outcomes(self) -> list[dict[str, Any]]:
        by = self.cleaned_data["match_by"] or "name"
        return [
            {"key": key, "weight": weight, "match": {"by": by, "value": _number_or_text(key) if by == "value" else key}}
            for key, weight in self.cleaned_data["outcomes"]
        ]

    def column_mapping(self) -> dict[str, Any]:
        """The mapping of a query's columns, as the API takes it."""
        data = self.cleaned_data
        mapping = {
            "anonymous_id": data["anonymous_id_column"],
            "timestamp": data["timestamp_column"],
            "reward_type": data["reward_type"],
        }
        if data["reward_type"] == "outcomes":
            mapping |= {"reward_type": "bool", "outcomes": self._outcomes()}
            mapping |= {"name": data["name_column"]} if data["name_column"] else {}
        return mapping | ({"value": data["value_column"]} if data["value_column"] else {})


def _number_or_text(text: str) -> float | str:
    """A value as the mapping takes it; what is no number is refused there."""
    try:
        return float(text)
    except ValueError:
        return text
