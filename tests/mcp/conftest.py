"""The official client against a live server: real HTTP, real processes of the protocol, nothing mocked."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client
from pytest_django.live_server_helper import LiveServer

from tests.conftest import Tenant


@dataclass
class Agent:
    """A client with one key. Each method is a whole conversation: connect, ask, leave."""

    url: str
    headers: dict[str, str]
    mode: str = "auto"

    def run(self, conversation: Callable[[Client], Any]) -> Any:
        async def connected() -> Any:
            async with (
                httpx2.AsyncClient(headers=self.headers, timeout=30) as http,
                Client(streamable_http_client(self.url, http_client=http), mode=self.mode) as client,
            ):
                return await conversation(client)

        return asyncio.run(connected())

    def tools(self) -> dict[str, Any]:
        return {tool.name: tool for tool in self.run(lambda client: client.list_tools()).tools}

    def call(self, name: str, /, **arguments: Any) -> dict[str, Any]:
        """The structured answer of a call that must succeed."""
        result = self.run(lambda client: client.call_tool(f"levered_{name}", arguments))
        assert not result.is_error, result.content
        structured: dict[str, Any] = result.structured_content
        return structured

    def refused(self, name: str, /, **arguments: Any) -> str:
        """The words of a call that must fail."""
        result = self.run(lambda client: client.call_tool(f"levered_{name}", arguments))
        assert result.is_error, result.structured_content
        return str(result.content[0].text)


Connect = Callable[..., Agent]
INSPECTOR = Path(__file__).parent / "inspector/node_modules/@modelcontextprotocol/inspector"
MISSING = "MCP INSPECTOR TESTS WERE SKIPPED: run `npm ci --ignore-scripts` in tests/mcp/inspector."


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: Any) -> None:
    if not INSPECTOR.exists():
        terminalreporter.write_line(MISSING, red=True, bold=True)


@pytest.fixture
def connect(live_server: LiveServer) -> Connect:
    """`connect(tenant)`, `connect(tenant, "read")`: an agent with a key of these scopes, or of all."""

    def connected(tenant: Tenant, *scopes: str, mode: str = "auto") -> Agent:
        secret = tenant.key(*scopes) if scopes else tenant.secret
        return Agent(f"{live_server.url}/mcp", {"Authorization": f"Bearer {secret}"}, mode)

    return connected
