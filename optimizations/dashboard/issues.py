"""Puts the refusals of services at the fields of forms. Nothing that was typed is lost."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.forms import BaseFormSet

from levered_site.errors import DomainError

_FACTOR = re.compile(r"training_data_config\.(design|context)_factors(?:\[(\d+)\]\.(name|dtype|levels).*)?$")
_GUARDRAIL = re.compile(r"guardrails\[(\d+)\]\.(metric)_id$")
_EXCLUSION = re.compile(r"excluded_combinations\[(\d+)\](?:\.(.+))?$")


def add_issues(
    form: forms.Form,
    error: DomainError,
    *,
    fields: dict[str, str] | None = None,
    factors: Mapping[str, tuple["BaseFormSet[Any]", Sequence[forms.Form]]] | None = None,
    exclusions: Sequence[forms.Form] = (),
    guardrails: Sequence[forms.Form] = (),
) -> None:
    """`fields` maps the service's names to the form's; `factors` gives per group its formset and submitted forms;
    `exclusions` and `guardrails` are the submitted ones."""
    names = fields or {}
    if not error.details:
        form.add_error(None, error.message)
    for issue in error.details:
        match = _FACTOR.match(issue.field)
        if match and factors:
            formset, submitted = factors[match[1]]
            if match[2] is None:
                formset._non_form_errors.append(issue.message)  # type: ignore[attr-defined]  # Django has no public way
            else:
                submitted[int(match[2])].add_error(match[3], issue.message)
            continue
        if (excluded := _EXCLUSION.match(issue.field)) and int(excluded[1]) < len(exclusions):
            text = f"{excluded[2]}: {issue.message}" if excluded[2] else issue.message
            exclusions[int(excluded[1])].add_error("combination", text)
            continue
        if (guarded := _GUARDRAIL.match(issue.field)) and int(guarded[1]) < len(guardrails):
            guardrails[int(guarded[1])].add_error(guarded[2], issue.message)
            continue
        name = names.get(issue.field, issue.field)
        form.add_error(name if name in form.fields else None, issue.message)
