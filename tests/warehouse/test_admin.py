"""The admin pages: they load, they can be filtered, and events cannot be changed."""

import datetime as dt
import json
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from levered_site.organizations.models import AuditEntry, User
from tests.conftest import Tenant
from warehouse.connectors.base import Table
from warehouse.models import Connection, Exposure, Reward
from warehouse.sealed import unseal
from warehouse.services import connections
from warehouse.services.catalog import metric_for_event
from warehouse.services.sources import default_source

MODELS = ["connection", "metric", "assignmentsource", "exposure", "reward"]
NOW = dt.datetime(2026, 3, 28, tzinfo=dt.UTC)


@pytest.fixture
def staff(db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root@example.com", "a long password"))
    return client


def fill(tenant: Tenant) -> None:
    event = {"organization": tenant.organization, "anonymous_id": "ann", "timestamp": NOW}
    Exposure.objects.create(**event, optimization_id=uuid4(), variant={}, context={})
    Reward.objects.create(**event, name="buy")
    metric_for_event(tenant.organization, name=f"buy {Reward.objects.count()}")
    default_source(tenant.organization)
    Connection.objects.get_or_create(organization=tenant.organization)


class TestLists:
    @pytest.mark.parametrize("model", MODELS)
    def test_the_number_of_queries_does_not_grow(self, staff: Client, acme: Tenant, globex: Tenant, model: str) -> None:
        url = reverse(f"admin:warehouse_{model}_changelist")
        counts = []
        for tenant in (acme, globex):
            fill(tenant)
            with CaptureQueriesContext(connection) as queries:
                page = staff.get(url)
            assert page.status_code == 200
            counts.append(len(queries))
        assert counts[0] == counts[1]

    @pytest.mark.parametrize("model", MODELS[1:])  # an organization has one connection
    def test_by_organization(self, staff: Client, acme: Tenant, globex: Tenant, model: str) -> None:
        fill(acme)
        url = reverse(f"admin:warehouse_{model}_changelist")
        for tenant, rows in ((acme, 1), (globex, 0)):
            page = staff.get(url, {"organization__id__exact": tenant.organization.pk})
            assert page.context["cl"].result_count == rows


@pytest.mark.parametrize("model", [Exposure, Reward])
def test_events_are_only_looked_at(staff: Client, acme: Tenant, model: type[Exposure | Reward]) -> None:
    fill(acme)
    event = model.objects.get()
    name = model._meta.model_name
    page = reverse(f"admin:warehouse_{name}_change", args=[event.pk])
    assert staff.get(page).status_code == 200
    assert staff.post(page, {"anonymous_id": "bob"}).status_code == 403
    assert staff.get(reverse(f"admin:warehouse_{name}_add")).status_code == 403
    assert staff.post(reverse(f"admin:warehouse_{name}_delete", args=[event.pk]), {"post": "yes"}).status_code == 403
    assert model.objects.get().anonymous_id == "ann"


def test_a_metrics_sql_is_not_edited_past_the_gate(staff: Client, acme: Tenant) -> None:
    metric = metric_for_event(acme.organization, name="buy")
    page = reverse("admin:warehouse_metric_change", args=[metric.pk])
    assert staff.get(page).status_code == 200
    assert staff.post(page, {"name": "Renamed", "sql": "DROP TABLE x"}).status_code == 302
    sql = metric.sql
    metric.refresh_from_db()
    assert (metric.name, metric.sql) == ("Renamed", sql)
    assert staff.get(reverse("admin:warehouse_metric_add")).status_code == 403


class TestConnections:
    SECRET = "hunter2-zq9"

    def body(self, tenant: Tenant, **changes: str) -> dict[str, str]:
        credentials = {"host": "93.184.216.34", "database": "shop", "username": "u", "password": self.SECRET}
        return {
            "organization": str(tenant.organization.pk), "provider": "postgres", "name": "Shop",
            "credentials": json.dumps(credentials),
        } | changes  # fmt: skip

    @pytest.fixture
    def answering(self, monkeypatch: pytest.MonkeyPatch) -> None:
        class Fake:
            def test(self) -> float:
                return 0.01

            def tables(self) -> list[Table]:
                return [Table("orders")]

        monkeypatch.setattr(connections, "open_connector", lambda *args: Fake())

    @pytest.mark.usefixtures("answering")
    def test_saving_connects_and_shows_nothing(self, staff: Client, acme: Tenant, globex: Tenant) -> None:
        assert staff.post(reverse("admin:warehouse_connection_add"), self.body(acme)).status_code == 302
        stored = Connection.objects.get()
        assert stored.organization == acme.organization
        assert unseal(stored.token).values["password"] == self.SECRET
        url = reverse("admin:warehouse_connection_change", args=[stored.pk])
        page = staff.get(url).content.decode()
        assert self.SECRET not in page
        assert stored.token not in page
        assert staff.post(url, self.body(acme, provider="managed", credentials="")).status_code == 302
        stored.refresh_from_db()
        assert (stored.provider, stored.token) == ("managed", "")
        assert (
            staff.post(reverse("admin:warehouse_connection_delete", args=[stored.pk]), {"post": "yes"}).status_code
            == 302
        )
        assert not Connection.objects.exists()
        told = list(AuditEntry.objects.filter(action__startswith="warehouse.").values_list("action", "door"))
        assert sorted(told) == [("warehouse.connected", "admin")] * 2 + [("warehouse.disconnected", "admin")]
        assert self.SECRET not in str(list(AuditEntry.objects.values()))

    @pytest.mark.parametrize(
        ("changes", "told"),
        [
            ({"credentials": ""}, "credentials.host"),
            ({"credentials": "{"}, "JSON"),
            (
                {"credentials": '{"host": "127.0.0.1", "database": "d", "username": "u", "password": "hunter2-zq9"}'},
                "public",
            ),
            ({"provider": "managed"}, "takes none"),
        ],
    )
    def test_what_is_wrong_is_told_and_nothing_saved(
        self, staff: Client, acme: Tenant, changes: dict[str, str], told: str
    ) -> None:
        page = staff.post(reverse("admin:warehouse_connection_add"), self.body(acme, **changes))
        assert page.status_code == 200
        assert told in page.content.decode()
        assert self.SECRET not in page.content.decode()
        assert not Connection.objects.exists()

    def test_testing(self, staff: Client, acme: Tenant) -> None:
        fill(acme)
        pks = list(Connection.objects.values_list("pk", flat=True))
        body = {"action": "try_them", "_selected_action": pks}
        page = staff.post(reverse("admin:warehouse_connection_changelist"), body, follow=True)
        assert "2 tables can be read" in page.content.decode()
