"""Every page: signed out, without an organization, as a viewer, across organizations, without a CSRF token."""

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from levered_site.organizations.models import Role, User
from levered_site.organizations.services import create_api_key
from tests.conftest import Tenant
from tests.dashboard.conftest import SignIn
from tests.factories import make_metric, make_optimization

pytestmark = pytest.mark.django_db

PAGES = ["optimizations", "optimization-create", "metrics", "warehouse", "api-keys"]
TABS = ["variants", "factors", "contexts", "runs", "playground", "integrate", "settings"]
OBJECT_PAGES = ["optimization", "optimization-training", *(f"optimization-{tab}" for tab in TABS)]
CHANGES = [f"optimization-{change}" for change in ("train", "complete", "archive", "details", "bias")]


def url(name: str, *args: Any) -> str:
    return reverse(f"dashboard:{name}", args=args)


@pytest.mark.parametrize("page", PAGES)
def test_a_stranger_is_sent_to_sign_in(client: Client, page: str) -> None:
    answer = client.get(url(page))
    assert answer.status_code == 302
    assert answer.headers["Location"] == f"/login?next={url(page)}"


def test_signing_in_leads_back_and_signing_out_needs_a_post(client: Client, acme: Tenant) -> None:
    user = acme.user()
    user.set_password("correct horse battery")
    user.save()
    wrong = client.post("/login", {"username": user.email, "password": "wrong"})
    assert wrong.status_code == 200
    assert "Please enter a correct" in wrong.content.decode()
    assert f'value="{user.email}"' in wrong.content.decode()
    right = client.post("/login", {"username": user.email, "password": "correct horse battery", "next": "/metrics"})
    assert right.headers["Location"] == "/metrics"
    assert client.get("/metrics").status_code == 200
    assert client.get("/logout").status_code == 405
    assert client.post("/logout").status_code == 302
    assert client.get("/metrics").status_code == 302


def test_polling_after_signing_out_leaves_the_page_instead_of_nesting_it(client: Client, acme: Tenant) -> None:
    optimization = make_optimization(acme.organization)
    answer = client.get(url("optimization-training", optimization.pk), headers={"HX-Request": "true"})
    assert answer.headers["HX-Redirect"] == "/login"


@pytest.mark.parametrize("page", PAGES)
def test_someone_without_an_organization_is_told_so(client: Client, acme: Tenant, page: str) -> None:
    client.force_login(User.objects.create_user("nobody@example.com"))
    answer = client.get(url(page))
    assert answer.status_code == 403
    assert "not a member of any organization" in answer.content.decode()


@pytest.mark.parametrize("page", PAGES)
def test_every_page_opens_for_an_admin(sign_in: SignIn, acme: Tenant, page: str) -> None:
    answer = sign_in(acme).get(url(page))
    assert answer.status_code == 200
    assert "Acme" in answer.content.decode()


@pytest.mark.parametrize("page", OBJECT_PAGES)
def test_the_other_organizations_optimization_does_not_exist(
    sign_in: SignIn, acme: Tenant, globex: Tenant, page: str
) -> None:
    foreign = make_optimization(globex.organization)
    assert sign_in(acme).get(url(page, foreign.pk)).status_code == 404
    assert sign_in(globex).get(url(page, foreign.pk)).status_code == 200


@pytest.mark.parametrize("change", CHANGES)
def test_changing_the_other_organizations_optimization_is_a_404(
    sign_in: SignIn, acme: Tenant, globex: Tenant, change: str
) -> None:
    foreign = make_optimization(globex.organization)
    assert sign_in(acme).post(url(change, foreign.pk)).status_code == 404
    foreign.refresh_from_db()
    assert foreign.status == "live"


@pytest.mark.parametrize("change", CHANGES)
def test_changes_are_posts(sign_in: SignIn, acme: Tenant, change: str) -> None:
    optimization = make_optimization(acme.organization)
    assert sign_in(acme).get(url(change, optimization.pk)).status_code == 405


@pytest.mark.parametrize("change", CHANGES)
def test_a_viewer_changes_nothing(sign_in: SignIn, acme: Tenant, change: str) -> None:
    optimization = make_optimization(acme.organization)
    viewer = sign_in(acme, Role.VIEWER)
    assert viewer.post(url(change, optimization.pk)).status_code == 403
    page = viewer.get(url("optimization", optimization.pk)).content.decode()
    assert "Train now" not in page
    assert "Settings</a>" not in page
    assert viewer.get(url("optimization-settings", optimization.pk)).status_code == 403


def test_a_viewer_sees_lists_but_no_forms(sign_in: SignIn, acme: Tenant) -> None:
    make_metric(acme.organization)
    viewer = sign_in(acme, Role.VIEWER)
    assert viewer.get(url("optimization-create")).status_code == 403
    assert "Create metric" not in viewer.get(url("metrics")).content.decode()
    assert viewer.post(url("metrics"), {}).status_code == 403


def test_keys_are_made_and_revoked_by_admins_only(sign_in: SignIn, acme: Tenant) -> None:
    key, _ = create_api_key(acme.organization, name="site", scopes=["ingest"])
    member = sign_in(acme, Role.MEMBER)
    assert "Create key" not in member.get(url("api-keys")).content.decode()
    assert member.post(url("api-keys"), {"name": "x", "scopes": ["read"]}).status_code == 403
    assert member.post(url("api-key-revoke", key.pk)).status_code == 403
    assert acme.organization.api_keys.filter(revoked_at=None).count() == 2


@pytest.mark.parametrize("path", ["metrics", "api-keys", "optimization-create"])
def test_a_form_without_its_token_is_refused(sign_in: SignIn, acme: Tenant, path: str) -> None:
    assert sign_in(acme, csrf=True).post(url(path), {"name": "x"}).status_code == 403


@pytest.mark.parametrize("page", [*PAGES, *OBJECT_PAGES])
def test_pages_keep_the_content_security_policy(sign_in: SignIn, acme: Tenant, page: str) -> None:
    optimization = make_optimization(acme.organization)
    answer = sign_in(acme).get(url(page, optimization.pk) if page in OBJECT_PAGES else url(page))
    policy = answer.headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    html = answer.content.decode()
    assert " style=" not in html
    assert not re.search(r"\son[a-z]+=", html)
    for tag, body in re.findall(r"<script([^>]*)>(.*?)</script>", html, re.S):
        assert not body.strip() or 'type="application/json"' in tag
