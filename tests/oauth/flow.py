"""A client of the authorization server, step by step, over HTTP."""

import base64
import hashlib
import re
from dataclasses import dataclass, field
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

from django.test import Client

from levered_site.organizations.models import ConnectedApplication
from tests.conftest import Tenant

CALLBACK = "http://127.0.0.1:33418/callback"
VERIFIER = "v" * 64
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()


def hidden_fields(html: str) -> dict[str, str]:
    """What a browser would send back of the consent page."""
    found = {}
    for tag in re.findall(r"<input[^>]*>", html):
        attributes = dict(re.findall(r'([\w-]+)="([^"]*)"', tag))
        if attributes.get("type") == "hidden" or "checked" in tag:
            found[attributes["name"]] = unescape(attributes.get("value", ""))
    return found


@dataclass
class Application:
    """Registers itself on creation, as agents do."""

    http: Client = field(default_factory=Client)
    metadata: dict[str, Any] = field(default_factory=dict)
    client_id: str = ""

    def __post_init__(self) -> None:
        answer = self.register(**self.metadata)
        assert answer.status_code == 201, answer.content
        self.registered = answer.json()
        self.client_id = self.registered["client_id"]

    def register(self, **changes: Any) -> Any:
        body = {
            "client_name": "Claude Code",
            "redirect_uris": [CALLBACK],
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "token_endpoint_auth_method": "none",
        } | changes
        return self.http.post("/oauth/register", body, content_type="application/json")

    def question(self, **changes: Any) -> dict[str, Any]:
        asked = {
            "response_type": "code", "client_id": self.client_id, "redirect_uri": CALLBACK, "scope": "read manage",
            "state": "s", "code_challenge": CHALLENGE, "code_challenge_method": "S256",
            "resource": "http://testserver/mcp",
        } | changes  # fmt: skip
        return {name: value for name, value in asked.items() if value is not None}

    def consent(
        self, browser: Client, *, allow: bool = True, form: dict[str, Any] | None = None, **question: Any
    ) -> Any:
        """Opens the consent page and answers it; the redirect's parameters."""
        page = browser.get("/oauth/authorize", self.question(**question))
        assert page.status_code == 200, page.content
        answer = hidden_fields(page.content.decode()) | ({"allow": "true"} if allow else {}) | (form or {})
        return arrived(browser.post("/oauth/authorize", answer))

    def token(self, **form: Any) -> Any:
        return self.http.post("/oauth/token", {"client_id": self.client_id} | form)

    def exchange(self, code: str, **changes: Any) -> Any:
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER}
        return self.token(**(form | changes))

    def refresh(self, refresh_token: str, **changes: Any) -> Any:
        return self.token(grant_type="refresh_token", refresh_token=refresh_token, **changes)

    def tokens(self, browser: Client, **question: Any) -> dict[str, Any]:
        answer = self.exchange(self.consent(browser, **question)["code"])
        assert answer.status_code == 200, answer.content
        told: dict[str, Any] = answer.json()
        return told


def arrived(answer: Any) -> dict[str, str]:
    """The parameters with which the browser came back to the client."""
    assert answer.status_code == 302, answer.content
    address = urlsplit(answer["Location"])
    assert answer["Location"].startswith(CALLBACK), answer["Location"]
    return {name: values[0] for name, values in parse_qs(address.query).items()}


def connected(tenant: Tenant, *, name: str = "Claude Code") -> ConnectedApplication:
    """An agent that the tenant's administrator let in."""
    browser = Client()
    browser.force_login(tenant.user())
    application = Application(metadata={"client_name": name})
    application.tokens(browser)
    return tenant.organization.connected_applications.get(application__client_id=application.client_id)
