"""The editor of a new optimization: exclusions follow the factors they name, and the request follows the form."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from optimizations.models import Optimization
from tests.browser.conftest import sign_in
from tests.conftest import Tenant
from tests.factories import make_metric

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


def names(page: Page) -> list[str]:
    return [
        one.input_value()
        for one in page.locator("[data-formset=design] [data-factor]:visible input[name$=-name]").all()
    ]


def test_factors_and_levels_move_by_keyboard(page: Page, live_server: Any, acme: Tenant) -> None:
    sign_in(page, live_server.url, acme.user())
    page.goto(f"{live_server.url}/optimizations/new")
    page.get_by_label("Name", exact=True).fill("Pricing")
    page.get_by_label("Event name").fill("signup")
    fill_factor(page, 0, "headline", "Simple", "Pay as you grow")
    page.get_by_role("button", name="Add design factor").click()
    fill_factor(page, 1, "cta", "Start free", "Talk to sales")
    page.get_by_role("button", name="Add design factor").click()
    fill_factor(page, 2, "layout", "classic", "focused")

    last = page.locator("[data-formset=design] [data-factor]").nth(2)
    last.get_by_label("Move this factor up").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    assert names(page) == ["layout", "headline", "cta"]
    expect(page.get_by_role("status").filter(has_text="layout is now in place 1.")).to_be_attached()
    first = page.locator("[data-formset=design] [data-factor]").first
    expect(first.get_by_label("Move this factor down")).to_be_focused()
    expect(first.get_by_label("Move this factor up")).to_be_disabled()
    first.get_by_label("Move level 2 up").click()
    expect(first.get_by_label("Level 1, baseline")).to_have_value("focused")

    page.get_by_role("button", name="Create optimization").last.click()
    expect(page.get_by_role("heading", name="Pricing")).to_be_visible()
    factors = Optimization.objects.get().training_data_config["design_factors"]
    assert [f["name"] for f in factors] == ["layout", "headline", "cta"]
    assert factors[0]["levels"] == ["focused", "classic"]


def test_the_grid_excludes_pairs_and_the_estimate_follows(page: Page, live_server: Any, acme: Tenant) -> None:
    make_metric(acme.organization, name="Refunds")
    sign_in(page, live_server.url, acme.user())
    page.goto(f"{live_server.url}/optimizations/new")
    page.get_by_label("Name", exact=True).fill("Pricing")
    page.get_by_label("Reward metric").last.select_option(label="Refunds")
    fill_factor(page, 0, "headline", "Simple", "Pay as you grow")
    expect(page.locator("[data-matrix]")).to_be_hidden()
    page.get_by_role("button", name="Add design factor").click()
    fill_factor(page, 1, "cta", "Start free", "Talk to sales")
    box = page.get_by_label("Never Pay as you grow with Talk to sales")
    box.check()
    expect(page.locator("[data-variants]")).to_have_text("3")
    expect(page.locator("[data-exclusion]:visible")).to_have_count(1)
    box.uncheck()
    expect(page.locator("[data-variants]")).to_have_text("4")
    page.get_by_label("Never Simple with Talk to sales").check()
    expect(page.get_by_label("Never Simple with Start free: part of the baseline")).to_be_disabled()

    page.get_by_role("button", name="Estimate", exact=True).click()
    expect(page.locator("#estimate")).to_contain_text("is proven")
    before = page.locator("#estimate").inner_text()
    page.get_by_label("Visitors a day").fill("50")
    page.keyboard.press("Tab")
    expect(page.locator("#estimate")).not_to_have_text(before)

    page.get_by_role("button", name="Add guardrail").click()
    guardrail = page.locator("[data-guardrail]:visible")
    guardrail.get_by_label("Metric").select_option(label="Refunds")
    guardrail.get_by_label("Which").select_option(label="must not rise")
    page.get_by_role("button", name="Create optimization").last.click()
    expect(page.get_by_role("heading", name="Pricing")).to_be_visible()
    optimization = Optimization.objects.get()
    assert optimization.excluded_combinations == [{"headline": "Simple", "cta": "Talk to sales"}]
    assert optimization.guardrails.get().direction == "decrease"
