"""The list of optimizations."""

from typing import Any

from django.db.models import Count
from django.http import HttpResponse
from django.urls import reverse

from levered_site.organizations.models import Organization
from levered_site.organizations.services import list_api_keys
from optimizations.dashboard.access import DashboardView
from optimizations.dashboard.filters import OptimizationFilter
from optimizations.dashboard.paging import paged
from optimizations.dashboard.rows import Row, scale_of, with_models
from optimizations.services.lifecycle import list_optimizations
from optimizations.services.lift_history import latest_lifts
from optimizations.states import Status

PAGE_SIZE = 25
TREND_DAYS = 90


class OptimizationsView(DashboardView):
    section = "optimizations"

    def get(self, request: Any) -> HttpResponse:
        everything = list_optimizations(self.organization, include_archived=True)
        counts = dict(everything.order_by().values_list("status").annotate(Count("pk")))
        total = sum(counts.values())
        if not total:
            return self.page("dashboard/optimizations.html", {"total": 0, "steps": first_steps(self.organization)})
        narrowed = OptimizationFilter(request.GET, queryset=everything)
        found = narrowed.qs if narrowed.is_valid() else everything.exclude(status=Status.ARCHIVED)
        paging = paged(request, with_models(found), size=PAGE_SIZE)
        shown = list(paging["page"].object_list)
        lifts = latest_lifts((one.pk for one in shown), days=TREND_DAYS)
        rows = [Row.of(one, lifts.get(one.pk, [])) for one in shown]
        paging["page"].object_list = rows
        context = {
            "total": total,
            "search": request.GET.get("search", ""),
            "status": request.GET.get("status", ""),
            "status_tabs": status_tabs(request, counts),
            "scale": scale_of(rows),
        }
        return self.page("dashboard/optimizations.html", context | paging)


def status_tabs(request: Any, counts: dict[str, int]) -> list[dict[str, Any]]:
    """One tab per status, keeping the search; the first holds what is not archived."""
    current = request.GET.get("status", "")
    tabs = [("", "Current", sum(n for status, n in counts.items() if status != Status.ARCHIVED))]
    tabs += [(status.value, str(status.label), counts.get(status, 0)) for status in Status]
    result = []
    for status, label, count in tabs:
        parameters = request.GET.copy()
        parameters.pop("page", None)
        parameters["status"] = status
        if not status:
            del parameters["status"]
        result.append({"label": label, "count": count, "query": parameters.urlencode(), "current": status == current})
    return result


def first_steps(organization: Organization) -> list[dict[str, Any]]:
    """The way from nothing to a first optimization. The first step that is not done is the one to take."""
    has_metric = organization.metrics.exists()
    has_key = list_api_keys(organization).filter(revoked_at=None).exists()
    steps = [
        (
            "Choose a metric",
            "Name the event that means success, such as a sign-up. Levered learns from it.",
            has_metric,
            reverse("dashboard:metrics"),
            "Metrics" if has_metric else "Create a metric",
        ),
        (
            "Describe the decision",
            "List the parts that may vary and their levels: headlines, calls to action, layouts.",
            False,
            reverse("dashboard:optimization-create"),
            "New optimization",
        ),
        (
            "Connect your application",
            "Make an API key, ask for a variant, report exposures and rewards. Three short requests.",
            has_key,
            reverse("dashboard:api-keys"),
            "API keys" if has_key else "Make an API key",
        ),
    ]
    next_step = next(i for i, step in enumerate(steps) if not step[2])
    return [
        {"title": title, "text": text, "done": done, "url": url, "action": action, "primary": i == next_step}
        for i, (title, text, done, url, action) in enumerate(steps)
    ]
