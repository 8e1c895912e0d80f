"""The operator's lists and details of optimizations, models, versions and runs: readable, and cheap."""

import datetime as dt

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from levered_site.organizations.models import User
from optimizations.models import BanditModel, Optimization, PosteriorVersion, TrainingRun
from optimizations.services.lifecycle import active_model
from optimizations.services.training import train
from tests.conftest import Tenant
from tests.factories import add_exposures, make_optimization

pytestmark = pytest.mark.django_db
MODELS = [Optimization, BanditModel, PosteriorVersion, TrainingRun]


@pytest.fixture
def staff(db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root@example.com", "a long password"))
    return client


def fill(tenant: Tenant) -> None:
    optimization = make_optimization(tenant.organization)
    at = timezone.now() - dt.timedelta(days=2)
    add_exposures(optimization, 40, conversions=10, at=at, prefix=tenant.organization.name)
    model = active_model(optimization)
    assert model is not None
    train(model, trigger="command")


@pytest.mark.parametrize("model", MODELS)
def test_lists_do_as_many_queries_for_two_as_for_one(
    staff: Client, acme: Tenant, globex: Tenant, model: type[Optimization]
) -> None:
    url = reverse(f"admin:optimizations_{model._meta.model_name}_changelist")
    counts = []
    for tenant in (acme, globex):
        fill(tenant)
        with CaptureQueriesContext(connection) as queries:
            assert staff.get(url).status_code == 200
        counts.append(len(queries))
    assert counts[0] == counts[1]


@pytest.mark.parametrize("model", MODELS)
def test_details_open_and_show_no_posterior(staff: Client, acme: Tenant, model: type[Optimization]) -> None:
    fill(acme)
    row = model.objects.first()
    assert row is not None
    page = staff.get(reverse(f"admin:optimizations_{model._meta.model_name}_change", args=[row.pk]))
    assert page.status_code == 200
    assert "blob" not in page.content.decode().lower()


def test_the_decision_log_is_readable(staff: Client, acme: Tenant) -> None:
    fill(acme)
    version = PosteriorVersion.objects.get()
    page = staff.get(reverse("admin:optimizations_posteriorversion_change", args=[version.pk])).content.decode()
    assert "context 0: #" in page


def test_the_list_shows_where_an_optimization_stands(staff: Client, acme: Tenant) -> None:
    fill(acme)
    make_optimization(acme.organization, name="Fresh")
    page = staff.get(reverse("admin:optimizations_optimization_changelist")).content.decode()
    assert "Live" in page
    assert "% modeled" in page  # forty users are too few to measure
    assert "–" in page  # and the other one has no number yet
    assert ">40<" in page.replace(" ", "").replace("\n", "")
