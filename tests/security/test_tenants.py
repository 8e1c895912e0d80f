"""What one organization owns, another can neither see nor change, on any route."""

from typing import Any
from uuid import UUID

import pytest
from django.core import serializers
from rest_framework.test import APIClient

from levered_site.organizations.members import invite
from levered_site.organizations.models import ApiKey, ConnectedApplication, Invitation, Membership, Organization, User
from levered_site.organizations.services import create_api_key
from optimizations.models import BanditModel, Guardrail, Optimization, TrainingRun
from tests.conftest import Tenant
from tests.factories import make_metric, make_optimization
from tests.oauth.flow import connected
from tests.security.routes import METHODS, Route, tenant_routes
from warehouse.models import AssignmentSource, Connection, Exposure, Metric, Reward

pytestmark = pytest.mark.django_db
MARK = "Zq7-belongs-to-globex"
PUBLIC = {"serve", "best-variant"}  # they answer anybody, by design
TABLES = [
    Organization, ApiKey, ConnectedApplication, Optimization, Guardrail, BanditModel, TrainingRun, Metric,
    AssignmentSource, Connection, Exposure, Reward, Membership, Invitation,
]  # fmt: skip


@pytest.fixture
def foreign(globex: Tenant) -> dict[str, Any]:
    """Per parameter of a route, the id of an object of another organization."""
    metric = make_metric(globex.organization, name=f"{MARK} metric")
    optimization = make_optimization(
        globex.organization, name=f"{MARK} optimization", description=MARK, reward_metric_id=metric.pk
    )
    outsider = User.objects.create_user(f"{MARK}@example.com")
    key, _ = create_api_key(globex.organization, name=f"{MARK} key", scopes=["read"])
    return {
        "optimization_id": optimization.pk,
        "model_id": optimization.models.get().pk,
        "metric_id": metric.pk,
        "key_id": key.pk,
        "connection_id": connected(globex, name=f"{MARK} app").pk,
        "member_id": Membership.objects.create(user=outsider, organization=globex.organization).public_id,
        "invitation_id": invite(globex.organization, email=f"{MARK}2@example.com", role="viewer", base_url="")[0].pk,
    }


def everything() -> str:
    ApiKey.objects.update(last_used_at=None)  # to be refused is a use of a key
    return "\n".join(serializers.serialize("json", model.objects.order_by("pk")) for model in TABLES)


def clients(tenant: Tenant, *, api: bool) -> list[APIClient]:
    """A key and a session; pages know sessions only."""
    return [tenant.client, tenant.browser()] if api else [tenant.browser()]


with_ids = [r for r in tenant_routes() if set(r.parameters) - {"table"} and r.name not in PUBLIC]
without_ids = [r for r in tenant_routes() if not r.parameters and r.name not in PUBLIC and "get" in r.methods]


def test_the_url_map_was_read() -> None:
    assert len(with_ids) > 10
    assert len(without_ids) > 8


@pytest.mark.parametrize("route", with_ids, ids=str)
def test_foreign_ids_are_not_found_and_nothing_changes(route: Route, acme: Tenant, foreign: dict[str, Any]) -> None:
    unknown = set(route.parameters) - set(foreign)
    assert not unknown, f"say in the fixture above whose id {unknown} is"
    acme.user()
    url, before = route.url(**foreign), everything()
    missing = route.url(**dict.fromkeys(foreign, UUID(int=4)))
    api = url.startswith("/api/")
    for client in clients(acme, api=api):
        for method in route.methods:
            answer, nothing = (getattr(client, method)(place, {}) for place in (url, missing))
            allowed = {404} if api else {404, 405}  # a page that only takes forms
            assert answer.status_code == nothing.status_code, (method, url)
            assert answer.status_code in allowed, (method, url)
            assert MARK not in answer.content.decode()
            if api:
                assert answer.json()["error"] == nothing.json()["error"]
    assert everything() == before


@pytest.mark.parametrize("route", without_ids, ids=str)
def test_lists_and_pages_show_ones_own_only(route: Route, acme: Tenant, foreign: dict[str, Any]) -> None:
    ids = [str(value) for value in foreign.values()]
    for client in clients(acme, api=route.path.startswith("/api/")):
        answer = client.get(route.url(), HTTP_ACCEPT="text/html")
        text = answer.content.decode()
        assert answer.status_code in (200, 404), answer.status_code
        assert MARK not in text
        assert not [i for i in ids if i in text]


def test_a_session_cannot_choose_an_organization_it_does_not_belong_to(acme: Tenant, globex: Tenant) -> None:
    browser = acme.browser()
    session = browser.session
    session["organization"] = globex.organization.public_id
    session.save()
    assert browser.get("/api/v2/me").json()["organization"]["id"] == acme.organization.public_id


@pytest.mark.parametrize("field", ["reward_metric_id", "assignment_source_id", "guardrails"])
def test_foreign_ids_in_bodies(field: str, acme: Tenant, foreign: dict[str, Any], globex: Tenant) -> None:
    from tests.api.test_optimizations import body

    source = globex.organization.assignment_sources.get()
    value: Any = {
        "reward_metric_id": str(foreign["metric_id"]),
        "assignment_source_id": str(source.pk),
        "guardrails": [{"metric_id": str(foreign["metric_id"]), "direction": "increase", "margin_percent": 1}],
    }[field]
    answer = acme.client.post("/api/v2/optimizations", body(acme, **{field: value}))
    assert answer.status_code == 400
    assert answer.json()["error"]["details"][0]["field"].startswith(field)
    assert not acme.organization.optimizations.exists()


def test_every_method_is_known() -> None:
    assert {m for route in tenant_routes() for m in route.methods} <= set(METHODS)
