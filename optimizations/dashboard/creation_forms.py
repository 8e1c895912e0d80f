"""The forms that make a new optimization: reading what was typed. What it may mean is decided by the services."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from optimizations.dashboard.widgets import RADIO, REWARD_TYPES, area, assignments, number, only, select, text
from optimizations.models import Guardrail, ModelType
from warehouse.models import Metric

DTYPES = [("str", "Text"), ("bool", "Yes or no"), ("int", "Whole number"), ("float", "Number")]
METRIC_SOURCES = [("existing", "Use an existing metric"), ("new", "New metric")]


class OptimizationForm(forms.Form):
    """All of a new optimization but its factors."""

    name = forms.CharField(max_length=255, widget=text("Landing page hero"))
    description = forms.CharField(
        max_length=1000, required=False, widget=area(2, placeholder="Which decision is tuned here, and why?")
    )
    model_type = forms.ChoiceField(
        choices=[(ModelType.CMAB, "Contextual bandit"), (ModelType.MAB, "Bandit without context")],
        initial=ModelType.CMAB,
        widget=forms.RadioSelect(attrs={"class": f"{RADIO['class']} mt-0.5"}),
    )
    metric_source = forms.ChoiceField(
        choices=METRIC_SOURCES,
        initial="existing",
        widget=forms.RadioSelect(attrs=RADIO),
    )
    reward_metric: "forms.ModelChoiceField[Metric]" = forms.ModelChoiceField(
        queryset=Metric.objects.none(), required=False, empty_label="Choose a metric", widget=select()
    )
    new_metric_event = forms.CharField(
        label="Event name",
        max_length=255,
        required=False,
        widget=text("signup_completed", list="event-names"),
        help_text="The name that your application sends with each reward.",
    )
    new_metric_type = forms.ChoiceField(
        label="What it measures", choices=REWARD_TYPES, required=False, initial="bool", widget=select()
    )
    holdout_percentage = forms.IntegerField(
        label="Holdout",
        min_value=0,
        max_value=50,
        initial=10,
        widget=number(**{"class": "input input-short"}),
        help_text="The share of visitors who always see the baseline. The lift is measured against them.",
    )
    conversion_window_hours = forms.FloatField(
        label="Conversion window, in hours",
        initial=24,
        widget=number(),
        help_text="A reward counts when it follows its exposure within this time.",
    )

    def __init__(self, *args: Any, metrics: Any, managed: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["reward_metric"].queryset = metrics  # type: ignore[attr-defined]
        if not managed:
            only(self, "metric_source", METRIC_SOURCES[:1])
        elif not metrics.exists():
            only(self, "metric_source", METRIC_SOURCES[1:])

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        chosen = data.get("reward_metric") or self.has_error("reward_metric")
        if data.get("metric_source") == "existing" and not chosen:
            self.add_error("reward_metric", "Choose the metric that counts as success.")
        if data.get("metric_source") == "new" and not data.get("new_metric_event"):
            self.add_error("new_metric_event", "Name the event that counts as success.")
        return data

    def clean_conversion_window_hours(self) -> float:
        hours: float = self.cleaned_data["conversion_window_hours"]
        return int(hours) if hours == int(hours) else hours


class FactorForm(forms.Form):
    """One factor. `levels` holds one level per line; cleaned, it is a list of values of `dtype`.

    `place` is where it stands on the page, which need not be its number in the formset.
    """

    place = forms.IntegerField(required=False, widget=forms.HiddenInput)
    name = forms.CharField(label="Factor name", max_length=64, widget=text("headline", spellcheck="false"))
    dtype = forms.ChoiceField(label="Type", choices=DTYPES, initial="str", widget=select())
    levels = forms.CharField(widget=area(3))

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        lines = [line.strip() for line in data.get("levels", "").splitlines() if line.strip()]
        if "dtype" in data and lines:
            try:
                data["levels"] = [parse_level(line, data["dtype"]) for line in lines]
            except ValidationError as error:
                self.add_error("levels", error)
        return data

    def as_factor(self) -> dict[str, Any]:
        """The factor as the API takes it."""
        return {key: self.cleaned_data[key] for key in ("name", "dtype", "levels")}


class ExclusionForm(forms.Form):
    """Levels that are never shown together. `combination` holds one `factor = level` per line."""

    combination = forms.CharField(required=False, widget=area(2, spellcheck="false"))

    def clean_combination(self) -> list[tuple[str, str]]:
        pairs: list[tuple[str, str]] = []
        for name, level in assignments(self.cleaned_data["combination"], "factor = level"):
            if name in dict(pairs):
                raise ValidationError(f"The factor “{name}” stands twice; an exclusion has one level of each.")
            pairs.append((name, level))
        return pairs

    def as_combination(self, dtypes: Mapping[str, str]) -> dict[str, Any]:
        """The combination as the API takes it; `dtypes` are those of the design factors, by name.

        A level that is not of its factor's type stays as it was typed, and is refused where it is looked up.
        """
        return {name: _level_or_text(level, dtypes.get(name, "str")) for name, level in self._pairs()}

    def _pairs(self) -> list[tuple[str, str]]:
        return self.cleaned_data.get("combination") or []


class GuardrailForm(forms.Form):
    """A metric that must not be harmed."""

    metric: "forms.ModelChoiceField[Metric]" = forms.ModelChoiceField(
        queryset=Metric.objects.none(), empty_label="Choose a metric", widget=select()
    )
    direction = forms.ChoiceField(label="Which", choices=Guardrail.Direction.choices, widget=select())
    margin_percent = forms.FloatField(
        label="By more than, in per cent",
        min_value=0,
        max_value=100,
        initial=5,
        widget=number(),
    )
    on_violation = forms.ChoiceField(label="If it does", choices=Guardrail.OnViolation.choices, widget=select())

    def __init__(self, *args: Any, metrics: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["metric"].queryset = metrics  # type: ignore[attr-defined]

    def as_guardrail(self) -> dict[str, Any]:
        """The guardrail as the API takes it."""
        data = self.cleaned_data
        names = ("direction", "margin_percent", "on_violation")
        return {"metric_id": str(data["metric"].pk)} | {name: data[name] for name in names}


class EstimateForm(forms.Form):
    """What is known before the start: how many visitors come, and what they do today."""

    visitors_per_day = forms.IntegerField(
        label="Visitors a day",
        min_value=1,
        max_value=10**9,
        initial=1000,
        widget=number(),
    )
    baseline_rate = forms.FloatField(
        label="Of them succeed today, in per cent",
        min_value=0.001,
        max_value=99.9,
        initial=5,
        widget=number(),
    )
    lift_percent = forms.FloatField(
        label="Lift worth finding, in per cent",
        min_value=0.1,
        max_value=1000,
        initial=10,
        widget=number(),
    )


def _level_or_text(text: str, dtype: str) -> str | bool | int | float:
    try:
        return parse_level(text, dtype)
    except ValidationError:
        return text


def parse_level(line: str, dtype: str) -> str | bool | int | float:
    """One line of the level editor as a value of the factor's type."""
    words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    try:
        if dtype == "bool":
            return words[line.lower()]
        if dtype == "int":
            return int(line)
        if dtype == "float":
            return float(line)
    except (KeyError, ValueError) as error:
        wanted = {"bool": "yes or no", "int": "a whole number", "float": "a number"}[dtype]
        raise ValidationError(f"“{line}” is not {wanted}.") from error
    return line
