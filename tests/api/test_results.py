"""`GET /optimizations/:id/results`."""

import datetime as dt
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from bandits.assignment import holdout_limit, in_holdout
from optimizations.models import Optimization
from tests.conftest import Tenant
from tests.factories import add_exposures, make_optimization
from warehouse.models import Exposure, Reward

pytestmark = pytest.mark.django_db
BETTER = {"headline": "Save time", "cta_text": "Start free"}


def trained(tenant: Tenant) -> Optimization:
    """Two days of traffic: 600 users who saw the baseline, 600 who saw a better variant."""
    optimization = make_optimization(tenant.organization, holdout_percentage=50)
    for back in (3, 2):
        day = timezone.now().replace(hour=12) - dt.timedelta(days=back)
        add_exposures(optimization, 300, conversions=30, at=day, prefix=f"base{back}")
        add_exposures(optimization, 300, conversions=90, at=day, prefix=f"better{back}", variant=BETTER)
    tenant.client.post(f"/api/v2/models/{optimization.models.get().pk}/train")
    return optimization


def results(tenant: Tenant, optimization: Optimization, query: str = "") -> Any:
    answer = tenant.client.get(f"/api/v2/optimizations/{optimization.pk}/results{query}")
    assert answer.status_code == 200, answer.json()
    return answer.json()


def test_before_the_first_training_everything_is_there_and_empty(acme: Tenant) -> None:
    shown = results(acme, make_optimization(acme.organization))
    assert shown["model_version"] is None
    assert shown["time_series"] == []
    assert len(shown["variants"]) == 6
    assert shown["primary_metric_vs_holdout"]["lift_percent"] is None
    assert shown["primary_metric_vs_holdout"]["reason"]
    assert shown["stats"]["estimated_improvement_percent"] is None


def test_variants(acme: Tenant, globex: Tenant) -> None:
    optimization = trained(acme)
    trained(globex)
    shown = results(acme, optimization)
    means = [v["expected_reward_mean"] for v in shown["variants"]]
    assert means == sorted(means, reverse=True)
    best = next(v for v in shown["variants"] if v["variant"] == BETTER)
    assert best["variant_key"] == "headline=Save time|cta_text=Start free"
    assert (best["exposures"], best["conversions"], best["rate"]) == (600, 180, pytest.approx(0.3))
    assert best["expected_reward_lo"] < best["expected_reward_mean"] < best["expected_reward_hi"]
    assert sum(v["prob_best"] for v in shown["variants"]) == pytest.approx(1)
    assert sum(v["weight"] for v in shown["variants"]) == pytest.approx(1)
    baseline = next(v for v in shown["variants"] if v["number"] == 1)
    assert baseline["weight"] >= 0.5  # the holdout's half


def test_the_measured_lift_counts_each_user_once_by_the_published_hash(acme: Tenant) -> None:
    optimization = trained(acme)
    limit = holdout_limit(50)
    arms: dict[bool, list[float]] = {True: [0, 0], False: [0, 0]}
    converted = set(Reward.objects.values_list("anonymous_id", flat=True))
    for person in Exposure.objects.filter(organization=acme.organization).values_list("anonymous_id", flat=True):
        arm = arms[in_holdout(str(optimization.pk), person, limit)]
        arm[0] += 1
        arm[1] += person in converted
    measured = results(acme, optimization)["primary_metric_vs_holdout"]
    assert measured["holdout_users"] == arms[True][0]
    assert measured["optimization_users"] == arms[False][0]
    assert measured["holdout_rate"] == pytest.approx(arms[True][1] / arms[True][0])
    assert measured["optimization_rate"] == pytest.approx(arms[False][1] / arms[False][0])
    low, high = measured["lift_ci"]
    assert low < measured["lift_percent"] < high
    assert 0 <= measured["p_value"] <= 1


def test_the_robust_estimate_stands_beside_the_published_one(acme: Tenant) -> None:
    optimization = trained(acme)
    shown = results(acme, optimization)
    robust = shown["primary_metric_vs_holdout"]["robust"]
    assert robust["strata"] == 2
    assert robust["always_valid_ci"][0] < robust["lift_ci"][0] < robust["lift_percent"] < robust["lift_ci"][1]
    assert robust["always_valid_p_value"] >= robust["p_value"]
    assert robust["verdict"] in {"too_early", "no_detectable_change"}
    assert robust["reason"]
    assert shown["sample_ratio"]["expected_holdout_share"] == 0.5
    assert [r["holdout_percentage"] for r in shown["holdout_regimes"]] == [50]


@pytest.mark.parametrize(
    ("holdout", "count", "conversions"), [(50, 0, 0), (50, 1, 1), (0, 300, 30), (50, 300, 0), (50, 300, 300)]
)
def test_thin_data_gives_nulls_with_a_reason(acme: Tenant, holdout: int, count: int, conversions: int) -> None:
    """No data, one user, one arm empty, no conversions, nothing but conversions; all on one day."""
    optimization = make_optimization(acme.organization, holdout_percentage=holdout)
    day = timezone.now() - dt.timedelta(days=3)
    add_exposures(optimization, count, conversions=conversions, at=day, prefix="u")
    assert acme.client.post(f"/api/v2/models/{optimization.models.get().pk}/train").status_code == 200
    measured = results(acme, optimization)["primary_metric_vs_holdout"]
    assert measured["lift_ci"] is None
    assert measured["reason"]
    assert measured["robust"]["always_valid_ci"] is None
    assert measured["robust"]["verdict"] == "too_early"
    assert measured["robust"]["reason"]


def test_days_and_ranges(acme: Tenant) -> None:
    optimization = trained(acme)
    series = results(acme, optimization)["time_series"]
    assert [sum(v["exposures"] for v in day["variants"].values()) for day in series] == [600, 600]
    first = series[0]["date"]
    part = results(acme, optimization, f"?start={first}&end={first}")
    assert len(part["time_series"]) == 1
    assert sum(v["exposures"] for v in part["variants"]) == 600
    measured = part["primary_metric_vs_holdout"]
    assert measured["holdout_users"] + measured["optimization_users"] == 600
    future = results(acme, optimization, "?start=2100-01-01")
    assert future["time_series"] == []
    assert future["primary_metric_vs_holdout"]["reason"]


@pytest.mark.parametrize("query", ["start=yesterday", "start=2026-02-01&end=2026-01-01", "since=2026-01-01"])
def test_bad_ranges(acme: Tenant, query: str) -> None:
    optimization = make_optimization(acme.organization)
    assert acme.client.get(f"/api/v2/optimizations/{optimization.pk}/results?{query}").status_code == 400


def test_who_may(acme: Tenant, globex: Tenant, anonymous: APIClient) -> None:
    url = f"/api/v2/optimizations/{make_optimization(acme.organization).pk}/results"
    assert anonymous.get(url).status_code == 401
    assert acme.with_scopes("ingest").get(url).status_code == 403
    assert globex.client.get(url).status_code == 404


def test_numeric_rewards(acme: Tenant) -> None:
    config = {
        "reward": {"name": "revenue", "type": "numeric"},
        "design_factors": [{"name": "cta", "levels": ["a", "b"]}],
    }
    optimization = make_optimization(acme.organization, training_data_config=config, holdout_percentage=50)
    day = timezone.now() - dt.timedelta(days=3)
    add_exposures(optimization, 200, conversions=100, at=day, prefix="a", variant={"cta": "a"}, value=10.0)
    add_exposures(optimization, 200, conversions=100, at=day, prefix="b", variant={"cta": "b"}, value=15.0)
    acme.client.post(f"/api/v2/models/{optimization.models.get().pk}/train")
    by_key = {v["variant_key"]: v for v in results(acme, optimization)["variants"]}
    assert by_key["cta=a"]["rate"] == pytest.approx(5.0)
    assert by_key["cta=b"]["rate"] == pytest.approx(7.5)
    assert by_key["cta=b"]["expected_reward_mean"] > by_key["cta=a"]["expected_reward_mean"]


def test_excluded_variants_are_neither_best_nor_served(acme: Tenant) -> None:
    optimization = make_optimization(acme.organization, excluded_combinations=[{"headline": "Save time"}])
    day = timezone.now() - dt.timedelta(days=3)
    add_exposures(optimization, 300, conversions=30, at=day, prefix="base")
    add_exposures(optimization, 300, conversions=200, at=day, prefix="excluded", variant=BETTER)
    acme.client.post(f"/api/v2/models/{optimization.models.get().pk}/train")
    shown = {v["variant_key"]: v for v in results(acme, optimization)["variants"]}
    seen = shown["headline=Save time|cta_text=Start free"]
    assert (seen["exposures"], seen["prob_best"], seen["weight"]) == (300, 0, 0)
    assert len(shown) == 5
