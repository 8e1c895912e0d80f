"""The dashboard's forms: reading what was typed. What it may mean is decided by the services."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from levered_site.organizations.models import Scope
from optimizations.models import Guardrail, ModelType
from warehouse.models import Metric

REWARD_TYPES = [("bool", "Whether it happened"), ("numeric", "Its value, summed")]
METRIC_TYPES = [*REWARD_TYPES, ("outcomes", "Which of several outcomes, by weight")]
MATCHES = [("name", "By name"), ("value", "By value")]
DTYPES = [("str", "Text"), ("bool", "Yes or no"), ("int", "Whole number"), ("float", "Number")]
METRIC_SOURCES = [("existing", "Use an existing metric"), ("new", "New metric")]
EVENT_SOURCES = [("event", "An event sent to the managed warehouse"), ("sql", "A query")]
DOORS = [("api", "API"), ("dashboard", "Dashboard"), ("mcp", "Agent"), ("admin", "Admin"), ("system", "System")]
RADIO = {"class": "radio radio-primary radio-sm"}


def text(placeholder: str = "", **attributes: Any) -> forms.TextInput:
    return forms.TextInput(attrs={"class": "input", "placeholder": placeholder, "autocomplete": "off"} | attributes)


def area(rows: int, **attributes: Any) -> forms.Textarea:
    return forms.Textarea(attrs={"class": "textarea", "rows": rows} | attributes)


def sql_area(placeholder: str, rows: int = 6) -> forms.Textarea:
    """A query; with JavaScript it becomes an editor with syntax colours."""
    attributes = {"class": "textarea font-mono", "spellcheck": "false", "data-sql": "", "placeholder": placeholder}
    return area(rows, **attributes)


def select() -> forms.Select:
    return forms.Select(attrs={"class": "select"})


def _only(form: forms.Form, field: str, choices: list[tuple[str, str]]) -> None:
    """Leaves one of a field's choices, and chooses it."""
    source = form.fields[field]
    assert isinstance(source, forms.ChoiceField)
    source.choices = choices
    form.initial[field] = choices[0][0]


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
        widget=forms.NumberInput(attrs={"class": "input input-short"}),
        help_text="The share of visitors who always see the baseline. The lift is measured against them.",
    )
    conversion_window_hours = forms.FloatField(
        label="Conversion window, in hours",
        initial=24,
        widget=forms.NumberInput(attrs={"class": "input", "step": "any"}),
        help_text="A reward counts when it follows its exposure within this time.",
    )

    def __init__(self, *args: Any, metrics: Any, managed: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["reward_metric"].queryset = metrics  # type: ignore[attr-defined]
        if not managed:
            _only(self, "metric_source", METRIC_SOURCES[:1])
        elif not metrics.exists():
            _only(self, "metric_source", METRIC_SOURCES[1:])

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
        for line in self.cleaned_data["combination"].splitlines():
            if not line.strip():
                continue
            name, equals, level = (part.strip() for part in line.partition("="))
            if not (name and equals and level):
                raise ValidationError(f"“{line.strip()}” is not of the form factor = level.")
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
        widget=forms.NumberInput(attrs={"class": "input", "step": "any"}),
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
        widget=forms.NumberInput(attrs={"class": "input"}),
    )
    baseline_rate = forms.FloatField(
        label="Of them succeed today, in per cent",
        min_value=0.001,
        max_value=99.9,
        initial=5,
        widget=forms.NumberInput(attrs={"class": "input", "step": "any"}),
    )
    lift_percent = forms.FloatField(
        label="Lift worth finding, in per cent",
        min_value=0.1,
        max_value=1000,
        initial=10,
        widget=forms.NumberInput(attrs={"class": "input", "step": "any"}),
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
            _only(self, "source", EVENT_SOURCES[1:])

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
        outcomes = []
        for line in self.cleaned_data["outcomes"].splitlines():
            if not line.strip():
                continue
            key, equals, weight = (part.strip() for part in line.rpartition("="))
            try:
                outcomes.append((key, float(weight)))
            except ValueError:
                equals = ""
            if not (key and equals):
                raise ValidationError(f"“{line.strip()}” is not of the form outcome = weight.")
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


SCOPE_TEXTS = {
    Scope.INGEST: "Send exposures and rewards",
    Scope.READ: "Read optimizations, models, metrics and results",
    Scope.MANAGE: "Change everything, and make further keys",
}


class ApiKeyForm(forms.Form):
    name = forms.CharField(max_length=200, widget=text("Production website"))
    scopes = forms.MultipleChoiceField(
        choices=[(scope.value, label) for scope, label in SCOPE_TEXTS.items()],
        initial=[Scope.INGEST.value],
        widget=forms.CheckboxSelectMultiple(attrs={"class": "checkbox checkbox-primary checkbox-sm mt-0.5"}),
        error_messages={"required": "Choose at least one scope."},
    )


class AuditFilterForm(forms.Form):
    """What the audit log is narrowed by; nothing is required."""

    actor = forms.CharField(label="Who", required=False, max_length=300, widget=text("Address or key"))
    action = forms.ChoiceField(label="What happened", required=False, widget=select())
    object_name = forms.CharField(label="Object", required=False, max_length=300, widget=text("Name"))
    door = forms.ChoiceField(label="Through", required=False, choices=[("", "Any door"), *DOORS], widget=select())

    def __init__(self, *args: Any, actions: list[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        source = self.fields["action"]
        assert isinstance(source, forms.ChoiceField)
        source.choices = [("", "Anything"), *actions]
