"""Who gets in, how strangers are told, and which revisions of the protocol are spoken."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2
import pytest
from django.conf import LazySettings
from pytest_django.live_server_helper import LiveServer
from rest_framework.test import APIClient

from levered_site.organizations.services import revoke_api_key
from tests.conftest import Tenant
from tests.mcp.conftest import Connect

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.django_db(transaction=True)
PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
ACCEPT = {"HTTP_ACCEPT": "application/json, text/event-stream"}


@pytest.mark.parametrize("mode", ["legacy", "auto", "2026-07-28"])
def test_every_revision_of_the_protocol(connect: Connect, acme: Tenant, globex: Tenant, mode: str) -> None:
    agent = connect(acme, mode=mode)
    assert 12 <= len(agent.tools()) <= 18
    assert agent.call("list_optimizations") == {"optimizations": []}


def test_a_key_in_its_own_header(live_server: LiveServer, acme: Tenant, connect: Connect) -> None:
    agent = connect(acme)
    agent.headers = {"X-API-Key": acme.secret}
    assert agent.call("list_metrics") == {"metrics": []}


def test_strangers_stay_out(anonymous: APIClient, acme: Tenant) -> None:
    answer = anonymous.post("/mcp", PING, **ACCEPT)
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "unauthenticated"
    told = 'Bearer resource_metadata="http://testserver/.well-known/oauth-protected-resource/mcp"'
    assert answer["WWW-Authenticate"] == told
    wrong = anonymous.post("/mcp", PING, HTTP_AUTHORIZATION="Bearer lv_0000000000_nope", **ACCEPT)
    assert wrong.status_code == 401
    assert wrong["WWW-Authenticate"] == f'{told}, error="invalid_token"'
    revoke_api_key(acme.organization, key_id=acme.organization.api_keys.get().pk)
    assert acme.client.post("/mcp", PING, **ACCEPT).status_code == 401


def test_a_session_is_no_credential_here(acme: Tenant) -> None:
    assert acme.browser().post("/mcp", PING, **ACCEPT).status_code == 401


@pytest.mark.parametrize("issuer", ["", "https://issuer.example"])
def test_where_tokens_come_from_is_told(anonymous: APIClient, settings: LazySettings, db: None, issuer: str) -> None:
    settings.OIDC_ISSUER = issuer
    for path in ("/.well-known/oauth-protected-resource/mcp", "/.well-known/oauth-protected-resource"):
        answer = anonymous.get(path)
        metadata = answer.json()
        assert metadata["resource"] == "http://testserver/mcp"
        assert metadata["authorization_servers"] == [issuer or "http://testserver"]
        assert metadata.get("scopes_supported") == (None if issuer else ["manage", "read"])
        assert answer["Access-Control-Allow-Origin"] == "*"


def test_a_key_that_may_only_ingest_is_refused(acme: Tenant) -> None:
    answer = acme.with_scopes("ingest").post("/mcp", PING, **ACCEPT)
    assert answer.status_code == 403
    assert "'read' scope" in answer.json()["error"]["message"]


def test_only_post_is_answered(acme: Tenant) -> None:
    for method in ("get", "delete", "put"):
        assert getattr(acme.client, method)("/mcp").status_code == 405


def test_pages_of_other_origins_are_refused(acme: Tenant, settings: LazySettings) -> None:
    foreign = acme.client.post("/mcp", PING, HTTP_ORIGIN="https://evil.example", **ACCEPT)
    assert foreign.status_code == 403
    assert acme.client.post("/mcp", PING, HTTP_ORIGIN="http://testserver", **ACCEPT).status_code == 200
    settings.CSRF_TRUSTED_ORIGINS = ["https://app.example"]
    assert acme.client.post("/mcp", PING, HTTP_ORIGIN="https://app.example", **ACCEPT).status_code == 200


def test_the_limit_is_that_of_the_api(acme: Tenant, settings: LazySettings) -> None:
    settings.RATE_LIMITS = settings.RATE_LIMITS | {"api": "3/m"}
    client = acme.client
    assert client.get("/api/v2/me").status_code == 200
    answers = [client.post("/mcp", PING, **ACCEPT) for _ in range(4)]
    assert [a.status_code for a in answers] == [200, 200, 429, 429]
    assert int(answers[-1]["Retry-After"]) >= 1


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"jsonrpc": "1.0"}', b"\xff", b"null"])
def test_bodies_that_are_no_messages(acme: Tenant, body: bytes) -> None:
    answer = acme.client.generic("POST", "/mcp", body, content_type="application/json", **ACCEPT)
    assert 400 <= answer.status_code < 500


def test_a_body_that_is_too_large(live_server: LiveServer, acme: Tenant, settings: LazySettings) -> None:
    settings.MAX_BODY_BYTES = 1000
    headers = {"Authorization": f"Bearer {acme.secret}", "Accept": "application/json, text/event-stream"}
    body: dict[str, Any] = PING | {"params": {"pad": "x" * 2000}}
    assert httpx2.post(f"{live_server.url}/mcp", json=body, headers=headers).status_code == 413


def test_answers_carry_the_request_id(acme: Tenant) -> None:
    assert acme.client.post("/mcp", PING, **ACCEPT)["X-Request-ID"].startswith("req_")


def test_the_sdk_is_loaded_with_the_first_request_only() -> None:
    code = "import levered_site.wsgi, sys; sys.exit('mcp.server' in sys.modules)"
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "levered_site.settings"}
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, check=False).returncode == 0
