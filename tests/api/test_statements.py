"""`GET /optimizations/:id/sql`: what it tells is what training read."""

import datetime as dt
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from optimizations.models import TrainingRun
from optimizations.services.observations import Table
from optimizations.services.results import latest_readout
from optimizations.services.training import train
from tests.conftest import Tenant, client_with
from tests.factories import CONFIG, add_exposures, make_optimization

pytestmark = pytest.mark.django_db
NUMERIC = CONFIG | {"reward": {"name": "signup", "type": "numeric"}}


def url(optimization: Any) -> str:
    return f"/api/v2/optimizations/{optimization.pk}/sql"


def run(tenant: Tenant, sql: str) -> list[dict[str, Any]]:
    answer = tenant.client.post("/api/v2/warehouse/query", {"sql": sql, "limit": 1000})
    assert answer.status_code == 200, answer.json()
    rows: list[dict[str, Any]] = answer.json()["rows"]
    return rows


@pytest.mark.parametrize(("config", "names"), [(CONFIG, "arms cells delays"), (NUMERIC, "arms cap cells delays")])
def test_what_is_shown_runs_and_gives_the_trainings_numbers(
    acme: Tenant, globex: Tenant, config: dict[str, Any], names: str
) -> None:
    ours, theirs = (make_optimization(t.organization, training_data_config=config) for t in (acme, globex))
    at = timezone.now() - dt.timedelta(days=2)
    for optimization in (ours, theirs):
        add_exposures(optimization, 40, conversions=8, at=at, prefix="ann", value=2.0)
        add_exposures(optimization, 3, conversions=0, at=timezone.now() - dt.timedelta(hours=2), prefix="bob")
    train(ours.models.get(), trigger=TrainingRun.Trigger.API)
    body = acme.client.get(url(ours)).json()
    assert body["provider"] == "managed"
    assert sorted(s["name"] for s in body["statements"]) == names.split()
    sql = {s["name"]: s["sql"] for s in body["statements"]}
    assert not [text for text in sql.values() if ":now_at" in text or "managed_" in text]
    readout = latest_readout(ours)
    assert readout is not None
    table = Table.from_bytes(bytes(readout.table))
    cells = run(acme, sql["cells"])
    assert sum(row["n"] for row in cells) == table.n.sum() == 43
    assert sum(row["y_total"] for row in cells) == table.total.sum() == 8 * (2.0 if config is NUMERIC else 1.0)
    arms = run(acme, sql["arms"])
    assert sum(row["users"] for row in arms) == sum(arm[2] for arm in readout.arms) == 40
    assert [row["n"] for row in run(acme, sql["delays"])] == [8]
    if config is NUMERIC:
        assert run(acme, sql["cap"]) == [{"of_all": 2.0, "of_positive": 2.0}]


def test_it_is_as_of_the_latest_training(acme: Tenant, globex: Tenant) -> None:
    optimization = make_optimization(acme.organization)
    before = acme.client.get(url(optimization)).json()["as_of"]
    assert before > timezone.now().isoformat()[:10]
    train(optimization.models.get(), trigger=TrainingRun.Trigger.API)
    shown = dt.datetime.fromisoformat(acme.client.get(url(optimization)).json()["as_of"])
    assert shown == TrainingRun.objects.get().started_at


def test_without_a_source_there_is_nothing_to_read(acme: Tenant, globex: Tenant) -> None:
    optimization = make_optimization(acme.organization)
    acme.client.delete("/api/v2/warehouse/assignment-source")
    assert acme.client.get(url(optimization)).status_code == 409


def test_who_may(acme: Tenant, globex: Tenant, anonymous: APIClient) -> None:
    optimization = make_optimization(acme.organization)
    assert anonymous.get(url(optimization)).status_code == 401
    assert globex.client.get(url(optimization)).status_code == 404
    assert acme.with_scopes("ingest").get(url(optimization)).status_code == 403
    assert client_with(acme.key("read")).get(url(optimization)).status_code == 200
    assert acme.client.post(url(optimization), {}).status_code == 405
