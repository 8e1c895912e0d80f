"""One optimization's page, and what can be done on it."""

import datetime as dt
import html
import json
import re
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from optimizations.models import Optimization, TrainingRun
from optimizations.services.lifecycle import active_model, delete_model
from optimizations.services.training import train
from optimizations.templatetags.figures import signed
from tests.conftest import Tenant
from tests.dashboard.conftest import SignIn
from tests.factories import CONFIG, add_exposures, make_metric, make_optimization

pytestmark = pytest.mark.django_db
TABS = (
    "/variants", "/factors", "/contexts", "/guardrails", "/health", "/runs", "/sql", "/playground", "/integrate", "/settings",
)  # fmt: skip
BASELINE = {"headline": "Ship faster", "cta_text": "Start free"}
BETTER = {"headline": "Save time", "cta_text": "Try it now"}


def url(optimization: Optimization, action: str = "") -> str:
    return f"/optimizations/{optimization.pk}{action}"


def learned(tenant: Tenant, *, days: int = 3, **changes: Any) -> Optimization:
    """An optimization with matured traffic: 300 users a day on the baseline, 300 on a better variant."""
    optimization = make_optimization(tenant.organization, **changes)
    for day in range(days):
        at = timezone.now() - dt.timedelta(days=day + 3)
        add_exposures(optimization, 300, conversions=30, at=at, prefix=f"a{day}", variant=BASELINE)
        add_exposures(optimization, 300, conversions=60, at=at, prefix=f"b{day}", variant=BETTER)
    model = active_model(optimization)
    assert model is not None
    train(model, trigger="command")
    optimization.refresh_from_db()
    return optimization


def data(page: str, element: str) -> Any:
    found = re.search(rf'<script id="{element}" type="application/json">(.*?)</script>', page, re.S)
    assert found
    return json.loads(found[1])


def test_a_fresh_one_says_what_to_do_and_invents_no_number(sign_in: SignIn, acme: Tenant) -> None:
    optimization = make_optimization(acme.organization)
    answer = sign_in(acme).get(url(optimization))
    page = html.unescape(answer.content.decode())
    for text in (
        "Waiting for the first visitors.",
        "Not trained yet",
        "No exposure has been received yet.",
        f"/api/v2/optimizations/{optimization.pk}/serve",
        '"variant": {"headline": "Ship faster", "cta_text": "Start free"}',
        '"name": "signup"',
    ):
        assert text in page
    assert '<svg class="fig"' not in page.split("Leading variants</h2>")[0].split("Users per arm")[0]
    assert page.index("Integrate</h2>") < page.index("Leading variants</h2>")


def test_the_page_shows_what_the_api_answers(sign_in: SignIn, acme: Tenant) -> None:
    optimization = learned(acme)
    browser = sign_in(acme)
    answer = browser.get(url(optimization))
    page = answer.content.decode()
    api = acme.client.get(f"/api/v2/optimizations/{optimization.pk}/results").json()
    shown = {
        row.numbers["variant_key"]: row.numbers
        for row in browser.get(url(optimization, "/variants")).context["variants"]
    }
    assert {key: value["exposures"] for key, value in shown.items()} == {
        v["variant_key"]: v["exposures"] for v in api["variants"]
    }
    assert shown == {v["variant_key"]: v for v in api["variants"]}
    measured = api["primary_metric_vs_holdout"]
    assert answer.context["measured"] == measured
    robust = measured["robust"]
    lift, (low, high) = robust["lift_percent"], robust["always_valid_ci"] or (None, None)
    assert lift is not None
    for number in (lift, low, high):
        assert number is None or signed(number) in page
    traffic = data(page, "traffic-data")
    assert len(traffic["dates"]) == len(api["time_series"])
    for day, shares in enumerate(zip(*(s["values"] for s in traffic["series"]), strict=True)):
        seen = [x for x in shares if x is not None]
        assert not seen or sum(seen) == pytest.approx(1), day


def test_the_leader_and_the_baseline_are_named_and_traffic_orders_the_table(sign_in: SignIn, acme: Tenant) -> None:
    rows = sign_in(acme).get(url(learned(acme), "/variants")).context["variants"].object_list
    assert [row.numbers["number"] for row in rows if row.is_baseline] == [1]
    leader = next(row for row in rows if row.is_leader)
    assert leader.numbers["prob_best"] == max(row.numbers["prob_best"] for row in rows)
    weights = [row.numbers["weight"] for row in rows]
    assert weights == sorted(weights, reverse=True)


def test_many_variants_are_paged(sign_in: SignIn, acme: Tenant) -> None:
    levels = list(range(6))
    config = {"design_factors": [{"name": n, "dtype": "int", "levels": levels} for n in ("a", "b")]}
    optimization = make_optimization(acme.organization, training_data_config=config)
    browser = sign_in(acme)
    first, last = (browser.get(url(optimization, f"/variants?page={page}")).context["variants"] for page in (1, 2))
    assert (len(first), len(last)) == (25, 11)
    assert browser.get(url(optimization, "/variants?page=nonsense")).status_code == 200


def test_the_number_of_queries_does_not_grow_with_variants_or_days(
    sign_in: SignIn, acme: Tenant, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    metric = make_metric(acme.organization, name="Guard")
    guardrails = [{"metric_id": str(metric.pk), "direction": "increase", "margin_percent": 5}]
    optimization = learned(acme, days=6, guardrails=guardrails)
    model = active_model(optimization)
    assert model is not None
    for _ in range(5):
        train(model, trigger="command")
    browser = sign_in(acme)
    for tab in ("", *TABS, "/playground?anonymous_id=ada", "/training"):
        with django_assert_max_num_queries(12):
            assert browser.get(url(optimization, tab)).status_code == 200


def test_training_now_trains_and_tells_the_open_page_of_newer_results(sign_in: SignIn, acme: Tenant) -> None:
    optimization = make_optimization(acme.organization)
    browser = sign_in(acme)
    add_exposures(optimization, 50, conversions=5, at=timezone.now() - dt.timedelta(days=2), prefix="a")
    assert "shown=0" in browser.get(url(optimization)).content.decode()
    answer = browser.post(url(optimization, "/train"), follow=True)
    assert "The model is trained." in answer.content.decode()
    run = TrainingRun.objects.get()
    assert (run.trigger, run.outcome, run.version) == ("dashboard", "succeeded", 1)
    card = browser.get(url(optimization, "/training") + "?shown=0").content.decode()
    assert "Version 1" in card
    assert "Newer results" in card
    assert "Newer results" not in browser.get(url(optimization, "/training") + "?shown=1").content.decode()
    assert "<html" not in card


def test_a_run_under_way_shows_its_stage_and_refuses_another(sign_in: SignIn, acme: Tenant) -> None:
    optimization = make_optimization(acme.organization)
    model = active_model(optimization)
    assert model is not None
    model.training_claimed_at = timezone.now()
    model.save()
    TrainingRun.objects.create(model=model, trigger="schedule", stage="fitting the model")
    browser = sign_in(acme)
    card = browser.get(url(optimization, "/training")).content.decode()
    assert "A run is under way: fitting the model." in card
    assert "every 2s" in card
    assert "disabled" in card
    answer = browser.post(url(optimization, "/train"), follow=True)
    assert "being trained right now" in answer.content.decode()


def test_a_failed_run_shows_why_and_the_last_good_version_stays(sign_in: SignIn, acme: Tenant) -> None:
    optimization = learned(acme)
    model = active_model(optimization)
    assert model is not None
    TrainingRun.objects.create(
        model=model, trigger="schedule", outcome="failed", error="No answer.", finished_at=timezone.now()
    )
    page = sign_in(acme).get(url(optimization)).content.decode()
    assert "No answer." in page
    assert sign_in(acme).get(url(optimization, "/runs")).content.decode().count("No answer.") == 2
    assert "Version 1" in page
    assert "Last run failed" in page


def test_completing_and_archiving_ask_for_the_name_and_never_go_back(sign_in: SignIn, acme: Tenant) -> None:
    optimization = make_optimization(acme.organization, name="Hero  of the page")
    browser, confirmed = sign_in(acme), {"confirmation": "Hero of the page "}
    for wrong in ({}, {"confirmation": ""}, {"confirmation": "hero of the page"}):
        refused = browser.post(url(optimization, "/complete"), wrong)
        assert refused.status_code == 400
        assert "confirmation" in refused.context["forms"]["complete"].errors
        optimization.refresh_from_db()
        assert optimization.status == "live"
    done = browser.post(url(optimization, "/complete"), confirmed, follow=True).content.decode()
    assert "The winner is now served to everyone." in done
    assert "Train now" not in done
    settings = browser.get(url(optimization, "/settings")).content.decode()
    assert "/complete" not in settings
    assert "/bias" not in settings
    again = browser.post(url(optimization, "/complete"), confirmed, follow=True).content.decode()
    assert "Completed" in again
    gone = browser.post(url(optimization, "/archive"), confirmed, follow=True).content.decode()
    assert "This optimization is archived." in gone
    assert "Integrate" not in gone
    assert "Playground" not in gone
    refused = browser.post(url(optimization, "/complete"), confirmed, follow=True)
    assert "cannot become completed" in refused.content.decode()
    optimization.refresh_from_db()
    assert optimization.status == "archived"


def test_without_a_model_there_is_nothing_to_train(sign_in: SignIn, acme: Tenant) -> None:
    optimization = make_optimization(acme.organization)
    model = active_model(optimization)
    assert model is not None
    delete_model(model)
    browser = sign_in(acme)
    page = browser.get(url(optimization)).content.decode()
    assert "No model" in page
    assert "Train now" not in page
    assert browser.post(url(optimization, "/train")).status_code == 404


def test_what_users_typed_is_escaped_everywhere(sign_in: SignIn, acme: Tenant) -> None:
    evil = "</script><script>alert(1)</script>"
    config = CONFIG | {"design_factors": [{"name": "h", "dtype": "str", "levels": [evil, "it's"]}]}
    optimization = make_optimization(acme.organization, name=evil, description=evil, training_data_config=config)
    add_exposures(
        optimization, 20, conversions=2, at=timezone.now() - dt.timedelta(days=2), prefix="x", variant={"h": evil}
    )
    model = active_model(optimization)
    assert model is not None
    train(model, trigger="command")
    browser = sign_in(acme)
    for path in (url(optimization), *(url(optimization, tab) for tab in TABS), "/"):
        assert "<script>alert" not in browser.get(path).content.decode()
