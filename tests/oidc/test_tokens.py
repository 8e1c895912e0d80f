"""Bearer tokens of an issuer that really runs, on localhost."""

import base64
import json
import threading
import time
from typing import Any

import jwt
import pytest
from django.conf import LazySettings
from django.db import connection
from rest_framework.test import APIClient

from levered_site.api import oidc
from levered_site.organizations.models import ExternalUser, Membership, Organization, Role, User
from tests.conftest import Tenant, client_with
from tests.factories import make_optimization
from tests.oidc.issuer import AUDIENCE, Issuer, new_key

pytestmark = pytest.mark.django_db
ME = "/api/v2/me"


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pause between two looks at the issuer."""
    monkeypatch.setattr(oidc, "COOLDOWN_SECONDS", 0.0)


def status(token: str) -> int:
    answer = client_with(token).get(ME)
    if answer.status_code == 401:
        assert answer["WWW-Authenticate"] == "Bearer"
    return int(answer.status_code)


class TestIdentity:
    def test_user_and_organization_are_made_on_first_sight(self, issuer: Issuer, acme: Tenant) -> None:
        token = issuer.token(email="Ada@Example.com", email_verified=True, name="Ada", org_slug="lovelace")
        me = client_with(token).get(ME).json()
        assert me["kind"] == "token"
        assert me["role"] == "admin"
        assert me["user"] == {"email": "ada@example.com", "name": "Ada"}
        assert me["organization"]["name"] == "lovelace"
        assert me["meta"]["organization_id"] == me["organization"]["id"]
        before = (User.objects.count(), Organization.objects.count(), Membership.objects.count())
        assert status(issuer.token()) == 200
        assert (User.objects.count(), Organization.objects.count(), Membership.objects.count()) == before
        assert not User.objects.get(email="ada@example.com").has_usable_password()

    @pytest.mark.parametrize(
        "claims",
        [
            {"org_id": "org_9", "org_role": "org:member", "org_slug": "nine"},
            {"org_id": None, "org_role": None, "o": {"id": "org_9", "rol": "member", "slg": "nine"}, "v": 2},
        ],
    )
    def test_both_of_clerks_forms(self, issuer: Issuer, claims: dict[str, Any]) -> None:
        me = client_with(issuer.token(**claims)).get(ME).json()
        assert (me["role"], me["organization"]["name"]) == ("member", "nine")
        assert me["scopes"] == ["manage", "read"]

    @pytest.mark.parametrize(
        ("told", "role"),
        [
            ("org:admin", "admin"), ("admin", "admin"), ("org:member", "member"), ("basic_member", "member"),
            ("org:viewer", "viewer"), ("org:superuser", "viewer"), (None, "viewer"), (7, "viewer"), ("Admin", "viewer"),
        ],
    )  # fmt: skip
    def test_roles(self, issuer: Issuer, told: object, role: str) -> None:
        assert client_with(issuer.token(org_role=told)).get(ME).json()["role"] == role

    def test_a_viewer_reads_only_and_a_changed_role_counts_at_once(self, issuer: Issuer) -> None:
        body = {"name": "x", "scopes": ["read"]}
        viewer = client_with(issuer.token(org_role="org:viewer"))
        assert viewer.get("/api/v2/optimizations").status_code == 200
        assert viewer.post("/api/v2/optimizations", {}).status_code == 403
        assert client_with(issuer.token(org_role="org:member")).post("/api/v2/api-keys", body).status_code == 403
        assert client_with(issuer.token()).post("/api/v2/api-keys", body).status_code == 201
        assert Membership.objects.get().role == Role.ADMIN

    def test_joining_and_new_roles_are_in_the_audit_log(self, issuer: Issuer) -> None:
        client_with(issuer.token(org_role="org:member")).get(ME)
        log = client_with(issuer.token()).get("/api/v2/audit-log").json()["entries"]
        assert [e["action"] for e in log] == ["member.role_changed", "member.joined"]
        assert (log[0]["before"], log[0]["after"]) == ({"role": "member"}, {"role": "admin"})
        assert log[0]["actor_kind"] == "token"

    def test_one_person_in_two_organizations(self, issuer: Issuer) -> None:
        first = client_with(issuer.token()).get(ME).json()["organization"]["id"]
        second = client_with(issuer.token(org_id="org_2", org_role="org:viewer")).get(ME).json()
        assert second["organization"]["id"] != first
        assert (second["role"], client_with(issuer.token()).get(ME).json()["role"]) == ("viewer", "admin")
        assert ExternalUser.objects.count() == 1

    def test_an_address_that_is_taken_is_not_taken_over(self, issuer: Issuer, acme: Tenant) -> None:
        owner = acme.user()
        for verified in (True, False):
            token = issuer.token(sub=f"thief_{verified}", email=owner.email, email_verified=verified)
            me = client_with(token).get(ME).json()
            assert me["user"]["email"].endswith("@users.invalid")
            assert me["organization"]["id"] != acme.organization.public_id

    def test_an_address_that_is_not_verified_is_not_used(self, issuer: Issuer) -> None:
        me = client_with(issuer.token(email="ada@example.com")).get(ME).json()
        assert me["user"]["email"].endswith("@users.invalid")

    def test_another_organizations_objects_are_not_found(self, issuer: Issuer, acme: Tenant) -> None:
        foreign = make_optimization(acme.organization)
        client = client_with(issuer.token())
        assert client.get(f"/api/v2/optimizations/{foreign.pk}").status_code == 404
        assert client.get("/api/v2/optimizations").json()["optimizations"] == []

    def test_our_own_public_id_names_nothing_in_a_token(self, issuer: Issuer, acme: Tenant) -> None:
        me = client_with(issuer.token(org_id=acme.organization.public_id)).get(ME).json()
        assert me["organization"]["id"] != acme.organization.public_id

    @pytest.mark.parametrize(
        "claims", [{}, {"org_id": ""}, {"o": {}}, {"o": {"rol": "admin"}}, {"org_id": 7}, {"org_id": "x" * 256}]
    )
    def test_without_an_organization_it_is_a_403(self, issuer: Issuer, claims: dict[str, Any]) -> None:
        answer = client_with(issuer.token(**({"org_id": None} | claims))).get(ME)
        assert answer.status_code == 403
        assert answer.json()["error"]["code"] == "forbidden"
        assert "organization" in answer.json()["error"]["message"]
        assert not Organization.objects.exists()

    def test_a_disabled_user_stays_out(self, issuer: Issuer) -> None:
        assert status(issuer.token()) == 200
        User.objects.update(is_active=False)
        assert status(issuer.token()) == 401

    def test_keys_still_work_beside_it(self, issuer: Issuer, acme: Tenant) -> None:
        assert acme.client.get(ME).json()["kind"] == "api_key"


class TestValidity:
    @pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
    def test_algorithms(self, issuer: Issuer, algorithm: str) -> None:
        issuer.add_key("k", algorithm)
        assert status(issuer.token("k")) == 200

    def test_wrong_key(self, issuer: Issuer) -> None:
        assert status(issuer.token(key=new_key("RS256"))) == 401

    def test_no_signature(self, issuer: Issuer) -> None:
        claims = jwt.decode(issuer.token(), options={"verify_signature": False})
        for algorithm in ("none", "None", "nOnE"):
            head = base64.urlsafe_b64encode(json.dumps({"alg": algorithm, "kid": "first"}).encode()).rstrip(b"=")
            body = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=")
            assert status(f"{head.decode()}.{body.decode()}.") == 401
        head, body, _ = issuer.token().split(".")  # type: ignore[assignment]
        assert status(f"{head}.{body}.") == 401

    def test_the_public_key_is_no_shared_secret(self, issuer: Issuer) -> None:
        import hashlib
        import hmac

        head, body, _ = issuer.token().split(".")
        head = base64.urlsafe_b64encode(b'{"alg":"HS256","kid":"first","typ":"JWT"}').rstrip(b"=").decode()
        mac = hmac.new(issuer.public_pem(), f"{head}.{body}".encode(), hashlib.sha256).digest()
        assert status(f"{head}.{body}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}") == 401
        assert issuer.hits == []

    def test_a_changed_token(self, issuer: Issuer) -> None:
        head, body, signature = issuer.token().split(".")
        claims = jwt.decode(issuer.token(), options={"verify_signature": False}) | {"org_id": "org_2"}
        other = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
        assert status(f"{head}.{other}.{signature}") == 401
        assert status(f"{head}.{body}.{signature}") == 200

    @pytest.mark.parametrize(
        ("claims", "expected"),
        [
            ({"exp": -60}, 401), ({"exp": -5}, 200), ({"exp": None}, 401),
            ({"nbf": 60}, 401), ({"nbf": 5}, 200), ({"nbf": None}, 200),
            ({"sub": None}, 401), ({"sub": 7}, 401),
            ({"iss": "https://evil.example"}, 401), ({"iss": None}, 401),
            ({"aud": "somebody else"}, 401), ({"aud": ["x", AUDIENCE]}, 200), ({"aud": None}, 401), ({"aud": [{}]}, 401),
        ],
    )  # fmt: skip
    def test_claims(self, issuer: Issuer, claims: dict[str, Any], expected: int) -> None:
        now = int(time.time())
        moved = {k: now + v if k in ("exp", "nbf") and v is not None else v for k, v in claims.items()}
        assert status(issuer.token(**moved)) == expected

    def test_an_issuer_whose_name_ends_with_a_slash(self, issuer: Issuer) -> None:
        assert status(issuer.token(iss=f"{issuer.url}/")) == 200

    @pytest.mark.parametrize(
        ("claims", "expected"),
        [
            ({"aud": None, "azp": "https://app.example"}, 200),  # Clerk's session tokens
            ({"aud": None, "azp": "https://evil.example"}, 401),
            ({"aud": AUDIENCE, "azp": "https://evil.example"}, 401),
            ({"aud": AUDIENCE, "azp": None}, 200),
            ({"aud": "somebody else", "azp": "https://app.example"}, 401),
            ({"aud": None, "azp": None}, 401),
        ],
    )
    def test_authorized_parties(
        self, issuer: Issuer, settings: LazySettings, claims: dict[str, Any], expected: int
    ) -> None:
        settings.OIDC_AUTHORIZED_PARTIES = ["https://app.example"]
        assert status(issuer.token(**claims)) == expected

    @pytest.mark.parametrize("token", ["a.b.c", "..", "a.b", "é.é.é", "e30.e30.e30"])
    def test_garbage(self, issuer: Issuer, token: str) -> None:
        assert status(token.encode().decode("latin-1")) == 401

    def test_without_an_issuer_no_token_is_taken(self, issuer: Issuer, settings: LazySettings) -> None:
        settings.OIDC_ISSUER = ""
        assert status(issuer.token()) == 401
        assert issuer.hits == []


class TestKeys:
    def test_keys_are_fetched_once(self, issuer: Issuer) -> None:
        for _ in range(3):
            assert status(issuer.token()) == 200
        assert issuer.hits == ["/.well-known/openid-configuration", "/keys"]

    def test_a_rotated_key(self, issuer: Issuer, at_once: None) -> None:
        assert status(issuer.token()) == 200
        issuer.add_key("second")
        assert status(issuer.token("second")) == 200
        old = issuer.token()
        del issuer.keys["first"]
        issuer.add_key("third")
        assert status(issuer.token("third")) == 200
        assert status(old) == 401

    def test_unknown_keys_do_not_flood_the_issuer(self, issuer: Issuer) -> None:
        assert status(issuer.token()) == 200
        for i in range(10):
            token = jwt.encode({"sub": "x"}, new_key("ES256"), algorithm="ES256", headers={"kid": f"k{i}"})
            assert status(token) == 401
        assert len(issuer.hits) == 2

    def test_while_the_issuer_is_down_known_keys_go_on(
        self, issuer: Issuer, at_once: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert status(issuer.token()) == 200
        issuer.add_key("second")
        known, unknown = issuer.token(), issuer.token("second")
        issuer.broken = True
        assert status(known) == 200
        answer = client_with(unknown).get(ME)
        assert answer.status_code == 503
        assert answer.json()["error"]["code"] == "unavailable"
        assert answer["Retry-After"]
        monkeypatch.setattr(oidc, "LIFESPAN_SECONDS", 0.0)  # the cache has run out
        oidc.keys_of(issuer.url).jwk_set_cache.put(None)  # type: ignore[union-attr]
        assert status(known) == 200
        monkeypatch.setattr(oidc, "STALE_SECONDS", 0.0)  # for a whole day
        assert client_with(known).get(ME).status_code == 503
        issuer.broken = False
        assert status(unknown) == 200

    def test_nothing_listens_where_the_issuer_was(self, issuer: Issuer) -> None:
        token = issuer.token()
        issuer.stop()
        assert client_with(token).get(ME).status_code == 503

    def test_a_dead_issuer_is_not_asked_by_every_request(self, issuer: Issuer) -> None:
        issuer.broken = True
        for _ in range(5):
            assert client_with(issuer.token()).get(ME).status_code == 503
        assert len(issuer.hits) == 1

    def test_a_document_of_another_issuer_is_not_believed(self, issuer: Issuer) -> None:
        issuer.claimed_issuer = "https://evil.example"
        assert client_with(issuer.token()).get(ME).status_code == 503


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_eight_first_sights_at_once_make_one_of_each(issuer: Issuer) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("threads lock each other out of a SQLite database in memory")
    token, statuses = issuer.token(), []

    def ask() -> None:
        statuses.append(client_with(token).get(ME).status_code)
        connection.close()

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 8
    assert (User.objects.count(), Organization.objects.count(), Membership.objects.count()) == (1, 1, 1)


@pytest.mark.parametrize(
    ("url", "audience", "found"),
    [
        ("", [], []),
        ("https://clerk.example", ["x"], []),
        ("http://127.0.0.1:9", ["x"], []),
        ("http://clerk.example", ["x"], ["levered.E002"]),
        ("clerk.example", ["x"], ["levered.E002"]),
        ("https://clerk.example", [], ["levered.W003"]),
    ],
)
def test_the_configuration_is_checked(settings: LazySettings, url: str, audience: list[str], found: list[str]) -> None:
    from levered_site.checks import issuer_is_safe

    settings.OIDC_ISSUER, settings.OIDC_AUDIENCE = url, audience
    assert [m.id for m in issuer_is_safe(None)] == found


def test_agents_sign_in_the_same_way(issuer: Issuer, anonymous: APIClient) -> None:
    ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    accept = {"HTTP_ACCEPT": "application/json, text/event-stream"}
    assert client_with(issuer.token()).post("/mcp", ping, **accept).status_code == 200
    refused = client_with(issuer.token(exp=1)).post("/mcp", ping, **accept)
    assert "resource_metadata=" in refused["WWW-Authenticate"]
    assert 'error="invalid_token"' in refused["WWW-Authenticate"]
