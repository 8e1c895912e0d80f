"""axe-core over every page, in both themes, on a desktop and on a phone: nothing serious."""

import datetime as dt
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from django.utils import timezone
from playwright.sync_api import Page

from levered_site.organizations.members import invite
from levered_site.organizations.models import Role
from optimizations.dashboard.views.metrics import MetricsView
from optimizations.models import Optimization
from optimizations.services.lifecycle import active_model
from optimizations.services.training import train
from tests.browser.conftest import sign_in
from tests.conftest import Tenant
from tests.dashboard.test_queries import PAGES
from tests.factories import add_exposures, make_optimization
from tests.oauth.flow import Application
from tests.security.routes import own_ids

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
AXE = Path(__file__).parent / "axe" / "axe.min.js"
FRAGMENTS = {"optimization-training", "commands"}  # asked for by scripts
GRAVE = ("serious", "critical")


def learned(tenant: Tenant) -> Optimization:
    optimization = make_optimization(tenant.organization)
    at = timezone.now() - dt.timedelta(days=3)
    for i, headline in enumerate(("Ship faster", "Save time")):
        variant = {"headline": headline, "cta_text": "Start free"}
        add_exposures(optimization, 400, conversions=40 + 60 * i, at=at, prefix=str(i), variant=variant)
    model = active_model(optimization)
    assert model is not None
    train(model, trigger="command")
    return optimization


def violations(page: Page) -> list[str]:
    found = page.evaluate("axe.run({ resultTypes: ['violations'] })")["violations"]
    return [
        f"{rule['id']} ({rule['impact']}): {node['html'][:160]} {node['failureSummary']}"
        for rule in found
        if rule["impact"] in GRAVE
        for node in rule["nodes"][:3]
    ]


def paths(optimization: Optimization, tenant: Tenant) -> list[str]:
    """Every page of the URL map, those of errors, and a page of each that is empty."""
    ids = own_ids(tenant) | {"optimization_id": optimization.pk, "metric_id": optimization.reward_metric_id}
    fresh = make_optimization(tenant.organization, name="Fresh")
    pages = [route.url(**ids) for route in PAGES if route.name not in FRAGMENTS]
    pages += [f"/optimizations/{optimization.pk}/playground?anonymous_id=ada", f"/optimizations/{fresh.pk}"]
    pages.append(f"/oauth/authorize?{urlencode(Application().question(resource=None))}")
    return [*pages, "/?search=nothing", "/settings/audit-log?actor=nobody", "/no/such/page", "/join?invitation=wrong"]


def crash(*args: Any) -> None:
    raise RuntimeError("planted")


def test_no_page_has_a_serious_violation(
    page: Page, live_server: Any, acme: Tenant, globex: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    optimization = learned(acme)
    _, invitation = invite(acme.organization, email="new@example.com", role="viewer", base_url="")
    axe, wrong = AXE.read_text(), []

    def check(path: str) -> None:
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme="dark" if scheme == "dark" else "light", reduced_motion="reduce")
            page.goto(live_server.url + path)
            page.evaluate(axe)
            wrong.extend(f"{path} {scheme}: {violation}" for violation in violations(page))

    for path in ("/login", invitation):
        check(path)
    sign_in(page, live_server.url, acme.user(Role.VIEWER))
    check("/settings/members")  # 403
    sign_in(page, live_server.url, acme.user())
    for path in paths(optimization, acme):
        check(path)
    monkeypatch.setattr(MetricsView, "get", crash)
    check("/metrics")  # 500
    assert not wrong, "\n\n".join(wrong)
    page.evaluate("document.querySelector('main').append(document.createElement('button'))")
    assert violations(page), "the checker finds nothing at all"
