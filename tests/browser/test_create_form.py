"""The editor of a new optimization: exclusions follow the factors they name, and the request follows the form."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from optimizations.models import Optimization
from tests.browser.conftest import sign_in
from tests.conftest import Tenant

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def fill_factor(page: Page, position: int, name: str, *levels: str) -> None:
    factor = page.locator("[data-formset=design] [data-factor]:visible").nth(position)
    factor.get_by_label("Factor name").fill(name)
    factor.get_by_label("Level 1, baseline").fill(levels[0])
    factor.get_by_label("Level 2", exact=True).fill(levels[1])


def test_exclusions_and_the_request(page: Page, live_server: Any, acme: Tenant) -> None:
    sign_in(page, live_server.url, acme.user())
    page.goto(f"{live_server.url}/optimizations/new")
    page.get_by_role("button", name="Show the request").click()
    expect(page.get_by_text("The request is shown once the form is complete.")).to_be_visible()
    page.get_by_label("Name", exact=True).fill("Pricing")
    page.get_by_label("Event name").fill("signup")
    fill_factor(page, 0, "headline", "Simple", "Pay as you grow")
    page.get_by_role("button", name="Add design factor").click()
    fill_factor(page, 1, "cta", "Start free", "Talk to sales")
    page.get_by_role("button", name="Add exclusion").click()
    exclusion = page.locator("[data-exclusion]:visible")
    exclusion.get_by_label("headline").select_option("Pay as you grow")
    exclusion.get_by_label("cta").select_option("Talk to sales")
    expect(page.locator("[data-variants]")).to_have_text("3")

    fill_factor(page, 1, "call", "Start free", "Ask us")
    page.keyboard.press("Tab")
    expect(exclusion.get_by_label("call").locator("option:checked")).to_have_text("Ask us")
    request = page.locator("#request-preview")
    expect(request).to_contain_text('"call": "Ask us"')
    expect(request).to_contain_text("METRIC_ID")
    page.get_by_role("button", name="Create optimization").last.click()
    expect(page.get_by_role("heading", name="Pricing")).to_be_visible()
    assert Optimization.objects.get().excluded_combinations == [{"headline": "Pay as you grow", "call": "Ask us"}]


def test_a_refused_form_comes_back_with_its_exclusions(page: Page, live_server: Any, acme: Tenant) -> None:
    sign_in(page, live_server.url, acme.user())
    page.goto(f"{live_server.url}/optimizations/new")
    fill_factor(page, 0, "headline", "Simple", "Pay as you grow")
    page.get_by_role("button", name="Add exclusion").click()
    page.locator("[data-exclusion]:visible").get_by_label("headline").select_option("Pay as you grow")
    page.get_by_role("button", name="Create optimization").last.click()
    expect(page.get_by_text("Nothing was created yet.")).to_be_visible()
    chosen = page.locator("[data-exclusion]:visible").get_by_label("headline").locator("option:checked")
    expect(chosen).to_have_text("Pay as you grow")
