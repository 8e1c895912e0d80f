"""Metrics: the list, from an event, from a query."""

import pytest
from django.utils import timezone

from levered_site.organizations.models import Role
from tests.conftest import Tenant
from tests.dashboard.conftest import SignIn
from tests.factories import make_metric, make_optimization
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
    assert "Type <strong" in sign_in(acme).get("/settings/warehouse?provider=managed").content.decode()
    assert sign_in(acme).post("/settings/warehouse/managed", {"confirmation": "Globex"}).status_code == 400
    answer = sign_in(acme).post("/settings/warehouse/managed", {"confirmation": " Acme "}, follow=True)
    assert "Hosted by Levered" in answer.content.decode()
    providers = dict(Connection.objects.values_list("organization__name", "provider"))
    assert providers == {"Acme": "managed", "Globex": "postgres"}


QUERY = {
    "name": "Steps",
    "reward_type": "outcomes",
    "source": "sql",
    "sql": "SELECT anonymous_id, timestamp, name, value FROM rewards",
    "anonymous_id_column": "anonymous_id",
    "timestamp_column": "timestamp",
    "match_by": "name",
    "name_column": "name",
    "outcomes": "purchase = 1\n\nsign = up = 0.3",
}


def test_weighted_outcomes_are_told_apart_by_name_or_value(sign_in: SignIn, acme: Tenant) -> None:
    browser = sign_in(acme)
    page = browser.post(URL, QUERY, follow=True).content.decode()
    assert "Weighted outcomes" in page
    by_value = {"match_by": "value", "name_column": "", "value_column": "value", "outcomes": "2 = 1\n1 = 0.5"}
    browser.post(URL, QUERY | {"name": "Values"} | by_value)
    by_name, values = Metric.objects.order_by("created_at")
    assert by_name.column_mapping["outcomes"] == [
        {"key": "purchase", "weight": 1.0, "match": {"by": "name", "value": "purchase"}},
        {"key": "sign = up", "weight": 0.3, "match": {"by": "name", "value": "sign = up"}},
    ]
    assert values.column_mapping["outcomes"][1]["match"] == {"by": "value", "value": 1.0}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"outcomes": "purchase"}, "outcomes"),
        ({"outcomes": "purchase = much"}, "outcomes"),
        ({"outcomes": "purchase = 1"}, "outcomes"),
        ({"name_column": ""}, "name_column"),
        ({"match_by": "value", "value_column": "value"}, "outcomes"),
        ({"source": "event", "event_name": "x"}, "source"),
        ({"sql": "SELECT nothing FROM rewards"}, "sql"),
        ({"sql": "DELETE FROM rewards"}, "sql"),
        ({"timestamp_column": "when"}, "timestamp_column"),
    ],
)
def test_what_the_warehouse_refuses_stands_at_its_field(
    sign_in: SignIn, acme: Tenant, change: dict[str, str], field: str
) -> None:
    answer = sign_in(acme).post(URL, QUERY | change)
    assert answer.status_code == 400
    assert field in answer.context["form"].errors
    assert not Metric.objects.exists()


def test_a_preview_shows_rows_and_saves_nothing(sign_in: SignIn, acme: Tenant, globex: Tenant) -> None:
    for tenant, person in ((acme, "ada"), (globex, "grace")):
        Reward.objects.create(
            organization=tenant.organization, anonymous_id=person, name="signed 'up'", timestamp=timezone.now()
        )
    browser = sign_in(acme)
    for data in (EVENT, QUERY, QUERY | {"name": "", "outcomes": "x"}):
        answer = browser.post(URL, data | {"preview": "1"})
        assert answer.status_code == 200
        page = answer.content.decode()
        assert ">ada<" in page
        assert "grace" not in page
        assert "field-error" not in page
    refused = browser.post(URL, QUERY | {"preview": "1", "sql": "SELECT nothing FROM rewards"})
    assert list(refused.context["form"].errors) == ["sql"]
    assert not Metric.objects.exists()


def test_a_metrics_page_shows_its_rows_and_who_uses_it(sign_in: SignIn, acme: Tenant, globex: Tenant) -> None:
    optimization = make_optimization(acme.organization, name="Hero of the page")
    at = timezone.now()
    Reward.objects.create(organization=acme.organization, anonymous_id="ada", name="signup", timestamp=at)
    Reward.objects.create(organization=globex.organization, anonymous_id="grace", name="signup", timestamp=at)
    url = f"{URL}/{optimization.reward_metric_id}"
    page = sign_in(acme, Role.VIEWER).get(url).content.decode()
    assert ">ada<" in page
    assert "grace" not in page
    assert "Hero of the page" in page
    assert sign_in(globex).get(url).status_code == 404
    Metric.objects.update(sql="SELECT gone FROM nowhere")
    broken = sign_in(acme).get(url)
    assert broken.status_code == 200
    assert broken.context["problem"]
