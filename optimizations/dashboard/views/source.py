"""Settings > Assignment source: where it is read who saw which variant."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect

from levered_site.errors import DomainError, InvalidRequest
from optimizations.dashboard.access import DashboardView
from optimizations.dashboard.issues import add_issues
from optimizations.dashboard.query_rows import PREVIEW_ROWS, known_tables, table_of
from optimizations.dashboard.source_forms import COLUMNS, SourceForm
from warehouse.services.catalog import run_query
from warehouse.services.sources import active_source, replace_source


class SourceView(DashboardView):
    section = "assignment-source"

    def get(self, request: Any) -> HttpResponse:
        source = active_source(self.organization)
        return self._page(SourceForm.of(source) if source else SourceForm())

    def post(self, request: Any) -> HttpResponse:
        form = SourceForm(request.POST)
        if request.POST.get("preview"):
            return self._preview(form)
        if form.is_valid():
            data = form.cleaned_data
            try:
                replace_source(
                    self.organization, name=data["name"], sql=data["sql"], column_mapping=form.column_mapping()
                )
            except DomainError as error:
                refuse(form, error)
            else:
                messages.success(request, "The assignment source is in use; the next training reads from it.")
                return redirect("dashboard:assignment-source")
        return self._page(form, status=400)

    def _preview(self, form: SourceForm) -> HttpResponse:
        """The first rows of what was typed; nothing is saved, and only the query is judged."""
        form.is_valid()
        for field in set(form.errors) - {"sql"}:
            del form.errors[field]
        if not form.errors:
            try:
                answer = run_query(self.organization, sql=form.cleaned_data["sql"], limit=PREVIEW_ROWS)
                return self._page(form, preview=table_of(answer.columns, answer.rows))
            except DomainError as error:
                refuse(form, error)
        return self._page(form, status=400)

    def _page(self, form: SourceForm, *, preview: dict[str, Any] | None = None, status: int = 200) -> HttpResponse:
        context = {
            "form": form,
            "source": active_source(self.organization),
            "preview": preview,
            "tables": known_tables(self.organization),
        }
        return self.page("dashboard/assignment_source.html", context, status=status)


def refuse(form: SourceForm, error: DomainError) -> None:
    """Puts a refusal at its field; what the warehouse says of a query stands at the query."""
    if isinstance(error, InvalidRequest) and not error.details:
        form.add_error("sql", error.message)
        return
    factors = [issue.field for issue in error.details if issue.field.startswith("column_mapping.factors")]
    fields = {f"column_mapping.{name}": name for name in COLUMNS} | dict.fromkeys(factors, "factors")
    add_issues(form, error, fields=fields)
