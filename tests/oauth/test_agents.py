"""The official client of the Model Context Protocol signs in by itself: discovery, registration, consent, tokens."""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from mcp.client import Client
from mcp.client.auth import AuthorizationCodeResult, OAuthClientProvider, TokenStorage
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata, OAuthToken
from pytest_django.live_server_helper import LiveServer

from levered_site.organizations.models import ConnectedApplication, User
from tests.conftest import Tenant
from tests.oauth.flow import hidden_fields

pytestmark = pytest.mark.django_db(transaction=True)
Talk = Callable[[Client, OAuthClientProvider], Awaitable[Any]]
PASSWORD = "correct horse battery"
CALLBACK = "http://127.0.0.1:33418/callback"


class Memory(TokenStorage):
    tokens: OAuthToken | None = None
    client: OAuthClientInformationFull | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


class Person:
    """Whoever sits before the browser that the client opens: signs in with a password and allows what is asked."""

    def __init__(self, email: str) -> None:
        self.email, self.consents = email, 0
        self.arrived: dict[str, list[str]] = {}

    async def open(self, url: str) -> None:
        async with httpx2.AsyncClient(timeout=30) as browser:
            page = await browser.get(url, follow_redirects=True)
            if page.url.path == "/login":
                form = hidden_fields(page.text) | {"username": self.email, "password": PASSWORD}
                page = await browser.post(page.url, data=form, follow_redirects=True)
            assert "Allow A test agent?" in page.text
            answer = await browser.post(page.url, data=hidden_fields(page.text) | {"allow": "true"})
            assert answer.status_code == 302
            assert answer.headers["location"].startswith(CALLBACK)
            self.consents += 1
            self.arrived = parse_qs(urlsplit(answer.headers["location"]).query)

    async def back(self) -> AuthorizationCodeResult:
        told = {name: values[0] for name, values in self.arrived.items()}
        return AuthorizationCodeResult(code=told["code"], state=told["state"], iss=told.get("iss"))


@pytest.fixture
def person(acme: Tenant) -> Person:
    someone: User = acme.user()
    someone.set_password(PASSWORD)
    someone.save()
    return Person(someone.email)


def converse(url: str, person: Person, memory: Memory, talk: Talk) -> Any:
    async def connected() -> Any:
        metadata = OAuthClientMetadata.model_validate(
            {"client_name": "A test agent", "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none"}
        )
        auth = OAuthClientProvider(f"{url}/mcp", metadata, memory, person.open, person.back)
        async with (
            httpx2.AsyncClient(auth=auth, timeout=30) as http,
            Client(streamable_http_client(f"{url}/mcp", http_client=http)) as client,
        ):
            return await talk(client, auth)

    return asyncio.run(connected())


async def tools(client: Client, auth: OAuthClientProvider) -> set[str]:
    return {tool.name for tool in (await client.list_tools()).tools}


def test_the_whole_way(live_server: LiveServer, acme: Tenant, person: Person) -> None:
    memory = Memory()
    assert "levered_list_optimizations" in converse(live_server.url, person, memory, tools)
    assert person.consents == 1
    assert memory.tokens is not None
    assert set((memory.tokens.scope or "").split()) == {"read", "manage"}
    first = memory.tokens.access_token

    converse(live_server.url, person, memory, tools)
    assert (person.consents, memory.tokens.access_token) == (1, first)

    headers = {"Authorization": f"Bearer {first}"}
    me = httpx2.get(f"{live_server.url}/api/v2/me", headers=headers).json()
    assert me["organization"]["id"] == acme.organization.public_id
    assert re.fullmatch("lvo_.{43}", first)

    form = {"token": first, "client_id": memory.client.client_id if memory.client else ""}
    assert httpx2.post(f"{live_server.url}/oauth/revoke", data=form).status_code == 200
    answer = httpx2.post(f"{live_server.url}/mcp", json={}, headers=headers)
    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]

    # the client notices, and asks the person again
    assert converse(live_server.url, person, memory, tools)
    assert person.consents == 2


def test_it_refreshes_by_itself(live_server: LiveServer, person: Person) -> None:
    memory = Memory()

    async def outlive_the_token(client: Client, auth: OAuthClientProvider) -> tuple[str, str]:
        assert memory.tokens is not None
        before = memory.tokens.access_token
        auth.context.token_expiry_time = time.time() - 1
        await client.list_tools()
        return before, memory.tokens.access_token

    before, after = converse(live_server.url, person, memory, outlive_the_token)
    assert before != after
    assert person.consents == 1
    refused = httpx2.get(f"{live_server.url}/api/v2/me", headers={"Authorization": f"Bearer {before}"})
    assert refused.status_code == 401
    assert ConnectedApplication.objects.count() == 1
