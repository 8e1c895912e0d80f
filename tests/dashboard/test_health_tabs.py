"""The tabs for guardrails, the data's health and the SQL; the pause; the holdout and its history."""

import datetime as dt
import html
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from levered_site.organizations.models import Role
from optimizations.models import Guardrail, Optimization
from optimizations.services.guardrails import evaluate_guardrails
from optimizations.services.lifecycle import active_model
from optimizations.services.training import train
from optimizations.templatetags.figures import signed
from tests.conftest import Tenant
from tests.dashboard.conftest import SignIn
from tests.factories import add_arms, make_metric, make_optimization
from warehouse.models import Metric

pytestmark = pytest.mark.django_db


def guarded(tenant: Tenant, *, kept: float, users: int = 1200, **rule: Any) -> Optimization:
    """80 % of the held-out users are retained, and `kept` of the others; retention must not fall by more than 5 %."""
    metric = make_metric(tenant.organization, name="Retained")
    Metric.objects.filter(pk=metric.pk).update(sql=metric.sql.replace("'signup'", "'retained'"))
    guardrail = {"metric_id": metric.pk, "direction": "increase", "margin_percent": 5.0} | rule
    optimization = make_optimization(tenant.organization, guardrails=[guardrail], holdout_percentage=50)
    at = timezone.now() - dt.timedelta(days=3)
    add_arms(optimization, users, held_rate=0.8, served_rate=kept, at=at, event="retained")
    evaluate_guardrails(optimization)
    optimization.refresh_from_db()
    return optimization


def page(browser: Client, optimization: Optimization, tab: str = "") -> str:
    answer = browser.get(f"/optimizations/{optimization.pk}{tab}")
    assert answer.status_code == 200
    return html.unescape(answer.content.decode())


@pytest.mark.parametrize(
    ("kept", "users", "status", "says"),
    [
        (0.8, 12000, "ok", "OK"),
        (0.4, 1200, "violated", "Violated"),
        (0.8, 400, "pending", "harm is neither shown nor ruled out"),
        (0.8, 40, "pending", "No interval yet"),
    ],
)
def test_a_guardrail_is_drawn_against_its_margin_as_the_api_has_it(
    sign_in: SignIn, acme: Tenant, kept: float, users: int, status: str, says: str
) -> None:
    optimization = guarded(acme, kept=kept, users=users)
    shown = page(sign_in(acme), optimization, "/guardrails")
    (row,) = acme.client.get(f"/api/v2/optimizations/{optimization.pk}/guardrails").json()["guardrails"]
    assert row["status"] == status
    assert says in shown
    assert row["reason"] in shown
    assert signed(-5.0) in shown
    for number in row["lift_ci"] or []:
        assert signed(number) in shown
    assert ("fig-band-error" in shown) == (row["lift_ci"] is not None)


def test_without_guardrails_the_tab_says_what_one_is(sign_in: SignIn, acme: Tenant) -> None:
    assert "This optimization has no guardrail." in page(
        sign_in(acme), make_optimization(acme.organization), "/guardrails"
    )


def test_a_pause_is_told_on_every_tab_and_ended_after_a_question(sign_in: SignIn, acme: Tenant, globex: Tenant) -> None:
    optimization = guarded(acme, kept=0.4, on_violation="pause")
    assert optimization.paused_at
    browser, path = sign_in(acme), f"/optimizations/{optimization.pk}"
    tabs = [tab.url for tab in browser.get(path).context["tabs"]]
    assert len(tabs) == 11
    for url in tabs:
        shown = html.unescape(browser.get(url).content.decode())
        assert "Paused: everyone is served the baseline." in shown, url
        assert f"{path}/resume" in shown
    viewer = sign_in(acme, Role.VIEWER)
    assert f"{path}/resume" not in viewer.get(f"{path}/guardrails").content.decode()
    assert viewer.post(f"{path}/resume").status_code == 403
    assert sign_in(globex).post(f"{path}/resume").status_code == 404
    question = page(browser, optimization, "/resume")
    assert "does not pause a second time" in question
    assert Guardrail.objects.get().reason in question
    optimization.refresh_from_db()
    assert optimization.paused_at  # asking changes nothing
    assert "Resumed." in browser.post(f"{path}/resume", follow=True).content.decode()
    assert "Paused: everyone" not in page(browser, optimization)
    assert "not paused" in browser.post(f"{path}/resume", follow=True).content.decode()
    assert browser.get(f"{path}/resume").status_code == 302


def test_the_health_of_the_data_as_the_api_tells_it(sign_in: SignIn, acme: Tenant, globex: Tenant) -> None:
    optimization = make_optimization(acme.organization, holdout_percentage=50)
    browser = sign_in(acme)
    assert "Reading the warehouse…" in page(browser, optimization, "/health")
    assert "1 check warns" in page(browser, optimization, "/health?read=1")
    assert 'hx-get="?read=1"' in page(browser, optimization, "/health")
    add_arms(optimization, 900, held_rate=0.1, served_rate=0.1, at=timezone.now())
    model = active_model(optimization)
    assert model is not None
    train(model, trigger="command")
    shown = page(browser, optimization, "/health?read=1")
    assert "hx-get" not in shown
    api = acme.client.get(f"/api/v2/optimizations/{optimization.pk}/health").json()
    assert [check["key"] for check in api["checks"] if f'id="check-{check["key"]}"' not in shown] == []
    for check in api["checks"]:
        assert check["title"] in shown
        if "at 20" not in check["detail"]:  # the moment of the reading differs
            assert check["detail"] in shown
            assert check["status"] == "ok" or check["advice"] in shown
    assert api["sample_ratio"]["variants"]["mismatch"]  # one variant only was shown
    assert "Furthest from what was served" in shown
    assert sign_in(globex).get(f"/optimizations/{optimization.pk}/health").status_code == 404


def test_the_sql_as_the_api_tells_it(sign_in: SignIn, acme: Tenant) -> None:
    optimization = make_optimization(acme.organization)
    browser = sign_in(acme)
    answer = browser.get(f"/optimizations/{optimization.pk}/sql")
    api = acme.client.get(f"/api/v2/optimizations/{optimization.pk}/sql").json()
    assert [s.name for s in answer.context["found"].statements] == [s["name"] for s in api["statements"]]
    for statement in api["statements"]:
        assert f'data-copy="sql-{statement["name"]}"' in answer.content.decode()
    Metric.objects.update(sql="SELECT nothing FROM rewards")
    assert "The statements cannot be written." in page(browser, optimization, "/sql")


def test_the_holdout_is_changed_in_the_settings_and_its_regimes_are_listed(sign_in: SignIn, acme: Tenant) -> None:
    optimization = make_optimization(acme.organization)
    browser, path = sign_in(acme), f"/optimizations/{optimization.pk}"
    answer = browser.post(f"{path}/holdout", {"holdout_percentage": 20}, follow=True)
    assert "The holdout is 20% from now on." in answer.content.decode()
    assert [r["holdout_percentage"] for r in answer.context["regimes"]] == [10, 20]
    api = acme.client.get(f"/api/v2/optimizations/{optimization.pk}/results").json()["holdout_regimes"]
    assert [r["holdout_percentage"] for r in api] == [10, 20]
    for bad in ("", "51", "-1", "many"):
        refused = browser.post(f"{path}/holdout", {"holdout_percentage": bad})
        assert refused.status_code == 400
        assert refused.context["forms"]["holdout"].errors
    assert sign_in(acme, Role.VIEWER).post(f"{path}/holdout", {"holdout_percentage": 5}).status_code == 403
    acme.client.patch(f"/api/v2/optimizations/{optimization.pk}", {"status": "completed"}, format="json")
    assert browser.post(f"{path}/holdout", {"holdout_percentage": 5}).status_code == 400
    optimization.refresh_from_db()
    assert optimization.holdout_percentage == 20
    assert "Change the holdout" not in page(browser, optimization, "/settings")


def test_the_number_of_queries_stays_small_however_long_the_history(
    sign_in: SignIn, acme: Tenant, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    optimization = guarded(acme, kept=0.4, on_violation="pause")
    for share in (5, 15, 25, 35):
        acme.client.patch(f"/api/v2/optimizations/{optimization.pk}", {"holdout_percentage": share}, format="json")
    model = active_model(optimization)
    assert model is not None
    for _ in range(3):
        train(model, trigger="command")
    browser = sign_in(acme)
    for tab in ("", "/guardrails", "/resume", "/health", "/sql", "/settings"):
        with django_assert_max_num_queries(12):
            assert browser.get(f"/optimizations/{optimization.pk}{tab}").status_code == 200, tab
    with django_assert_max_num_queries(20):  # asked for by the page itself, once it is shown
        assert browser.get(f"/optimizations/{optimization.pk}/health?read=1").status_code == 200
