"""Settings > Connected apps, and the same by the API."""

import datetime as dt

import pytest
from django.conf import LazySettings
from django.utils import timezone
from oauth2_provider.models import AccessToken, RefreshToken

from levered_site.organizations.models import Role
from tests.conftest import Tenant, client_with
from tests.dashboard.conftest import SignIn
from tests.oauth.flow import Application

pytestmark = pytest.mark.django_db
URL, API = "/settings/connected-apps", "/api/v2/connected-applications"


def connect(sign_in: SignIn, tenant: Tenant, role: Role = Role.ADMIN) -> str:
    """The access token of an agent that somebody let in."""
    return str(Application().tokens(sign_in(tenant, role))["access_token"])


def test_everybody_ends_what_they_have_allowed(sign_in: SignIn, acme: Tenant, globex: Tenant) -> None:
    token = connect(sign_in, acme, Role.VIEWER)
    assert client_with(token).get("/api/v2/me").status_code == 200
    viewer = sign_in(acme, Role.VIEWER)
    html = viewer.get(URL).content.decode()
    assert "Claude Code" in html
    assert "http://testserver/mcp" in html
    connection = acme.organization.connected_applications.get()
    for stranger in (sign_in(globex), sign_in(acme, Role.MEMBER)):
        assert "Claude Code”" not in stranger.get(URL).content.decode()
        assert stranger.post(f"{URL}/{connection.pk}/disconnect").status_code == 404
    answer = viewer.post(f"{URL}/{connection.pk}/disconnect", follow=True)
    assert "“Claude Code” is disconnected." in answer.content.decode()
    assert client_with(token).get("/api/v2/me").status_code == 401
    entry = acme.client.get("/api/v2/audit-log").json()["entries"][0]
    assert (entry["action"], entry["door"]) == ("application.revoked", "dashboard")


def test_administrators_see_and_end_everybodys(sign_in: SignIn, acme: Tenant, globex: Tenant) -> None:
    token = connect(sign_in, acme, Role.MEMBER)
    assert acme.user(Role.MEMBER).email in sign_in(acme).get(URL).content.decode()
    listed = acme.client.get(API).json()["connected_applications"]
    assert [(c["name"], c["user"]) for c in listed] == [("Claude Code", acme.user(Role.MEMBER).email)]
    assert globex.client.get(API).json()["connected_applications"] == []
    assert acme.with_scopes("read").get(API).json()["connected_applications"] == []
    one = f"{API}/{listed[0]['id']}"
    assert acme.with_scopes("read").delete(one).status_code == 403
    assert globex.client.delete(one).status_code == 404
    assert acme.client.delete(one).status_code == 204
    assert acme.client.delete(one).status_code == 404
    assert client_with(token).get("/api/v2/me").status_code == 401


def test_scopes_are_those_of_tokens_that_can_still_be_used(sign_in: SignIn, acme: Tenant) -> None:
    browser, reader, editor = sign_in(acme), Application(), Application()
    refresh_token = reader.tokens(browser, scope="read")["refresh_token"]
    editor.tokens(browser)

    def listed() -> list[list[str]]:
        return [c["scopes"] for c in acme.client.get(API).json()["connected_applications"]]

    assert listed() == [["read", "manage"], ["read"]]
    AccessToken.objects.update(expires=timezone.now() - dt.timedelta(hours=1))
    assert listed() == [["read", "manage"], ["read"]]  # they can be renewed
    assert reader.refresh(refresh_token).status_code == 200
    assert listed() == [["read", "manage"], ["read"]]
    html = browser.get(URL).content.decode()
    assert (html.count(">read<"), html.count(">manage<")) == (2, 1)
    RefreshToken.objects.filter(access_token__application__client_id=editor.client_id).update(revoked=timezone.now())
    assert listed() == [[], ["read"]]
    assert "no token" in browser.get(URL).content.decode()


def test_with_an_issuer_agents_sign_in_there(sign_in: SignIn, acme: Tenant, settings: LazySettings) -> None:
    settings.OIDC_ISSUER = "https://issuer.example"
    assert "https://issuer.example" in sign_in(acme).get(URL).content.decode()


def test_staff_end_them_in_the_admin(sign_in: SignIn, acme: Tenant) -> None:
    token = connect(sign_in, acme)
    someone = acme.user()
    someone.is_staff = someone.is_superuser = True
    someone.save()
    staff, connection = sign_in(acme), acme.organization.connected_applications.get()
    page = "/admin/organizations/connectedapplication/"
    assert "Claude Code" in staff.get(page).content.decode()
    assert staff.get(f"{page}add/").status_code == 403
    assert staff.post(f"{page}{connection.pk}/delete/", {"post": "yes"}).status_code == 302
    assert client_with(token).get("/api/v2/me").status_code == 401
    assert staff.get("/admin/oauth2_provider/accesstoken/").status_code == 404
