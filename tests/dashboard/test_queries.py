"""Every page, read from the URL map: at most a dozen queries, however much there is to show."""

import datetime as dt
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from levered_site.organizations.members import invite
from levered_site.organizations.models import Membership, User
from levered_site.organizations.services import create_api_key, create_organization
from optimizations.models import LiftSnapshot, Optimization, TrainingRun
from optimizations.services.lifecycle import active_model
from optimizations.services.training import train
from tests.conftest import Tenant
from tests.dashboard.conftest import SignIn
from tests.factories import add_exposures, make_metric, make_optimization
from tests.security.routes import own_ids, tenant_routes

pytestmark = pytest.mark.django_db
MOST = 12
PAGES = [r for r in tenant_routes() if not r.path.startswith("/api/") and "get" in r.methods]
HEADLINES = [f"Headline {i}" for i in range(12)]


def learned(tenant: Tenant, *, levels: int, days: int) -> Optimization:
    """A trained optimization of `levels` x 2 variants with `days` of traffic, snapshots and runs."""
    factors = [
        {"name": "headline", "dtype": "str", "levels": HEADLINES[:levels]},
        {"name": "cta", "dtype": "str", "levels": ["Start free", "Try it now"]},
    ]
    context = [{"name": "device", "dtype": "str", "levels": ["mobile", "desktop"]}]
    config = {"design_factors": factors, "context_factors": context}
    guardrails = [
        {
            "metric_id": make_metric(tenant.organization, name=f"Guard {i}").pk,
            "direction": "decrease",
            "margin_percent": 5,
        }
        for i in range(levels // 2)
    ]
    optimization = make_optimization(tenant.organization, training_data_config=config, guardrails=guardrails)
    for back in range(1, days + 1):
        at = timezone.now() - dt.timedelta(days=back)
        for i, headline in enumerate(HEADLINES[:levels]):
            variant = {"headline": headline, "cta": "Start free"}
            prefix = f"{optimization.pk}-{back}-{i}"
            add_exposures(optimization, 8, conversions=2, at=at, prefix=prefix, variant=variant)
        LiftSnapshot.objects.create(
            optimization=optimization, day=at.date(), version=1, computed_at=at, measured={"lift_percent": 1.0 * back}
        )
    model = active_model(optimization)
    assert model is not None
    train(model, trigger="command")
    TrainingRun.objects.bulk_create(TrainingRun(model=model, trigger="schedule", outcome="failed") for _ in range(days))
    return optimization


def fill(tenant: Tenant, *, count: int) -> None:
    """More of everything that any page lists."""
    metric = make_metric(tenant.organization)
    for i in range(count):
        make_optimization(tenant.organization, name=f"{i}", reward_metric_id=metric.pk)
        create_api_key(tenant.organization, name=f"key {i}", scopes=["read"])
        invite(tenant.organization, email=f"invited-{i}@example.com", role="viewer", base_url="")
        user = User.objects.create_user(f"member-{i}@example.com")
        Membership.objects.create(user=user, organization=tenant.organization)
        Membership.objects.create(user=tenant.user(), organization=create_organization(name=f"Other {i}"))
        make_metric(tenant.organization, name=f"metric {i}")


def queries(browser: Any, url: str) -> list[str]:
    asked = {"anonymous_id": "ada", "q": "a"}
    browser.get(url, asked)  # what is read once per process, as a snapshot to serve from, is not the page's
    with CaptureQueriesContext(connection) as captured:
        answer = browser.get(url, asked)
    assert answer.status_code in (200, 302), url  # some only lead back to where their form stands
    return [query["sql"] for query in captured]


def test_the_url_map_was_read() -> None:
    assert len(PAGES) > 15


def test_queries_neither_are_many_nor_grow(sign_in: SignIn, acme: Tenant) -> None:
    small, ids = learned(acme, levels=2, days=2), own_ids(acme)
    browser = sign_in(acme)
    ids["metric_id"] = small.reward_metric_id

    def of_every_page(optimization: Optimization) -> dict[str, list[str]]:
        return {str(page): queries(browser, page.url(**ids | {"optimization_id": optimization.pk})) for page in PAGES}

    first = of_every_page(small)
    large = learned(acme, levels=12, days=20)
    fill(acme, count=12)
    later = of_every_page(large)
    assert {page: asked for page, asked in later.items() if len(asked) > MOST} == {}
    assert {page: asked for page, asked in later.items() if len(asked) > len(first[page])} == {}
