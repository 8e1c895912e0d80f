"""The form of Settings > Assignment source."""

from typing import Any

from django import forms

from optimizations.dashboard.widgets import area, assignments, sql_area, text
from warehouse.models import AssignmentSource

COLUMNS = ("anonymous_id", "timestamp", "variant", "context")


class SourceForm(forms.Form):
    """A query and what its columns mean."""

    name = forms.CharField(max_length=255, initial="Exposures", widget=text())
    sql = forms.CharField(
        label="Query",
        widget=sql_area("SELECT anonymous_id, timestamp, variant, context FROM exposures"),
        help_text="One SELECT: a row per visitor and moment that a variant was shown. It is run before it is saved.",
    )
    anonymous_id = forms.CharField(label="User column", initial="anonymous_id", widget=text())
    timestamp = forms.CharField(label="Time column", initial="timestamp", widget=text())
    variant = forms.CharField(
        label="Variant column", required=False, widget=text("variant"), help_text="JSON: factor to level."
    )
    context = forms.CharField(
        label="Context column", required=False, widget=text("context"), help_text="JSON: context factor to level."
    )
    factors = forms.CharField(
        label="Factor columns",
        required=False,
        widget=area(
            3, **{"class": "textarea font-mono", "spellcheck": "false", "placeholder": "headline = headline_shown"}
        ),
        help_text="Where there is no variant column: one “factor = column” per line.",
    )

    @classmethod
    def of(cls, source: AssignmentSource) -> "SourceForm":
        """Filled with what is in use."""
        mapping = source.column_mapping
        factors = "\n".join(f"{factor} = {column}" for factor, column in sorted((mapping.get("factors") or {}).items()))
        columns = {name: mapping.get(name, "") for name in COLUMNS}
        return cls(initial={"name": source.name, "sql": source.sql, "factors": factors} | columns)

    def clean_factors(self) -> dict[str, str]:
        return dict(assignments(self.cleaned_data["factors"], "factor = column"))

    def column_mapping(self) -> dict[str, Any]:
        """As the API takes it: without what was left empty."""
        return {name: self.cleaned_data[name] for name in (*COLUMNS, "factors") if self.cleaned_data[name]}
