"""`GET /optimizations/:id/lift-history`, and the task that writes it."""

import datetime as dt
from typing import Any

import pytest
from django.utils import timezone

from optimizations.models import LiftSnapshot, Optimization
from optimizations.tasks import snapshot_lifts
from tests.api.test_results import trained
from tests.conftest import Tenant
from tests.factories import make_optimization

pytestmark = pytest.mark.django_db


def history(tenant: Tenant, optimization: Optimization, query: str = "") -> Any:
    answer = tenant.client.get(f"/api/v2/optimizations/{optimization.pk}/lift-history{query}")
    assert answer.status_code == 200, answer.json()
    return answer.json()["lift_history"]


def test_nothing_before_the_first_training(acme: Tenant) -> None:
    assert history(acme, make_optimization(acme.organization)) == []
    assert snapshot_lifts() == 0


def test_a_day_has_one_snapshot(acme: Tenant, globex: Tenant) -> None:
    optimization = trained(acme)
    trained(globex)
    assert snapshot_lifts() == snapshot_lifts() == 2
    (today,) = history(acme, optimization)
    assert today["date"] == timezone.now().date().isoformat()
    assert today["model_version"] == 1
    for part in (today["policy"], today["ceiling"]):
        assert part["ci_lower"] < part["mean"] < part["ci_upper"]
    assert today["measured"]["verdict"] == "too_early"
    acme.client.post(f"/api/v2/models/{optimization.models.get().pk}/train")
    (today,) = history(acme, optimization)
    assert today["model_version"] == 2


def test_gaps_are_told(acme: Tenant) -> None:
    optimization = trained(acme)
    today = timezone.now().date()
    LiftSnapshot.objects.update(day=today - dt.timedelta(days=3))
    snapshot_lifts()
    days = history(acme, optimization)
    assert [d["date"] for d in days] == [(today - dt.timedelta(days=back)).isoformat() for back in (3, 2, 1, 0)]
    assert [d["policy"] is None for d in days] == [False, True, True, False]
    assert [bool(d["reason"]) for d in days] == [False, True, True, False]
    assert len(history(acme, optimization, f"?start={today}")) == 1
    assert history(acme, optimization, "?start=2100-01-01") == []
    assert len(history(acme, optimization, f"?end={today - dt.timedelta(days=1)}")) == 1


def test_it_outlives_the_model_and_ends_with_the_optimization(acme: Tenant) -> None:
    optimization = trained(acme)
    acme.client.delete(f"/api/v2/models/{optimization.models.get().pk}")
    assert len(history(acme, optimization)) == 1
    assert snapshot_lifts() == 0


@pytest.mark.parametrize("query", ["start=x", "start=2026-02-01&end=2026-01-01", "limit=3"])
def test_bad_queries(acme: Tenant, query: str) -> None:
    optimization = make_optimization(acme.organization)
    assert acme.client.get(f"/api/v2/optimizations/{optimization.pk}/lift-history?{query}").status_code == 400
