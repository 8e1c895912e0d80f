"""A real browser. Without a Chromium these tests are skipped, and the run says so in its last lines."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from levered_site.organizations.models import User

CHROMIUM = os.environ.get("LEVERED_TEST_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
MISSING = "BROWSER TESTS WERE SKIPPED: no Chromium. `apt-get install chromium`, or name one in LEVERED_TEST_CHROMIUM."
SWITCHES = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
VIEWPORTS: dict[str, Any] = {"desktop": {"width": 1440, "height": 900}, "phone": {"width": 390, "height": 844}}

_skipped: list[bool] = []


@pytest.fixture
def chromium(monkeypatch: pytest.MonkeyPatch) -> Iterator[Browser]:
    """One browser per test: while Playwright's loop runs in this thread, Django refuses the ORM unless it is told not
    to, and other tests must not be told so."""
    if CHROMIUM is None:
        _skipped.append(True)
        pytest.skip(MISSING)
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=SWITCHES)
        yield browser
        browser.close()


def sign_in(page: Page, base: str, user: User) -> None:
    """Without the form, which a test of its own fills in."""
    client = Client()
    client.force_login(user)
    page.context.add_cookies([{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": base}])


def is_complaint(message: ConsoleMessage) -> bool:
    """An error of the page; Chromium also notes the status of the document itself, which is meant."""
    own = message.page is not None and message.location["url"] == message.page.url
    return message.type == "error" and not (own and "responded with a status of" in message.text)


@pytest.fixture(params=list(VIEWPORTS))
def page(request: pytest.FixtureRequest, chromium: Browser) -> Iterator[Page]:
    """A page on a desktop and on a phone, which must log no error and ask nobody but our own server."""
    context = chromium.new_context(viewport=VIEWPORTS[request.param], permissions=["clipboard-read", "clipboard-write"])
    context.set_default_timeout(15_000)
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if is_complaint(message) else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda sent: complaints.append(sent.url) if "//localhost" not in sent.url else None)
    yield page
    if folder := os.environ.get("LEVERED_TEST_SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"{request.node.name}.png", full_page=True)
    context.close()
    assert complaints == []


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: Any) -> None:
    if _skipped:
        terminalreporter.write_line(MISSING, red=True, bold=True)
