"""Creating an optimization in the browser."""

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
from optimizations.dashboard.event_metrics import event_of
from optimizations.dashboard.forms import ExclusionForm, FactorForm, OptimizationForm
from optimizations.dashboard.issues import add_issues
from optimizations.dashboard.snippets import creation_requests
from optimizations.services.lifecycle import Created, create_optimization
from warehouse.models import Provider
from warehouse.services.catalog import event_metric, event_names, metric_for_event
from warehouse.services.connections import provider_of
from warehouse.services.metrics import list_metrics

FactorFormSet = formset_factory(FactorForm, extra=0, can_delete=True, max_num=50)
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

    def is_valid(self) -> bool:
        forms = (self.form, self.design, self.context, self.exclude)
        valid = [form.is_valid() for form in forms]  # each of them judges, whatever the others say
        return all(valid)

    @property
    def all_forms(self) -> list[forms.Form]:
        return [self.form, *self.design.forms, *self.context.forms, *self.exclude.forms]

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
        }

    def refuse(self, error: DomainError) -> None:
        """Puts what a service refused at its field."""
        factors = {"design": (self.design, submitted(self.design)), "context": (self.context, submitted(self.context))}
        add_issues(self.form, error, fields=FIELDS, factors=factors, exclusions=self.exclusions())


class CreateOptimizationView(DashboardView):
    section = "optimizations"
    read_scope = "manage"

    def get(self, request: Any) -> HttpResponse:
        return self._page(self._submission())

    def post(self, request: Any) -> HttpResponse:
        if group := request.POST.get("add"):
            return self._with_another(group)
        submission = self._submission(request.POST)
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

    def _submission(self, data: Any = None) -> Submission:
        managed = provider_of(self.organization) == Provider.MANAGED
        return Submission(
            form=OptimizationForm(data, metrics=list_metrics(self.organization), managed=managed),
            design=FactorFormSet(data, prefix="design", initial=None if data else [{}]),
            context=FactorFormSet(data, prefix="context"),
            exclude=ExclusionFormSet(with_exclusions(data), prefix="exclude"),
        )

    def _page(
        self, submission: Submission, *, preview: dict[str, Any] | None = None, status: int = 200
    ) -> HttpResponse:
        shown = {
            "form": submission.form,
            "design": submission.design,
            "context": submission.context,
            "exclude": submission.exclude,
            "refused": status >= 400,
            "preview": preview,
            "events": event_names(self.organization),
        }
        return self.page("dashboard/optimization_form.html", shown, status=status)


def with_exclusions(data: Any) -> Any:
    """A submission that says nothing of exclusions has none."""
    if data is None or "exclude-TOTAL_FORMS" in data:
        return data
    return data.dict() | {"exclude-TOTAL_FORMS": "0", "exclude-INITIAL_FORMS": "0"}


def submitted(formset: "BaseFormSet[Any]") -> list[Any]:
    """The forms that were not removed, in the order of the page."""
    return [form for form in formset.forms if form not in formset.deleted_forms]


def quiet(submission: Submission) -> None:
    """Keeps what was typed, without judging it yet. Django has no public way."""
    submission.form._errors = ErrorDict()  # type: ignore[attr-defined]
    formsets: list[Any] = [submission.design, submission.context, submission.exclude]
    for formset in formsets:
        for form in formset.forms:
            form._errors = ErrorDict()
        formset._errors, formset._non_form_errors = [], formset.error_class()
