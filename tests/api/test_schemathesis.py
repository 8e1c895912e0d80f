"""Requests that the schema allows, and some that it does not, against the application: no crash, no undocumented status,
no answer that breaks its schema, no way around the credential."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from tests.conftest import Tenant
from tests.factories import make_optimization

schema = schemathesis.openapi.from_wsgi("/api/v2/schema", get_wsgi_application())
pytestmark = pytest.mark.django_db
bounded = settings(
    max_examples=12, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
# a schema cannot say that SQL must run or that an end lies after its beginning, and DRF reads 0 where text is wanted as "0"
JUDGEMENT = [positive_data_acceptance, negative_data_rejection]


@pytest.fixture(autouse=True)
def _one_connection() -> Iterator[None]:
    """The end of a request closes its connection, which here holds the test's transaction. Django's own client does so
    too."""
    ends = (request_started, request_finished)
    for end in ends:
        end.disconnect(close_old_connections)
    yield
    for end in ends:
        end.connect(close_old_connections)


@pytest.fixture
def own(acme: Tenant) -> dict[str, str]:
    """What exists, so that not every id is a 404."""
    optimization = make_optimization(acme.organization)
    return {
        "optimization_id": str(optimization.pk),
        "model_id": str(optimization.models.get().pk),
        "metric_id": str(optimization.reward_metric_id),
        "table": "rewards",
    }


def ask(case: schemathesis.Case, tenant: Tenant) -> Any:
    return case.call_and_validate(headers={"Authorization": f"Bearer {tenant.secret}"}, excluded_checks=JUDGEMENT)


@schema.parametrize()
@bounded
def test_whatever_is_sent(case: schemathesis.Case, acme: Tenant) -> None:
    ask(case, acme)


@schema.include(path_regex="{").parametrize()
@bounded
def test_whatever_is_sent_to_what_exists(case: schemathesis.Case, acme: Tenant, own: dict[str, str]) -> None:
    case.path_parameters = {name: own.get(name, value) for name, value in (case.path_parameters or {}).items()}
    ask(case, acme)
