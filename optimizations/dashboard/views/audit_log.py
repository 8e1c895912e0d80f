"""Settings > Audit log: who changed what, when, and what was before and after."""

from typing import Any

from django.http import HttpResponse

from levered_site.organizations import audit
from levered_site.organizations.models import AuditEntry
from optimizations.dashboard.access import DashboardView
from optimizations.dashboard.audit_rows import change_rows, in_words
from optimizations.dashboard.organization_forms import AuditFilterForm

PAGE_SIZE = 50


class AuditLogView(DashboardView):
    section = "audit-log"
    read_scope = "administer"

    def get(self, request: Any) -> HttpResponse:
        everything = audit.entries(self.organization)
        actions = everything.order_by("action").values_list("action", flat=True).distinct()
        form = AuditFilterForm(request.GET, actions=[(action, in_words(action)) for action in actions])
        wanted = form.cleaned_data if form.is_valid() else {}
        before = request.GET.get("before", "")
        found = audit.entries(
            self.organization, before=int(before) if before.isdecimal() and len(before) < 19 else None, **wanted
        )
        page, following = audit.page_of(found, PAGE_SIZE)
        context = {
            "form": form,
            "entries": [
                {"entry": entry, "action": in_words(entry.action), "changes": changes(entry)} for entry in page
            ],
            "filtered": any(wanted.values()),
            "older_query": self._query(before=str(following)) if following else "",
            "newest_query": self._query() if before else "",
        }
        return self.page("dashboard/audit_log.html", context)

    def _query(self, **replaced: str) -> str:
        parameters = self.request.GET.copy()
        parameters.pop("before", None)
        for name, value in replaced.items():
            parameters[name] = value
        return parameters.urlencode()


def changes(entry: AuditEntry) -> list[dict[str, str]]:
    return change_rows(entry.before, entry.after)
