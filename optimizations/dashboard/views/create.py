"""Creating an optimization in the browser."""

import math
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.db import transaction
from django.forms import BaseFormSet, formset_factory
from django.forms.utils import ErrorDict
from django.http import HttpResponse
from django.shortcuts import redirect

from levered_site.errors import DomainError
from optimizations.config import validate_config
from optimizations.dashboard.access import DashboardView
from optimizations.dashboard.creation_forms import (
    EstimateForm,
    ExclusionForm,
    FactorForm,
    GuardrailForm,
    OptimizationForm,
)
from optimizations.dashboard.event_metrics import event_of
from optimizations.dashboard.issues import add_issues
from optimizations.dashboard.snippets import creation_requests
from optimizations.services.lifecycle import Created, create_optimization
from optimizations.services.planning import learning_time
from warehouse.models import Provider
from warehouse.services.catalog import event_metric, event_names, metric_for_event
from warehouse.services.connections import provider_of
from warehouse.services.metrics import list_metrics

FactorFormSet = formset_factory(FactorForm, extra=0, can_delete=True, max_num=50)
GuardrailFormSet = formset_factory(GuardrailForm, extra=0, can_delete=True, max_num=20)
ExclusionFormSet = formset_factory(ExclusionForm, extra=0, can_delete=True, max_num=1000)
FIELDS = {
    "reward_metric_id": "reward_metric",
    "training_data_config.attribution.conversion_window_hours": "conversion_window_hours",
}
METRIC_ID = "METRIC_ID"  # stands in the preview for a metric that has yet to be made


@dataclass(frozen=True)
class Submission:
    """All forms of the page, as they were submitted or empty."""

    form: OptimizationForm
    design: "BaseFormSet[FactorForm]"
    context: "BaseFormSet[FactorForm]"
    exclude: "BaseFormSet[ExclusionForm]"
    guardrails: "BaseFormSet[GuardrailForm]"
    estimate: EstimateForm  # of no account for what is created

    @property
    def formsets(self) -> tuple["BaseFormSet[Any]", ...]:
        return (self.design, self.context, self.exclude, self.guardrails)

    def is_valid(self) -> bool:
        judged: list[Any] = [self.form, *self.formsets]
        valid = [form.is_valid() for form in judged]  # each of them judges, whatever the others say
        return all(valid)

    @property
    def all_forms(self) -> list[forms.Form]:
        return [self.form, *(form for formset in self.formsets for form in formset.forms)]

    def exclusions(self) -> list[ExclusionForm]:
        """Those that were not removed and say something."""
        return [form for form in submitted(self.exclude) if form.cleaned_data.get("combination")]

    def new_metric(self) -> dict[str, Any] | None:
        data = self.form.cleaned_data
        if data["metric_source"] != "new":
            return None
        return event_metric(name=data["new_metric_event"], reward_type=data["new_metric_type"] or "bool")

    def request(self) -> dict[str, Any]:
        """The body that the API would take, of a valid submission; `METRIC_ID` stands for a new metric's id."""
        data, design = self.form.cleaned_data, submitted(self.design)
        metric, made = data["reward_metric"], self.new_metric()
        reward_name = data["new_metric_event"] if made else event_of(metric)
        mapping = made["column_mapping"] if made else metric.column_mapping
        dtypes = {factor.cleaned_data["name"]: factor.cleaned_data["dtype"] for factor in design}
        return {
            "name": data["name"],
            "description": data["description"],
            "model_type": data["model_type"],
            "reward_metric_id": METRIC_ID if made else str(metric.pk),
            "holdout_percentage": data["holdout_percentage"],
            "training_data_config": {
                "reward": {"name": reward_name, "type": mapping.get("reward_type", "bool")},
                "design_factors": [factor.as_factor() for factor in design],
                "context_factors": [factor.as_factor() for factor in submitted(self.context)],
                "attribution": {"conversion_window_hours": data["conversion_window_hours"]},
            },
            "excluded_combinations": [form.as_combination(dtypes) for form in self.exclusions()],
            "guardrails": [form.as_guardrail() for form in submitted(self.guardrails)],
        }

    def refuse(self, error: DomainError) -> None:
        """Puts what a service refused at its field."""
        factors = {"design": (self.design, submitted(self.design)), "context": (self.context, submitted(self.context))}
        add_issues(
            self.form,
            error,
            fields=FIELDS,
            factors=factors,
            exclusions=self.exclusions(),
            guardrails=submitted(self.guardrails),
        )


class CreateOptimizationView(DashboardView):
    section = "optimizations"
    read_scope = "manage"

    def get(self, request: Any) -> HttpResponse:
        return self._page(self._submission())

    def post(self, request: Any) -> HttpResponse:
        if group := request.POST.get("add"):
            return self._with_another(group)
        if move := request.POST.get("move"):
            return self._moved(move)
        submission = self._submission(request.POST)
        if request.POST.get("estimate"):
            return self._estimate(submission)
        if request.POST.get("preview"):
            return self._preview(submission)
        if submission.is_valid():
            try:
                created = self._create(submission)
            except DomainError as error:
                submission.refuse(error)
            else:
                messages.success(request, f"“{created.optimization.name}” is live.")
                for warning in created.warnings:
                    messages.warning(request, warning)
                return redirect("dashboard:optimization", created.optimization.pk)
        return self._page(submission, status=400)

    def _create(self, submission: Submission) -> Created:
        """One transaction: a new metric is not left behind by an optimization that is refused."""
        body = submission.request()
        with transaction.atomic():
            if made := submission.new_metric():
                reward_type = made["column_mapping"]["reward_type"]
                metric = metric_for_event(self.organization, name=made["name"], reward_type=reward_type)
                body["reward_metric_id"] = metric.pk
            return create_optimization(self.organization, **body, created_by=self.request.user)

    def _preview(self, submission: Submission) -> HttpResponse:
        """What the API would take, or how much is missing. Nothing is created, and no field is marked yet."""
        valid = submission.is_valid()
        if valid:
            body = submission.request()
            try:
                validate_config(body["training_data_config"], body["excluded_combinations"])
            except DomainError as error:
                submission.refuse(error)
                valid = False
        problems = sorted(
            {str(text) for form in submission.all_forms for texts in form.errors.values() for text in texts}
        )
        problems += [str(text) for group in (submission.design, submission.context) for text in group.non_form_errors()]
        preview: dict[str, Any] = {"problems": problems, "requests": []}
        if valid:
            base_url = self.request.build_absolute_uri("/").rstrip("/")
            preview["requests"] = creation_requests(body, submission.new_metric(), base_url=base_url)
        if self.request.htmx:
            return self.page("dashboard/parts/request_preview.html", {"preview": preview})
        quiet(submission)
        return self._page(submission, preview=preview)

    def _with_another(self, group: str) -> HttpResponse:
        """Without JavaScript: the same forms, unchecked, with one more empty factor or exclusion."""
        data = self.request.POST.copy()
        total = f"{group}-TOTAL_FORMS"
        number = str(data.get(total, ""))
        if number.isdigit():
            data[total] = str(int(number) + 1)
        submission = self._submission(data)
        quiet(submission)
        return self._page(submission)

    def _moved(self, move: str) -> HttpResponse:
        """Without JavaScript: the same forms, unchecked, with a factor one place further up or down.

        `move` is `<prefix of the factor's form>:<-1 or 1>`.
        """
        prefix, _, direction = move.partition(":")
        submission = self._submission(self.request.POST)
        for formset in (submission.design, submission.context):
            rows = in_order(formset)
            at = next((i for i, row in enumerate(rows) if row.prefix == prefix), None)
            to = -1 if at is None else at + (1 if direction == "1" else -1)
            if at is not None and 0 <= to < len(rows):
                data = self.request.POST.copy()
                rows[at], rows[to] = rows[to], rows[at]
                for place, row in enumerate(rows):
                    data[row.add_prefix("place")] = str(place)
                submission = self._submission(data)
        quiet(submission)
        return self._page(submission)

    def _estimate(self, submission: Submission) -> HttpResponse:
        """How long learning will take. Nothing is created, and no other field is judged."""
        shown = estimated(submission)
        if self.request.htmx:
            return self.page("dashboard/parts/estimate.html", {"estimate": submission.estimate, "estimated": shown})
        quiet(submission)
        return self._page(submission, estimated=shown)

    def _submission(self, data: Any = None) -> Submission:
        managed = provider_of(self.organization) == Provider.MANAGED
        metrics = list_metrics(self.organization)
        complete = with_all_groups(data)
        return Submission(
            form=OptimizationForm(data, metrics=metrics, managed=managed),
            design=FactorFormSet(data, prefix="design", initial=None if data else [{}]),
            context=FactorFormSet(data, prefix="context"),
            exclude=ExclusionFormSet(complete, prefix="exclude"),
            guardrails=GuardrailFormSet(complete, prefix="guardrail", form_kwargs={"metrics": metrics}),
            estimate=EstimateForm(data if data and "visitors_per_day" in data else None),
        )

    def _page(
        self,
        submission: Submission,
        *,
        preview: dict[str, Any] | None = None,
        estimated: dict[str, Any] | None = None,
        status: int = 200,
    ) -> HttpResponse:
        shown = {
            "form": submission.form,
            "design": submission.design,
            "design_rows": in_order(submission.design),
            "context": submission.context,
            "context_rows": in_order(submission.context),
            "exclude": submission.exclude,
            "guardrails": submission.guardrails,
            "estimate": submission.estimate,
            "estimated": estimated,
            "refused": status >= 400,
            "preview": preview,
            "events": event_names(self.organization),
        }
        return self.page("dashboard/optimization_form.html", shown, status=status)


def with_all_groups(data: Any) -> Any:
    """A submission that says nothing of exclusions or guardrails has none."""
    if data is None:
        return None
    missing = [prefix for prefix in ("exclude", "guardrail") if f"{prefix}-TOTAL_FORMS" not in data]
    empty = {f"{prefix}-{total}_FORMS": "0" for prefix in missing for total in ("TOTAL", "INITIAL")}
    return data.dict() | empty if empty else data


def in_order(formset: "BaseFormSet[Any]") -> list[Any]:
    """The forms as the page shows them: by their place, those without one last."""

    def place(form: Any) -> float:
        raw = str(form["place"].value()) if "place" in form.fields else ""
        return int(raw) if raw.isascii() and raw.isdecimal() and len(raw) < 6 else math.inf

    return sorted(formset.forms, key=place)


def submitted(formset: "BaseFormSet[Any]") -> list[Any]:
    """The forms that were not removed, in the order of the page."""
    return [form for form in in_order(formset) if form not in formset.deleted_forms]


def estimated(submission: Submission) -> dict[str, Any] | None:
    """The estimate for the factors that were typed so far; `sizes` is empty while there is none with two levels."""
    submission.is_valid()
    if not submission.estimate.is_valid():
        return None
    sizes = [len(set(levels)) for form in submitted(submission.design) if (levels := form.cleaned_data.get("levels"))]
    sizes = [size for size in sizes if size > 1]
    if not sizes:
        return {"sizes": sizes}
    data = submission.estimate.cleaned_data
    found = learning_time(
        sizes,
        holdout_percentage=submission.form.cleaned_data.get("holdout_percentage") or 0,
        visitors_per_day=data["visitors_per_day"],
        baseline_rate=data["baseline_rate"] / 100,
        lift_percent=data["lift_percent"],
    )
    return {"sizes": sizes, "days": found, "lift_percent": data["lift_percent"]}


def quiet(submission: Submission) -> None:
    """Keeps what was typed, without judging it yet. Django has no public way."""
    submission.form._errors = ErrorDict()  # type: ignore[attr-defined]
    formsets: tuple[Any, ...] = submission.formsets
    for formset in formsets:
        for form in formset.forms:
            form._errors = ErrorDict()
        formset._errors, formset._non_form_errors = [], formset.error_class()
