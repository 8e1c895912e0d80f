"""axe-core over every page, in both themes, on a desktop and on a phone: nothing serious."""

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page

from levered_site.organizations.services import create_api_key
from optimizations.models import Optimization
from optimizations.services.lifecycle import active_model
from optimizations.services.training import train
from tests.browser.conftest import sign_in
from tests.conftest import Tenant
from tests.factories import add_exposures, make_optimization

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
AXE = Path(__file__).parent / "axe" / "axe.min.js"
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


def test_no_page_has_a_serious_violation(page: Page, live_server: Any, acme: Tenant, globex: Tenant) -> None:
    optimization = learned(acme)
    create_api_key(acme.organization, name="Website", scopes=["ingest"])
    one = f"/optimizations/{optimization.pk}"
    tabs = [
        "",
        "/variants",
        "/factors",
        "/contexts",
        "/runs",
        "/playground?anonymous_id=ada",
        "/integrate",
        "/settings",
    ]
    pages = ["/", "/optimizations/new", *(one + tab for tab in tabs), "/metrics", "/settings/warehouse"]
    pages += [f"/metrics/{optimization.reward_metric_id}", "/settings/api-keys"]
    axe, wrong = AXE.read_text(), []
    for path in ["/login", *pages]:
        if path == "/":
            sign_in(page, live_server.url, acme.user())
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme="dark" if scheme == "dark" else "light", reduced_motion="reduce")
            page.goto(live_server.url + path)
            page.evaluate(axe)
            wrong += [f"{path} {scheme}: {violation}" for violation in violations(page)]
    assert not wrong, "\n\n".join(wrong)
    page.evaluate("document.querySelector('main').append(document.createElement('button'))")
    assert violations(page), "the checker finds nothing at all"
