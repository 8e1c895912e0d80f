"""One shape for every failure, on every path under /api/."""

from typing import Any

import pytest
from django.urls import URLPattern, URLResolver, get_resolver
from rest_framework.test import APIClient

from tests.conftest import Tenant

UUID = "00000000-0000-4000-8000-000000000000"
PUBLIC = {"schema", "docs", "serve", "best-variant"}
METHODS = ("get", "post", "put", "patch", "delete")


def api_routes(resolver: Any = None, prefix: str = "/") -> list[tuple[str, str]]:
    """(path, name) of every route under /api/v2/, ids filled in."""
    routes = []
    for pattern in (resolver or get_resolver()).url_patterns:
        path = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            routes += api_routes(pattern, path)
        elif isinstance(pattern, URLPattern) and path.startswith("/api/v2/") and pattern.name:
            for converter in ("uuid", "str", "slug"):
                while f"<{converter}:" in path:
                    start = path.index(f"<{converter}:")
                    path = path[:start] + UUID + path[path.index(">", start) + 1 :]
            routes.append((path, pattern.name))
    return routes


def assert_error(answer: Any, status: int, code: str) -> None:
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"].startswith("application/json")
    body = answer.json()
    assert set(body) == {"error", "meta"}
    assert body["error"]["code"] == code
    assert body["error"]["message"]
    assert body["meta"]["request_id"].startswith("req_")
    assert len(body["meta"]["request_id"]) >= 24
    assert answer["X-Request-ID"] == body["meta"]["request_id"]


def test_there_are_routes() -> None:
    assert len(api_routes()) > 10


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/api/v2/nope", "/api/", "/api/v1/optimizations", "/api/v2/optimizations/not-a-uuid"])
def test_unknown_paths(path: str, anonymous: APIClient, acme: Tenant) -> None:
    for client in (anonymous, acme.client, acme.browser()):
        assert_error(client.get(path, HTTP_ACCEPT="text/html"), 404, "not_found")
    assert_error(APIClient(enforce_csrf_checks=True).post(path), 404, "not_found")


@pytest.mark.django_db
@pytest.mark.parametrize(("path", "name"), api_routes())
def test_every_route_wants_a_credential(path: str, name: str, anonymous: APIClient) -> None:
    if name in PUBLIC:
        return
    answers = [getattr(anonymous, method)(path) for method in METHODS]
    assert {a.status_code for a in answers} == {401}
    for answer in answers:
        assert_error(answer, 401, "unauthenticated")
        assert answer["WWW-Authenticate"] == "Bearer"


@pytest.mark.django_db
@pytest.mark.parametrize(("path", "name"), api_routes())
def test_every_route_refuses_other_methods(path: str, name: str, acme: Tenant) -> None:
    if name in {"schema", "docs"}:
        return
    answer = acme.client.put(path, {})
    assert_error(answer, 405, "method_not_allowed")
    assert answer["Allow"]


@pytest.mark.django_db
def test_a_crash_is_a_500_in_the_shape(acme: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr("optimizations.services.lifecycle.list_optimizations", crash)
    client = acme.client
    client.raise_request_exception = False
    answer = client.get("/api/v2/optimizations")
    assert_error(answer, 500, "internal")
    assert "secret" not in answer.content.decode()


@pytest.mark.django_db
def test_a_dead_database_is_a_503(acme: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    from django.db import OperationalError

    def gone(*args: Any, **kwargs: Any) -> None:
        raise OperationalError("server closed the connection at host=10.0.0.1 password=hunter2")

    monkeypatch.setattr("optimizations.services.lifecycle.list_optimizations", gone)
    answer = acme.client.get("/api/v2/optimizations")
    assert_error(answer, 503, "unavailable")
    assert answer["Retry-After"]
    assert "hunter2" not in answer.content.decode()


@pytest.mark.django_db
def test_the_limit(acme: Tenant, settings: Any) -> None:
    settings.RATE_LIMITS = settings.RATE_LIMITS | {"api": "3/m"}
    client = acme.client
    answers = [client.get("/api/v2/me") for _ in range(5)]
    assert [a.status_code for a in answers].count(200) == 3
    assert_error(answers[-1], 429, "rate_limited")
    assert 1 <= int(answers[-1]["Retry-After"]) <= 60


@pytest.mark.django_db
def test_a_forged_forwarded_for_changes_nothing(acme: Tenant, settings: Any) -> None:
    settings.RATE_LIMITS = settings.RATE_LIMITS | {"api": "3/m"}
    client = acme.client
    forged = [client.get("/api/v2/me", HTTP_X_FORWARDED_FOR=f"10.0.0.{i}").status_code for i in range(5)]
    assert forged.count(429) == 2
    settings.TRUSTED_PROXIES = 1
    behind = [client.get("/api/v2/me", HTTP_X_FORWARDED_FOR=f"6.6.6.6, 10.0.1.{i}").status_code for i in range(5)]
    assert behind.count(429) == 0


@pytest.mark.django_db
def test_the_browsable_api_is_for_people_who_are_signed_in(acme: Tenant, anonymous: APIClient) -> None:
    browser = acme.browser().get("/api/v2/me", HTTP_ACCEPT="text/html")
    assert browser["Content-Type"].startswith("text/html")
    assert b"Acme" in browser.content
    assert anonymous.get("/api/v2/me", HTTP_ACCEPT="text/html")["Content-Type"] == "application/json"
