"""The command palette, by keyboard alone."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import sign_in
from tests.browser.test_accessibility import AXE, violations
from tests.conftest import Tenant
from tests.factories import make_optimization

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_it_leads_to_an_optimization(page: Page, live_server: Any, acme: Tenant) -> None:
    make_optimization(acme.organization, name="Landing hero")
    make_optimization(acme.organization, name="Landing footer")
    sign_in(page, live_server.url, acme.user())
    page.goto(f"{live_server.url}/metrics")
    page.keyboard.press("Control+k")
    box = page.get_by_role("combobox", name="Go to a page")
    expect(box).to_be_focused()
    page.keyboard.type("landing")
    options = page.get_by_role("listbox", name="Found").get_by_role("option")
    expect(options).to_have_count(2)
    first = options.first
    expect(first).to_have_attribute("aria-selected", "true")
    expect(box).to_have_attribute("aria-activedescendant", "palette-0")
    page.evaluate(AXE.read_text())
    assert not violations(page)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")  # round to the first
    expect(first).to_have_attribute("aria-selected", "true")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Landing hero")).to_be_visible()


def test_escape_closes_it_and_the_focus_returns(page: Page, live_server: Any, acme: Tenant) -> None:
    sign_in(page, live_server.url, acme.user())
    page.goto(f"{live_server.url}/metrics")
    opener = page.locator("[data-palette]:visible")
    opener.click()
    page.keyboard.type("zzz")
    expect(page.get_by_text("Nothing found")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(opener).to_be_focused()
