"""One estimator: page, list, API, report, CSV, agent and admin tell the same lift and the same verdict."""

import csv
import datetime as dt
import html
import io

import pytest
from django.utils import timezone

from levered_site.mcp.explain import explain
from optimizations.models import Optimization
from optimizations.services.lifecycle import active_model
from optimizations.services.report import report
from optimizations.services.training import train
from optimizations.templatetags.figures import points, signed
from tests.conftest import Tenant
from tests.dashboard.conftest import SignIn
from tests.factories import add_arms, make_optimization

pytestmark = pytest.mark.django_db

TITLES = {
    "better": "beats the baseline by",
    "worse": "falls short of the baseline by",
    "no_detectable_change": "No change can be told from chance.",
    "too_early": "Too early for a verdict.",
}


def measured(tenant: Tenant, users: int, held_rate: float, served_rate: float) -> Optimization:
    """Two days whose arms differ in size, so that a pooled and a stratified estimate differ too."""
    optimization = make_optimization(tenant.organization, holdout_percentage=50)
    for back, share in ((3, 1.0), (2, 0.6)):
        add_arms(
            optimization,
            round(users * share),
            held_rate=held_rate * share,
            served_rate=served_rate * share,
            at=timezone.now() - dt.timedelta(days=back),
            prefix=f"day{back}",
        )
    model = active_model(optimization)
    assert model is not None
    train(model, trigger="command")
    optimization.refresh_from_db()
    return optimization


@pytest.mark.parametrize(
    ("verdict", "users", "held_rate", "served_rate"),
    [
        ("better", 2000, 0.1, 0.2),
        ("worse", 2000, 0.2, 0.1),
        ("no_detectable_change", 2500, 0.5, 0.5),
        ("too_early", 1000, 0.1, 0.11),
        ("too_early", 60, 0.1, 0.9),
    ],
)
def test_every_door_tells_the_same(
    sign_in: SignIn, acme: Tenant, verdict: str, users: int, held_rate: float, served_rate: float
) -> None:
    optimization = measured(acme, users, held_rate, served_rate)
    path = f"/api/v2/optimizations/{optimization.pk}"
    api = acme.client.get(f"{path}/results").json()
    robust = api["primary_metric_vs_holdout"]["robust"]
    lift, interval = robust["lift_percent"], robust["always_valid_ci"]
    assert robust["verdict"] == verdict
    browser = sign_in(acme)

    page = browser.get(f"/optimizations/{optimization.pk}")
    text = html.unescape(page.content.decode())
    assert TITLES[verdict] in page.context["verdict"].title
    assert page.context["robust"] == robust
    shown = [signed(lift)] if interval is None else [signed(lift), *map(signed, interval)]
    for number in shown:
        assert number in text
    if verdict in ("better", "worse"):
        assert points(abs(lift)) in page.context["verdict"].title
    history = page.context["lift_history"]
    assert (history["mean"][-1:], history["low"][-1:], history["high"][-1:]) == (
        ([lift], [interval[0]], [interval[1]]) if interval else ([], [], [])
    )

    listed = acme.client.get("/api/v2/optimizations").json()["optimizations"][0]["summary"]
    assert listed["verdict"] == verdict
    if interval:
        assert listed["lift"] == round(lift, 2)
        assert listed["lift_ci"] == [round(bound, 2) for bound in interval]
        tone = {"better": "success", "worse": "error"}.get(verdict, "neutral")
        (row,) = browser.get("/").context["page"].object_list
        assert (row.tone, row.lift_low, row.lift_high) == (tone, *listed["lift_ci"])
        assert signed(listed["lift"]) in browser.get("/").content.decode()
    else:
        assert listed["lift_ci"] is None

    told = explain(optimization)
    assert told.verdict == verdict
    assert told.quotable is (verdict != "too_early")
    assert told.lift_percent == (lift if told.quotable else None)
    assert told.lift_ci == (interval if told.quotable else None)

    printed = html.unescape(browser.get(f"/optimizations/{optimization.pk}/report").content.decode())
    assert robust["reason"] in printed
    assert signed(lift) in printed
    assert report(optimization)["progress"]["verdict"] == verdict
    assert acme.client.get(f"{path}/progress").json()["verdict"] == verdict
    assert acme.client.get(f"{path}/lift-history").json()["lift_history"][-1]["measured"] == {
        key: robust[key] for key in ("lift_percent", "always_valid_ci", "verdict")
    }

    rows = list(csv.DictReader(io.StringIO(acme.client.get(f"{path}/results.csv").content.decode())))
    assert [(int(r["number"]), float(r["expected_reward_mean"]), float(r["prob_best"])) for r in rows] == [
        (v["number"], v["expected_reward_mean"], v["prob_best"]) for v in api["variants"]
    ]
