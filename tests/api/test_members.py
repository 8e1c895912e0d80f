"""`/members` and `/invitations`, and the page behind an invitation's link."""

import datetime as dt
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import pytest
from django.core import mail
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from levered_site.organizations.models import AuditEntry, Invitation, Membership, Role, User
from tests.conftest import Tenant

URL, INVITATIONS = "/api/v2/members", "/api/v2/invitations"
PASSWORD = "correct horse battery"
pytestmark = pytest.mark.django_db


def member_id(tenant: Tenant, role: Role) -> UUID:
    return Membership.objects.get(user=tenant.user(role), organization=tenant.organization).public_id


def invited(tenant: Tenant, email: str, role: str = "member") -> str:
    """The path of the link."""
    answer = tenant.client.post(INVITATIONS, {"email": email, "role": role})
    assert answer.status_code == 201, answer.content
    link = urlsplit(answer.json()["url"])
    return f"{link.path}?{link.query}"


class TestMembers:
    def test_the_list_holds_ones_own(self, acme: Tenant, globex: Tenant) -> None:
        acme.user(Role.ADMIN), acme.user(Role.VIEWER), globex.user(Role.ADMIN)
        invited(acme, "new@example.com")
        invited(globex, "other@example.com")
        answer = acme.client.get(URL).json()
        assert [(m["email"], m["role"]) for m in answer["members"]] == [
            ("admin@acme.example", "admin"), ("viewer@acme.example", "viewer"),
        ]  # fmt: skip
        assert [i["email"] for i in answer["invitations"]] == ["new@example.com"]
        assert "url" not in answer["invitations"][0]

    def test_admins_only(self, acme: Tenant, anonymous: APIClient) -> None:
        assert anonymous.get(URL).status_code == 401
        assert acme.browser(Role.ADMIN).get(URL).status_code == 200
        for client in (acme.browser(Role.MEMBER), acme.browser(Role.VIEWER), acme.with_scopes("read", "ingest")):
            assert client.get(URL).status_code == 403
            assert client.post(INVITATIONS, {"email": "a@example.com", "role": "admin"}).status_code == 403
            assert client.patch(f"{URL}/{member_id(acme, Role.VIEWER)}", {"role": "admin"}).status_code == 403

    def test_a_changed_role_counts_at_once_and_is_told(self, acme: Tenant) -> None:
        viewer = acme.browser(Role.VIEWER)
        answer = acme.client.patch(f"{URL}/{member_id(acme, Role.VIEWER)}", {"role": "admin"})
        assert (answer.status_code, answer.json()["role"]) == (200, "admin")
        assert viewer.get(URL).status_code == 200
        entry = AuditEntry.objects.first()
        assert entry is not None
        assert (entry.action, entry.before, entry.after) == (
            "member.role_changed", {"role": "viewer"}, {"role": "admin"},
        )  # fmt: skip

    def test_the_last_admin_stays_one(self, acme: Tenant, globex: Tenant) -> None:
        globex.user(Role.ADMIN)
        acme.user(Role.MEMBER)
        only = f"{URL}/{member_id(acme, Role.ADMIN)}"
        for answer in (acme.client.patch(only, {"role": "viewer"}), acme.client.delete(only)):
            assert answer.status_code == 409
            assert "last admin" in answer.json()["error"]["message"]
        assert acme.client.patch(only, {"role": "admin"}).status_code == 200  # nothing changes
        acme.client.patch(f"{URL}/{member_id(acme, Role.MEMBER)}", {"role": "admin"})
        assert acme.client.patch(only, {"role": "viewer"}).status_code == 200

    def test_an_admin_who_cannot_sign_in_is_none(self, acme: Tenant) -> None:
        acme.client.patch(f"{URL}/{member_id(acme, Role.MEMBER)}", {"role": "admin"})
        User.objects.filter(email="member@acme.example").update(is_active=False)
        assert acme.client.delete(f"{URL}/{member_id(acme, Role.ADMIN)}").status_code == 409

    def test_whoever_is_removed_is_out_at_once(self, acme: Tenant) -> None:
        acme.user(Role.ADMIN)
        browser = acme.browser(Role.MEMBER)
        answer = acme.client.delete(f"{URL}/{member_id(acme, Role.MEMBER)}")
        assert (answer.status_code, answer.content) == (204, b"")
        assert browser.get("/api/v2/me").status_code == 403
        assert User.objects.filter(email="member@acme.example").exists()
        assert AuditEntry.objects.filter(action="member.removed", before={"role": "member"}).count() == 1

    def test_another_organizations_member_is_not_found(self, acme: Tenant, globex: Tenant) -> None:
        globex.user(Role.ADMIN)
        foreign = f"{URL}/{member_id(globex, Role.MEMBER)}"
        assert acme.client.patch(foreign, {"role": "admin"}).status_code == 404
        assert acme.client.delete(foreign).status_code == 404
        assert Membership.objects.get(user=globex.user(Role.MEMBER)).role == "member"

    @pytest.mark.parametrize(
        "body", [{}, {"role": "root"}, {"role": None}, {"role": "admin", "email": "x@example.com"}]
    )
    def test_bad_bodies(self, acme: Tenant, body: dict[str, Any]) -> None:
        assert acme.client.patch(f"{URL}/{member_id(acme, Role.VIEWER)}", body).status_code == 400


class TestInvitations:
    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({"role": "member"}, "email"),
            ({"email": "no address", "role": "member"}, "email"),
            ({"email": "a@example.com\nBcc: b@example.com", "role": "member"}, "email"),
            ({"email": "a@example.com", "role": "root"}, "role"),
            ({"email": "ADMIN@acme.example", "role": "viewer"}, "email"),
        ],
    )
    def test_bad_bodies(self, acme: Tenant, body: dict[str, str], field: str) -> None:
        acme.user(Role.ADMIN)
        answer = acme.client.post(INVITATIONS, body)
        assert answer.status_code == 400
        assert [d["field"] for d in answer.json()["error"]["details"]] == [field]
        assert not Invitation.objects.exists()

    def test_only_a_hash_is_stored_and_the_log_holds_no_secret(self, acme: Tenant) -> None:
        secret = invited(acme, "new@example.com").partition("=")[2]
        assert secret not in str(list(Invitation.objects.values())) + str(list(AuditEntry.objects.values()))

    def test_an_account_is_not_told_of(self, acme: Tenant, globex: Tenant) -> None:
        globex.user(Role.ADMIN)
        answers = [
            acme.client.post(INVITATIONS, {"email": email, "role": "viewer"})
            for email in ("admin@globex.example", "nobody@globex.example")
        ]
        assert [(a.status_code, set(a.json())) for a in answers] == [(201, set(answers[0].json()))] * 2
        assert not Membership.objects.filter(organization=acme.organization).exists()

    def test_inviting_again_ends_the_first_link(self, acme: Tenant, client: Client) -> None:
        first, second = invited(acme, "new@example.com"), invited(acme, "New@Example.com", "viewer")
        assert client.get(first).status_code == 404
        assert client.get(second).status_code == 200
        assert Invitation.objects.get().role == "viewer"

    def test_withdrawing_ends_it(self, acme: Tenant, globex: Tenant, client: Client) -> None:
        link = invited(acme, "new@example.com")
        mine = f"{INVITATIONS}/{Invitation.objects.get().pk}"
        assert globex.client.delete(mine).status_code == 404
        assert client.get(link).status_code == 200
        assert acme.client.delete(mine).status_code == 204
        assert acme.client.delete(mine).status_code == 404
        assert client.get(link).status_code == 404

    def test_it_is_mailed_when_there_is_a_mail_server(self, acme: Tenant, settings: Any) -> None:
        invited(acme, "first@example.com")
        settings.EMAIL_HOST = "mail.example.com"
        link = invited(acme, "second@example.com")
        (letter,) = mail.outbox
        assert letter.to == ["second@example.com"]
        assert link in letter.body

    def test_a_mail_server_that_is_away_stops_nobody(
        self, acme: Tenant, settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def away(*args: Any, **kwargs: Any) -> None:
            raise OSError("no route to host")

        settings.EMAIL_HOST = "mail.example.com"
        monkeypatch.setattr("levered_site.organizations.members.send_mail", away)
        assert invited(acme, "new@example.com")


class TestJoining:
    def test_a_new_person_chooses_a_password(self, acme: Tenant, client: Client) -> None:
        link = invited(acme, "new@example.com")
        page = client.get(link)
        assert "Join Acme" in page.content.decode()
        assert "no-store" in page.headers["Cache-Control"]
        for wrong in ("short", "password123", "new@example.com"):
            answer = client.post(link, {"new_password1": wrong, "new_password2": wrong})
            assert answer.status_code == 400, wrong
        assert client.post(link, {"new_password1": PASSWORD, "new_password2": PASSWORD + "x"}).status_code == 400
        assert not User.objects.exists()
        answer = client.post(link, {"new_password1": PASSWORD, "new_password2": PASSWORD})
        assert answer.headers["Location"] == "/"
        assert client.get("/").status_code == 200
        member = Membership.objects.get()
        assert (member.user.email, member.role, member.organization) == ("new@example.com", "member", acme.organization)
        assert AuditEntry.objects.filter(action="member.joined", actor="new@example.com", door="dashboard").exists()
        assert Client().get(link).status_code == 404  # it works once
        assert Client().login(username="new@example.com", password=PASSWORD)

    def test_an_account_signs_in_first_and_keeps_its_password(self, acme: Tenant, globex: Tenant) -> None:
        user = globex.user(Role.ADMIN)
        link = invited(acme, user.email, "viewer")
        stranger = Client()
        assert stranger.get(link).headers["Location"].startswith("/login?next=/join%3Finvitation%3D")
        taken = stranger.post(link, {"new_password1": PASSWORD, "new_password2": PASSWORD})
        assert taken.headers["Location"].startswith("/login?next=")
        user.refresh_from_db()
        assert not user.check_password(PASSWORD)
        browser = globex.browser(Role.ADMIN)
        assert browser.post(link).status_code == 302
        assert browser.get("/api/v2/me").json()["organization"]["name"] == "Acme"
        assert {m.organization.name: m.role for m in user.memberships.all()} == {"Globex": "admin", "Acme": "viewer"}

    def test_somebody_else_cannot_take_it(self, acme: Tenant, globex: Tenant) -> None:
        link = invited(acme, "new@example.com")
        other = globex.browser(Role.ADMIN)
        assert "You are signed in as admin@globex.example" in other.get(link).content.decode()
        assert other.post(link).status_code == 409
        assert not Membership.objects.filter(organization=acme.organization).exists()
        assert Client().get(link).status_code == 200

    @pytest.mark.parametrize("secret", ["", "x", "'; DROP TABLE", "%00", "a" * 5000])
    def test_a_wrong_link(self, acme: Tenant, client: Client, secret: str) -> None:
        invited(acme, "new@example.com")
        for answer in (client.get("/join", {"invitation": secret}), client.post(f"/join?invitation={secret}")):
            assert answer.status_code == 404
            assert "not valid any more" in answer.content.decode()

    def test_an_expired_link(self, acme: Tenant, client: Client) -> None:
        link = invited(acme, "new@example.com")
        Invitation.objects.update(expires_at=timezone.now() - dt.timedelta(seconds=1))
        assert client.get(link).status_code == 404
        assert client.post(link, {"new_password1": PASSWORD, "new_password2": PASSWORD}).status_code == 404
        assert not User.objects.exists()
