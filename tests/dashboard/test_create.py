"""Creating an optimization in the browser, with and without JavaScript: the fields are the same."""

import json
import shlex
from typing import Any

import pytest

from optimizations.models import Optimization
from tests.conftest import Tenant
from tests.dashboard.conftest import SignIn
from tests.factories import make_metric
from warehouse.models import Connection, Metric, Provider

pytestmark = pytest.mark.django_db
URL = "/optimizations/new"

Factor = tuple[str, str, str]


def form(*design: Factor, context: tuple[Factor, ...] = (), **fields: Any) -> dict[str, Any]:
    data: dict[str, Any] = {
        "name": "Landing hero",
        "description": "",
        "model_type": "cmab",
        "metric_source": "new",
        "reward_metric": "",
        "new_metric_event": "signup_completed",
        "new_metric_type": "bool",
        "holdout_percentage": "10",
        "conversion_window_hours": "24",
    }
    for group, factors in (("design", design), ("context", context)):
        data |= {f"{group}-TOTAL_FORMS": str(len(factors)), f"{group}-INITIAL_FORMS": "0"}
        for i, (name, dtype, levels) in enumerate(factors):
            data |= {f"{group}-{i}-name": name, f"{group}-{i}-dtype": dtype, f"{group}-{i}-levels": levels}
    return data | fields


HEADLINE = ("headline", "str", "Ship faster\r\nSave time\r\n\r\n  Build better ")
PRICE = ("price", "float", "9\n9.5")
BADGE = ("badge", "bool", "no\nyes")
DEVICE = ("device", "str", "mobile\ndesktop")


def test_it_goes_live_with_its_factors_and_a_new_metric(sign_in: SignIn, acme: Tenant) -> None:
    answer = sign_in(acme).post(URL, form(HEADLINE, PRICE, BADGE, context=(DEVICE,), holdout_percentage="15"))
    optimization = Optimization.objects.get()
    assert answer.headers["Location"] == f"/optimizations/{optimization.pk}"
    assert (optimization.organization, optimization.created_by) == (acme.organization, acme.user())
    assert (optimization.status, optimization.holdout_percentage) == ("live", 15)
    assert optimization.training_data_config == {
        "reward": {"name": "signup_completed", "type": "bool"},
        "design_factors": [
            {"name": "headline", "dtype": "str", "levels": ["Ship faster", "Save time", "Build better"]},
            {"name": "price", "dtype": "float", "levels": [9.0, 9.5]},
            {"name": "badge", "dtype": "bool", "levels": [False, True]},
        ],
        "context_factors": [{"name": "device", "dtype": "str", "levels": ["mobile", "desktop"]}],
        "attribution": {"type": "last_touch", "conversion_window_hours": 24},
    }
    metric = optimization.reward_metric
    assert (metric.name, metric.organization) == ("signup_completed", acme.organization)
    assert metric.sql.endswith("WHERE name = 'signup_completed'")


def test_an_existing_metric_brings_its_type_and_its_event(sign_in: SignIn, acme: Tenant, globex: Tenant) -> None:
    metric = make_metric(acme.organization, reward_type="numeric", name="Revenue")
    browser = sign_in(acme)
    browser.post(URL, form(HEADLINE, metric_source="existing", reward_metric=str(metric.pk)))
    assert Optimization.objects.get().training_data_config["reward"] == {"name": "signup", "type": "numeric"}
    foreign = make_metric(globex.organization)
    answer = browser.post(URL, form(HEADLINE, metric_source="existing", reward_metric=str(foreign.pk)))
    assert answer.status_code == 400
    assert list(answer.context["form"].errors) == ["reward_metric"]


def test_every_error_stands_at_its_field_and_nothing_typed_is_lost(sign_in: SignIn, acme: Tenant) -> None:
    data = form(HEADLINE, ("price", "int", "9\ncheap"), name="", holdout_percentage="60", new_metric_event="")
    answer = sign_in(acme).post(URL, data)
    page = answer.content.decode()
    assert answer.status_code == 400
    assert set(answer.context["form"].errors) == {"name", "holdout_percentage", "new_metric_event"}
    assert answer.context["design"].errors[1] == {"levels": ["“cheap” is not a whole number."]}
    for kept in ("Save time", "cheap", 'value="60"', 'value="price"'):
        assert kept in page
    assert not Optimization.objects.exists()


def test_what_the_service_refuses_stands_at_the_factor_and_leaves_no_metric(sign_in: SignIn, acme: Tenant) -> None:
    removed = {"design-0-DELETE": "on"}
    data = form(HEADLINE, ("call to action", "str", "Go"), ("badge", "str", "a\na"), **removed)
    answer = sign_in(acme).post(URL, data)
    assert answer.status_code == 400
    errors = answer.context["design"].forms
    assert errors[0].errors == {}
    assert "A name has" in errors[1].errors["name"][0]
    assert "at least two levels" in errors[1].errors["levels"][0]
    assert "stands twice" in errors[2].errors["levels"][0]
    assert not Optimization.objects.exists()
    assert not Metric.objects.exists()


def test_without_a_factor_the_section_says_what_is_missing(sign_in: SignIn, acme: Tenant) -> None:
    answer = sign_in(acme).post(URL, form())
    assert answer.status_code == 400
    assert "At least one design factor is needed." in answer.content.decode()


def test_a_window_that_is_refused_is_marked(sign_in: SignIn, acme: Tenant) -> None:
    answer = sign_in(acme).post(URL, form(HEADLINE, conversion_window_hours="-1"))
    assert list(answer.context["form"].errors) == ["conversion_window_hours"]


def test_without_javascript_a_button_adds_an_exclusion(sign_in: SignIn, acme: Tenant) -> None:
    none_yet = {"exclude-TOTAL_FORMS": "0", "exclude-INITIAL_FORMS": "0"}
    answer = sign_in(acme).post(URL, form(HEADLINE, add="exclude", **none_yet))
    assert len(answer.context["exclude"].forms) == 1


@pytest.mark.parametrize("group", ["design", "context"])
def test_without_javascript_a_button_adds_a_factor_and_judges_nothing(
    sign_in: SignIn, acme: Tenant, group: str
) -> None:
    answer = sign_in(acme).post(URL, form(("half ty", "str", "one"), name="", add=group))
    assert answer.status_code == 200
    assert len(answer.context["design"].forms) == (2 if group == "design" else 1)
    assert len(answer.context["context"].forms) == (0 if group == "design" else 1)
    page = answer.content.decode()
    assert 'value="half ty"' in page
    assert "field-error" not in page
    assert 'role="alert"' not in page


def test_many_variants_are_warned_about(sign_in: SignIn, acme: Tenant) -> None:
    levels = "\n".join(str(i) for i in range(11))
    answer = sign_in(acme).post(URL, form(("a", "int", levels), ("b", "int", levels)), follow=True)
    assert "121 variants" in answer.content.decode()


def test_with_an_own_warehouse_events_cannot_be_named(sign_in: SignIn, acme: Tenant) -> None:
    make_metric(acme.organization)
    Connection.objects.create(organization=acme.organization, provider=Provider.POSTGRES)
    answer = sign_in(acme).post(URL, form(HEADLINE))
    assert "metric_source" in answer.context["form"].errors
    assert not Optimization.objects.exists()


EXCLUSION = {"exclude-TOTAL_FORMS": "2", "exclude-INITIAL_FORMS": "0", "exclude-1-combination": " \n"}
CTA: Factor = ("cta", "str", "Start free\nA = B")


def test_exclusions_are_typed_like_their_factors_and_empty_ones_do_not_count(sign_in: SignIn, acme: Tenant) -> None:
    rules = EXCLUSION | {"exclude-0-combination": "badge = yes\ncta= A = B"}
    sign_in(acme).post(URL, form(CTA, BADGE, **rules))
    assert Optimization.objects.get().excluded_combinations == [{"badge": True, "cta": "A = B"}]


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("headline", "is not of the form"),
        ("headline = Save time\nheadline = Build better", "stands twice"),
        ("colour = red", "colour: This is not a design factor."),
        ("headline = Save money", "headline: 'Save money' is not a level"),
        ("headline = Ship faster", "The baseline"),
    ],
)
def test_a_wrong_exclusion_stands_at_its_own_field(sign_in: SignIn, acme: Tenant, rule: str, message: str) -> None:
    removed = {"exclude-TOTAL_FORMS": "2", "exclude-0-DELETE": "on", "exclude-0-combination": "x = y"}
    answer = sign_in(acme).post(URL, form(HEADLINE, **(EXCLUSION | removed | {"exclude-1-combination": rule})))
    assert answer.status_code == 400
    assert message in answer.context["exclude"].forms[1].errors["combination"][0]
    assert rule.split("\n")[0] in answer.content.decode()
    assert not Optimization.objects.exists()


def test_the_previewed_requests_do_what_the_form_does(sign_in: SignIn, acme: Tenant) -> None:
    rules = EXCLUSION | {"exclude-0-combination": "badge = yes\nheadline = Save time"}
    data = form(HEADLINE, BADGE, context=(DEVICE,), description="It's “ours”", **rules)
    browser = sign_in(acme)
    answer = browser.post(URL, data | {"preview": "1"})
    assert answer.status_code == 200
    assert not Optimization.objects.exists()
    assert not Metric.objects.exists()
    metric, optimization = (
        json.loads(shlex.split(request["code"].replace("\\\n", " "))[-1])
        for request in answer.context["preview"]["requests"]
    )
    made = acme.client.post("/api/v2/warehouse/metrics", metric, format="json").json()
    body = json.loads(json.dumps(optimization).replace("METRIC_ID", made["id"]))
    api = acme.client.post("/api/v2/optimizations", body, format="json")
    assert api.status_code == 201, api.json()
    browser.post(URL, data)
    by_api, by_form = Optimization.objects.order_by("created_at")
    for field in ("name", "description", "training_data_config", "excluded_combinations", "reward_metric_id"):
        assert getattr(by_api, field) == getattr(by_form, field)


def test_a_preview_of_half_a_form_names_what_is_missing_and_marks_nothing(sign_in: SignIn, acme: Tenant) -> None:
    browser, data = sign_in(acme), form(("headline", "str", "One"), preview="1")
    answer = browser.post(URL, data)
    assert "A factor needs at least two levels." in answer.content.decode()
    assert "field-error" not in answer.content.decode()
    part = browser.post(URL, data, headers={"HX-Request": "true"}).content.decode()
    assert "A factor needs at least two levels." in part
    assert "<html" not in part


def guarded(*guardrails: tuple[str, str, str, str]) -> dict[str, str]:
    fields = {"guardrail-TOTAL_FORMS": str(len(guardrails)), "guardrail-INITIAL_FORMS": "0"}
    for i, values in enumerate(guardrails):
        names = ("metric", "direction", "margin_percent", "on_violation")
        fields |= {f"guardrail-{i}-{name}": value for name, value in zip(names, values, strict=True)}
    return fields


def test_guardrails_are_stored_and_in_the_request(sign_in: SignIn, acme: Tenant) -> None:
    refunds = make_metric(acme.organization, name="Refunds")
    data = form(HEADLINE) | guarded((str(refunds.pk), "decrease", "2.5", "pause"))
    browser = sign_in(acme)
    shown = browser.post(URL, data | {"preview": "1"}).context["preview"]["requests"][-1]["code"]
    expected = [{"metric_id": str(refunds.pk), "direction": "decrease", "margin_percent": 2.5, "on_violation": "pause"}]
    assert json.loads(shlex.split(shown)[-1])["guardrails"] == expected
    assert browser.post(URL, data).status_code == 302
    guardrail = Optimization.objects.get().guardrails.get()
    assert (guardrail.metric, guardrail.direction, guardrail.margin_percent, guardrail.on_violation) == (
        refunds, "decrease", 2.5, "pause",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("values", "field"),
    [
        (("", "increase", "5", "notify"), "metric"),
        (("foreign", "increase", "5", "notify"), "metric"),
        (("mine", "sideways", "5", "notify"), "direction"),
        (("mine", "increase", "101", "notify"), "margin_percent"),
        (("mine", "increase", "-1", "notify"), "margin_percent"),
        (("mine", "increase", "", "notify"), "margin_percent"),
        (("mine", "increase", "5", "explode"), "on_violation"),
    ],
)
def test_a_wrong_guardrail_is_marked_at_its_field(
    sign_in: SignIn, acme: Tenant, globex: Tenant, values: tuple[str, str, str, str], field: str
) -> None:
    metrics = {"mine": make_metric(acme.organization), "foreign": make_metric(globex.organization)}
    metric = str(metrics[values[0]].pk) if values[0] in metrics else values[0]
    answer = sign_in(acme).post(URL, form(HEADLINE) | guarded((metric, *values[1:])))
    assert answer.status_code == 400
    assert list(answer.context["guardrails"].forms[0].errors) == [field]
    assert not Optimization.objects.exists()


def test_factors_are_stored_in_the_order_of_the_page(sign_in: SignIn, acme: Tenant) -> None:
    places = {"design-0-place": "2", "design-1-place": "0", "design-2-place": "1"}
    browser = sign_in(acme)
    refused = browser.post(URL, form(("head line", *HEADLINE[1:]), PRICE, BADGE, name="") | places)
    shown = [row["name"].value() for row in refused.context["design_rows"]]
    assert shown == ["price", "badge", "head line"]
    refused = browser.post(URL, form(("head line", *HEADLINE[1:]), PRICE, BADGE) | places)
    assert "name" in refused.context["design"].forms[0].errors  # what the service says stands at the right one
    browser.post(URL, form(HEADLINE, PRICE, BADGE) | places)
    factors = Optimization.objects.get().training_data_config["design_factors"]
    assert [f["name"] for f in factors] == ["price", "badge", "headline"]


@pytest.mark.parametrize(
    ("moves", "names"),
    [
        (["design-0:1"], ["price", "headline", "badge"]),
        (["design-0:1", "design-0:1"], ["price", "badge", "headline"]),
        (["design-2:-1", "design-0:1"], ["badge", "headline", "price"]),
        (["design-0:-1"], ["headline", "price", "badge"]),
        (["design-2:1"], ["headline", "price", "badge"]),
        (["design-9:1"], ["headline", "price", "badge"]),
        (["nonsense"], ["headline", "price", "badge"]),
    ],
)
def test_without_javascript_factors_move_by_submitting(
    sign_in: SignIn, acme: Tenant, moves: list[str], names: list[str]
) -> None:
    browser, data = sign_in(acme), form(HEADLINE, PRICE, BADGE, name="")
    for move in moves:
        page = browser.post(URL, data | {"move": move})
        assert page.status_code == 200
        assert not page.context["form"].errors
        for row in page.context["design_rows"]:
            data[row.add_prefix("place")] = str(row["place"].value() or "")
    assert [row["name"].value() for row in page.context["design_rows"]] == names
    assert page.context["design"].forms[0]["levels"].value() == HEADLINE[2]


@pytest.mark.parametrize("place", ["", "x", "-1", "9999999", "²", "1.5"])
def test_a_place_that_is_no_number_breaks_nothing(sign_in: SignIn, acme: Tenant, place: str) -> None:
    answer = sign_in(acme).post(URL, form(HEADLINE, PRICE) | {"design-0-place": place})
    assert answer.status_code in (302, 400)


def test_the_estimate_needs_factors_and_nothing_else(sign_in: SignIn, acme: Tenant) -> None:
    browser = sign_in(acme)
    asked = {"estimate": "1", "visitors_per_day": "2000", "baseline_rate": "5", "lift_percent": "20"}
    page = browser.post(URL, form(HEADLINE, BADGE, name="") | asked)
    days = page.context["estimated"]["days"]
    api = {"sizes": [3, 2], "visitors_per_day": 2000, "baseline_rate": 0.05, "lift_percent": 20}
    answer = acme.client.post("/api/v2/optimizations/estimate", api).json()
    assert {name: answer[name] for name in ("lift", "levels", "variants")} == vars(days)
    assert f"after {days.lift} days" in page.content.decode()
    assert not page.context["form"].errors
    assert page.context["design"].forms[0]["levels"].value() == HEADLINE[2]
    part = browser.post(URL, form(HEADLINE, holdout_percentage="0") | asked, headers={"HX-Request": "true"})
    assert "there is no holdout" in part.content.decode()
    assert "<html" not in part.content.decode()
    wrong = browser.post(URL, form(HEADLINE) | asked | {"baseline_rate": "200"})
    assert list(wrong.context["estimate"].errors) == ["baseline_rate"]
    assert browser.post(URL, form() | asked).context["estimated"] == {"sizes": []}
    assert not Optimization.objects.exists()
    assert browser.post(URL, form(HEADLINE) | {"visitors_per_day": "x"}).status_code == 302  # it stops no creation
