"""What the command palette offers: pages, optimizations and metrics by name."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from django.urls import reverse

from levered_site.organizations.models import Organization
from levered_site.organizations.principals import Principal
from optimizations.states import Status

FOUND = 8
# label, other words for it, page, scope
PAGES = [
    ("Optimizations", "list home", "optimizations", "read"),
    ("New optimization", "create", "optimization-create", "manage"),
    ("Metrics", "reward conversion", "metrics", "read"),
    ("Warehouse", "settings connection", "warehouse", "read"),
    ("Assignment source", "settings exposures", "assignment-source", "read"),
    ("API keys", "settings secret token", "api-keys", "read"),
    ("Connected apps", "settings oauth agents", "connected-apps", "read"),
    ("Members", "settings people invite role", "members", "administer"),
    ("Audit log", "settings history changes", "audit-log", "administer"),
]


@dataclass(frozen=True)
class Command:
    label: str
    kind: str
    url: str


def commands(organization: Organization, principal: Principal, wanted: str) -> list[dict[str, Any]]:
    """Those whose names hold every word of `wanted`; without a word the pages and the latest optimizations."""
    words = wanted.lower().split()
    return [asdict(command) for command in [*_pages(principal, words), *_objects(organization, words)]]


def _pages(principal: Principal, words: list[str]) -> Iterator[Command]:
    for label, others, page, scope in PAGES:
        text = f"{label} {others}".lower()
        if principal.may(scope) and all(word in text for word in words):
            yield Command(label, "Page", reverse(f"dashboard:{page}"))


def _objects(organization: Organization, words: list[str]) -> Iterator[Command]:
    optimizations = organization.optimizations.order_by("-updated_at")
    metrics = organization.metrics.order_by("name")
    for word in words:
        optimizations, metrics = optimizations.filter(name__icontains=word), metrics.filter(name__icontains=word)
    for pk, name, status in optimizations.values_list("pk", "name", "status")[:FOUND]:
        kind = f"{Status(status).label} optimization"
        yield Command(name, kind, reverse("dashboard:optimization", args=[pk]))
    if words:
        for pk, name in metrics.values_list("pk", "name")[:FOUND]:
            yield Command(name, "Metric", reverse("dashboard:metric", args=[pk]))
