"""Creating an optimization in the browser."""

from typing import Any

from django import forms
from django.contrib import messages
from django.db import transaction
from django.forms import BaseFormSet, formset_factory
from django.forms.utils import ErrorDict
from django.http import HttpResponse
from django.shortcuts import redirect

from levered_site.errors import DomainError
from optimizations.dashboard.access import DashboardView
from optimizations.dashboard.event_metrics import event_of
from optimizations.dashboard.forms import FactorForm, OptimizationForm
from optimizations.dashboard.issues import add_issues
from optimizations.services.lifecycle import Created, create_optimization
from warehouse.models import Provider
from warehouse.services.catalog import event_names, metric_for_event
from warehouse.services.connections import provider_of
from warehouse.services.metrics import list_metrics

FactorFormSet = formset_factory(FactorForm, extra=0, can_delete=True, max_num=50)
FIELDS = {
    "reward_metric_id": "reward_metric",
    "training_data_config.attribution.conversion_window_hours": "conversion_window_hours",
}


class CreateOptimizationView(DashboardView):
    section = "optimizations"
    read_scope = "manage"

    def get(self, request: Any) -> HttpResponse:
        design = FactorFormSet(prefix="design", initial=[{}])
        return self._page(self._form(), design, FactorFormSet(prefix="context"))

    def post(self, request: Any) -> HttpResponse:
        if group := request.POST.get("add"):
            return self._with_another_factor(group)
        form = self._form(request.POST)
        groups = {name: FactorFormSet(request.POST, prefix=name) for name in ("design", "context")}
        if all([form.is_valid(), *(formset.is_valid() for formset in groups.values())]):
            factors = {name: (formset, submitted(formset)) for name, formset in groups.items()}
            try:
                created = self._create(form, factors["design"][1], factors["context"][1])
            except DomainError as error:
                add_issues(form, error, fields=FIELDS, factors=factors)
            else:
                messages.success(request, f"“{created.optimization.name}” is live.")
                for warning in created.warnings:
                    messages.warning(request, warning)
                return redirect("dashboard:optimization", created.optimization.pk)
        return self._page(form, groups["design"], groups["context"], status=400)

    def _create(self, form: OptimizationForm, design: list[FactorForm], context: list[FactorForm]) -> Created:
        """One transaction: a new metric is not left behind by an optimization that is refused."""
        data = form.cleaned_data
        with transaction.atomic():
            metric = data["reward_metric"]
            if data["metric_source"] == "new":
                metric = metric_for_event(
                    self.organization, name=data["new_metric_event"], reward_type=data["new_metric_type"] or "bool"
                )
            return create_optimization(
                self.organization,
                name=data["name"],
                description=data["description"],
                model_type=data["model_type"],
                reward_metric_id=metric.pk,
                holdout_percentage=data["holdout_percentage"],
                training_data_config={
                    "reward": {"name": event_of(metric), "type": metric.column_mapping.get("reward_type", "bool")},
                    "design_factors": [factor.as_factor() for factor in design],
                    "context_factors": [factor.as_factor() for factor in context],
                    "attribution": {"conversion_window_hours": data["conversion_window_hours"]},
                },
                created_by=self.request.user,
            )

    def _with_another_factor(self, group: str) -> HttpResponse:
        """Without JavaScript: the same form, unchecked, with one more empty factor."""
        data = self.request.POST.copy()
        total = f"{group}-TOTAL_FORMS"
        number = str(data.get(total, ""))
        if number.isdigit():
            data[total] = str(int(number) + 1)
        form = self._form(data)
        design, context = FactorFormSet(data, prefix="design"), FactorFormSet(data, prefix="context")
        quiet(form, *design.forms, *context.forms)
        return self._page(form, design, context)

    def _form(self, data: Any = None) -> OptimizationForm:
        managed = provider_of(self.organization) == Provider.MANAGED
        return OptimizationForm(data, metrics=list_metrics(self.organization), managed=managed)

    def _page(
        self,
        form: OptimizationForm,
        design: "BaseFormSet[FactorForm]",
        context: "BaseFormSet[FactorForm]",
        *,
        status: int = 200,
    ) -> HttpResponse:
        events = event_names(self.organization)
        shown = {"form": form, "design": design, "context": context, "events": events}
        return self.page("dashboard/optimization_form.html", shown, status=status)


def submitted(formset: "BaseFormSet[FactorForm]") -> list[FactorForm]:
    """The factors that were not removed, in the order of the page."""
    return [form for form in formset.forms if form not in formset.deleted_forms]


def quiet(*all_forms: forms.Form) -> None:
    """Keeps what was typed, without judging it yet."""
    for form in all_forms:
        form._errors = ErrorDict()  # type: ignore[attr-defined]  # Django has no public way
