"""Mass assignment, forged requests, foreign hosts, redirects, frames, sessions, logs and error pages."""

import csv
import hmac
import io
import json
import logging
import re
from typing import Any

import pytest
import structlog
from django.conf import LazySettings
from django.test import Client
from rest_framework.test import APIClient

from levered_site.logs import logging_settings
from levered_site.organizations import keys
from levered_site.organizations.models import Role
from levered_site.organizations.services import create_api_key
from tests.conftest import Tenant
from tests.factories import CONFIG, make_metric, make_optimization
from tests.security.routes import Route, all_routes, own_ids, tenant_routes

pytestmark = pytest.mark.django_db
FORGED = {
    "id": "00000000-0000-4000-8000-000000000001", "organization": 1, "organization_id": 1, "created_by": 1,
    "created_at": "2020-01-01T00:00:00Z", "is_superuser": True, "role": "admin", "serving_revision": 10**9,
    "secret_hash": "0" * 64, "revoked_at": None, "summary": {"lift": 900},
}  # fmt: skip
WITHOUT_BODY = {"metric-preview", "assignment-source-preview", "warehouse-managed", "new-model", "resume"}
ABOUT_ROLES = {"member", "invitations"}
TOLERANT = {
    "serve",
    "best-variant",
    "ingest-exposures",
    "ingest-rewards",
}  # the contract: their clients are out of our hands
PASSWORD = "correct horse battery"

writes = [r for r in tenant_routes() if r.path.startswith("/api/") and {"post", "patch", "put"} & set(r.methods)]
pages = [r for r in tenant_routes() if not r.path.startswith("/api/")]


@pytest.fixture
def user(acme: Tenant) -> str:
    someone = acme.user()
    someone.set_password(PASSWORD)
    someone.save()
    return someone.email


class TestMassAssignment:
    @pytest.mark.parametrize("route", [r for r in writes if r.name not in WITHOUT_BODY | TOLERANT], ids=str)
    def test_fields_that_are_not_the_callers_to_set_are_refused(self, route: Route, acme: Tenant) -> None:
        url = route.url(**own_ids(acme))
        for method in set(route.methods) & {"post", "patch", "put"}:
            answer = getattr(acme.client, method)(url, FORGED)
            assert answer.status_code == 400, (method, url, answer.content)
            refused = {d["field"] for d in answer.json()["error"]["details"]}
            assert set(FORGED) - refused == ({"role"} if route.name in ABOUT_ROLES else set())

    def test_forms_take_their_own_fields_only(self, acme: Tenant, globex: Tenant) -> None:
        forged = {
            "name": "k",
            "scopes": ["read"],
            "organization": globex.organization.pk,
            "created_by": "",
            "secret_hash": "0",
        }
        browser = Client()
        browser.force_login(acme.user())
        assert browser.post("/settings/api-keys", forged).status_code == 200
        key = acme.organization.api_keys.get(name="k")
        assert key.created_by == acme.user()
        assert key.secret_hash != "0"
        assert globex.organization.api_keys.count() == 1


class TestForgedRequests:
    @pytest.mark.parametrize("route", [r for r in writes if r.name not in TOLERANT], ids=str)
    def test_the_api_wants_a_token_of_sessions(self, route: Route, acme: Tenant) -> None:
        browser = acme.browser(csrf=True)
        for method in set(route.methods) - {"get"}:
            assert getattr(browser, method)(route.url(**own_ids(acme)), {}).status_code == 403

    @pytest.mark.parametrize("route", [r for r in pages if "post" in r.methods], ids=str)
    def test_so_does_every_page(self, route: Route, acme: Tenant) -> None:
        client = Client(enforce_csrf_checks=True)
        client.force_login(acme.user())
        assert client.post(route.url(**own_ids(acme)), {}).status_code == 403

    @pytest.mark.parametrize("path", ["/login", "/logout", "/admin/login/"])
    def test_so_do_signing_in_and_out(self, path: str) -> None:
        assert Client(enforce_csrf_checks=True).post(path, {}).status_code == 403

    def test_a_session_never_ingests(self, acme: Tenant) -> None:
        assert acme.browser().post("/api/v2/ingest/rewards", {"events": []}).status_code in (401, 403)


class TestBrowsers:
    def every_page(self, acme: Tenant) -> list[Any]:
        own, client = own_ids(acme), Client()
        client.force_login(acme.user())
        return [client.get(r.url(**own)) for r in pages if "get" in r.methods] + [client.get("/nope")]

    def test_no_page_may_be_framed(self, acme: Tenant) -> None:
        for answer in [*self.every_page(acme), Client().get("/login"), Client().get("/admin/login/")]:
            assert answer["X-Frame-Options"] == "DENY"
            assert answer["X-Content-Type-Options"] == "nosniff"
            assert answer["Referrer-Policy"] == "same-origin"
        for answer in [*self.every_page(acme), Client().get("/login")]:
            assert "frame-ancestors 'none'" in answer["Content-Security-Policy"]

    def test_markup_in_names_and_levels_is_text(self, acme: Tenant) -> None:
        evil = "</script><script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{7*7}}"
        config = json.loads(json.dumps(CONFIG))
        config["design_factors"][0]["levels"] = [evil, "b"]
        config["context_factors"][0]["levels"] = [evil, "c"]
        acme.organization.name = evil
        acme.organization.save()
        metric = make_metric(acme.organization, name=evil)
        optimization = make_optimization(
            acme.organization, name=evil, description=evil, training_data_config=config, reward_metric_id=metric.pk
        )
        create_api_key(acme.organization, name=evil, scopes=["read"])
        client = Client()
        client.force_login(acme.user())
        own = {"optimization_id": optimization.pk}
        shown = 0
        for route in pages:
            if "get" not in route.methods or set(route.parameters) - set(own):
                continue
            html = client.get(route.url(**own)).content.decode()
            assert "<script>alert" not in html, route
            assert "<img src=x" not in html, route
            shown += "alert(1)" in html
        assert shown >= 4
        browsable = client.get(f"/api/v2/optimizations/{optimization.pk}", HTTP_ACCEPT="text/html").content.decode()
        assert "<script>alert" not in browsable
        assert "<img src=x" not in browsable

    @pytest.mark.parametrize(
        "target",
        [
            "https://evil.example/", "//evil.example", "///evil.example", "/\\evil.example", "\\\\evil.example",
            "javascript:alert(1)", "http:evil.example", " https://evil.example", "https:///evil.example",
        ],
    )  # fmt: skip
    def test_signing_in_leads_nowhere_else(self, user: str, target: str) -> None:
        body = {"username": user, "password": PASSWORD, "next": target}
        assert Client().post("/login", body)["Location"] == "/"
        client = Client()
        client.post("/login", {"username": user, "password": PASSWORD})
        assert client.get("/login", {"next": target})["Location"] == "/"

    def test_a_session_known_before_signing_in_is_worth_nothing_after(self, user: str) -> None:
        client = Client()
        session = client.session
        session["planted"] = True
        session.save()
        planted = client.cookies["sessionid"].value
        client.post("/login", {"username": user, "password": PASSWORD})
        assert client.cookies["sessionid"].value != planted
        fixed = Client()
        fixed.cookies["sessionid"] = planted
        assert fixed.get("/metrics").status_code == 302

    def test_a_session_ends_with_signing_out_and_with_a_new_password(self, user: str, acme: Tenant) -> None:
        client = Client()
        client.post("/login", {"username": user, "password": PASSWORD})
        cookie = client.cookies["sessionid"]
        assert cookie["httponly"]
        assert cookie["samesite"] == "Lax"
        stolen = cookie.value
        client.post("/logout")
        other = Client()
        other.cookies["sessionid"] = stolen
        assert other.get("/metrics").status_code == 302
        client.post("/login", {"username": user, "password": PASSWORD})
        someone = acme.user()
        someone.set_password("another long password")
        someone.save()
        assert client.get("/metrics").status_code == 302

    @pytest.mark.parametrize(
        "cookie", ['"\\000\\000\\000\\000\\000\\000\\000\\000"', "x" * 5000, "é" * 32, "../../../../etc/passwd"]
    )
    def test_a_cookie_that_is_no_key_is_no_session(self, cookie: str, anonymous: APIClient) -> None:
        headers = {"HTTP_COOKIE": f"sessionid={cookie}"}
        assert anonymous.get("/api/v2/me", **headers).status_code == 401
        assert anonymous.get("/metrics", **headers).status_code == 302


class TestSigningIn:
    @pytest.mark.parametrize("door", ["/login", "/admin/login/"])
    def test_one_client_tries_a_few_accounts(self, door: str, settings: LazySettings) -> None:
        settings.RATE_LIMITS = settings.RATE_LIMITS | {"login": "3/m"}
        answers = [Client().post(door, {"username": f"u{i}@x.example", "password": "x"}) for i in range(5)]
        assert [a.status_code for a in answers] == [200, 200, 200, 429, 429]
        assert 1 <= int(answers[-1]["Retry-After"]) <= 60
        assert "Too many attempts" in answers[-1].content.decode()
        assert Client().get(door).status_code == 200

    def test_many_clients_try_one_account(self, settings: LazySettings, user: str) -> None:
        settings.RATE_LIMITS = settings.RATE_LIMITS | {"login": "3/m"}
        spellings = [user, user.upper(), f" {user}", user, user]
        answers = [
            Client(REMOTE_ADDR=f"10.1.0.{i}").post("/login", {"username": name, "password": "x"})
            for i, name in enumerate(spellings)
        ]
        assert [a.status_code for a in answers] == [200, 200, 200, 429, 429]
        right = {"username": user, "password": PASSWORD}
        assert Client(REMOTE_ADDR="10.1.0.9").post("/login", right).status_code == 429
        assert Client(REMOTE_ADDR="10.1.0.9").post("/login", {"username": "else@x.example"}).status_code == 200

    def test_the_answer_does_not_tell_whether_an_account_exists(self, user: str) -> None:
        def told(name: str) -> str:
            page = Client().post("/login", {"username": name, "password": "wrong"}).content.decode()
            page = re.sub(r'name="csrfmiddlewaretoken" value="\w+"', "", page)
            return page.replace(name, "")

        assert told(user) == told("nobody@acme.example")


class TestHosts:
    @pytest.mark.parametrize("path", ["/login", "/", "/api/v2/me", "/mcp", "/admin/login/", "/api/v2/docs"])
    @pytest.mark.parametrize(
        "host", ["evil.example", "testserver.evil.example", "testserver@evil.example", "localhost:x"]
    )
    def test_a_foreign_host_is_a_400(self, path: str, host: str) -> None:
        answer = Client(raise_request_exception=False).get(path, HTTP_HOST=host)
        assert answer.status_code == 400
        assert "evil.example" not in answer.content.decode()

    def test_a_forwarded_host_changes_nothing(self, acme: Tenant) -> None:
        client = Client()
        client.force_login(acme.user())
        html = client.get("/settings/warehouse", HTTP_X_FORWARDED_HOST="evil.example").content.decode()
        assert "evil.example" not in html


class TestSecrets:
    def test_keys_are_compared_in_constant_time(self, acme: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
        compared: list[int] = []

        def compare(a: Any, b: Any) -> bool:
            compared.append(len(a))
            return a == b

        monkeypatch.setattr(hmac, "compare_digest", compare)
        prefix = keys.prefix_of(acme.secret)
        client = APIClient()
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {prefix}_{'x' * 43}")
        assert client.get("/api/v2/me").status_code == 401
        assert compared == [64]  # two hashes, whatever was sent

    def test_error_pages_tell_nothing(
        self, acme: Tenant, monkeypatch: pytest.MonkeyPatch, settings: LazySettings
    ) -> None:
        def crash(*args: Any, **kwargs: Any) -> None:
            local_secret = acme.secret  # noqa: F841  (a debug page would show it)
            raise RuntimeError(f"password=hunter2 {settings.SECRET_KEY}")

        for name in ("views.optimizations", "views.metrics"):
            monkeypatch.setattr(f"optimizations.dashboard.{name}.DashboardView.page", crash)
        client = Client(raise_request_exception=False)
        client.force_login(acme.user())
        for path in ("/", "/metrics"):
            answer = client.get(path)
            assert answer.status_code == 500
            for secret in ("hunter2", settings.SECRET_KEY, acme.secret, "Traceback", "RuntimeError"):
                assert secret not in answer.content.decode()

    def test_no_answer_of_the_api_holds_a_hash_or_a_password(self, acme: Tenant) -> None:
        own = own_ids(acme)
        for route in all_routes():
            if route.path.startswith("/api/v2/") and "get" in route.methods and not set(route.parameters) - set(own):
                text = acme.client.get(route.url(**own)).content.decode()
                assert "secret_hash" not in text or route.name == "schema"
                for key in acme.organization.api_keys.all():
                    assert key.secret_hash not in text

    def test_a_viewer_sees_no_keys(self, acme: Tenant) -> None:
        assert acme.browser(Role.VIEWER).get("/api/v2/api-keys").status_code == 403


class TestSpreadsheets:
    FORMULA = '=HYPERLINK("https://evil.example","click")'

    def test_every_door_to_one_keeps_formulas_text(self, acme: Tenant) -> None:
        """Whatever answers with a CSV, read from the URL map: a new one cannot be forgotten."""
        config = json.loads(json.dumps(CONFIG))
        config["design_factors"][0]["levels"] = [self.FORMULA, "@SUM(1)", "+1", "-1"]
        acme.organization.name = self.FORMULA
        acme.organization.save()
        own = own_ids(acme)
        own["optimization_id"] = make_optimization(
            acme.organization, name=self.FORMULA, description=self.FORMULA, training_data_config=config
        ).pk
        browser, doors = Client(), set()
        browser.force_login(acme.user())
        for route in all_routes():
            if "get" not in route.methods or set(route.parameters) - set(own):
                continue
            answer = (acme.client if route.path.startswith("/api/") else browser).get(route.url(**own))
            if "csv" not in answer.get("Content-Type", ""):
                continue
            doors.add(route.name)
            for row in csv.reader(io.StringIO(answer.content.decode())):
                assert not [cell for cell in row if cell.startswith(("=", "@", "+", "\t", "\r"))], route
        assert doors == {"results-csv"}


class TestLogs:
    def lines(self, *, as_json: bool, path: str) -> list[str]:
        written = io.StringIO()
        formatter = logging_settings(level="INFO", as_json=as_json)["formatters"]["line"]
        handler = logging.StreamHandler(written)
        handler.setFormatter(structlog.stdlib.ProcessorFormatter(**{k: v for k, v in formatter.items() if k != "()"}))
        logger = logging.getLogger("levered.request")
        logger.addHandler(handler)
        try:
            Client().get(path, HTTP_USER_AGENT="x\r\ny")
            logging.getLogger("levered.request").warning("said: %s", "a\nforged\x1b[2J")
        finally:
            logger.removeHandler(handler)
        return written.getvalue().splitlines()

    @pytest.mark.parametrize("as_json", [True, False])
    def test_a_path_forges_no_line(self, as_json: bool) -> None:
        path = "/nope%0A%0D%7B%22event%22:%22forged%22%7D%1B%5B2J%C2%85%E2%80%A8x"
        lines = self.lines(as_json=as_json, path=path)
        assert len(lines) == 2
        for line in lines:
            assert not re.search(r"[\x00-\x1f\x7f-\x9f\u2028]", line)
        assert any("forged" in line for line in lines)
        if as_json:
            assert json.loads(lines[0])["event"] == "request"
