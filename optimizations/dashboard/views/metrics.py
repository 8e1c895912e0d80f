"""Metrics: what counts as success."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect

from levered_site.errors import DomainError
from optimizations.dashboard.access import DashboardView
from optimizations.dashboard.forms import MetricForm
from optimizations.dashboard.issues import add_issues
from optimizations.dashboard.paging import paged
from warehouse.models import Metric, Provider
from warehouse.services.catalog import event_names, metric_for_event
from warehouse.services.connections import provider_of
from warehouse.services.metrics import create_metric, list_metrics

PAGE_SIZE = 25
FIELDS = {
    "column_mapping.anonymous_id": "anonymous_id_column",
    "column_mapping.timestamp": "timestamp_column",
    "column_mapping.value": "value_column",
    "column_mapping.reward_type": "reward_type",
}


class MetricsView(DashboardView):
    section = "metrics"

    def get(self, request: Any) -> HttpResponse:
        return self._page(self._form())

    def post(self, request: Any) -> HttpResponse:
        form = self._form(request.POST)
        if form.is_valid():
            try:
                metric = self._create(form)
            except DomainError as error:
                add_issues(form, error, fields=FIELDS)
            else:
                messages.success(request, f"The metric “{metric.name}” is ready.")
                return redirect("dashboard:metrics")
        return self._page(form, status=400)

    def _create(self, form: MetricForm) -> Metric:
        data = form.cleaned_data
        if data["source"] == "event":
            return metric_for_event(self.organization, name=data["event_name"], reward_type=data["reward_type"])
        return create_metric(
            self.organization, name=data["name"], sql=data["sql"], column_mapping=form.column_mapping()
        )

    def _form(self, data: Any = None) -> MetricForm:
        return MetricForm(data, managed=provider_of(self.organization) == Provider.MANAGED)

    def _page(self, form: MetricForm, *, status: int = 200) -> HttpResponse:
        paging = paged(self.request, list_metrics(self.organization), size=PAGE_SIZE)
        for metric in paging["page"]:
            metric.type_label = type_label(metric)
        return self.page(
            "dashboard/metrics.html", {"form": form, "events": event_names(self.organization)} | paging, status=status
        )


def type_label(metric: Metric) -> str:
    if metric.column_mapping.get("outcomes"):
        return "Weighted outcomes"
    return "Numeric" if metric.column_mapping.get("reward_type") == "numeric" else "Conversion"
