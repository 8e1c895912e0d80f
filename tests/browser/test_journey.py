"""The whole journey in a browser: from signing in to an archived optimization, with events through the API between."""

import datetime as dt
import json
import random
import re
import urllib.request
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from bandits.assignment import holdout_limit, in_holdout
from levered_site.organizations.models import Organization, User
from levered_site.organizations.services import create_organization
from optimizations.models import Optimization
from tests.conftest import Tenant

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

EMAIL, PASSWORD = "ada@northwind.example", "correct horse battery"


def fits(page: Page, name: str) -> None:
    """Nothing makes the page scroll sideways."""
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, f"{name} sticks out"


def send(base: str, secret: str, kind: str, events: list[dict[str, Any]]) -> None:
    for start in range(0, len(events), 500):
        request = urllib.request.Request(
            f"{base}/api/v2/ingest/{kind}",
            json.dumps({"events": events[start : start + 500]}).encode(),
            {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request) as answer:
            assert json.load(answer)["rejected"] == []


def visitors(optimization: Optimization) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Three days of matured traffic: the better headline converts three times as often."""
    limit = holdout_limit(optimization.holdout_percentage)
    chance = random.Random(20261120)
    now = dt.datetime.now(dt.UTC)
    exposures, rewards = [], []
    for i in range(2400):
        person = f"visitor-{i}"
        better = chance.random() < 0.5 and not in_holdout(str(optimization.pk), person, limit)
        at = now - dt.timedelta(days=2 + chance.randrange(3), minutes=chance.randrange(700))
        exposures.append(
            {
                "anonymous_id": person,
                "optimization_id": str(optimization.pk),
                "variant": {"headline": "Save time" if better else "Ship faster", "cta": "Start free"},
                "context": {"device": chance.choice(["mobile", "desktop"])},
                "timestamp": at.isoformat(),
            }
        )
        if chance.random() < (0.3 if better else 0.1):
            moment = (at + dt.timedelta(minutes=10)).isoformat()
            rewards.append({"anonymous_id": person, "name": "signup", "timestamp": moment})
    return exposures, rewards


def navigate(page: Page, name: str) -> None:
    if not page.locator("aside").first.is_visible():
        page.get_by_label("Menu", exact=True).click()
    page.locator("nav a:visible", has_text=name).click()


def create(page: Page) -> None:
    """The factor editor: levels by keyboard, a pasted list, one factor removed again, an error that loses nothing."""
    page.get_by_label("Name", exact=True).fill("Landing page hero")
    page.get_by_label("Event name").fill("signup")
    factor = page.locator("[data-formset=design] [data-factor]:visible").first
    factor.get_by_label("Factor name").fill("head line")
    factor.get_by_label("Level 1, baseline").fill("Ship faster")
    factor.get_by_label("Level 1, baseline").press("Enter")
    page.keyboard.type("Save time")
    page.get_by_role("button", name="Add design factor").click()
    page.keyboard.type("cta")
    second = page.locator("[data-formset=design] [data-factor]:visible").nth(1)
    second.get_by_label("Level 1, baseline").fill("Start free")
    second.get_by_label("Level 2", exact=True).fill("Try it now")
    page.get_by_role("button", name="Add design factor").click()
    page.locator("[data-formset=design] [data-factor]:visible").nth(2).get_by_label("Remove this factor").click()
    page.get_by_role("button", name="Add context factor").click()
    context = page.locator("[data-formset=context] [data-factor]:visible")
    context.get_by_label("Factor name").fill("device")
    context.get_by_label("Level 1", exact=True).fill("mobile")
    context.get_by_label("Level 2", exact=True).fill("desktop")
    expect(page.locator("[data-variants]")).to_have_text("4")
    page.locator("[data-range-for]").fill("20")
    expect(page.get_by_label("Holdout", exact=True)).to_have_value("20")
    fits(page, "form")
    page.get_by_role("button", name="Create optimization").last.click()
    expect(page.get_by_text("A name has 1 to 64 letters")).to_be_visible()
    expect(page.locator("[data-variants]")).to_have_text("4")
    page.locator("[data-formset=design] [data-factor]:visible").first.get_by_label("Factor name").fill("headline")
    page.get_by_role("button", name="Create optimization").last.click()
    expect(page.get_by_role("heading", name="Landing page hero")).to_be_visible()


def new_key(page: Page) -> str:
    navigate(page, "API keys")
    page.get_by_label("Name", exact=True).fill("Production website")
    page.get_by_role("button", name="Create key").click()
    secret = page.locator("#secret").inner_text()
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == secret
    fits(page, "keys")
    return secret


TABS = {
    "Variants": "Variants",
    "Factors": "What each level brings",
    "Contexts": "Best variant per segment",
    "Training": "Training runs",
    "Integrate": "Integrate",
    "Settings": "End this optimization",
}


def open_tab(page: Page, name: str) -> None:
    page.get_by_label("Parts of this optimization").get_by_role("link", name=name).click()


def end(page: Page, how: str, typed: str) -> None:
    open_tab(page, "Settings")
    page.locator("summary", has_text=how).click()
    confirm(page, how, typed)


def confirm(page: Page, how: str, typed: str) -> None:
    page.get_by_label(re.compile("to confirm")).and_(page.locator(":visible")).fill(typed)
    page.get_by_role("button", name=how, exact=True).click()


def test_from_signing_in_to_archiving(page: Page, live_server: Any, globex: Tenant) -> None:
    owner = User.objects.create_user(EMAIL, PASSWORD)
    organization = create_organization(name="Northwind", owner=owner)
    page.goto(live_server.url)
    page.get_by_label("Email").fill(EMAIL)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Start your first optimization")).to_be_visible()
    fits(page, "first steps")

    page.get_by_role("link", name="New optimization").click()
    create(page)
    optimization = Optimization.objects.get(organization=organization)
    assert optimization.holdout_percentage == 20
    assert [f["name"] for f in optimization.training_data_config["design_factors"]] == ["headline", "cta"]
    expect(page.get_by_text("Waiting for the first visitors.")).to_be_visible()
    fits(page, "fresh optimization")

    secret = new_key(page)
    exposures, rewards = visitors(optimization)
    send(live_server.url, secret, "exposures", exposures)
    send(live_server.url, secret, "rewards", rewards)

    navigate(page, "Optimizations")
    page.get_by_role("link", name="Landing page hero").click()
    page.get_by_role("button", name="Train now").click()
    expect(page.get_by_text("The model is trained.")).to_be_visible()
    expect(page.get_by_text(re.compile("The optimized experience beats the baseline by"))).to_be_visible()
    expect(page.locator(".uplot canvas")).to_have_count(2)
    fits(page, "optimization")

    for tab, heading in TABS.items():
        open_tab(page, tab)
        expect(page.get_by_role("heading", name=heading)).to_be_visible()
        fits(page, tab)
    open_tab(page, "Variants")
    page.get_by_label("headline", exact=True).select_option("Save time")
    expect(page.get_by_text("2 of 4 variants match.")).to_be_visible()
    open_tab(page, "Playground")
    page.get_by_label("User id").fill("ada")
    page.get_by_label("device").select_option("mobile")
    page.get_by_role("button", name="Show what is served").click()
    expect(page.get_by_role("heading", name="Why")).to_be_visible()
    fits(page, "playground")

    end(page, "Complete", "landing page")
    expect(page.get_by_text("This is not the optimization's name.")).to_be_visible()
    confirm(page, "Complete", "Landing page hero")
    expect(page.get_by_text("Completed: the winner is served to everyone.")).to_be_visible()
    end(page, "Archive", "Landing page hero")
    expect(page.get_by_text("This optimization is archived.")).to_be_visible()
    assert Organization.objects.filter(optimizations__status="archived").get() == organization


def test_the_theme_is_remembered_and_the_way_out_is_a_post(page: Page, live_server: Any, acme: Tenant) -> None:
    user = acme.user()
    user.set_password(PASSWORD)
    user.save()
    page.goto(f"{live_server.url}/metrics")
    page.get_by_label("Email").fill(user.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Metrics", exact=True)).to_be_visible()
    open_menu(page)
    page.locator("[data-theme-choice=dark]:visible").click()
    page.reload()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert page.evaluate("getComputedStyle(document.body).colorScheme") == "dark"
    open_menu(page)
    page.locator("button:visible", has_text="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in to Levered")).to_be_visible()


def open_menu(page: Page) -> None:
    desktop = page.locator("aside").first.is_visible()
    (page.locator("aside summary") if desktop else page.get_by_label("Menu", exact=True)).click()
