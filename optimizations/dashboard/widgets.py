"""What the dashboard's forms are made of."""

from collections.abc import Callable, Iterator
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

REWARD_TYPES = [("bool", "Whether it happened"), ("numeric", "Its value, summed")]
RADIO = {"class": "radio radio-primary radio-sm"}


def text(placeholder: str = "", **attributes: Any) -> forms.TextInput:
    return forms.TextInput(attrs={"class": "input", "placeholder": placeholder, "autocomplete": "off"} | attributes)


def number(**attributes: Any) -> forms.NumberInput:
    return forms.NumberInput(attrs={"class": "input"} | attributes)


def area(rows: int, **attributes: Any) -> forms.Textarea:
    return forms.Textarea(attrs={"class": "textarea", "rows": rows} | attributes)


def sql_area(placeholder: str, rows: int = 6) -> forms.Textarea:
    """A query; with JavaScript it becomes an editor with syntax colours."""
    attributes = {"class": "textarea font-mono", "spellcheck": "false", "data-sql": "", "placeholder": placeholder}
    return area(rows, **attributes)


def select() -> forms.Select:
    return forms.Select(attrs={"class": "select"})


def only(form: forms.Form, field: str, choices: list[tuple[str, str]]) -> None:
    """Leaves one of a field's choices, and chooses it."""
    source = form.fields[field]
    assert isinstance(source, forms.ChoiceField)
    source.choices = choices
    form.initial[field] = choices[0][0]


def assignments(
    typed: str, shape: str, *, split: Callable[[str, str], tuple[str, str, str]] = str.partition
) -> Iterator[tuple[str, str]]:
    """The lines `left = right` of what was typed; blank ones do not count.

    Args:
        shape: what a line looks like, for whoever typed another one: "factor = level".
        split: `str.rpartition` where what stands left may have a `=` in it.

    Raises:
        ValidationError: a line of another shape.
    """
    for line in filter(None, map(str.strip, typed.splitlines())):
        left, _, right = (part.strip() for part in split(line, "="))
        if not (left and right):
            raise ValidationError(f"“{line}” is not of the form {shape}.")
        yield left, right


def name_typed_anew(typed: str, name: str, *, of: str) -> str:
    """What was typed before something that cannot be undone.

    Raises:
        ValidationError: it is not the name, whatever the spaces.
    """
    told = " ".join(typed.split())
    if told != " ".join(name.split()):
        raise ValidationError(f"This is not the {of}'s name. Nothing was changed.")
    return told
