"""Metrics: the list, from an event, from a query."""

import pytest

from tests.conftest import Tenant
from tests.dashboard.conftest import SignIn
from tests.factories import make_metric
from warehouse.models import Connection, Metric, Provider

pytestmark = pytest.mark.django_db
URL = "/metrics"
EVENT = {"name": "Sign-up", "reward_type": "bool", "source": "event", "event_name": "signed 'up'"}


def test_an_event_becomes_a_query_that_is_quoted(sign_in: SignIn, acme: Tenant, globex: Tenant) -> None:
    answer = sign_in(acme).post(URL, EVENT, follow=True)
    assert "The metric “Sign-up” is created." in answer.content.decode()
    metric = Metric.objects.get()
    assert metric.organization == acme.organization
    assert metric.sql == ("SELECT anonymous_id, timestamp, optimization_id FROM rewards WHERE name = 'signed ''up'''")
    assert metric.column_mapping == {
        "anonymous_id": "anonymous_id",
        "timestamp": "timestamp",
        "reward_type": "bool",
    }
    assert "Sign-up" not in sign_in(globex).get(URL).content.decode().split("New metric")[0]


def test_a_numeric_event_brings_its_value(sign_in: SignIn, acme: Tenant) -> None:
    sign_in(acme).post(URL, EVENT | {"reward_type": "numeric"})
    assert Metric.objects.get().column_mapping["value"] == "value"
    assert "Numeric" in sign_in(acme).get(URL).content.decode()


def test_a_query_is_mapped_column_by_column(sign_in: SignIn, acme: Tenant) -> None:
    query = {
        "name": "Orders",
        "reward_type": "numeric",
        "source": "sql",
        "sql": "SELECT anonymous_id, timestamp, value FROM rewards",
        "anonymous_id_column": "anonymous_id",
        "timestamp_column": "timestamp",
        "value_column": "value",
    }
    assert sign_in(acme).post(URL, query).status_code == 302
    assert Metric.objects.get().column_mapping == {
        "anonymous_id": "anonymous_id",
        "timestamp": "timestamp",
        "reward_type": "numeric",
        "value": "value",
    }


@pytest.mark.parametrize(
    ("change", "field"),
    [({"name": ""}, "name"), ({"event_name": ""}, "event_name"), ({"source": "sql"}, "sql")],
)
def test_errors_stand_at_their_fields(sign_in: SignIn, acme: Tenant, change: dict[str, str], field: str) -> None:
    answer = sign_in(acme).post(URL, EVENT | change)
    assert answer.status_code == 400
    assert field in answer.context["form"].errors
    assert not Metric.objects.exists()


def test_with_an_own_warehouse_a_metric_is_a_query(sign_in: SignIn, acme: Tenant) -> None:
    make_metric(acme.organization)
    Connection.objects.create(organization=acme.organization, provider=Provider.POSTGRES)
    browser = sign_in(acme)
    form = browser.get(URL).context["form"]
    assert [value for value, _ in form.fields["source"].choices] == ["sql"]
    assert browser.post(URL, EVENT).status_code == 400
    assert "PostgreSQL" in browser.get("/settings/warehouse").content.decode()
