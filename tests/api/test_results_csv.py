"""`GET /optimizations/:id/results.csv`."""

import csv
import io
from typing import Any

import pytest
from rest_framework.test import APIClient

from optimizations.models import Optimization
from tests.api.test_results import BETTER, trained
from tests.conftest import Tenant
from tests.factories import CONFIG, make_optimization

pytestmark = pytest.mark.django_db


def rows(tenant: Tenant, optimization: Optimization, query: str = "") -> list[dict[str, Any]]:
    answer = tenant.client.get(f"/api/v2/optimizations/{optimization.pk}/results.csv{query}")
    assert answer.status_code == 200
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert answer["Content-Disposition"].startswith("attachment")
    return list(csv.DictReader(io.StringIO(answer.content.decode())))


def test_one_row_per_variant(acme: Tenant, globex: Tenant) -> None:
    optimization = trained(acme)
    trained(globex)
    found = rows(acme, optimization)
    assert len(found) == 6
    best = next(r for r in found if (r["headline"], r["cta_text"]) == tuple(BETTER.values()))
    assert (best["number"], best["exposures"], float(best["rate"])) == ("3", "600", pytest.approx(0.3))
    unseen = next(r for r in found if r["exposures"] == "0")
    assert unseen["rate"] == ""
    future = rows(acme, optimization, "?start=2100-01-01")
    assert {r["exposures"] for r in future} == {"0"}
    assert len(rows(acme, make_optimization(acme.organization))) == 6


def test_levels_are_never_formulas(acme: Tenant) -> None:
    nasty = ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", 'a "quoted", one', "plain"]
    config = CONFIG | {
        "design_factors": [{"name": "-cta", "levels": nasty}, {"name": "n", "dtype": "int", "levels": [-1, 2]}]
    }
    found = rows(acme, make_optimization(acme.organization, training_data_config=config))
    assert {r["'-cta"] for r in found} == {"'=1+1", "'+1", "'-1", "'@SUM(A1)", "'\tx", 'a "quoted", one', "plain"}
    assert {r["n"] for r in found} == {"-1", "2"}


def test_who_may_and_bad_queries(acme: Tenant, globex: Tenant, anonymous: APIClient) -> None:
    url = f"/api/v2/optimizations/{make_optimization(acme.organization).pk}/results.csv"
    assert anonymous.get(url).status_code == 401
    assert acme.with_scopes("ingest").get(url).status_code == 403
    assert globex.client.get(url).status_code == 404
    for query in ("start=x", "limit=1"):
        answer = acme.client.get(f"{url}?{query}")
        assert (answer.status_code, answer["Content-Type"]) == (400, "application/json")
