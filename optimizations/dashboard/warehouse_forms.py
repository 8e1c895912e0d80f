"""The form of one provider's credentials. What was typed into a secret field is never shown again."""

from typing import Any

from django import forms

from optimizations.dashboard.widgets import area, name_typed_anew, select, text
from warehouse.connectors.credentials import FIELDS, Field
from warehouse.sealed import Sealed


class _SilentArea(forms.Textarea):
    def format_value(self, value: Any) -> None:
        return None


class WarehouseForm(forms.Form):
    """`name`, the provider's fields, and, where `confirm` is given, that text typed anew."""

    name = forms.CharField(max_length=255, required=False, widget=text("Shop analytics"), help_text="To tell it by.")

    def __init__(self, *args: Any, provider: str, confirm: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.expected = confirm
        self.credentials = FIELDS.get(provider, ())
        for field in self.credentials:
            self.fields[field.name] = _form_field(field)
        if confirm:
            self.fields["confirmation"] = forms.CharField(
                label="Name of the organization", widget=text(spellcheck="false", autocapitalize="none")
            )
        self.order_fields([f.name for f in self.credentials] + ["name", "confirmation"])

    def clean_confirmation(self) -> str:
        return name_typed_anew(self.cleaned_data["confirmation"], self.expected, of="organization")

    def sealed(self) -> Sealed:
        """What was typed into the provider's fields; the services say what is wrong with it."""
        return Sealed({f.name: self.data[f.name] for f in self.credentials if self.data.get(f.name)})

    def issues(self, fields: list[str]) -> dict[str, str]:
        """The form's field for each of these names of the API."""
        found = {}
        for name in fields:
            top = name.removeprefix("credentials.").split(".")[0]
            found[name] = top if top in self.fields else name
        return found


def _form_field(field: Field) -> forms.Field:
    """Never required here: the service tells everything that is missing or wrong at once."""
    wide: dict[str, Any] = {"label": field.label, "required": False, "help_text": field.help}
    if field.choices:
        return forms.ChoiceField(choices=[("", "prefer"), *((c, c) for c in field.choices)], widget=select(), **wide)
    if field.lines:
        return forms.CharField(widget=_SilentArea(attrs=area(6, spellcheck="false").attrs), strip=False, **wide)
    if field.secret:
        attributes = {"class": "input", "autocomplete": "new-password"}
        return forms.CharField(widget=forms.PasswordInput(attrs=attributes), strip=False, **wide)
    return forms.CharField(widget=text(spellcheck="false", autocapitalize="none"), **wide)
