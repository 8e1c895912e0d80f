"""`GET /optimizations/:id/progress` and `/observations`, `GET /models/:id/state`."""

import datetime as dt
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from optimizations.models import Optimization
from tests.api.test_results import BETTER, trained
from tests.conftest import Tenant
from tests.factories import CONFIG, add_exposures, make_optimization

pytestmark = pytest.mark.django_db
PATHS = ["progress", "observations", "results", "lift-history", "guardrails"]


def get(tenant: Tenant, optimization: Optimization, path: str) -> Any:
    answer = tenant.client.get(f"/api/v2/optimizations/{optimization.pk}/{path}")
    assert answer.status_code == 200, answer.json()
    return answer.json()


def state(tenant: Tenant, optimization: Optimization) -> Any:
    answer = tenant.client.get(f"/api/v2/models/{optimization.models.get().pk}/state")
    assert answer.status_code == 200, answer.json()
    return answer.json()


def test_progress_before_the_first_training(acme: Tenant) -> None:
    shown = get(acme, make_optimization(acme.organization), "progress")
    assert (shown["days_running"], shown["holdout_users"], shown["optimization_users"]) == (0, 0, 0)
    assert shown["leader"] is None
    assert shown["expected_days_until_known"] is None
    assert shown["reason"]
    assert shown["verdict"] == "too_early"


def test_progress(acme: Tenant, globex: Tenant) -> None:
    optimization = trained(acme)
    trained(globex)
    shown = get(acme, optimization, "progress")
    assert shown["holdout_users"] + shown["optimization_users"] == 1200
    assert shown["exposures"] == 1200
    assert shown["days_running"] == 3
    assert 0 <= shown["progress_to_best"] <= 1
    assert shown["leader"]["traffic_share"] >= 0.4
    # both arms saw both variants here: the users' lift is about zero, while the model expects a large one
    assert shown["expected_days_until_known"] >= 1
    later = get(acme, optimization, "progress?start=2100-01-01")
    assert (later["exposures"], later["holdout_users"]) == (0, 0)
    assert later["reason"]


def test_days_running_end_with_the_optimization(acme: Tenant) -> None:
    optimization = make_optimization(acme.organization)
    now = timezone.now()
    Optimization.objects.filter(pk=optimization.pk).update(
        created_at=now - dt.timedelta(days=10), completed_at=now - dt.timedelta(days=4)
    )
    assert get(acme, optimization, "progress")["days_running"] == 6


def test_observations_a_page_at_a_time(acme: Tenant, globex: Tenant) -> None:
    optimization = trained(acme)
    trained(globex)
    whole = get(acme, optimization, "observations")
    assert (whole["total"], whole["next_offset"]) == (4, None)
    assert [c["exposures"] for c in whole["observations"]] == [300] * 4
    assert [c["reward_total"] for c in whole["observations"]] == [30, 90, 30, 90]
    assert whole["observations"][1]["variant"] == BETTER
    assert whole["observations"][1]["variant_number"] == 3
    assert whole["observations"][0]["context"] == {"device": "mobile"}
    dates = [c["date"] for c in whole["observations"]]
    assert dates == sorted(dates)
    pages: list[Any] = []
    offset: int | None = 0
    while offset is not None:
        page = get(acme, optimization, f"observations?limit=3&offset={offset}")
        pages += page["observations"]
        offset = page["next_offset"]
    assert pages == whole["observations"]
    assert get(acme, optimization, f"observations?start={dates[2]}")["total"] == 2
    assert get(acme, optimization, "observations?offset=1000")["observations"] == []
    assert get(acme, make_optimization(acme.organization), "observations")["total"] == 0


@pytest.mark.parametrize(
    "query",
    [
        "progress?start=yesterday",
        "progress?limit=3",
        "observations?limit=0",
        "observations?limit=1001",
        "observations?offset=-1",
        "observations?offset=99999999999999999999",
        "observations?start=2026-02-01&end=2026-01-01",
    ],
)
def test_bad_queries(acme: Tenant, query: str) -> None:
    optimization = make_optimization(acme.organization)
    assert acme.client.get(f"/api/v2/optimizations/{optimization.pk}/{query}").status_code == 400


@pytest.mark.parametrize("path", PATHS)
def test_who_may(acme: Tenant, globex: Tenant, anonymous: APIClient, path: str) -> None:
    url = f"/api/v2/optimizations/{make_optimization(acme.organization).pk}/{path}"
    assert anonymous.get(url).status_code == 401
    assert acme.with_scopes("ingest").get(url).status_code == 403
    assert acme.with_scopes("read").get(url).status_code == 200
    assert globex.client.get(url).status_code == 404


def test_a_models_state_before_the_first_training(acme: Tenant, globex: Tenant, anonymous: APIClient) -> None:
    optimization = make_optimization(acme.organization)
    shown = state(acme, optimization)
    assert (shown["version"], shown["factors"], shown["best_variant"]) == (0, [], None)
    assert shown["reason"]
    url = f"/api/v2/models/{optimization.models.get().pk}/state"
    assert anonymous.get(url).status_code == 401
    assert acme.with_scopes("ingest").get(url).status_code == 403
    assert globex.client.get(url).status_code == 404


def test_a_models_state(acme: Tenant) -> None:
    """Headline B is better on mobile, headline C on desktop."""
    optimization = make_optimization(acme.organization)
    day = timezone.now() - dt.timedelta(days=3)
    best_on = {"mobile": "Save time", "desktop": "Build better"}
    for device, best in best_on.items():
        for headline in CONFIG["design_factors"][0]["levels"]:
            for cta in CONFIG["design_factors"][1]["levels"]:
                add_exposures(
                    optimization,
                    200,
                    conversions=90 if headline == best else 30,
                    at=day,
                    prefix=f"{device}{headline}{cta}",
                    variant={"headline": headline, "cta_text": cta},
                    context={"device": device},
                )
    acme.client.post(f"/api/v2/models/{optimization.models.get().pk}/train")
    shown = state(acme, optimization)
    assert (shown["version"], shown["link"], shown["reason"]) == (1, "logit", None)
    assert [f["factor"] for f in shown["factors"]] == ["headline", "cta_text"]
    level = shown["factors"][0]["levels"][0]
    assert level["level"] == "Ship faster"
    assert level["effect"]["ci_lower"] < level["effect"]["mean"] < level["effect"]["ci_upper"] < 0
    (pair,) = shown["interactions"]
    assert pair["factors"] == ["headline", "cta_text"]
    assert [c["exposures"] for c in pair["cells"]] == [400] * 6
    assert not any(c["masked"] for c in pair["cells"])
    contexts = {c["context"]["device"]: c for c in shown["contexts"]}
    for device, best in best_on.items():
        row = contexts[device]
        assert row["best_variant"]["variant"]["headline"] == best
        assert row["traffic_share"] == pytest.approx(0.5)
        assert row["lift_percent"]["ci_lower"] > 0
    assert shown["personalization"]["ci_lower"] > 0
    assert shown["baseline_check"]["status"] == "tracking"
    shown = get(acme, optimization, "results")
    assert len(shown["contexts"]) == 2
    assert shown["personalization"]["ci_lower"] > 0
    assert shown["baseline_check"]["status"] == "tracking"


def test_thin_pairs_are_masked(acme: Tenant) -> None:
    shown = state(acme, trained(acme))
    (pair,) = shown["interactions"]
    masked = {tuple(c["levels"]): c for c in pair["cells"] if c["masked"]}
    assert len(masked) == 4
    assert all(c["effect"] is None and c["kind"] is None for c in masked.values())
