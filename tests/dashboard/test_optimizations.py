"""The list of optimizations."""

from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from optimizations.models import LiftSnapshot, Optimization, TrainingRun
from optimizations.services.lifecycle import active_model, archive_optimization, update_optimization
from tests.conftest import Tenant
from tests.dashboard.conftest import SignIn
from tests.factories import make_metric, make_optimization

pytestmark = pytest.mark.django_db
URL = "/"


def measured(optimization: Optimization, **summary: Any) -> None:
    optimization.summary = {
        "variants_count": 6,
        "lift": 8.2,
        "lift_ci": [2.1, 14.3],
        "confidence": 0.994,
        "exposures": 48211,
    } | summary
    optimization.save()


def test_nothing_yet_leads_to_the_first_optimization_in_three_steps(sign_in: SignIn, acme: Tenant) -> None:
    acme.organization.api_keys.all().delete()
    browser = sign_in(acme)
    page = browser.get(URL)
    steps = page.context["steps"]
    assert [step["done"] for step in steps] == [False, False, False]
    assert [step["primary"] for step in steps] == [True, False, False]
    make_metric(acme.organization)
    steps = browser.get(URL).context["steps"]
    assert [step["done"] for step in steps] == [True, False, False]
    assert [step["primary"] for step in steps] == [False, True, False]
    for step in steps:
        assert browser.get(step["url"]).status_code == 200


def test_a_row_shows_the_summary_with_its_interval(sign_in: SignIn, acme: Tenant) -> None:
    optimization = make_optimization(acme.organization, name="Landing hero")
    measured(optimization)
    page = sign_in(acme).get(URL).content.decode()
    for text in (
        "Landing hero",
        "headline, cta_text",
        "48,211",
        "+8.2%",
        "+2.1% to +14.3%",
        "99.4%",
        "Not trained yet",
    ):
        assert text in page


def test_a_modeled_lift_says_so_and_a_missing_one_too(sign_in: SignIn, acme: Tenant) -> None:
    measured(make_optimization(acme.organization, name="Modeled"), lift=-3.0, lift_ci=None)
    make_optimization(acme.organization, name="Fresh")
    page = sign_in(acme).get(URL).content.decode()
    assert "modeled" in page
    assert "−3.0%" in page
    assert "Not yet" in page


def snapshot(optimization: Optimization, back: int, **told: Any) -> None:
    now = timezone.now()
    day = now.date() - timedelta(days=back)
    LiftSnapshot.objects.create(optimization=optimization, day=day, version=1, computed_at=now, **told)


def test_the_trend_is_what_was_measured_else_modeled(sign_in: SignIn, acme: Tenant) -> None:
    modeled = [{"mean": mean, "ci_lower": mean - 5, "ci_upper": mean + 7} for mean in (1.0, 4.0, -3.0)]
    expected, proven, fresh = (make_optimization(acme.organization, name=name) for name in "abc")
    measured(expected, lift=-3.0, lift_ci=None)
    measured(proven)
    for back, policy in zip((2, 1, 0), modeled, strict=True):
        snapshot(expected, back, policy=policy, measured={"lift_percent": None})
        snapshot(proven, back, policy=policy, measured={"lift_percent": 10.0 - back})
    snapshot(proven, 400, measured={"lift_percent": 99.0})  # too long ago
    snapshot(fresh, 0, policy=modeled[0])  # one day is no trend
    page = sign_in(acme).get(URL)
    rows = {row.optimization.name: row for row in page.context["page"]}
    assert (rows["a"].trend.label, rows["a"].trend.values) == ("Modeled lift", [1.0, 4.0, -3.0])
    assert (rows["b"].trend.label, rows["b"].trend.values) == ("Measured lift", [8.0, 9.0, 10.0])
    assert rows["c"].trend is None
    assert (rows["a"].lift_low, rows["a"].lift_high, rows["a"].tone) == (-8.0, 4.0, "neutral")
    html = page.content.decode()
    assert "Measured lift: +8.0% to +10.0% over 3 days" in html
    assert html.count("<polyline") == 2


def test_a_failed_run_and_a_running_one_show(sign_in: SignIn, acme: Tenant) -> None:
    model = active_model(make_optimization(acme.organization))
    assert model is not None
    TrainingRun.objects.create(model=model, trigger="schedule", outcome="failed", error="No answer.")
    browser = sign_in(acme)
    assert "Last run failed" in browser.get(URL).content.decode()
    model.training_claimed_at = timezone.now()
    model.save()
    assert "Last run failed" not in browser.get(URL).content.decode()


def test_only_the_own_organization_is_listed(sign_in: SignIn, acme: Tenant, globex: Tenant) -> None:
    make_optimization(acme.organization, name="Ours")
    make_optimization(globex.organization, name="Theirs")
    page = sign_in(acme).get(URL).content.decode()
    assert "Ours" in page
    assert "Theirs" not in page


def test_status_and_search_narrow_the_list_together(sign_in: SignIn, acme: Tenant) -> None:
    for name in ("Hero live", "Hero done", "Footer done", "Hero gone"):
        make_optimization(acme.organization, name=name)
    for name in ("Hero done", "Footer done"):
        update_optimization(Optimization.objects.get(name=name), status="completed")
    archive_optimization(Optimization.objects.get(name="Hero gone"))
    browser = sign_in(acme)

    def names(query: str) -> set[str]:
        return {row.optimization.name for row in browser.get(URL + query).context["page"]}

    assert names("") == {"Hero live", "Hero done", "Footer done"}
    assert names("?status=completed") == {"Hero done", "Footer done"}
    assert names("?status=archived") == {"Hero gone"}
    assert names("?search=hero&status=completed") == {"Hero done"}
    assert names("?status=nonsense") == {"Hero live", "Hero done", "Footer done"}
    tabs = browser.get(URL + "?search=hero").context["status_tabs"]
    assert [(tab["label"], tab["count"]) for tab in tabs] == [
        ("Current", 3), ("Live", 1), ("Completed", 2), ("Archived", 1),
    ]  # fmt: skip
    assert tabs[2]["query"] == "search=hero&status=completed"
    assert "No optimization matches" in browser.get(URL + "?search=zebra").content.decode()


def test_long_lists_are_paged_and_the_pages_keep_the_filter(sign_in: SignIn, acme: Tenant) -> None:
    metric = make_metric(acme.organization)
    for i in range(27):
        make_optimization(acme.organization, name=f"Page {i}", reward_metric_id=metric.pk)
    answer = sign_in(acme).get(URL + "?search=page")
    assert len(answer.context["page"]) == 25
    assert answer.context["next_query"] == "search=page&page=2"
    assert len(sign_in(acme).get(URL + "?search=page&page=2").context["page"]) == 2


def test_the_number_of_queries_does_not_grow(
    sign_in: SignIn, acme: Tenant, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    metric = make_metric(acme.organization)
    for i in range(20):
        optimization = make_optimization(acme.organization, name=f"{i}", reward_metric_id=metric.pk)
        measured(optimization)
        Optimization.objects.filter(pk=optimization.pk).update(updated_at=timezone.now() - timedelta(hours=i))
    browser = sign_in(acme)
    with django_assert_max_num_queries(12):
        page = browser.get(URL)
    assert len(page.context["page"]) == 20
    assert page.content.decode().count(reverse("dashboard:optimization-create")) == 1
