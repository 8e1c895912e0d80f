"""The built-in authorization server: registration, consent, tokens, and what is refused."""

import datetime as dt
from typing import Any

import pytest
import time_machine
from django.conf import LazySettings
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone
from oauth2_provider.models import AccessToken, Grant, RefreshToken
from oauth2_provider.models import Application as Registered

from levered_site.organizations import applications
from levered_site.organizations.models import ConnectedApplication, Membership, Organization, Role, User
from optimizations.tasks import forget_expired
from tests.conftest import Tenant, client_with
from tests.factories import make_optimization
from tests.oauth.flow import CALLBACK, Application, arrived, hidden_fields

pytestmark = pytest.mark.django_db
ME = "/api/v2/me"
PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
ACCEPT = {"HTTP_ACCEPT": "application/json, text/event-stream"}


def browser_of(tenant: Tenant, role: Role = Role.ADMIN) -> Client:
    browser = Client()
    browser.force_login(tenant.user(role))
    return browser


def status(token: str) -> int:
    api, mcp = client_with(token).get(ME), client_with(token).post("/mcp", PING, **ACCEPT)
    assert api.status_code == mcp.status_code
    return int(api.status_code)


class TestDiscovery:
    def test_the_metadata(self, anonymous: Client) -> None:
        answer = anonymous.get("/.well-known/oauth-authorization-server")
        assert answer["Access-Control-Allow-Origin"] == "*"
        assert answer.json() == {
            "issuer": "http://testserver",
            "authorization_endpoint": "http://testserver/oauth/authorize",
            "token_endpoint": "http://testserver/oauth/token",
            "revocation_endpoint": "http://testserver/oauth/revoke",
            "registration_endpoint": "http://testserver/oauth/register",
            "response_types_supported": ["code"],
            "grant_types_supported": ["authorization_code", "refresh_token"],
            "scopes_supported": ["manage", "read"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["none", "client_secret_post", "client_secret_basic"],
            "revocation_endpoint_auth_methods_supported": ["none", "client_secret_post", "client_secret_basic"],
            "authorization_response_iss_parameter_supported": True,
            "client_id_metadata_document_supported": False,
        }

    def test_with_an_issuer_there_is_no_second_server(self, acme: Tenant, settings: LazySettings) -> None:
        tokens = Application().tokens(browser_of(acme))
        settings.OIDC_ISSUER = "https://issuer.example"
        browser = browser_of(acme)
        for path in ("/.well-known/oauth-authorization-server", "/oauth/authorize"):
            assert browser.get(path).status_code == 404
        for path in ("/oauth/token", "/oauth/register", "/oauth/revoke"):
            assert browser.post(path).status_code == 404
        assert status(tokens["access_token"]) == 401


class TestRegistration:
    def test_a_public_client(self, db: None) -> None:
        told = Application().registered
        assert told["client_name"] == "Claude Code"
        assert told["token_endpoint_auth_method"] == "none"
        assert "client_secret" not in told

    def test_a_confidential_client_sees_its_secret_once(self, acme: Tenant) -> None:
        application = Application(metadata={"token_endpoint_auth_method": "client_secret_post"})
        secret = application.registered["client_secret"]
        assert Registered.objects.get().client_secret != secret
        code = application.consent(browser_of(acme))["code"]
        assert application.exchange(code, client_secret="wrong").status_code == 401
        assert application.exchange(code, client_secret=secret).status_code == 200

    @pytest.mark.parametrize(
        "metadata",
        [
            {"grant_types": ["client_credentials"]}, {"grant_types": ["password"]}, {"grant_types": ["implicit"]},
            {"grant_types": ["urn:ietf:params:oauth:grant-type:device_code"]}, {"grant_types": "authorization_code"},
            {"grant_types": []}, {"grant_types": [{}]},
            {"redirect_uris": []}, {"redirect_uris": ["http://evil.example/cb"]}, {"redirect_uris": [7]},
            {"redirect_uris": ["javascript:alert(1)"]}, {"redirect_uris": ["data:text/html,x"]},
            {"redirect_uris": ["http://localhost.evil.example/cb"]}, {"redirect_uris": ["http://[::1"]},
            {"redirect_uris": ["https://*.example/cb"]}, {"redirect_uris": ["https://a.example/#fragment"]},
            {"redirect_uris": [f"https://a.example/{i}" for i in range(11)]}, {"redirect_uris": "https://a.example"},
            {"client_name": "x" * 256}, {"client_name": "a\nb"}, {"client_name": "\u202egnp"}, {"client_name": {}},
            {"client_name": "\x00"}, {"token_endpoint_auth_method": "private_key_jwt"}, {"padding": "x" * 20_000},
        ],
    )  # fmt: skip
    def test_what_is_refused(self, db: None, metadata: dict[str, Any]) -> None:
        answer = Application().register(**metadata)
        assert answer.status_code == 400, answer.content
        assert answer.json()["error"] in {"invalid_client_metadata", "invalid_redirect_uri"}
        assert Registered.objects.count() == 1

    @pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff", b'"x"'])
    def test_what_is_no_metadata(self, anonymous: Client, db: None, body: bytes) -> None:
        answer = anonymous.generic("POST", "/oauth/register", body, content_type="application/json")
        assert answer.status_code == 400

    @pytest.mark.parametrize(
        "uri", [CALLBACK, "http://localhost/cb", "https://vscode.dev/redirect", "cursor://anysphere.cursor-mcp/oauth"]
    )
    def test_callbacks_of_agents(self, db: None, uri: str) -> None:
        assert Application().register(redirect_uris=[uri]).status_code == 201

    def test_the_token_of_a_registration_opens_nothing_else(self, db: None) -> None:
        told = Application().registered
        assert status(told["registration_access_token"]) == 401
        assert status(f"{applications.MARK}{told['registration_access_token']}") == 401

    def test_unused_clients_are_forgotten_and_bounded(self, acme: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
        used = Application()
        used.tokens(browser_of(acme))
        Application()
        with time_machine.travel(timezone.now() + dt.timedelta(days=2)):
            late = Application()
            assert set(Registered.objects.values_list("client_id", flat=True)) == {used.client_id, late.client_id}
            monkeypatch.setattr(applications, "MAX_UNUSED", 2)
            assert late.register().status_code == 201
            full = late.register()
            assert full.status_code == 503
            assert full["Retry-After"] == "3600"


class TestConsent:
    def test_the_page_names_the_client_the_organization_and_the_permissions(self, acme: Tenant) -> None:
        page = browser_of(acme).get("/oauth/authorize", Application().question())
        html = page.content.decode()
        for words in ("Allow Claude Code?", "Acme", "127.0.0.1:33418", "See optimizations", "Create, change, train"):
            assert words in html
        assert page["X-Frame-Options"] == "DENY"
        policy = page["Content-Security-Policy"]
        assert "form-action 'self' http://127.0.0.1:33418;" in f"{policy};"
        only_read = browser_of(acme).get("/oauth/authorize", Application().question(scope="read")).content.decode()
        assert "Create, change, train" not in only_read

    def test_a_stranger_signs_in_first(self, acme: Tenant) -> None:
        answer = Client().get("/oauth/authorize", Application().question())
        assert answer.status_code == 302
        assert answer["Location"].startswith("/login?next=/oauth/authorize%3F")

    def test_denying_tells_the_client(self, acme: Tenant) -> None:
        told = Application().consent(browser_of(acme), allow=False)
        assert (told["error"], told["state"]) == ("access_denied", "s")
        assert not ConnectedApplication.objects.exists()
        assert not Grant.objects.exists()

    def test_the_answer_names_its_issuer(self, acme: Tenant) -> None:
        told = Application().consent(browser_of(acme))
        assert (told["iss"], told["state"]) == ("http://testserver", "s")

    @pytest.mark.parametrize(
        ("question", "error"),
        [
            ({"code_challenge": None, "code_challenge_method": None}, "invalid_request"),
            ({"code_challenge_method": "plain"}, "invalid_request"),
            ({"code_challenge_method": None}, "invalid_request"),
            ({"scope": "read administer"}, "invalid_scope"),
            ({"scope": "oauth2_provider:registration"}, "invalid_scope"),
            ({"response_type": "token"}, "unauthorized_client"),
            ({"resource": "https://evil.example/mcp"}, "invalid_target"),
            ({"resource": ["http://testserver/mcp", "https://evil.example/mcp"]}, "invalid_target"),
        ],
    )
    def test_questions_that_the_client_hears_back(self, acme: Tenant, question: dict[str, Any], error: str) -> None:
        told = arrived(browser_of(acme).get("/oauth/authorize", Application().question(**question)))
        assert told["error"] == error
        assert told["state"] == "s"

    @pytest.mark.parametrize(
        "question",
        [
            {"client_id": "nobody"}, {"client_id": None}, {"redirect_uri": "https://evil.example/cb"},
            {"redirect_uri": "http://127.0.0.1:33418/other"}, {"redirect_uri": "javascript:alert(1)"},
        ],
    )  # fmt: skip
    def test_questions_that_lead_nowhere(self, acme: Tenant, question: dict[str, Any]) -> None:
        answer = browser_of(acme).get("/oauth/authorize", Application().question(**question))
        assert answer.status_code in (400, 401)
        assert "cannot sign in" in answer.content.decode()
        assert "Location" not in answer

    @pytest.mark.parametrize(
        "form",
        [
            {"client_id": "nobody"}, {"resource": "https://evil.example/mcp"}, {"organization": "org_globex"},
            {"organization": ""}, {"client_id": ""},
        ],
    )  # fmt: skip
    def test_a_form_that_was_tampered_with(self, acme: Tenant, globex: Tenant, form: dict[str, str]) -> None:
        browser, application = browser_of(acme), Application()
        page = browser.get("/oauth/authorize", application.question()).content.decode()
        if form.get("organization") == "org_globex":
            form = {"organization": globex.organization.public_id}
        answer = browser.post("/oauth/authorize", hidden_fields(page) | {"allow": "true"} | form)
        assert answer.status_code == 400
        assert not Grant.objects.exists()
        assert not ConnectedApplication.objects.exists()

    def test_a_redirect_that_was_tampered_with_leads_nowhere(self, acme: Tenant) -> None:
        browser, application = browser_of(acme), Application()
        page = browser.get("/oauth/authorize", application.question()).content.decode()
        for allow in ({"allow": "true"}, {}):
            form = hidden_fields(page) | allow | {"redirect_uri": "https://evil.example/cb"}
            answer = browser.post("/oauth/authorize", form)
            assert answer.status_code == 400, answer.get("Location")
        assert not Grant.objects.exists()

    def test_it_wants_the_token_of_its_own_page(self, acme: Tenant) -> None:
        client = Client(enforce_csrf_checks=True)
        client.force_login(acme.user())
        assert client.post("/oauth/authorize", Application().question()).status_code == 403

    def test_somebody_without_an_organization(self, db: None) -> None:
        browser = Client()
        browser.force_login(User.objects.create_user("alone@example.com"))
        assert browser.get("/oauth/authorize", Application().question()).status_code == 403

    def test_markup_in_a_name_is_text(self, acme: Tenant) -> None:
        application = Application(metadata={"client_name": "<script>alert(1)</script>"})
        html = browser_of(acme).get("/oauth/authorize", application.question()).content.decode()
        assert "<script>alert" not in html


class TestTokens:
    def test_they_work_as_bearer_of_the_api_and_of_agents(self, acme: Tenant) -> None:
        tokens = Application().tokens(browser_of(acme))
        assert (tokens["token_type"], tokens["scope"], tokens["expires_in"]) == ("Bearer", "read manage", 3600)
        me = client_with(tokens["access_token"]).get(ME).json()
        assert (me["kind"], me["role"], me["scopes"]) == ("token", "admin", ["manage", "read"])
        assert me["organization"]["id"] == acme.organization.public_id
        assert status(tokens["access_token"]) == 200

    def test_they_are_stored_as_hashes_only(self, acme: Tenant) -> None:
        tokens = Application().tokens(browser_of(acme))
        assert {t.token for model in (AccessToken, RefreshToken) for t in model.objects.all()} == {""}
        assert tokens["access_token"].startswith("lvo_")

    def test_they_are_bound_to_this_server(self, acme: Tenant) -> None:
        for asked in ("http://testserver/mcp", "http://testserver/api/v2", None):
            AccessToken.objects.all().delete()
            Application().tokens(browser_of(acme), resource=asked)
            issued = AccessToken.objects.exclude(scope="oauth2_provider:registration").get()
            assert issued.resource == [asked or "http://testserver/mcp"]
        application = Application()
        code = application.consent(browser_of(acme))["code"]
        refused = application.exchange(code, resource="https://evil.example/<script>")
        assert refused.json()["error"] == "invalid_target"
        assert refused["Content-Type"] == "application/json"  # it repeats what was sent

    def test_they_allow_what_was_allowed_and_never_more_than_the_person_may(self, acme: Tenant) -> None:
        body = {"name": "x", "scopes": ["read"]}
        reader = client_with(Application().tokens(browser_of(acme), scope="read")["access_token"])
        assert reader.get("/api/v2/optimizations").status_code == 200
        assert reader.post("/api/v2/optimizations", {}).status_code == 403
        manager = client_with(Application().tokens(browser_of(acme))["access_token"])
        assert manager.post("/api/v2/optimizations", {}).status_code == 400
        assert manager.post("/api/v2/api-keys", body).status_code == 403
        assert manager.post("/api/v2/ingest/rewards", {"events": []}).status_code in (401, 403)
        viewer = client_with(Application().tokens(browser_of(acme, Role.VIEWER))["access_token"])
        assert viewer.get("/api/v2/optimizations").status_code == 200
        assert viewer.post("/api/v2/optimizations", {}).status_code == 403

    def test_another_organizations_objects_are_not_found(self, acme: Tenant, globex: Tenant) -> None:
        foreign = make_optimization(globex.organization)
        client = client_with(Application().tokens(browser_of(acme))["access_token"])
        assert client.get(f"/api/v2/optimizations/{foreign.pk}").status_code == 404

    def test_an_organization_is_chosen_and_the_client_moves_with_it(self, acme: Tenant, globex: Tenant) -> None:
        Membership.objects.create(user=acme.user(), organization=globex.organization, role=Role.VIEWER)
        browser, application = browser_of(acme), Application()
        first = application.tokens(browser)
        code = application.consent(browser, form={"organization": globex.organization.public_id})["code"]
        assert status(first["access_token"]) == 401
        me = client_with(application.exchange(code).json()["access_token"]).get(ME).json()
        assert (me["organization"]["id"], me["role"]) == (globex.organization.public_id, "viewer")
        assert ConnectedApplication.objects.count() == 1

    def test_whoever_leaves_or_is_disabled_is_out_at_once(self, acme: Tenant) -> None:
        token = Application().tokens(browser_of(acme))["access_token"]
        User.objects.update(is_active=False)
        assert status(token) == 401
        User.objects.update(is_active=True)
        assert status(token) == 200
        Membership.objects.all().delete()
        assert status(token) == 401

    def test_they_expire(self, acme: Tenant) -> None:
        tokens = Application().tokens(browser_of(acme))
        with time_machine.travel(timezone.now() + dt.timedelta(minutes=61)):
            assert status(tokens["access_token"]) == 401

    @pytest.mark.parametrize("token", ["lvo_", "lvo_nope", "lvo_\x00", "lvo_é"])
    def test_garbage(self, db: None, token: str) -> None:
        assert status(token.encode().decode("latin-1")) == 401

    def test_a_code_works_once_in_time_and_for_its_client_only(self, acme: Tenant) -> None:
        browser, application, other = browser_of(acme), Application(), Application()
        code = application.consent(browser)["code"]
        assert other.exchange(code).json()["error"] == "invalid_grant"
        assert application.exchange(code, code_verifier="w" * 64).json()["error"] == "invalid_grant"
        assert application.exchange(code, redirect_uri="http://127.0.0.1:33418/other").status_code == 400
        assert application.exchange(code, code_verifier="").status_code == 400
        assert application.exchange(code).status_code == 200
        assert application.exchange(code).json()["error"] == "invalid_grant"
        late = application.consent(browser)["code"]
        with time_machine.travel(timezone.now() + dt.timedelta(seconds=61)):
            assert application.exchange(late).json()["error"] == "invalid_grant"

    @pytest.mark.parametrize("grant", ["password", "client_credentials", "urn:x", ""])
    def test_other_grants_are_refused(self, acme: Tenant, grant: str) -> None:
        form = {"grant_type": grant, "username": acme.user().email, "password": "x"}
        assert Application().token(**form).status_code in (400, 401)


class TestRefreshing:
    def test_it_rotates(self, acme: Tenant) -> None:
        application = Application()
        first = application.tokens(browser_of(acme))
        second = application.refresh(first["refresh_token"]).json()
        assert status(second["access_token"]) == 200
        assert status(first["access_token"]) == 401
        assert second["refresh_token"] != first["refresh_token"]

    def test_a_token_that_is_used_twice_ends_them_all(self, acme: Tenant) -> None:
        application = Application()
        first = application.tokens(browser_of(acme))
        second = application.refresh(first["refresh_token"]).json()
        assert application.refresh(first["refresh_token"]).json()["error"] == "invalid_grant"
        assert status(second["access_token"]) == 401
        assert application.refresh(second["refresh_token"]).json()["error"] == "invalid_grant"

    def test_it_never_widens(self, acme: Tenant) -> None:
        application = Application()
        tokens = application.tokens(browser_of(acme), scope="read")
        assert application.refresh(tokens["refresh_token"], scope="read manage").json()["error"] == "invalid_scope"

    def test_it_belongs_to_its_client(self, acme: Tenant) -> None:
        tokens = Application().tokens(browser_of(acme))
        assert Application().refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"

    def test_it_ends_after_a_month_without_use(self, acme: Tenant) -> None:
        application = Application()
        tokens = application.tokens(browser_of(acme))
        with time_machine.travel(timezone.now() + dt.timedelta(days=31)):
            assert application.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"


def test_what_has_ended_is_forgotten(acme: Tenant) -> None:
    browser = browser_of(acme)
    Application().tokens(browser)
    forget_expired()
    assert (RefreshToken.objects.count(), Session.objects.count()) == (1, 1)
    with time_machine.travel(timezone.now() + dt.timedelta(days=40)):
        forget_expired()
    for model in (AccessToken, RefreshToken, Grant, Session):
        assert not model.objects.exists(), model


class TestRevoking:
    @pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
    def test_by_the_client(self, acme: Tenant, kind: str) -> None:
        application = Application()
        tokens = application.tokens(browser_of(acme))
        form = {"token": tokens[kind], "token_type_hint": kind, "client_id": application.client_id}
        assert application.http.post("/oauth/revoke", form).status_code == 200
        assert status(tokens["access_token"]) == 401

    def test_another_client_cannot(self, acme: Tenant) -> None:
        tokens = Application().tokens(browser_of(acme))
        other = Application()
        other.http.post("/oauth/revoke", {"token": tokens["access_token"], "client_id": other.client_id})
        assert status(tokens["access_token"]) == 200


class TestLimits:
    def test_one_host_tries_a_few(self, db: None, settings: LazySettings) -> None:
        settings.RATE_LIMITS = settings.RATE_LIMITS | {"token": "3/m"}
        answers = [
            Client().post("/oauth/token", {"client_id": f"c{i}", "grant_type": "refresh_token"}) for i in range(5)
        ]
        assert [a.status_code for a in answers[3:]] == [429, 429]
        assert 429 not in [a.status_code for a in answers[:3]]
        assert int(answers[-1]["Retry-After"]) >= 1
        assert answers[-1].json()["error"] == "slow_down"

    def test_many_hosts_try_one_client(self, db: None, settings: LazySettings) -> None:
        settings.RATE_LIMITS = settings.RATE_LIMITS | {"token": "3/m"}
        for path in ("/oauth/token", "/oauth/revoke"):
            form = {"client_id": f"c{path}", "grant_type": "refresh_token", "token": "x"}
            answers = [Client(REMOTE_ADDR=f"10.2.{len(path)}.{i}").post(path, form) for i in range(5)]
            assert [a.status_code == 429 for a in answers] == [False, False, False, True, True]


def test_what_is_allowed_and_done_is_in_the_audit_log(acme: Tenant, globex: Tenant) -> None:
    token = Application().tokens(browser_of(acme))["access_token"]
    optimization = make_optimization(acme.organization)
    client_with(token).patch(f"/api/v2/optimizations/{optimization.pk}", {"name": "By an agent"})
    entries = acme.client.get("/api/v2/audit-log").json()["entries"]
    done, allowed = entries[0], next(e for e in entries if e["object_type"] == "connectedapplication")
    assert (allowed["action"], allowed["after"]) == ("application.allowed", {"scopes": ["read", "manage"]})
    assert allowed["object_name"] == f"Claude Code of {acme.user().email}"
    assert (done["actor"], done["actor_kind"]) == (f"{acme.user().email} with Claude Code", "token")
    assert Organization.objects.count() == 2
