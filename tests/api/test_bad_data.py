"""What data may look like when things go wrong: documented nulls with a reason, never NaN, never a 500."""

import datetime as dt
import json
from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from optimizations.models import Optimization
from tests.conftest import Tenant
from tests.factories import BETTER, CONFIG, CONTROL, add_arms, add_exposures, make_metric, make_optimization
from warehouse.models import Metric

pytestmark = pytest.mark.django_db
READS = ("results", "progress", "guardrails", "lift-history", "observations", "health", "sql")
NUMERIC = CONFIG | {"reward": {"name": "signup", "type": "numeric"}}


def days_ago(days: float) -> dt.datetime:
    return timezone.now() - dt.timedelta(days=days)


def nothing(optimization: Optimization) -> None:
    pass


def only_the_holdout(optimization: Optimization) -> None:
    Optimization.objects.filter(pk=optimization.pk).update(holdout_percentage=0)
    add_exposures(optimization, 300, conversions=30, at=days_ago(3), prefix="a")


def without_conversions(optimization: Optimization) -> None:
    add_arms(optimization, 800, held_rate=0.0, served_rate=0.0, at=days_ago(3))


def holdout_without_conversions(optimization: Optimization) -> None:
    add_arms(optimization, 800, held_rate=0.0, served_rate=0.2, at=days_ago(3))


def everybody_converts(optimization: Optimization) -> None:
    add_arms(optimization, 800, held_rate=1.0, served_rate=1.0, at=days_ago(3))


def one_user(optimization: Optimization) -> None:
    add_exposures(optimization, 1, conversions=1, at=days_ago(3), prefix="a", variant=BETTER)


def one_user_many_times(optimization: Optimization) -> None:
    for minute in range(30):
        add_exposures(optimization, 1, conversions=1, at=days_ago(3) + dt.timedelta(minutes=minute), prefix="a")


def all_in_one_day(optimization: Optimization) -> None:
    add_arms(optimization, 800, held_rate=0.1, served_rate=0.2, at=days_ago(3))


def windows_still_open(optimization: Optimization) -> None:
    add_arms(optimization, 800, held_rate=0.1, served_rate=0.2, at=days_ago(0.1))


def only_unknown_levels(optimization: Optimization) -> None:
    variant = CONTROL | {"headline": "Gone"}
    add_exposures(optimization, 300, conversions=30, at=days_ago(3), prefix="a", variant=variant)


def dated_ahead(optimization: Optimization) -> None:
    add_exposures(optimization, 300, conversions=30, at=days_ago(-2), prefix="a")


DATA: list[Callable[[Optimization], None]] = [
    nothing, only_the_holdout, without_conversions, holdout_without_conversions, everybody_converts, one_user,
    one_user_many_times, all_in_one_day, windows_still_open, only_unknown_levels, dated_ahead,
]  # fmt: skip


def guarded(tenant: Tenant, **changes: Any) -> Optimization:
    metric = make_metric(tenant.organization, name="Guard")
    rule = {"metric_id": metric.pk, "direction": "increase", "margin_percent": 5.0}
    return make_optimization(tenant.organization, guardrails=[rule], holdout_percentage=50, **changes)


def read(tenant: Tenant, optimization: Optimization, what: str) -> dict[str, Any]:
    answer = tenant.client.get(f"/api/v2/optimizations/{optimization.pk}/{what}")
    assert answer.status_code == 200, (what, answer.content)

    def refuse(constant: str) -> Any:
        raise AssertionError(f"{what} holds {constant}")

    found: dict[str, Any] = json.loads(answer.content, parse_constant=refuse)
    return found


def read_all(tenant: Tenant, optimization: Optimization) -> None:
    for what in READS:
        read(tenant, optimization, what)
    assert tenant.client.get(f"/api/v2/optimizations/{optimization.pk}/results.csv").status_code == 200
    assert tenant.client.get(f"/api/v2/models/{optimization.models.get().pk}/state").status_code == 200


def train(tenant: Tenant, optimization: Optimization) -> Any:
    return tenant.client.post(f"/api/v2/models/{optimization.models.get().pk}/train")


@pytest.mark.parametrize("config", [CONFIG, NUMERIC], ids=["bool", "numeric"])
@pytest.mark.parametrize("arrange", DATA, ids=lambda f: f.__name__)
@pytest.mark.parametrize("trained", [True, False], ids=["trained", "untrained"])
def test_every_read_answers_with_nulls_that_have_a_reason(
    acme: Tenant, arrange: Callable[[Optimization], None], config: dict[str, Any], trained: bool
) -> None:
    optimization = guarded(acme, training_data_config=config)
    arrange(optimization)
    if trained:
        assert train(acme, optimization).status_code == 200
    read_all(acme, optimization)
    shown = read(acme, optimization, "results")
    measured = shown["primary_metric_vs_holdout"]
    for numbers in (measured, measured["robust"]):
        missing = [key for key, value in numbers.items() if value is None and key not in ("reason", "regime")]
        assert not missing or numbers["reason"], missing
    for key in ("estimated_improvement_percent", "best_vs_baseline_percent"):
        assert shown["stats"][key] is not None or shown["stats"]["reason"] or not trained
    assert shown["sample_ratio"]["p_value"] is not None or shown["sample_ratio"]["reason"]
    reached = read(acme, optimization, "progress")
    assert reached["expected_days_until_known"] is not None or reached["reason"]
    for guard in read(acme, optimization, "guardrails")["guardrails"]:
        assert guard["reason"]
    if arrange is not all_in_one_day or not trained:
        assert measured["robust"]["verdict"] != "better"


@pytest.mark.parametrize("value", [5e-324, 1e-170, -1e-100, 1e15, 1e16, 1e308])
def test_rewards_of_any_magnitude(acme: Tenant, value: float) -> None:
    optimization = guarded(acme, training_data_config=NUMERIC)
    for prefix, variant, share in (("a", CONTROL, 1.0), ("b", BETTER, 0.5)):
        add_exposures(
            optimization, 300, conversions=150, at=days_ago(3), prefix=prefix, variant=variant, value=share * value
        )
    assert train(acme, optimization).status_code == 200
    read_all(acme, optimization)
    browser = acme.browser()
    for page in ("", "/variants", "/factors", "/contexts", "/guardrails", "/health", "/report"):
        assert browser.get(f"/optimizations/{optimization.pk}{page}").status_code == 200, page


def test_one_day_is_enough_for_a_lift(acme: Tenant) -> None:
    optimization = guarded(acme)
    add_arms(optimization, 3000, held_rate=0.1, served_rate=0.2, at=days_ago(3))
    train(acme, optimization)
    robust = read(acme, optimization, "results")["primary_metric_vs_holdout"]["robust"]
    assert (robust["strata"], robust["verdict"]) == (1, "better")


@pytest.mark.parametrize("what", ["results", "progress", "guardrails", "lift-history", "observations"])
def test_a_range_in_the_future_is_empty(acme: Tenant, what: str) -> None:
    optimization = guarded(acme)
    all_in_one_day(optimization)
    train(acme, optimization)
    found = read(acme, optimization, f"{what}?start=2099-01-01&end=2099-12-31")
    if what == "results":
        assert found["time_series"] == []
        assert found["primary_metric_vs_holdout"]["reason"]
        assert found["primary_metric_vs_holdout"]["robust"]["lift_percent"] is None
        assert sum(v["exposures"] for v in found["variants"]) == 0
    if what == "progress":
        assert (found["exposures"], found["verdict"]) == (0, "too_early")
        assert found["reason"]
    if what == "guardrails":
        assert found["guardrails"][0]["lift_percent"] is None
    if what in ("lift-history", "observations"):
        assert found[what.replace("-", "_")] == []


def test_a_metric_whose_sql_fails_leaves_the_last_numbers(acme: Tenant) -> None:
    optimization = guarded(acme)
    all_in_one_day(optimization)
    train(acme, optimization)
    before = read(acme, optimization, "results")
    Metric.objects.update(sql="SELECT anonymous_id, timestamp FROM rewards WHERE no_such_column = 1")
    refused = train(acme, optimization)
    assert refused.status_code == 400
    assert "no_such_column" in refused.json()["error"]["message"]
    after = read(acme, optimization, "results")
    kept = before.keys() - {"meta", "training_error"}
    assert {k: after[k] for k in kept} == {k: before[k] for k in kept}
    assert "no_such_column" in after["training_error"]
    for what in READS:
        if what == "sql":
            assert acme.client.get(f"/api/v2/optimizations/{optimization.pk}/sql").status_code == 400
        else:
            read(acme, optimization, what)
