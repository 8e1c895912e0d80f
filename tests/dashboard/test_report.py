"""The report that is forwarded."""

import html
from typing import Any

import pytest
from django.test import Client

from optimizations.models import Guardrail, Optimization
from optimizations.services.report import recommend
from tests.conftest import Tenant
from tests.dashboard.conftest import SignIn
from tests.dashboard.test_optimization import learned, url
from tests.factories import make_metric, make_optimization

pytestmark = pytest.mark.django_db
SECTIONS = ["Summary", "Progress", "Impact", "Variants and factors", "Recommended action", "Method notes"]


def text_of(answer: Any) -> str:
    assert answer.status_code == 200
    return html.unescape(answer.content.decode())


def test_its_sections_in_their_order(sign_in: SignIn, acme: Tenant) -> None:
    metric = make_metric(acme.organization, name="Retained")
    guardrail = {"metric_id": str(metric.pk), "direction": "increase", "margin_percent": 5}
    optimization = learned(acme, guardrails=[guardrail], name="<b>Hero</b>")
    answer = sign_in(acme).get(url(optimization, "/report"))
    page = text_of(answer)
    places = [page.index(f"<h2>{section}</h2>") for section in SECTIONS]
    assert places == sorted(places)
    assert "Retained (guardrail)" in page
    assert "&lt;b&gt;Hero" in answer.content.decode()
    assert "nan" not in page.lower().replace("tenancy", "")
    assert "None" not in page.replace("None before the first training", "")


def test_without_data(sign_in: SignIn, acme: Tenant) -> None:
    page = text_of(sign_in(acme).get(url(make_optimization(acme.organization), "/report")))
    assert "A verdict needs at least 100 users in each arm" in page
    assert "Wait." in page


def test_who_may(sign_in: SignIn, acme: Tenant, globex: Tenant, client: Client) -> None:
    optimization = make_optimization(acme.organization)
    assert sign_in(globex).get(url(optimization, "/report")).status_code == 404
    assert client.get(url(optimization, "/report")).status_code == 302


@pytest.mark.parametrize(
    ("verdict", "progress", "mismatch", "guard", "paused", "status", "expected"),
    [
        ("better", 0.95, False, "ok", False, "live", "Complete it"),
        ("better", 0.5, False, "ok", False, "live", "Keep it running"),
        ("better", 0.95, True, "violated", True, "live", "Check how exposures"),
        ("better", 0.95, False, "violated", False, "live", "violated guardrail"),
        ("too_early", None, False, "pending", True, "live", "Resume"),
        ("worse", None, False, "pending", False, "live", "Archive it"),
        ("no_detectable_change", None, False, "pending", False, "live", "bolder"),
        ("too_early", None, False, "pending", False, "live", "Wait"),
        ("better", 0.95, False, "ok", False, "completed", "Nothing"),
    ],
)
def test_what_it_recommends(
    acme: Tenant, verdict: str, progress: Any, mismatch: bool, guard: str, paused: bool, status: str, expected: str
) -> None:
    optimization = make_optimization(acme.organization)
    optimization.status = Optimization(status=status).status
    optimization.paused_at = optimization.created_at if paused else None
    shown = {
        "primary_metric_vs_holdout": {"robust": {"verdict": verdict, "reason": "Because."}},
        "sample_ratio": {"mismatch": mismatch},
    }
    reached = {"progress_to_best": progress, "expected_days_until_known": 9}
    guards = [{"status": Guardrail.State(guard), "metric": {"name": "Refunds"}}]
    action, why = recommend(optimization, shown, reached, guards)
    assert expected in action
    assert why
