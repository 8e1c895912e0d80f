"""Metrics: the list, from an event, from a query."""

import pytest
from django.utils import timezone

from levered_site.organizations.models import Role
from tests.conftest import Tenant
from tests.dashboard.conftest import SignIn
from tests.factories import make_metric
from warehouse.models import Connection, Metric, Provider, Reward

pytestmark = pytest.mark.django_db
URL = "/metrics"
EVENT = {"reward_type": "bool", "source": "event", "event_name": "signed 'up'"}


def test_an_event_becomes_a_query_that_is_quoted(sign_in: SignIn, acme: Tenant, globex: Tenant) -> None:
    answer = sign_in(acme).post(URL, EVENT, follow=True)
    assert "is ready." in answer.content.decode()
    metric = Metric.objects.get()
    assert metric.organization == acme.organization
    assert metric.name == "signed 'up'"
    assert metric.sql.endswith("FROM rewards WHERE name = 'signed ''up'''")
    assert metric.column_mapping["reward_type"] == "bool"
    assert "signed" not in sign_in(globex).get(URL).content.decode().split("New metric")[0]


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
    [({"source": "sql"}, "name"), ({"event_name": ""}, "event_name"), ({"source": "sql"}, "sql")],
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


def test_what_the_warehouse_refuses_is_told_and_nothing_is_lost(sign_in: SignIn, acme: Tenant) -> None:
    query = {
        "name": "Orders",
        "reward_type": "bool",
        "source": "sql",
        "anonymous_id_column": "who",
        "timestamp_column": "timestamp",
    }
    browser = sign_in(acme)
    for sql in ("DELETE FROM rewards", "SELECT 1 FROM nowhere"):
        answer = browser.post(URL, query | {"sql": sql})
        assert answer.status_code == 400
        assert answer.context["form"].errors
        assert sql in answer.content.decode()
    answer = browser.post(URL, query | {"sql": "SELECT anonymous_id, timestamp FROM rewards"})
    assert list(answer.context["form"].errors) == ["anonymous_id_column"]
    assert not Metric.objects.exists()


def test_names_that_arrived_are_offered(sign_in: SignIn, acme: Tenant, globex: Tenant) -> None:
    for tenant, name in ((acme, "signup"), (globex, "secret_event")):
        Reward.objects.create(organization=tenant.organization, anonymous_id="a", name=name, timestamp=timezone.now())
    for path in (URL, "/optimizations/new"):
        page = sign_in(acme).get(path).content.decode()
        assert '<option value="signup">' in page
        assert "secret_event" not in page


def test_only_an_admin_switches_to_the_managed_warehouse(sign_in: SignIn, acme: Tenant, globex: Tenant) -> None:
    for tenant in (acme, globex):
        Connection.objects.create(organization=tenant.organization, provider=Provider.POSTGRES)
    assert sign_in(acme, Role.MEMBER).post("/settings/warehouse/managed").status_code == 403
    assert "Use the managed warehouse" in sign_in(acme).get("/settings/warehouse").content.decode()
    answer = sign_in(acme).post("/settings/warehouse/managed", follow=True)
    assert "Hosted by Levered" in answer.content.decode()
    providers = dict(Connection.objects.values_list("organization__name", "provider"))
    assert providers == {"Acme": "managed", "Globex": "postgres"}
