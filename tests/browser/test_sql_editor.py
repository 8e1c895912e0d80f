"""The editor of queries, under the strict Content-Security-Policy: the text area stays what is submitted."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from levered_site.organizations.models import Organization
from tests.browser.conftest import sign_in
from tests.conftest import Tenant
from tests.factories import make_metric
from warehouse.models import Metric

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
SQL = "SELECT anonymous_id, timestamp FROM rewards\nWHERE name = 'signup'"


def write(page: Page, text: str) -> None:
    page.get_by_role("textbox", name="Query").click()
    page.keyboard.press("Control+A")
    page.keyboard.insert_text(text)


def test_a_metric_is_written_previewed_and_shown(page: Page, live_server: Any, acme: Tenant) -> None:
    sign_in(page, live_server.url, acme.user())
    page.goto(f"{live_server.url}/metrics")
    page.get_by_label("A query").check()
    write(page, "SELECT nothing_here FROM rewards")
    page.get_by_role("button", name="Preview rows").click()
    expect(page.locator(".field-error", has_text="nothing_here")).to_be_visible()
    editor = page.get_by_role("textbox", name="Query")
    expect(editor).to_have_attribute("aria-invalid", "true")
    expect(editor).to_contain_text("nothing_here")  # what was typed is still there
    write(page, SQL)
    colour = "getComputedStyle(document.querySelector('.sql-editor').shadowRoot.querySelector('.cm-line span')).color"
    assert page.evaluate(colour) != page.evaluate("getComputedStyle(document.body).color")
    page.get_by_label("Name", exact=True).fill("Sign-ups")
    page.get_by_role("button", name="Create metric").click()
    expect(page.get_by_role("heading", name="Sign-ups", exact=True)).to_be_visible()
    assert Metric.objects.get().sql.splitlines() == SQL.splitlines()
    expect(page.locator(".sql-shown")).to_contain_text("SELECT anonymous_id")


def test_tables_and_columns_are_completed_and_tab_leaves(page: Page, live_server: Any, acme: Tenant) -> None:
    make_metric(acme.organization)
    sign_in(page, live_server.url, acme.user())
    page.goto(f"{live_server.url}/settings/assignment-source")
    write(page, "SELECT anonymous_id, timestamp, variant FROM ")
    page.keyboard.type("expo")
    page.locator(".cm-tooltip-autocomplete li", has_text="exposures").click()
    page.keyboard.press("Tab")
    expect(page.get_by_role("textbox", name="Query")).not_to_be_focused()
    page.get_by_label("Context column").fill("")
    page.get_by_role("button", name="Use this source").click()
    expect(page.get_by_text("The assignment source is in use")).to_be_visible()
    source = Organization.objects.get(name="Acme").assignment_sources.get(active=True)
    assert source.sql == "SELECT anonymous_id, timestamp, variant FROM exposures"
