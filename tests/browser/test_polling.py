"""The overview follows a training by itself, and rests while nobody looks."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from optimizations.services.lifecycle import active_model
from optimizations.services.training import train
from tests.browser.conftest import sign_in
from tests.conftest import Tenant
from tests.factories import add_exposures, make_optimization

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
LOOK_AWAY = "away => Object.defineProperty(document, 'hidden', { configurable: true, get: () => away })"


def test_it_asks_only_while_somebody_looks(page: Page, live_server: Any, acme: Tenant) -> None:
    optimization = make_optimization(acme.organization)
    sign_in(page, live_server.url, acme.user())
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/training?" in request.url else None)
    page.clock.install()
    page.goto(f"{live_server.url}/optimizations/{optimization.pk}")
    expect(page.get_by_text("Not trained yet").first).to_be_visible()
    page.evaluate(LOOK_AWAY, True)
    page.clock.run_for(60_000)
    assert asked == []
    add_exposures(optimization, 20, conversions=5, at=optimization.created_at, prefix="p")
    model = active_model(optimization)
    assert model is not None
    train(model, trigger="command")
    page.evaluate(LOOK_AWAY, False)
    page.clock.run_for(60_000)
    page.clock.resume()
    expect(page.get_by_text("Version 1")).to_be_visible()
    assert asked
    expect(page.get_by_text("users measured, 20 exposures")).to_be_visible()
    expect(page.locator("#overview [data-chart] canvas").first).to_be_visible()
    expect(page.get_by_text("Newer results")).to_have_count(0)
