"""Metrics: what counts as success."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect

from levered_site.errors import DomainError, InvalidRequest
from optimizations.dashboard.access import DashboardView
from optimizations.dashboard.issues import add_issues
from optimizations.dashboard.metric_forms import MetricForm
from optimizations.dashboard.paging import paged
from optimizations.dashboard.query_rows import PREVIEW_ROWS, known_tables, table_of
from warehouse.models import Metric, Provider
from warehouse.services.catalog import event_metric, event_names, metric_for_event, run_query
from warehouse.services.connections import provider_of
from warehouse.services.metrics import create_metric, get_metric, list_metrics, preview_metric

PAGE_SIZE = 25
USES = 20
COLUMNS = [("anonymous_id", "User"), ("timestamp", "Time"), ("value", "Value"), ("name", "Name")]
FIELDS = {
    "column_mapping.anonymous_id": "anonymous_id_column",
    "column_mapping.timestamp": "timestamp_column",
    "column_mapping.value": "value_column",
    "column_mapping.name": "name_column",
    "column_mapping.reward_type": "reward_type",
}


class MetricsView(DashboardView):
    section = "metrics"

    def get(self, request: Any) -> HttpResponse:
        return self._page(self._form())

    def post(self, request: Any) -> HttpResponse:
        form = self._form(request.POST)
        if request.POST.get("preview"):
            return self._preview(form)
        if form.is_valid():
            try:
                metric = self._create(form)
            except DomainError as error:
                refuse(form, error)
            else:
                messages.success(request, f"The metric “{metric.name}” is ready.")
                return redirect("dashboard:metric", metric.pk)
        return self._page(form, status=400)

    def _preview(self, form: MetricForm) -> HttpResponse:
        """The first rows of what was typed; nothing is saved, and only what the rows depend on is judged."""
        form.is_valid()
        source = "event_name" if form.cleaned_data.get("source") == "event" else "sql"
        for field in set(form.errors) - {source, "source"}:
            del form.errors[field]
        if form.errors:
            return self._page(form, status=400)
        data = form.cleaned_data
        sql = event_metric(name=data["event_name"])["sql"] if source == "event_name" else data["sql"]
        try:
            answer = run_query(self.organization, sql=sql, limit=PREVIEW_ROWS)
        except DomainError as error:
            refuse(form, error)
            return self._page(form, status=400)
        return self._page(form, preview=table_of(answer.columns, answer.rows))

    def _create(self, form: MetricForm) -> Metric:
        data = form.cleaned_data
        if data["source"] == "event":
            return metric_for_event(self.organization, name=data["event_name"], reward_type=data["reward_type"])
        return create_metric(
            self.organization, name=data["name"], sql=data["sql"], column_mapping=form.column_mapping()
        )

    def _form(self, data: Any = None) -> MetricForm:
        return MetricForm(data, managed=provider_of(self.organization) == Provider.MANAGED)

    def _page(self, form: MetricForm, *, preview: dict[str, Any] | None = None, status: int = 200) -> HttpResponse:
        paging = paged(self.request, list_metrics(self.organization), size=PAGE_SIZE)
        for metric in paging["page"]:
            metric.type_label = type_label(metric)
        shown = {
            "form": form,
            "events": event_names(self.organization),
            "tables": known_tables(self.organization),
            "preview": preview,
        }
        return self.page("dashboard/metrics.html", shown | paging, status=status)


class MetricView(DashboardView):
    """One metric: its query, what the columns mean, who uses it, and the rows that it returns now."""

    section = "metrics"

    def get(self, request: Any, metric_id: UUID) -> HttpResponse:
        metric = get_metric(self.organization, metric_id=metric_id)
        rows, problem = [], ""
        try:
            rows = preview_metric(self.organization, metric_id=metric.pk, limit=PREVIEW_ROWS)
        except DomainError as error:
            problem = error.message
        mapping = metric.column_mapping
        columns = [(label, mapping[key]) for key, label in COLUMNS if mapping.get(key)]
        context = {
            "metric": metric,
            "type_label": type_label(metric),
            "columns": [{"label": label, "column": column} for label, column in columns],
            "outcomes": mapping.get("outcomes") or [],
            "used_by": metric.optimizations.order_by("-updated_at")[:USES],
            "preview": table_of(list(rows[0]) if rows else [], rows),
            "problem": problem,
        }
        return self.page("dashboard/metric.html", context)


def refuse(form: MetricForm, error: DomainError) -> None:
    """Puts a refusal where it belongs: what the warehouse says of a query stands at the query, everything about
    outcomes at their one field."""
    source = "event_name" if form.cleaned_data.get("source") == "event" else "sql"
    if isinstance(error, InvalidRequest) and not error.details:
        form.add_error(source, error.message)
        return
    outcomes = [issue.field for issue in error.details if issue.field.startswith("column_mapping.outcomes")]
    add_issues(form, error, fields=FIELDS | {"sql": source} | dict.fromkeys(outcomes, "outcomes"))


def type_label(metric: Metric) -> str:
    if metric.column_mapping.get("outcomes"):
        return "Weighted outcomes"
    return "Numeric" if metric.column_mapping.get("reward_type") == "numeric" else "Conversion"
