"""Changing the holdout: `PATCH /optimizations/:id {"holdout_percentage"}` and what results make of it."""

import datetime as dt
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from bandits.assignment import holdout_limit, in_holdout
from optimizations.models import HoldoutRegime, Optimization
from optimizations.services.snapshots import store
from tests.conftest import Tenant
from tests.factories import add_exposures, make_optimization

pytestmark = pytest.mark.django_db


def patch(tenant: Tenant, optimization: Optimization, **body: Any) -> Any:
    return tenant.client.patch(f"/api/v2/optimizations/{optimization.pk}", body, format="json")


def results(tenant: Tenant, optimization: Optimization) -> Any:
    return tenant.client.get(f"/api/v2/optimizations/{optimization.pk}/results").json()


def test_a_change_is_served_and_opens_a_regime(acme: Tenant, globex: Tenant) -> None:
    optimization, other = make_optimization(acme.organization), make_optimization(globex.organization)
    store.refresh()
    answer = patch(acme, optimization, holdout_percentage=30)
    assert answer.status_code == 200
    assert answer.json()["holdout_percentage"] == 30
    store.refresh()
    served = {o.pk: store.find(str(o.pk)) for o in (optimization, other)}
    assert served[optimization.pk].holdout_limit == holdout_limit(30)  # type: ignore[union-attr]
    assert served[other.pk].holdout_limit == holdout_limit(10)  # type: ignore[union-attr]
    first, second = results(acme, optimization)["holdout_regimes"]
    assert (first["holdout_percentage"], second["holdout_percentage"]) == (10, 30)
    assert first["ended_at"] == second["started_at"]
    assert second["ended_at"] is None


def test_the_same_share_opens_nothing(acme: Tenant) -> None:
    optimization = make_optimization(acme.organization)
    assert patch(acme, optimization, holdout_percentage=10).status_code == 200
    assert optimization.holdout_regimes.count() == 1


@pytest.mark.parametrize("wrong", [-1, 51, "many", None, 10.5])
def test_bad_shares(acme: Tenant, wrong: Any) -> None:
    optimization = make_optimization(acme.organization)
    answer = patch(acme, optimization, holdout_percentage=wrong)
    assert answer.status_code == 400
    assert answer.json()["error"]["details"][0]["field"] == "holdout_percentage"
    assert optimization.holdout_regimes.count() == 1


def test_only_a_live_one_has_a_holdout_to_change(acme: Tenant) -> None:
    optimization = make_optimization(acme.organization)
    assert patch(acme, optimization, status="completed").status_code == 200
    answer = patch(acme, optimization, holdout_percentage=20, name="New")
    assert answer.status_code == 409
    optimization.refresh_from_db()
    assert (optimization.holdout_percentage, optimization.name) == (10, "Hero")


def test_who_may(acme: Tenant, globex: Tenant, anonymous: APIClient) -> None:
    url = f"/api/v2/optimizations/{make_optimization(acme.organization).pk}"
    body = {"holdout_percentage": 20}
    assert anonymous.patch(url, body, format="json").status_code == 401
    assert acme.with_scopes("read").patch(url, body, format="json").status_code == 403
    assert globex.client.patch(url, body, format="json").status_code == 404
    assert set(HoldoutRegime.objects.values_list("percentage", flat=True)) == {10}


def test_regimes_are_never_pooled(acme: Tenant) -> None:
    """Half of the users held out at a base rate of 10 %, then a tenth at 40 %: no arm is better in either regime."""
    optimization = make_optimization(acme.organization, holdout_percentage=50)
    change = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0) - dt.timedelta(days=4)
    optimization.holdout_regimes.update(started_at=change - dt.timedelta(days=4))
    HoldoutRegime.objects.create(optimization=optimization, percentage=10, started_at=change)
    Optimization.objects.filter(pk=optimization.pk).update(holdout_percentage=10)
    arms: dict[tuple[int, bool], int] = {}
    for regime, back, count, conversions in ((0, 6, 600, 60), (1, 3, 600, 240)):
        at = timezone.now() - dt.timedelta(days=back)
        prefix = f"r{regime}"
        add_exposures(optimization, count, conversions=conversions, at=at, prefix=prefix)
        for i in range(count):
            held = in_holdout(str(optimization.pk), f"{prefix}-{i}", holdout_limit((50, 10)[regime]))
            arms[regime, held] = arms.get((regime, held), 0) + 1
    acme.client.post(f"/api/v2/models/{optimization.models.get().pk}/train")
    shown = results(acme, optimization)
    assert [(r["holdout_users"], r["optimization_users"]) for r in shown["holdout_regimes"]] == [
        (arms[0, True], arms[0, False]),
        (arms[1, True], arms[1, False]),
    ]
    measured = shown["primary_metric_vs_holdout"]
    assert measured["regime"] == 1
    assert (measured["holdout_users"], measured["optimization_users"]) == (arms[1, True], arms[1, False])
    robust = measured["robust"]
    assert robust["strata"] == 2
    assert robust["verdict"] == "too_early"
    assert robust["always_valid_ci"][0] < 0 < robust["always_valid_ci"][1]
    ratio = shown["sample_ratio"]
    assert ratio["expected_holdout_share"] == pytest.approx(0.3)
    assert ratio["p_value"] is not None
