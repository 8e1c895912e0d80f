"""`GET /optimizations/:id/guardrails`, what a violation does, and `POST /optimizations/:id/resume`."""

import datetime as dt
from typing import Any

import pytest
from django.core import mail
from django.utils import timezone
from django_q.models import OrmQ
from rest_framework.test import APIClient

from bandits.assignment import holdout_limit, in_holdout
from levered_site.organizations.models import Membership, Role, User
from optimizations import tasks
from optimizations.models import Guardrail, Optimization
from optimizations.services.snapshots import store
from tests.conftest import Tenant
from tests.factories import make_metric, make_optimization
from warehouse.models import Exposure, Metric, Reward

pytestmark = pytest.mark.django_db
BETTER = {"headline": "Save time", "cta_text": "Start free"}


def guarded(
    tenant: Tenant, *, kept: float = 0.8, kept_by_holdout: float = 0.8, users: int = 1200, **guardrail: Any
) -> Optimization:
    """Users of whom a share is retained; the guardrail is that retention must not fall."""
    metric = make_metric(tenant.organization, name="Retained")
    Metric.objects.filter(pk=metric.pk).update(sql=metric.sql.replace("'signup'", "'retained'"))
    rule = {"metric_id": metric.pk, "direction": "increase", "margin_percent": 5.0} | guardrail
    optimization = make_optimization(tenant.organization, guardrails=[rule], holdout_percentage=50)
    at = timezone.now() - dt.timedelta(days=3)
    limit = holdout_limit(50)
    people = [f"{tenant.organization.name}-{i}" for i in range(users)]
    held = {p: in_holdout(str(optimization.pk), p, limit) for p in people}
    Exposure.objects.bulk_create(
        Exposure(
            organization=tenant.organization,
            optimization_id=optimization.pk,
            anonymous_id=p,
            variant=CONTROL if held[p] else BETTER,
            context={"device": "mobile"},
            timestamp=at,
        )
        for p in people
    )
    for arm, share in ((True, kept_by_holdout), (False, kept)):
        members = [p for p in people if held[p] is arm]
        Reward.objects.bulk_create(
            Reward(organization=tenant.organization, anonymous_id=p, name="retained", timestamp=at, value=1.0)
            for p in members[: round(share * len(members))]
        )
    return optimization


CONTROL = {"headline": "Ship faster", "cta_text": "Start free"}


def train(tenant: Tenant, optimization: Optimization) -> None:
    assert tenant.client.post(f"/api/v2/models/{optimization.models.get().pk}/train").status_code == 200


def shown(tenant: Tenant, optimization: Optimization, query: str = "") -> Any:
    answer = tenant.client.get(f"/api/v2/optimizations/{optimization.pk}/guardrails{query}")
    assert answer.status_code == 200, answer.json()
    [row] = answer.json()["guardrails"]
    return row


def test_pending_before_the_first_training(acme: Tenant) -> None:
    row = shown(acme, guarded(acme))
    assert (row["status"], row["holdout_users"], row["lift_percent"], row["p_value"]) == ("pending", 0, None, None)
    assert row["reason"]
    bare = make_optimization(acme.organization, name="Bare")
    assert acme.client.get(f"/api/v2/optimizations/{bare.pk}/guardrails").json()["guardrails"] == []


@pytest.mark.parametrize(
    ("kept", "direction", "margin", "status"),
    [
        (0.5, "increase", 5.0, "violated"),
        (0.5, "increase", 60.0, "ok"),
        (0.78, "increase", 5.0, "pending"),
        (1.0, "decrease", 5.0, "violated"),
        (1.0, "increase", 5.0, "ok"),
    ],
)
def test_how_it_stands(acme: Tenant, globex: Tenant, kept: float, direction: str, margin: float, status: str) -> None:
    optimization = guarded(acme, kept=kept, direction=direction, margin_percent=margin)
    other = guarded(globex)
    train(acme, optimization)
    row = shown(acme, optimization)
    assert row["status"] == status
    assert row["holdout_users"] + row["optimization_users"] == 1200
    assert row["optimization_rate"] == pytest.approx(kept, abs=0.01)
    assert row["holdout_rate"] == pytest.approx(0.8, abs=0.01)
    assert row["lift_ci"][0] < row["lift_percent"] < row["lift_ci"][1]
    assert (row["p_value"] <= 0.025) is (status == "violated")
    assert row["reason"]
    assert acme.client.get(f"/api/v2/optimizations/{optimization.pk}").json()["guardrails"][0]["status"] == status
    assert shown(globex, other)["status"] == "pending"
    future = shown(acme, optimization, "?start=2100-01-01")
    assert (future["status"], future["holdout_users"], future["lift_percent"]) == (status, 0, None)


def test_a_violation_acts_once(acme: Tenant) -> None:
    admins = [acme.user().email, "second@acme.example"]
    second = User.objects.create(email=admins[1])
    Membership.objects.create(user=second, organization=acme.organization, role=Role.ADMIN)
    acme.user(Role.MEMBER)
    optimization = guarded(acme, kept=0.4)
    train(acme, optimization)
    train(acme, optimization)
    tasks.check_guardrails()
    guardrail = Guardrail.objects.get(optimization=optimization)
    queued = [(task.task["func"], task.task["args"]) for task in OrmQ.objects.order_by("pk")]
    assert queued == [
        ("optimizations.tasks.post_violation", (str(guardrail.pk),)),
        *(("optimizations.tasks.mail_violation", (str(guardrail.pk), email)) for email in admins),
    ]
    assert acme.organization.audit_entries.filter(action="guardrail.violated").count() == 1
    optimization.refresh_from_db()
    assert optimization.paused_at is None
    assert tasks.mail_violation(*queued[1][1]) is True
    [letter] = mail.outbox
    assert letter.to == [admins[0]]
    assert "Retained" in letter.subject
    assert "fall by more than 5 %" in letter.body


def test_a_pause_serves_the_baseline_until_somebody_resumes(acme: Tenant, globex: Tenant) -> None:
    optimization = guarded(acme, kept=0.4, on_violation="pause")
    url = f"/api/v2/optimizations/{optimization.pk}"
    store.refresh()

    def served() -> set[tuple[str, float]]:
        answers = [acme.client.post(f"{url}/serve", {"anonymous_id": f"p{i}"}, format="json").json() for i in range(60)]
        return {(a["variants"][0]["props"]["headline"], a["variants"][0]["propensity"]) for a in answers}

    train(acme, optimization)
    store.refresh()
    assert acme.client.get(url).json()["paused_at"]
    assert served() == {("Ship faster", 1.0)}
    regimes = acme.client.get(f"{url}/results").json()["holdout_regimes"]
    assert [r["holdout_percentage"] for r in regimes] == [50, 100]
    assert acme.client.patch(url, {"holdout_percentage": 20}, format="json").status_code == 200
    store.refresh()
    assert served() == {("Ship faster", 1.0)}

    assert APIClient().post(f"{url}/resume").status_code == 401
    assert globex.client.post(f"{url}/resume").status_code == 404
    assert acme.with_scopes("read").post(f"{url}/resume").status_code == 403
    resumed = acme.client.post(f"{url}/resume")
    assert resumed.status_code == 200
    assert resumed.json()["paused_at"] is None
    store.refresh()
    assert len(served()) > 1
    assert acme.client.post(f"{url}/resume").status_code == 409
    tasks.check_guardrails()  # still violated, but a person has decided
    optimization.refresh_from_db()
    assert optimization.paused_at is None
    assert list(optimization.holdout_regimes.values_list("percentage", flat=True)) == [50, 100, 20]
    entries = acme.organization.audit_entries.order_by("pk").values_list("action", flat=True)
    wanted = ["guardrail.violated", "optimization.paused", "optimization.updated", "optimization.resumed"]
    assert [action for action in entries if action in wanted] == wanted


def test_a_metric_that_fails_keeps_what_was_known(acme: Tenant) -> None:
    optimization = guarded(acme, kept=0.4)
    train(acme, optimization)
    Metric.objects.filter(name="Retained").update(sql="SELECT nothing FROM rewards")
    train(acme, optimization)
    row = shown(acme, optimization)
    assert row["status"] == "violated"
    assert row["reason"].startswith("The metric could not be read")
    assert row["lift_percent"] is not None


def test_bad_definitions(acme: Tenant) -> None:
    optimization = guarded(acme)
    url = f"/api/v2/optimizations/{optimization.pk}/guardrails"
    for query in ("start=x", "limit=1", "start=2026-02-01&end=2026-01-01"):
        assert acme.client.get(f"{url}?{query}").status_code == 400


def test_a_metric_that_a_guardrail_uses_cannot_be_deleted(acme: Tenant) -> None:
    guardrail = Guardrail.objects.get(optimization=guarded(acme, users=2))
    url = f"/api/v2/warehouse/metrics/{guardrail.metric_id}"
    answer = acme.client.delete(url)
    assert answer.status_code == 409
    assert "guardrail" in answer.json()["error"]["message"]
    guardrail.delete()
    assert acme.client.delete(url).status_code == 204
