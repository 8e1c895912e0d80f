"""`POST /optimizations/estimate`, against statsmodels' power of a z-test."""

from math import ceil, prod
from typing import Any

import pytest
from rest_framework.test import APIClient

from bandits.sequences import sequence_factor
from levered_site.organizations.models import Role
from tests.conftest import Tenant

URL = "/api/v2/optimizations/estimate"
BODY = {"sizes": [3, 2, 2], "visitors_per_day": 2000, "baseline_rate": 0.05, "lift_percent": 20}
pytestmark = pytest.mark.django_db


def days(tenant: Tenant, **changes: Any) -> dict[str, Any]:
    answer = tenant.client.post(URL, BODY | changes)
    assert answer.status_code == 200, answer.content
    return dict(answer.json())


def test_users_are_those_of_statsmodels(acme: Tenant) -> None:
    from scipy.stats import norm
    from statsmodels.stats.power import NormalIndPower
    from statsmodels.stats.proportion import proportion_effectsize

    power, effect = NormalIndPower(), proportion_effectsize(0.06, 0.05)
    group = power.solve_power(effect_size=effect, alpha=0.05, power=0.8, ratio=1.0)
    looked_at = 2 * norm.sf(sequence_factor(1.0, 1.0))  # the level of a test that asks for as many standard errors
    held = power.solve_power(effect_size=effect, alpha=looked_at, power=0.8, ratio=9.0)
    answer = days(acme)
    assert answer["lift"] == pytest.approx(ceil(held / 200), abs=1)
    assert answer["levels"] == pytest.approx(ceil(3 * group / 1800), abs=1)
    assert answer["variants"] == pytest.approx(ceil(prod(BODY["sizes"]) * group / 1800), abs=1)  # type: ignore[arg-type]


def test_more_factors_cost_nothing_and_more_levels_do(acme: Tenant) -> None:
    assert days(acme, sizes=[3, 3, 3, 3])["levels"] == days(acme, sizes=[3])["levels"]
    assert days(acme, sizes=[6])["levels"] > days(acme, sizes=[3])["levels"]
    assert days(acme, lift_percent=40)["lift"] < days(acme)["lift"]
    assert days(acme, holdout_percentage=50)["lift"] < days(acme)["lift"]
    assert days(acme, holdout_percentage=0)["lift"] is None
    assert days(acme, visitors_per_day=10**9)["levels"] == 1
    assert days(acme, baseline_rate=0.999, lift_percent=1000)["lift"] >= 1  # a rate is no more than 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("sizes", []), ("sizes", [1]), ("sizes", "3"), ("visitors_per_day", 0), ("visitors_per_day", 1.5),
        ("baseline_rate", 0), ("baseline_rate", 1), ("baseline_rate", "NaN"), ("lift_percent", 0),
        ("lift_percent", -5), ("holdout_percentage", 51), ("levels", [2]),
    ],
)  # fmt: skip
def test_bad_bodies(acme: Tenant, field: str, value: object) -> None:
    answer = acme.client.post(URL, BODY | {field: value})
    assert answer.status_code == 400
    assert answer.json()["error"]["details"][0]["field"].startswith(field)


def test_readers_may_ask(acme: Tenant, anonymous: APIClient) -> None:
    assert anonymous.post(URL, BODY).status_code == 401
    assert acme.browser(Role.VIEWER).post(URL, BODY).status_code == 200
    assert acme.with_scopes("ingest").post(URL, BODY).status_code == 403
