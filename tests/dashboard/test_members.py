"""Settings > Members, and the organization switcher."""

import pytest

from levered_site.organizations.models import Invitation, Membership, Role
from tests.conftest import Tenant
from tests.dashboard.conftest import SignIn

pytestmark = pytest.mark.django_db
URL = "/settings/members"


def member(tenant: Tenant, role: Role) -> Membership:
    return Membership.objects.get(user=tenant.user(role), organization=tenant.organization)


def test_a_link_is_shown_once(sign_in: SignIn, acme: Tenant, globex: Tenant) -> None:
    browser = sign_in(acme)
    answer = browser.post(URL, {"email": "New@example.com", "role": "viewer"})
    link = answer.context["created"]["link"]
    assert link.startswith("http://testserver/join?invitation=")
    assert link in answer.content.decode()
    assert "no-store" in answer.headers["Cache-Control"]
    page = browser.get(URL).content.decode()
    assert link not in page
    assert "new@example.com" in page
    assert "new@example.com" not in sign_in(globex).get(URL).content.decode()
    invitation = Invitation.objects.get()
    assert (invitation.role, invitation.created_by) == ("viewer", acme.user())
    withdrawn = browser.post(f"/settings/invitations/{invitation.pk}/withdraw", follow=True)
    assert "withdrawn" in withdrawn.content.decode()
    assert not Invitation.objects.exists()


def test_errors_stand_at_their_fields_and_nothing_typed_is_lost(sign_in: SignIn, acme: Tenant) -> None:
    answer = sign_in(acme).post(URL, {"email": "nobody", "role": "viewer"})
    assert answer.status_code == 400
    assert list(answer.context["form"].errors) == ["email"]
    assert 'value="nobody"' in answer.content.decode()
    answer = sign_in(acme).post(URL, {"email": "admin@acme.example", "role": "viewer"})
    assert answer.context["form"].errors == {"email": ["This person is a member already."]}


def test_roles_change_and_the_last_admin_stays(sign_in: SignIn, acme: Tenant) -> None:
    browser = sign_in(acme)
    viewer, own = member(acme, Role.VIEWER), member(acme, Role.ADMIN)
    for role in ("member", "root", ""):
        browser.post(f"{URL}/{viewer.public_id}/role", {"role": role})
    viewer.refresh_from_db()
    assert viewer.role == "member"
    for path, data in ((f"{URL}/{own.public_id}/role", {"role": "viewer"}), (f"{URL}/{own.public_id}/remove", {})):
        assert "the last admin" in browser.post(path, data, follow=True).content.decode()
    browser.post(f"{URL}/{viewer.public_id}/role", {"role": "admin"})
    answer = browser.post(f"{URL}/{own.public_id}/role", {"role": "viewer"})
    assert answer.headers["Location"] == "/"  # whoever gave up the role does not land on a page that is closed now
    assert browser.get(URL).status_code == 403


def test_removing(sign_in: SignIn, acme: Tenant) -> None:
    other = member(acme, Role.MEMBER)
    answer = sign_in(acme).post(f"{URL}/{other.public_id}/remove", follow=True)
    assert "member@acme.example is not a member any more." in answer.content.decode()
    assert not Membership.objects.filter(pk=other.pk).exists()


@pytest.mark.parametrize("role", [Role.MEMBER, Role.VIEWER])
def test_admins_only(sign_in: SignIn, acme: Tenant, role: Role) -> None:
    browser, admin = sign_in(acme, role), member(acme, Role.ADMIN)
    assert browser.get(URL).status_code == 403
    assert browser.post(URL, {"email": "x@example.com", "role": "admin"}).status_code == 403
    assert browser.post(f"{URL}/{admin.public_id}/remove").status_code == 403
    assert browser.get("/settings/audit-log").status_code == 403
    for link in ("/settings/members", "/settings/audit-log"):
        assert link not in browser.get("/").content.decode()


def test_switching_between_organizations(sign_in: SignIn, acme: Tenant, globex: Tenant) -> None:
    browser = sign_in(acme)
    assert "Organizations</p>" not in browser.get("/").content.decode()
    assert browser.post("/organization", {"organization": globex.organization.public_id}).status_code == 404
    Membership.objects.create(user=acme.user(), organization=globex.organization, role=Role.VIEWER)
    page = browser.get("/")
    assert page.context["request"].organization == acme.organization
    assert "Globex" in page.content.decode()
    switched = browser.post("/organization", {"organization": globex.organization.public_id}, follow=True)
    assert switched.context["request"].organization == globex.organization
    assert browser.get("/api/v2/me").json()["organization"]["name"] == "Globex"
    assert browser.get(URL).status_code == 403  # the role is that of the organization
    assert browser.get("/organization").status_code == 405
