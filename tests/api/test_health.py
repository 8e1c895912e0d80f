"""`GET /optimizations/:id/health`."""

import datetime as dt
from typing import Any

import pytest
from django.db.models import F
from django.utils import timezone
from rest_framework.test import APIClient

from optimizations.models import DataHealth, Guardrail, Optimization, RejectedExposures
from optimizations.services import health as service
from tests.conftest import Tenant
from tests.factories import CONTROL, add_arms, add_exposures, make_metric, make_optimization
from warehouse.models import Exposure, Metric, Reward

pytestmark = pytest.mark.django_db
KEYS = [
    "warehouse", "exposures", "rewards", "matched_rewards", "levels", "holdout_ratio", "variant_ratio", "clock",
    "training", "baseline", "guardrails",
]  # fmt: skip


@pytest.fixture(autouse=True)
def _every_reading_is_cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine one takes more than the second from which on it is used again."""
    monkeypatch.setattr(service, "CHEAP_SECONDS", 600.0)


def health(tenant: Tenant, optimization: Optimization) -> dict[str, Any]:
    answer = tenant.client.get(f"/api/v2/optimizations/{optimization.pk}/health")
    assert answer.status_code == 200, answer.json()
    found: dict[str, Any] = answer.json()
    assert [check["key"] for check in found["checks"]] == KEYS
    for check in found["checks"]:
        assert check["detail"]
        assert check["advice"] or check["status"] in ("ok", "unknown"), check
        assert "NaN" not in check["detail"]
    return found


def status_of(found: dict[str, Any]) -> dict[str, str]:
    return {check["key"]: check["status"] for check in found["checks"]}


def detail_of(found: dict[str, Any], key: str) -> str:
    return str(next(check["detail"] for check in found["checks"] if check["key"] == key))


def train(tenant: Tenant, optimization: Optimization) -> Any:
    return tenant.client.post(f"/api/v2/models/{optimization.models.get().pk}/train")


def test_nothing_has_arrived(acme: Tenant) -> None:
    optimization = make_optimization(acme.organization)
    found = health(acme, optimization)
    assert found["status"] == "warning"
    assert status_of(found) == dict.fromkeys(KEYS, "unknown") | {"warehouse": "ok", "exposures": "warning"}
    assert found["exposures"] == {"total": 0, "last_at": None, "last_24h": 0, "last_7d": 0, "ahead": 0}
    Optimization.objects.update(created_at=timezone.now() - dt.timedelta(days=2))
    assert health(acme, optimization)["status"] == "failing"


def test_all_is_well(acme: Tenant, globex: Tenant) -> None:
    optimization = make_optimization(acme.organization, holdout_percentage=50)
    now = timezone.now()
    for back in (2, 1):
        add_arms(optimization, 900, held_rate=0.1, served_rate=0.1, at=now - dt.timedelta(days=back), prefix=f"d{back}")
    add_arms(optimization, 60, held_rate=0.1, served_rate=0.1, at=now - dt.timedelta(hours=1), prefix="today")
    Optimization.objects.update(created_at=now - dt.timedelta(days=9))
    Exposure.objects.update(received_at=F("timestamp"))
    other = make_optimization(globex.organization)
    add_exposures(other, 500, conversions=500, at=now, prefix="theirs")
    train(acme, optimization)
    found = health(acme, optimization)
    assert found["status"] == "ok", found
    assert status_of(found) == dict.fromkeys(KEYS, "ok") | {"variant_ratio": "unknown", "guardrails": "unknown"}
    assert found["exposures"] | {"last_at": None} == {
        "total": 1860, "last_at": None, "last_24h": 60, "last_7d": 1860, "ahead": 0,
    }  # fmt: skip
    latest = dt.datetime.fromisoformat(found["exposures"]["last_at"])
    assert abs((latest - (now - dt.timedelta(hours=1))).total_seconds()) < 1
    rewards = found["rewards"]
    assert (
        rewards["total"]
        == rewards["last_30d"]
        == rewards["matched_30d"]
        == Reward.objects.filter(organization=acme.organization).count()
    )
    assert found["clock"]["received"] == 1860
    assert found["last_successful_read_at"].endswith("Z")


def test_events_stopped(acme: Tenant) -> None:
    optimization = make_optimization(acme.organization)
    add_exposures(optimization, 100, conversions=50, at=timezone.now() - dt.timedelta(days=2), prefix="a")
    found = status_of(health(acme, optimization))
    assert (found["exposures"], found["rewards"]) == ("warning", "warning")
    week = dt.timedelta(days=8)
    Exposure.objects.update(timestamp=timezone.now() - week)
    Reward.objects.update(timestamp=timezone.now() - week)
    found = status_of(health(acme, optimization))
    assert (found["exposures"], found["rewards"]) == ("failing", "failing")
    acme.client.delete(f"/api/v2/optimizations/{optimization.pk}")
    found = status_of(health(acme, optimization))
    assert (found["exposures"], found["rewards"]) == ("ok", "ok")  # nothing is expected any more


@pytest.mark.parametrize(("strangers", "status"), [(0, "ok"), (80, "warning"), (720, "failing")])
def test_rewards_of_users_who_were_never_exposed(acme: Tenant, strangers: int, status: str) -> None:
    optimization = make_optimization(acme.organization)
    at = timezone.now() - dt.timedelta(hours=3)
    add_exposures(optimization, 100, conversions=50, at=at, prefix="known")
    Reward.objects.bulk_create(
        Reward(organization=acme.organization, anonymous_id=f"stranger-{i}", name="signup", timestamp=at)
        for i in range(strangers)
    )
    found = health(acme, optimization)
    assert status_of(found)["matched_rewards"] == status
    assert (found["rewards"]["last_30d"], found["rewards"]["matched_30d"]) == (50 + strangers, 50)


def test_no_reward_at_all(acme: Tenant) -> None:
    optimization = make_optimization(acme.organization)
    add_exposures(optimization, 1000, conversions=0, at=timezone.now(), prefix="a")
    assert status_of(health(acme, optimization))["rewards"] == "failing"


def test_levels_outside_the_design(acme: Tenant) -> None:
    optimization = make_optimization(acme.organization)
    at = timezone.now() - dt.timedelta(hours=2)
    add_exposures(optimization, 98, conversions=9, at=at, prefix="a")
    add_exposures(optimization, 2, conversions=0, at=at, prefix="b", variant=CONTROL | {"headline": "Old"})
    train(acme, optimization)
    found = health(acme, optimization)
    assert status_of(found)["levels"] == "warning"
    assert found["unknown_exposures"] == 2
    for _ in range(2):
        answer = acme.client.post(
            "/api/v2/ingest/exposures",
            {
                "events": [
                    {"anonymous_id": "u", "optimization_id": str(optimization.pk), "variant": {"headline": "Older"}},
                    {"anonymous_id": "u", "optimization_id": str(optimization.pk), "variant": CONTROL},
                ]
                * 10
            },
            format="json",
        )
        assert answer.status_code == 207
    found = health(acme, optimization)
    assert found["rejected_exposures"] == {"unknown_variant": 20}
    assert status_of(found)["levels"] == "failing"
    RejectedExposures.objects.update(day=timezone.now().date() - dt.timedelta(days=8))
    assert health(acme, optimization)["rejected_exposures"] == {}


def test_lost_users_of_the_holdout(acme: Tenant) -> None:
    optimization = make_optimization(acme.organization, holdout_percentage=50)
    add_arms(optimization, 1000, held_rate=0.1, served_rate=0.1, at=timezone.now() - dt.timedelta(days=2))
    Exposure.objects.filter(variant=CONTROL, pk__lte=Exposure.objects.order_by("pk")[200].pk).delete()
    train(acme, optimization)
    found = health(acme, optimization)
    assert status_of(found)["holdout_ratio"] == "failing"
    assert found["status"] == "failing"


def test_users_who_are_not_shown_what_is_served(acme: Tenant) -> None:
    optimization = make_optimization(acme.organization)
    add_exposures(optimization, 500, conversions=50, at=timezone.now(), prefix="a")
    train(acme, optimization)
    found = health(acme, optimization)
    assert status_of(found)["variant_ratio"] == "failing"
    assert "headline=Ship faster|cta_text=Start free" in detail_of(found, "variant_ratio")


def test_clocks(acme: Tenant) -> None:
    optimization = make_optimization(acme.organization)
    now = timezone.now()
    Optimization.objects.update(created_at=now - dt.timedelta(hours=6))
    add_exposures(optimization, 100, conversions=0, at=now - dt.timedelta(minutes=2), prefix="a")
    assert status_of(health(acme, optimization))["clock"] == "ok"
    Exposure.objects.update(timestamp=now - dt.timedelta(hours=5))
    late = health(acme, optimization)
    assert status_of(late)["clock"] == "warning"
    assert late["clock"] == {"received": 100, "late": 100, "ahead": 0}
    Exposure.objects.update(timestamp=now + dt.timedelta(hours=5))
    ahead = health(acme, optimization)
    assert status_of(ahead)["clock"] == "warning"
    assert ahead["exposures"] == {"total": 0, "last_at": None, "last_24h": 0, "last_7d": 0, "ahead": 100}


def test_sql_that_no_longer_runs_keeps_what_was_known(acme: Tenant) -> None:
    optimization = make_optimization(acme.organization)
    add_exposures(optimization, 10, conversions=1, at=timezone.now(), prefix="a")
    before = health(acme, optimization)
    Metric.objects.update(sql="SELECT anonymous_id, timestamp, nothing FROM rewards")
    found = health(acme, optimization)
    assert status_of(found)["warehouse"] == "failing"
    assert "nothing" in detail_of(found, "warehouse")
    assert found["last_successful_read_at"] == before["last_successful_read_at"]
    assert found["exposures"] == before["exposures"]
    assert train(acme, optimization).status_code == 400
    found = health(acme, optimization)
    assert status_of(found)["training"] == "failing"
    assert "nothing" in detail_of(found, "training")


def test_a_source_that_was_deleted(acme: Tenant) -> None:
    optimization = make_optimization(acme.organization)
    assert optimization.assignment_source is not None
    optimization.assignment_source.delete()
    found = health(acme, optimization)
    assert status_of(found)["warehouse"] == "failing"
    assert found["exposures"] is None


def test_guardrails_and_pauses(acme: Tenant) -> None:
    metric = make_metric(acme.organization, name="Retained")
    rule = {"metric_id": metric.pk, "direction": "increase", "margin_percent": 5.0}
    optimization = make_optimization(acme.organization, guardrails=[rule])
    assert status_of(health(acme, optimization))["guardrails"] == "ok"
    Guardrail.objects.update(reason=f"{Guardrail.UNREADABLE}: no such column.")
    assert status_of(health(acme, optimization))["guardrails"] == "warning"
    Guardrail.objects.update(status="violated", reason="Violated: it fell.")
    assert status_of(health(acme, optimization))["guardrails"] == "failing"
    Optimization.objects.update(paused_at=timezone.now())
    assert "Paused since" in detail_of(health(acme, optimization), "guardrails")


def test_a_dear_reading_is_used_again(acme: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    optimization = make_optimization(acme.organization)
    health(acme, optimization)
    add_exposures(optimization, 10, conversions=1, at=timezone.now(), prefix="a")
    assert health(acme, optimization)["exposures"]["total"] == 10  # a cheap one is not
    monkeypatch.setattr(service, "CHEAP_SECONDS", 1.0)
    DataHealth.objects.update(seconds=2.0)
    add_exposures(optimization, 10, conversions=1, at=timezone.now(), prefix="b")
    assert health(acme, optimization)["exposures"]["total"] == 10
    DataHealth.objects.update(tried_at=timezone.now() - dt.timedelta(seconds=2 * service.REUSED_FOR + 1))
    assert health(acme, optimization)["exposures"]["total"] == 20


def test_whose_it_is(acme: Tenant, globex: Tenant, anonymous: APIClient) -> None:
    path = f"/api/v2/optimizations/{make_optimization(acme.organization).pk}/health"
    assert anonymous.get(path).status_code == 401
    assert acme.with_scopes("ingest").get(path).status_code == 403
    assert acme.with_scopes("read").get(path).status_code == 200
    assert globex.client.get(path).status_code == 404
    assert acme.client.post(path).status_code == 405
