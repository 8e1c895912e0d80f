"""The forms on the tabs of one optimization."""

from collections.abc import Mapping, Sequence
from typing import Any

from django import forms

from optimizations.config import Factor
from optimizations.dashboard.variants import level_text
from optimizations.dashboard.widgets import area, name_typed_anew, number, select, text


class DetailsForm(forms.Form):
    name = forms.CharField(max_length=255, widget=text())
    description = forms.CharField(max_length=1000, required=False, widget=area(3))


class BiasForm(forms.Form):
    """One number per design factor; empty means none."""

    def __init__(self, *args: Any, factors: Sequence[Factor], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for factor in factors:
            widget = number(**{"class": "input input-short", "min": "0", "placeholder": "0"})
            self.fields[factor.name] = forms.FloatField(
                label=factor.name, required=False, min_value=0, max_value=10, widget=widget
            )

    def bias(self) -> dict[str, float]:
        return {name: amount for name, amount in self.cleaned_data.items() if amount}


class HoldoutForm(forms.Form):
    holdout_percentage = forms.IntegerField(
        label="Holdout, in percent of the visitors",
        min_value=0,
        max_value=50,
        widget=number(**{"class": "input input-short"}),
    )


class ConfirmForm(forms.Form):
    """The optimization's name, typed before what cannot be undone."""

    confirmation = forms.CharField(
        label="Name of the optimization", widget=text(spellcheck="false", autocapitalize="none")
    )

    def __init__(self, *args: Any, name: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.expected = name

    def clean_confirmation(self) -> str:
        return name_typed_anew(self.cleaned_data["confirmation"], self.expected, of="optimization")


class PlaygroundForm(forms.Form):
    """A visitor: an id, and per context factor a level (by its position) or nothing."""

    anonymous_id = forms.CharField(label="User id", max_length=512, strip=False, widget=text("user-123"))

    def __init__(self, *args: Any, factors: Sequence[Factor], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.factors = factors
        for position, factor in enumerate(factors):
            levels = [(str(code), level_text(level)) for code, level in enumerate(factor.levels)]
            self.fields[f"c{position}"] = forms.ChoiceField(
                label=factor.name, required=False, choices=[("", "Not sent"), *levels], widget=select()
            )

    def context(self) -> Mapping[str, Any]:
        """The context as the application would send it."""
        chosen = [(factor, self.cleaned_data[f"c{i}"]) for i, factor in enumerate(self.factors)]
        return {factor.name: factor.levels[int(code)] for factor, code in chosen if code != ""}
