"""The playground answers exactly as `serve` does, explains it, and writes nothing."""

import json
from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from optimizations.models import Optimization
from optimizations.services.lifecycle import update_optimization
from optimizations.services.serving import explain, find_served
from optimizations.states import Status
from tests.conftest import Tenant
from tests.dashboard.conftest import SignIn
from tests.serving import delete_model, make_optimization, publish_version, serve_url
from warehouse.models import Exposure

pytestmark = pytest.mark.django_db


def ask(browser: Client, optimization: Optimization, who: str, **query: str) -> Any:
    return browser.get(f"/optimizations/{optimization.pk}/playground", {"anonymous_id": who} | query)


def test_it_is_what_serve_answers(sign_in: SignIn, acme: Tenant, client: Client) -> None:
    optimization = make_optimization(acme.organization, holdout=30)
    publish_version(optimization, best=3)
    browser, arms = sign_in(acme), set()
    for i in range(30):
        code, device = ("1", "desktop") if i % 2 else ("0", "mobile")
        body = {"anonymous_id": f"u{i}", "context": {"device": device}}
        api = client.post(serve_url(optimization), json.dumps(body), content_type="application/json").json()
        answer = ask(browser, optimization, f"u{i}", c0=code)
        served = answer.context["served"]
        (variant,) = api["variants"]
        assert served["number"] == variant["variant_number"]
        assert served["propensity"] == variant["propensity"]
        assert served["expected"] == variant["expected_reward"]
        assert served["version"] == api["model_version"] == 1
        assert served["held_out"] == (api["model_type"] == "holdout")
        shown = json.loads(answer.context["answer"])
        assert {k: v for k, v in shown.items() if k != "meta"} == {k: v for k, v in api.items() if k != "meta"}
        arms.add(served["held_out"])
    assert arms == {True, False}
    assert not Exposure.objects.exists()


def test_propensities_add_up_and_name_this_visitor(acme: Tenant) -> None:
    optimization = make_optimization(acme.organization)
    publish_version(optimization, best=2)
    found = explain(find_served(str(optimization.pk)), anonymous_id="ada", context={"device": "mobile"})
    assert sum(share for _, share in found.shares) == pytest.approx(1)
    assert dict(found.shares)[found.variant] == found.propensity
    assert 0 <= found.slot < found.slots


def test_before_training_every_variant_is_as_likely(sign_in: SignIn, acme: Tenant) -> None:
    optimization = make_optimization(acme.organization, holdout=0)
    page = ask(sign_in(acme), optimization, "ada").content.decode()
    assert "spread evenly" in page
    assert "There is no holdout." in page
    assert "<b>device</b> was not sent" in " ".join(page.split())


def test_once_completed_everyone_gets_the_winner(sign_in: SignIn, acme: Tenant) -> None:
    optimization = make_optimization(acme.organization, holdout=50)
    publish_version(optimization, best=4)
    update_optimization(optimization, status=Status.COMPLETED)
    browser = sign_in(acme)
    for who in ("a", "b", "c", "d"):
        answer = ask(browser, optimization, who, c0="0")
        assert (answer.context["served"]["number"], answer.context["served"]["propensity"]) == (5, 1.0)
    assert "Everyone gets the winner" in answer.content.decode()


def test_what_cannot_be_served_says_why(sign_in: SignIn, acme: Tenant) -> None:
    optimization, gone = make_optimization(acme.organization), make_optimization(acme.organization)
    delete_model(optimization)
    update_optimization(gone, status=Status.ARCHIVED)
    browser = sign_in(acme)
    assert "create a new one" in ask(browser, optimization, "ada").context["refusal"]
    assert ask(browser, gone, "ada").context["refusal"]


def test_nonsense_stands_at_its_field(sign_in: SignIn, acme: Tenant) -> None:
    optimization = make_optimization(acme.organization)
    browser = sign_in(acme)
    assert list(ask(browser, optimization, "").context["form"].errors) == ["anonymous_id"]
    assert list(ask(browser, optimization, "ada", c0="99").context["form"].errors) == ["c0"]


def test_it_stays_cheap(sign_in: SignIn, acme: Tenant, django_assert_max_num_queries: DjangoAssertNumQueries) -> None:
    optimization = make_optimization(acme.organization)
    browser = sign_in(acme)
    ask(browser, optimization, "ada")
    with django_assert_max_num_queries(8):
        ask(browser, optimization, "ada")
