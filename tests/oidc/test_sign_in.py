"""Signing in to the dashboard at an issuer that really runs: the browser goes there and comes back."""

import urllib.error
import urllib.request
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from django.conf import LazySettings
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.test import Client

from levered_site import sso
from levered_site.organizations.models import ExternalUser, Membership, Organization, Role, User
from tests.conftest import Tenant, client_with
from tests.oidc.issuer import CLIENT_ID, CLIENT_SECRET, Issuer, new_key

pytestmark = pytest.mark.django_db
START, CALLBACK = "/login/sso", "/login/sso/callback"
PASSWORD = "correct horse battery"


@pytest.fixture
def provider(issuer: Issuer, settings: LazySettings) -> Issuer:
    settings.OIDC_CLIENT_ID, settings.OIDC_CLIENT_SECRET = CLIENT_ID, CLIENT_SECRET
    return issuer


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: Any) -> None:
        return None


def at_the_issuer(address: str) -> str:
    """What the issuer answers the browser: where to go next."""
    try:
        urllib.request.build_opener(_Stay).open(address)
    except urllib.error.HTTPError as answer:
        return str(answer.headers["Location"])
    raise AssertionError("no redirect")


def leave(browser: Client, **question: str) -> str:
    answer = browser.get(START, question)
    assert answer.status_code == 302, answer.content
    return str(answer["Location"])


def sign_in(browser: Client, **question: str) -> Any:
    back = at_the_issuer(leave(browser, **question))
    assert back.startswith(f"http://testserver{CALLBACK}?")
    return browser.get(back.removeprefix("http://testserver"))


def is_in(browser: Client) -> bool:
    return bool(browser.get("/metrics").status_code == 200)


class TestTheWay:
    def test_there_and_back(self, provider: Issuer) -> None:
        provider.person = {"email": "Ada@Example.com", "email_verified": True, "name": "Ada", "org_slug": "lovelace"}
        browser = Client()
        asked = parse_qs(urlsplit(leave(browser)).query)
        assert asked["code_challenge_method"] == ["S256"]
        assert asked["scope"] == ["openid email profile"]
        assert len(asked["state"][0]) >= 20
        assert len(asked["nonce"][0]) >= 20
        answer = sign_in(browser)
        assert (answer.status_code, answer["Location"]) == (302, "/")
        assert provider.refused == []
        assert is_in(browser)
        membership = Membership.objects.get()
        assert (membership.user.email, membership.role) == ("ada@example.com", Role.ADMIN)
        assert membership.organization.name == "lovelace"

    def test_it_is_the_same_person_as_with_a_bearer_token(self, provider: Issuer) -> None:
        me = client_with(provider.token(org_role="org:member")).get("/api/v2/me").json()
        provider.person = {"org_role": "org:viewer"}
        browser = Client()
        sign_in(browser)
        assert ExternalUser.objects.count() == Organization.objects.count() == 1
        assert Membership.objects.get().role == Role.VIEWER
        assert me["organization"]["name"] in browser.get("/metrics").content.decode()

    def test_the_organization_is_the_one_that_was_chosen_there(self, provider: Issuer) -> None:
        sign_in(Client())
        provider.person = {"o": {"id": "org_2", "rol": "member", "slg": "second"}, "org_id": None}
        browser = Client()
        sign_in(browser)
        assert "second" in browser.get("/metrics").content.decode()

    def test_user_info_may_name_the_organization(self, provider: Issuer) -> None:
        provider.person = {"org_id": None, "org_role": None}
        provider.user_info = {"sub": "user_1", "org_id": "org_7", "org_slug": "seven", "email": "x@y.example"}
        browser = Client()
        assert sign_in(browser)["Location"] == "/"
        assert Organization.objects.get().name == "seven"
        provider.user_info["sub"] = "user_2"
        assert sign_in(Client()).status_code == 400

    @pytest.mark.parametrize("algorithm", ["ES256", "EdDSA"])
    def test_other_algorithms(self, provider: Issuer, algorithm: str) -> None:
        provider.keys.clear()
        provider.add_key("first", algorithm)
        assert sign_in(Client()).status_code == 302

    def test_a_rotated_key(self, provider: Issuer) -> None:
        assert sign_in(Client()).status_code == 302
        provider.keys.clear()
        provider.add_key("second")
        assert sign_in(Client()).status_code == 302

    def test_joining_is_in_the_audit_log(self, provider: Issuer) -> None:
        browser = Client()
        sign_in(browser)
        log = browser.get("/api/v2/audit-log").json()["entries"]
        assert [(e["action"], e["door"]) for e in log] == [("member.joined", "dashboard")]


class TestNext:
    def test_it_leads_back(self, provider: Issuer) -> None:
        assert Client().get("/login", {"next": "/metrics?a=1"}).content.decode().count("next=/metrics%3Fa%3D1") == 1
        assert sign_in(Client(), next="/metrics?a=1")["Location"] == "/metrics?a=1"

    @pytest.mark.parametrize(
        "target",
        ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "https:///evil.example"],
    )
    def test_it_leads_nowhere_else(self, provider: Issuer, target: str) -> None:
        assert sign_in(Client(), next=target)["Location"] == "/"


class TestSessions:
    def test_a_session_known_before_is_worth_nothing_after(self, provider: Issuer) -> None:
        browser = Client()
        back = at_the_issuer(leave(browser))
        planted = browser.cookies["sessionid"].value
        browser.get(back.removeprefix("http://testserver"))
        assert browser.cookies["sessionid"].value != planted
        fixed = Client()
        fixed.cookies["sessionid"] = planted
        assert not is_in(fixed)

    def test_signing_out_ends_both_sessions(self, provider: Issuer) -> None:
        browser = Client()
        sign_in(browser)
        page = browser.post("/logout").content.decode()
        address = f"{provider.url}/end?hint=1&amp;post_logout_redirect_uri=http%3A%2F%2Ftestserver%2Flogin"
        assert f'content="0; url={address}' in page
        assert f"client_id={CLIENT_ID}" in page
        assert not is_in(browser)

    def test_signing_out_works_while_the_issuer_is_away(self, provider: Issuer) -> None:
        browser = Client()
        sign_in(browser)
        provider.broken = True
        sso._registered.cache_clear()
        assert browser.post("/logout")["Location"] == "/login"
        assert not is_in(browser)

    def test_a_disabled_person_is_out_at_once(self, provider: Issuer) -> None:
        browser = Client()
        sign_in(browser)
        User.objects.update(is_active=False)
        assert not is_in(browser)
        answer = sign_in(Client())
        assert answer.status_code == 403
        assert "disabled" in answer.content.decode()


class TestFailures:
    def refused(self, browser: Client, answer: Any, status: int, words: str) -> None:
        assert answer.status_code == status
        assert words in answer.content.decode()
        assert "Back to sign-in" in answer.content.decode()
        assert not is_in(browser)
        assert not Membership.objects.exists()

    def test_somebody_elses_state(self, provider: Issuer) -> None:
        """A link that would sign the reader in as somebody else."""
        other, browser = Client(), Client()
        back = at_the_issuer(leave(other)).removeprefix("http://testserver")
        self.refused(browser, browser.get(back), 400, "was not begun here")
        assert "/token" not in provider.hits

    @pytest.mark.parametrize("query", ["", "?code=x", "?state=x", "?code=x&state=x", "?code=%00&state=%00"])
    def test_a_made_up_answer(self, provider: Issuer, query: str) -> None:
        browser = Client()
        leave(browser)
        self.refused(browser, browser.get(CALLBACK + query), 400, "was not begun here")

    def test_an_answer_counts_once(self, provider: Issuer) -> None:
        browser = Client()
        back = at_the_issuer(leave(browser)).removeprefix("http://testserver")
        assert browser.get(back).status_code == 302
        assert browser.get(back).status_code == 400

    def test_a_made_up_code(self, provider: Issuer) -> None:
        browser = Client()
        state = parse_qs(urlsplit(leave(browser)).query)["state"][0]
        self.refused(browser, browser.get(CALLBACK, {"code": "x", "state": state}), 400, "cannot be verified")

    @pytest.mark.parametrize(
        "claims",
        [
            {"nonce": "another"}, {"nonce": None}, {"aud": "somebody else"}, {"aud": None}, {"exp": 1}, {"exp": None},
            {"iss": "https://evil.example"}, {"sub": None}, {"aud": [CLIENT_ID, "x"], "azp": "x"},
        ],
    )  # fmt: skip
    def test_tokens_that_are_not_for_this_sign_in(self, provider: Issuer, claims: dict[str, Any]) -> None:
        provider.person, browser = claims, Client()
        self.refused(browser, sign_in(browser), 400, "cannot be verified")

    def test_a_wrong_key(self, provider: Issuer) -> None:
        provider.signs_with, browser = new_key("RS256"), Client()
        self.refused(browser, sign_in(browser), 400, "cannot be verified")

    def test_the_client_secret_is_no_signing_key(self, provider: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
        browser = Client()

        def forged(kid: str = "first", *, key: Any = None, **claims: Any) -> str:
            every = {"iss": provider.url, "sub": "u", "exp": 9e9, "iat": 1, "org_id": "org_1"} | claims
            return jwt.encode(every, CLIENT_SECRET * 3, algorithm="HS256")

        monkeypatch.setattr(provider, "token", forged)
        self.refused(browser, sign_in(browser), 400, "cannot be verified")

    def test_whoever_refuses_is_told_so(self, provider: Issuer) -> None:
        provider.denies, browser = True, Client()
        answer = sign_in(browser)
        self.refused(browser, answer, 403, "You did not allow it")
        assert "0800" not in answer.content.decode()

    @pytest.mark.parametrize("claims", [{"org_id": None}, {"org_id": 7}, {"org_id": ""}])
    def test_without_an_organization(self, provider: Issuer, claims: dict[str, Any]) -> None:
        provider.person, browser = claims, Client()
        self.refused(browser, sign_in(browser), 403, "names no organization")

    @pytest.mark.parametrize("when", ["before", "between"])
    def test_the_issuer_is_away(self, provider: Issuer, when: str) -> None:
        browser = Client()
        if when == "between":
            back = at_the_issuer(leave(browser)).removeprefix("http://testserver")
        provider.broken = True
        answer = browser.get(START) if when == "before" else browser.get(back)
        self.refused(browser, answer, 503, "does not answer as it should")
        assert int(answer["Retry-After"]) > 0
        provider.broken = False
        assert sign_in(browser).status_code == 302

    def test_a_discovery_document_of_somebody_else(self, provider: Issuer) -> None:
        provider.claimed_issuer, browser = "https://evil.example", Client()
        self.refused(browser, browser.get(START), 503, "does not answer as it should")

    def test_beginning_is_limited(self, provider: Issuer, settings: LazySettings) -> None:
        settings.RATE_LIMITS = settings.RATE_LIMITS | {"login": "2/m"}
        answers = [Client().get(START) for _ in range(3)]
        assert [a.status_code for a in answers] == [302, 302, 429]
        assert int(answers[-1]["Retry-After"]) >= 1


class TestPasswords:
    def person(self, tenant: Tenant, *, superuser: bool) -> User:
        someone = tenant.user()
        someone.set_password(PASSWORD)
        someone.is_staff = someone.is_superuser = superuser
        someone.save()
        return someone

    @pytest.mark.parametrize(
        ("superuser", "allowed", "gets_in"), [(True, True, True), (True, False, False), (False, True, False)]
    )
    @pytest.mark.parametrize("door", ["/login", "/admin/login/?next=/metrics"])
    def test_where_the_issuer_signs_people_in_only_superusers_keep_them(
        self,
        provider: Issuer,
        settings: LazySettings,
        acme: Tenant,
        superuser: bool,
        allowed: bool,
        gets_in: bool,
        door: str,
    ) -> None:
        settings.OIDC_PASSWORDS = allowed
        browser = Client()
        browser.post(door, {"username": self.person(acme, superuser=superuser).email, "password": PASSWORD})
        assert is_in(browser) is gets_in
        assert ("id_password" in Client().get("/login").content.decode()) is allowed

    def test_sessions_of_passwords_end_when_the_issuer_takes_over(self, acme: Tenant, settings: LazySettings) -> None:
        browser = Client()
        form = {"username": self.person(acme, superuser=False).email, "password": PASSWORD}
        assert browser.post("/login", form).status_code == 302
        assert is_in(browser)
        settings.OIDC_CLIENT_ID = CLIENT_ID
        assert not is_in(browser)

    def test_without_an_issuer_there_is_no_other_door(self, db: None) -> None:
        for path in (START, CALLBACK):
            assert Client().get(path).status_code == 404
        assert "single sign-on" not in Client().get("/login").content.decode()


def test_a_client_without_an_issuer_stops_the_start(settings: LazySettings) -> None:
    settings.OIDC_CLIENT_ID = CLIENT_ID
    with pytest.raises(SystemCheckError, match=r"levered\.E003"):
        call_command("check")
