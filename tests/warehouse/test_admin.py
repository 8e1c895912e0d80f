"""The admin pages: they load, they can be filtered, and events cannot be changed."""

import datetime as dt
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from levered_site.organizations.models import User
from tests.conftest import Tenant
from warehouse.models import Connection, Exposure, Reward
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
