"""What the command palette finds."""

import re
from typing import Any

import pytest

from levered_site.organizations.models import Role
from tests.conftest import Tenant
from tests.dashboard.conftest import SignIn
from tests.factories import make_metric, make_optimization

pytestmark = pytest.mark.django_db


def found(browser: Any, wanted: str = "") -> list[str]:
    commands = browser.get("/commands", {"q": wanted}).json()["commands"]
    for command in commands:
        assert browser.get(command["url"]).status_code == 200
    return [command["label"] for command in commands]


def test_pages_optimizations_and_metrics_by_any_of_their_words(sign_in: SignIn, acme: Tenant, globex: Tenant) -> None:
    metric = make_metric(acme.organization, name="Hero signup")
    make_optimization(acme.organization, name="Landing hero", reward_metric_id=metric.pk)
    make_optimization(globex.organization, name="Their hero")
    browser = sign_in(acme)
    assert found(browser, "HERO") == ["Landing hero", "Hero signup"]
    assert found(browser, "hero land") == ["Landing hero"]
    assert found(browser, "invite") == ["Members"]
    assert found(browser, "%") == []
    everything = found(browser)
    assert {"Optimizations", "Members", "Landing hero"} <= set(everything)
    assert "Hero signup" not in everything


def test_every_page_of_the_navigation_is_found(sign_in: SignIn, acme: Tenant) -> None:
    browser = sign_in(acme)
    linked = set(re.findall(r'class="nav-link"\s+href="([^"]+)"', browser.get("/").content.decode()))
    assert len(linked) > 6
    assert linked <= {command["url"] for command in browser.get("/commands").json()["commands"]}


def test_only_what_the_role_may_open(sign_in: SignIn, acme: Tenant) -> None:
    viewer = found(sign_in(acme, Role.VIEWER))
    assert not {"Members", "Audit log", "New optimization"} & set(viewer)
    assert "Metrics" in viewer
