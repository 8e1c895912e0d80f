"""Every list of our own in the admin, read from its registry: as many queries for two organizations as for one, no secret."""

import pytest
from django.contrib import admin
from django.db import connection, models
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from levered_site.organizations.models import ApiKey, AuditEntry, User
from levered_site.organizations.services import create_api_key
from tests.conftest import Tenant
from tests.factories import make_optimization

pytestmark = pytest.mark.django_db
OURS = {"organizations", "warehouse", "optimizations"}
LISTS = [model for model in admin.site._registry if model._meta.app_label in OURS]


@pytest.fixture
def staff() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root@example.com", "a long password"))
    return client


@pytest.mark.parametrize("model", LISTS, ids=lambda model: model._meta.label)
def test_lists_do_as_many_queries_for_two_as_for_one(
    staff: Client, acme: Tenant, globex: Tenant, model: type[models.Model]
) -> None:
    url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    counts = []
    for tenant in (acme, globex):
        tenant.user()
        make_optimization(tenant.organization)
        staff.get(url)
        with CaptureQueriesContext(connection) as queries:
            page = staff.get(url)
        assert page.status_code == 200
        assert not [h for h in ApiKey.objects.values_list("secret_hash", flat=True) if h in page.content.decode()]
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_keys_are_revoked_by_the_service_and_not_deleted(staff: Client, acme: Tenant) -> None:
    key, secret = create_api_key(acme.organization, name="site", scopes=["read"])
    url = reverse("admin:organizations_apikey_changelist")
    staff.post(url, {"action": "revoke", "_selected_action": [str(key.pk)]})
    key.refresh_from_db()
    assert key.revoked_at is not None
    assert key.revoked_at <= timezone.now()
    assert AuditEntry.objects.filter(action="api_key.revoked", door="admin", actor="root@example.com").exists()
    one = reverse("admin:organizations_apikey_change", args=[key.pk])
    for page in (staff.get(url).content.decode(), staff.get(one).content.decode()):
        assert "Revoked" in page or "revoked" in page
        assert key.secret_hash not in page
        assert secret not in page
    delete = reverse("admin:organizations_apikey_delete", args=[key.pk])
    assert staff.post(delete, {"post": "yes"}).status_code == 403
