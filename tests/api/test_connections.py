"""`/warehouse/connections`: connecting, replacing, testing and leaving a warehouse; what is wrong, by field."""

import json
import logging
import socket
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from django.core.management import CommandError, call_command
from django.utils import timezone
from rest_framework.test import APIClient

from levered_site.errors import DomainError, InvalidRequest, Unavailable
from levered_site.organizations.models import AuditEntry, Role
from optimizations import tasks
from optimizations.services.training import has_new_data
from tests.conftest import Tenant
from tests.factories import add_exposures, make_optimization
from warehouse.connectors.base import Table
from warehouse.models import Connection, Provider, ReadSeries
from warehouse.sealed import Sealed, seal, unseal
from warehouse.services import connections

pytestmark = pytest.mark.django_db
URL = "/api/v2/warehouse/connections"
SECRET = "hunter2-zq9"
POSTGRES = {"host": "93.184.216.34", "database": "shop", "username": "levered", "password": SECRET}
SNOWFLAKE = {
    "account": "myorg-account123", "username": "levered", "password": SECRET, "warehouse": "wh", "database": "shop",
    "schema": "public",
}  # fmt: skip
RSA = generate_private_key(65537, 2048)
PEM = RSA.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
LOCKED = RSA.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"let me in")).decode()
KEY = {
    "type": "service_account", "project_id": "shop-123456", "private_key_id": "1", "private_key": PEM,
    "client_email": "levered@shop-123456.iam.gserviceaccount.com", "client_id": "2",
    "token_uri": "https://oauth2.googleapis.com/token", "auth_uri": "https://accounts.google.com/o/oauth2/auth",
}  # fmt: skip


class Fake:
    """A warehouse that answers, or fails as it is told to."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.failure = failure

    def test(self) -> float:
        if self.failure:
            raise self.failure
        return 0.0123

    def tables(self) -> list[Table]:
        return [Table(f"t{i}") for i in range(120)]


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """Every provider's warehouse answers; what was opened, with which values."""
    calls: list[tuple[str, dict[str, Any]]] = []

    def opening(provider: str, credentials: Sealed) -> Fake:
        calls.append((provider, dict(credentials.values)))
        return Fake()

    monkeypatch.setattr(connections, "open_connector", opening)
    return calls


def failing(monkeypatch: pytest.MonkeyPatch, failure: Exception) -> None:
    monkeypatch.setattr(connections, "open_connector", lambda *args: Fake(failure))


class TestConnecting:
    @pytest.mark.parametrize(
        ("provider", "credentials", "kept"),
        [
            ("postgres", POSTGRES, POSTGRES | {"port": 5432}),
            ("postgres", POSTGRES | {"port": "6432", "sslmode": ""}, POSTGRES | {"port": 6432}),
            ("snowflake", SNOWFLAKE | {"role": "reader"}, SNOWFLAKE | {"role": "reader"}),
            ("duckdb", {"path": "shop.duckdb"}, {"path": "shop.duckdb"}),
        ],
    )
    def test_it_is_created_and_replaced(
        self, acme: Tenant, globex: Tenant, opened: Any, provider: str, credentials: Any, kept: Any
    ) -> None:
        answer = acme.client.post(URL, {"provider": provider, "credentials": credentials, "name": "Shop"})
        assert answer.status_code == 201, answer.json()
        assert set(answer.json()) == {"id", "provider", "name", "created_at", "updated_at", "meta"}
        assert (answer.json()["provider"], answer.json()["name"]) == (provider, "Shop")
        stored = Connection.objects.get()
        assert stored.organization == acme.organization
        assert unseal(stored.token).values == kept
        assert opened == [(provider, kept)]
        again = acme.client.post(URL, {"provider": "duckdb", "credentials": {"path": "other.duckdb"}})
        assert (again.status_code, again.json()["id"]) == (201, answer.json()["id"])
        assert again.json()["name"] == "DuckDB"
        assert again.json()["updated_at"] is not None
        assert unseal(Connection.objects.get().token).values == {"path": "other.duckdb"}
        (shown,) = acme.client.get(URL).json()["connections"]
        assert shown["provider"] == "duckdb"
        assert globex.client.get(URL).json()["connections"][0]["provider"] == "managed"

    @pytest.mark.parametrize(
        "credentials",
        [
            KEY,
            KEY | {"dataset": "shop"},
            {"service_account": KEY},
            {"service_account": json.dumps(KEY), "dataset": "shop", "location": "EU"},
            {"service_account": KEY | {"universe_domain": "googleapis.com"}},
        ],
    )
    def test_a_service_account_as_google_hands_it_out(self, acme: Tenant, opened: Any, credentials: Any) -> None:
        answer = acme.client.post(URL, {"provider": "bigquery", "credentials": credentials})
        assert answer.status_code == 201, answer.json()
        key = opened[0][1]["service_account"]
        assert key == {k: v for k, v in KEY.items() if k != "auth_uri"}
        assert opened[0][1].get("dataset") == credentials.get("dataset")

    @pytest.mark.parametrize("key", [{"private_key": PEM}, {"private_key": LOCKED, "passphrase": "let me in"}])
    def test_a_key_pair(self, acme: Tenant, opened: Any, key: dict[str, str]) -> None:
        credentials = {k: v for k, v in SNOWFLAKE.items() if k != "password"} | key
        answer = acme.client.post(URL, {"provider": "snowflake", "credentials": credentials})
        assert answer.status_code == 201, answer.json()

    def test_leaving_it(self, acme: Tenant, globex: Tenant, opened: Any) -> None:
        for tenant in (acme, globex):
            tenant.client.post(URL, {"provider": "duckdb", "credentials": {"path": "a.duckdb"}})
        assert acme.client.delete(URL).status_code == 204
        assert Connection.objects.get().organization == globex.organization
        assert acme.client.get(URL).json()["connections"][0]["provider"] == "managed"
        assert acme.client.delete(URL).status_code == 404

    def test_the_managed_warehouse_forgets_the_credentials(self, acme: Tenant, opened: Any) -> None:
        acme.client.post(URL, {"provider": "postgres", "credentials": POSTGRES, "name": "Shop"})
        assert acme.client.post("/api/v2/warehouse/managed").json()["provider"] == "managed"
        stored = Connection.objects.get()
        assert (stored.token, stored.name) == ("", "")
        answer = acme.client.post(URL, {"provider": "managed"})
        assert (answer.status_code, answer.json()["provider"]) == (201, "managed")
        assert acme.client.post(URL, {"provider": "managed", "credentials": {}}).status_code == 400

    def test_ingestion_stops_with_it(self, acme: Tenant, opened: Any) -> None:
        acme.client.post(URL, {"provider": "postgres", "credentials": POSTGRES})
        answer = acme.client.post("/api/v2/ingest/rewards", {"events": [{"anonymous_id": "a", "name": "b"}]})
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "not_managed")

    def test_only_administrators(self, acme: Tenant, anonymous: APIClient, opened: Any) -> None:
        body = {"provider": "postgres", "credentials": POSTGRES}
        for client in (acme.browser(Role.MEMBER), acme.browser(Role.VIEWER), acme.with_scopes("read", "ingest")):
            for url in (URL, f"{URL}/test"):
                assert client.post(url, body).status_code == 403
            assert client.delete(URL).status_code == 403
            assert client.get(URL).status_code == 200
        assert anonymous.post(URL, body).status_code == 401
        assert acme.with_scopes("ingest").get(URL).status_code == 403
        assert acme.browser(Role.ADMIN).post(URL, body).status_code == 201


def without(credentials: dict[str, Any], name: str) -> dict[str, Any]:
    return {k: v for k, v in credentials.items() if k != name}


BAD: list[tuple[Any, str]] = [
    ({}, "provider"),
    ([], ""),
    ({"provider": "mysql", "credentials": {}}, "provider"),
    ({"provider": None, "credentials": {}}, "provider"),
    ({"provider": "postgres"}, "credentials.host"),
    ({"provider": "postgres", "credentials": None}, "credentials"),
    ({"provider": "postgres", "credentials": "postgres://u:p@h/d"}, "credentials"),
    ({"provider": "postgres", "credentials": [POSTGRES]}, "credentials"),
    ({"provider": "postgres", "credentials": POSTGRES, "host": "h"}, "host"),
    ({"provider": "postgres", "credentials": POSTGRES, "name": "x" * 256}, "name"),
    ({"provider": "snowflake", "credentials": without(SNOWFLAKE, "password")}, "credentials.password"),
    ({"provider": "snowflake", "credentials": SNOWFLAKE | {"private_key": PEM}}, "credentials.private_key"),
    ({"provider": "snowflake", "credentials": SNOWFLAKE | {"passphrase": "x"}}, "credentials.passphrase"),
    ({"provider": "bigquery", "credentials": {}}, "credentials.service_account"),
    ({"provider": "bigquery", "credentials": {"service_account": "{"}}, "credentials.service_account"),
    ({"provider": "bigquery", "credentials": {"service_account": "[1]"}}, "credentials.service_account"),
    ({"provider": "bigquery", "credentials": {"service_account": KEY, "dataset": "a.b"}}, "credentials.dataset"),
    ({"provider": "bigquery", "credentials": {"service_account": KEY, "endpoint": "http://x"}}, "credentials.endpoint"),
    ({"provider": "bigquery", "credentials": {"service_account": KEY, "location": "e/u"}}, "credentials.location"),
    ({"provider": "duckdb", "credentials": {}}, "credentials.path"),
    ({"provider": "duckdb", "credentials": {"path": "a\x00b"}}, "credentials.path"),
    ({"provider": "duckdb", "credentials": {"path": ["a"]}}, "credentials.path"),
    ({"provider": "duckdb", "credentials": {"path": "a", "memory_limit": "9TB"}}, "credentials.memory_limit"),
    *(({"provider": "postgres", "credentials": without(POSTGRES, name)}, f"credentials.{name}") for name in POSTGRES),
    *(
        ({"provider": "postgres", "credentials": POSTGRES | {name: value}}, f"credentials.{name}")
        for name, value in [
            ("host", ""), ("host", 5), ("host", "a\nb"), ("host", {"a": 1}), ("host", "x" * 2000), ("port", 0),
            ("port", 65536), ("port", -1), ("port", "5432/x"), ("port", 1.5), ("port", True), ("port", "٣"),
            ("database", " "), ("username", None), ("username", "a\x00b"), ("password", 123), ("sslmode", "maybe"),
            ("sslrootcert", "/etc/passwd"), ("options", "-c role=postgres"), ("hostaddr", "127.0.0.1"),
            ("service", "x"), ("passfile", "/etc/passwd"),
        ]
    ),
    *(
        ({"provider": "snowflake", "credentials": SNOWFLAKE | {name: value}}, f"credentials.{name}")
        for name, value in [
            ("account", "evil.example/"), ("account", "http://x"), ("account", "a@b"), ("account", "a:443"),
            ("account", "a#b"), ("account", "a..b"), ("account", ".a"), ("account", "127.0.0.1:1"), ("account", "a b"),
            ("account", "a.b.c.d.e"), ("account", "é"), ("host", "127.0.0.1"), ("protocol", "http"), ("port", 1),
            ("authenticator", "externalbrowser"), ("schema", ""), ("warehouse", None),
        ]
    ),
    *(
        (
            {"provider": "bigquery", "credentials": {"service_account": KEY | {name: value}}},
            f"credentials.service_account.{name}",
        )
        for name, value in [
            ("type", "external_account"), ("type", "authorized_user"), ("type", None), ("project_id", "../x"),
            ("project_id", None), ("token_uri", "http://169.254.169.254/token"), ("token_uri", None),
            ("token_uri", "https://oauth2.googleapis.com.evil.example/token"), ("client_email", 5),
            ("universe_domain", "evil.example"), ("private_key", "not a key"), ("private_key", None),
        ]
    ),
]  # fmt: skip


# a test needs no provider, takes no name, and tests what is connected when it is told nothing
BAD_TESTS = [(body, field) for body, field in BAD if body and field != "name"]


class TestBadBodies:
    @pytest.mark.parametrize(
        ("path", "body", "field"), [("", *bad) for bad in BAD] + [("/test", *bad) for bad in BAD_TESTS]
    )
    def test_each_names_its_field_and_saves_nothing(
        self, acme: Tenant, globex: Tenant, opened: Any, body: Any, field: str, path: str
    ) -> None:
        answer = acme.client.post(URL + path, body)
        assert answer.status_code == 400, answer.json()
        details = answer.json()["error"].get("details", [])
        assert field in [d["field"] for d in details] or not field
        assert SECRET not in answer.content.decode()
        assert "PRIVATE KEY" not in answer.content.decode()
        assert not Connection.objects.exists()
        assert opened == []

    def test_everything_wrong_is_told_at_once(self, acme: Tenant, opened: Any) -> None:
        body = {"provider": "postgres", "credentials": {"port": 0, "sslmode": "x", "user": "u"}}
        fields = {d["field"] for d in acme.client.post(URL, body).json()["error"]["details"]}
        named = ("host", "port", "database", "username", "password", "sslmode", "user")
        assert fields == {f"credentials.{name}" for name in named}

    @pytest.mark.parametrize(
        "host",
        ["127.0.0.1", "localhost", "169.254.169.254", "10.0.0.1", "::1", "0x7f000001", "2130706433", "/tmp",
         "/var/run/postgresql", "@abstract", "a,b", "::ffff:127.0.0.1", "0.0.0.0", "[::1]", "metadata.invalid"],
    )  # fmt: skip
    @pytest.mark.parametrize("path", ["", "/test"])
    def test_hosts_that_nobody_may_reach(self, acme: Tenant, host: str, path: str) -> None:
        answer = acme.client.post(URL + path, {"provider": "postgres", "credentials": POSTGRES | {"host": host}})
        assert answer.status_code == (503 if host == "metadata.invalid" else 400)
        if answer.status_code == 400:
            assert answer.json()["error"]["details"][0]["field"] == "credentials.host"
        assert not Connection.objects.exists()


class TestFailing:
    @pytest.mark.parametrize(
        ("failure", "status"), [(InvalidRequest(f"no: {SECRET}"), 400), (Unavailable(f"gone: {SECRET}"), 503)]
    )
    def test_nothing_is_half_saved_and_no_secret_comes_back(
        self, acme: Tenant, monkeypatch: pytest.MonkeyPatch, failure: DomainError, status: int
    ) -> None:
        Connection.objects.create(organization=acme.organization, provider=Provider.DUCKDB, token="kept")
        failing(monkeypatch, failure)
        for path in ("", "/test"):
            answer = acme.client.post(URL + path, {"provider": "postgres", "credentials": POSTGRES})
            assert answer.status_code == status
            assert SECRET not in answer.content.decode()
            assert answer.json()["error"]["message"].endswith(": …")
        stored = Connection.objects.get()
        assert (stored.provider, stored.token) == ("duckdb", "kept")
        assert not AuditEntry.objects.filter(action__startswith="warehouse.").exists()

    def test_a_bug_tells_no_secret_to_error_reporters(self, acme: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
        """They print the locals of every frame, mappings entry by entry."""
        failing(monkeypatch, RuntimeError("a bug"))
        acme.client.raise_request_exception = False
        try:
            connections.connect(acme.organization, provider="postgres", credentials=Sealed(POSTGRES))
        except RuntimeError as error:
            frames = list(traceback.walk_tb(error.__traceback__))[1:]
            text = " ".join(repr(value) for frame, _ in frames for value in frame.f_locals.values())
        assert SECRET not in text
        assert len(frames) >= 3

    def test_logs_and_audit_tell_none(
        self, acme: Tenant, opened: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        client = acme.client
        client.raise_request_exception = False
        body = {"provider": "postgres", "credentials": POSTGRES, "name": "Shop"}
        assert client.post(URL, body).status_code == 201
        failing(monkeypatch, RuntimeError("a bug"))
        assert client.post(URL, body).status_code == 500
        assert SECRET not in caplog.text
        (entry,) = AuditEntry.objects.filter(action="warehouse.connected")
        assert entry.after == {"provider": "postgres", "name": "Shop"}
        stored = Connection.objects.get()
        for printed in (repr(stored), str(stored), repr(unseal(stored.token)), stored.token, repr(entry.__dict__)):
            assert SECRET not in printed


class TestKeys:
    def test_rotation(self, acme: Tenant, settings: Any, opened: Any) -> None:
        old, new = "o" * 32, "n" * 32
        settings.SECRET_KEYS = [old]
        acme.client.post(URL, {"provider": "postgres", "credentials": POSTGRES})
        first = Connection.objects.get().token
        settings.SECRET_KEYS = [new, old]
        assert unseal(first).values["password"] == SECRET
        call_command("rotate_secrets")
        settings.SECRET_KEYS = [new]
        assert unseal(Connection.objects.get().token).values["password"] == SECRET
        with pytest.raises(DomainError, match="LEVERED_SECRET_KEYS"):
            unseal(first)

    def test_a_lost_key(self, acme: Tenant, globex: Tenant, settings: Any, opened: Any) -> None:
        settings.SECRET_KEYS = ["o" * 32]
        for tenant in (acme, globex):
            tenant.client.post(URL, {"provider": "postgres", "credentials": POSTGRES})
        Connection.objects.filter(organization=acme.organization).update(token=seal(Sealed(POSTGRES))[:-4] + "AAAA")
        before = list(Connection.objects.values_list("token", flat=True))
        with pytest.raises(CommandError, match="Nothing was changed"):
            call_command("rotate_secrets")
        assert list(Connection.objects.values_list("token", flat=True)) == before
        answer = acme.client.post("/api/v2/warehouse/query", {"sql": "SELECT 1 AS one"})
        assert answer.status_code == 409
        assert "LEVERED_SECRET_KEYS" in answer.json()["error"]["message"]


class TestTesting:
    def test_round_trip_and_tables(self, acme: Tenant, opened: Any) -> None:
        body = acme.client.post(f"{URL}/test", {"provider": "postgres", "credentials": POSTGRES}).json()
        assert (body["ok"], body["provider"], body["round_trip_ms"]) == (True, "postgres", 12.3)
        assert (len(body["tables"]), body["tables_count"]) == (100, 120)
        assert not Connection.objects.exists()

    def test_what_is_connected(self, acme: Tenant, globex: Tenant) -> None:
        body = acme.client.post(f"{URL}/test").json()
        assert (body["provider"], body["tables"]) == ("managed", ["exposures", "rewards"])
        assert acme.client.post(f"{URL}/test", {"provider": "managed"}).status_code == 200
        assert acme.client.post(f"{URL}/test", {"credentials": POSTGRES}).status_code == 400


@contextmanager
def server(answer: bytes | None) -> Iterator[int]:
    """Accepts everybody. With an answer it sends that and hangs up; without one it stays silent."""
    listening = socket.create_server(("127.0.0.1", 0))
    held: list[socket.socket] = []

    def accept() -> None:
        while True:
            try:
                peer, _ = listening.accept()
            except OSError:
                return
            held.append(peer)
            if answer is not None:
                peer.recv(1024)
                peer.sendall(answer)
                peer.close()

    threading.Thread(target=accept, daemon=True).start()
    yield listening.getsockname()[1]
    listening.close()
    for peer in held:
        peer.close()


class TestRealSockets:
    """The real client of PostgreSQL against servers that are none."""

    @pytest.mark.parametrize(
        "answer", [None, b"", b"N", b"S", b"E\x00\x00", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x00" * 99]
    )
    def test_a_server_that_is_silent_or_hangs_up(self, acme: Tenant, settings: Any, answer: bytes | None) -> None:
        settings.PRIVATE_NETWORKS = [ip_network("127.0.0.0/8")]
        with server(answer) as port:
            credentials = POSTGRES | {"host": "127.0.0.1", "port": port}
            started = time.monotonic()
            body = acme.client.post(URL, {"provider": "postgres", "credentials": credentials})
            assert time.monotonic() - started < 15
        assert body.status_code in (400, 503), body.json()
        assert body.json()["error"]["message"]
        assert SECRET not in body.content.decode()
        assert not Connection.objects.exists()

    def test_nobody_listens(self, acme: Tenant, settings: Any) -> None:
        settings.PRIVATE_NETWORKS = [ip_network("127.0.0.0/8")]
        with server(b"") as port:
            pass
        credentials = POSTGRES | {"host": "127.0.0.1", "port": port}
        assert acme.client.post(URL, {"provider": "postgres", "credentials": credentials}).status_code == 503

    def test_a_name_is_resolved_once(self, acme: Tenant, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        """What is connected to is the vetted address, whatever the name resolves to by then."""
        import psycopg

        asked: list[str] = []
        used: list[dict[str, Any]] = []

        def resolve(name: str, *args: Any, **kwargs: Any) -> list[Any]:
            asked.append(name)
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.216.34", 0))]

        def connecting(*args: Any, **kwargs: Any) -> Any:
            used.append(kwargs)
            raise psycopg.OperationalError("stop here")

        monkeypatch.setattr(socket, "getaddrinfo", resolve)
        monkeypatch.setattr(psycopg, "connect", connecting)
        body = {"provider": "postgres", "credentials": POSTGRES | {"host": "db.example"}}
        assert acme.client.post(URL, body).status_code == 503
        assert asked == ["db.example"]
        assert used[0]["hostaddr"] == "93.184.216.34"
        assert used[0]["host"] == "db.example"


class TestAReplacedWarehouse:
    """Metrics and the assignment source stay; where their SQL does not run, training says so."""

    def test_training_tells_and_what_is_served_stays(
        self, acme: Tenant, globex: Tenant, settings: Any, tmp_path: Path
    ) -> None:
        duckdb = pytest.importorskip("duckdb")
        settings.DUCKDB_DIRECTORY = str(tmp_path)
        duckdb.connect(str(tmp_path / "shop.duckdb")).execute("CREATE TABLE orders (id INT)").close()
        optimization = make_optimization(acme.organization)
        add_exposures(optimization, 20, conversions=5, at=timezone.now() - timedelta(days=2), prefix="u")
        model = optimization.models.get()
        train = f"/api/v2/models/{model.pk}/train"
        assert acme.client.post(train).status_code == 200
        answer = acme.client.post(URL, {"provider": "duckdb", "credentials": {"path": "shop.duckdb"}})
        assert answer.status_code == 201, answer.json()
        tested = acme.client.post(f"{URL}/test").json()
        assert (tested["provider"], tested["tables"]) == ("duckdb", ["orders"])
        refused = acme.client.post(train)
        assert refused.status_code == 400
        told = refused.json()["error"]["message"]
        assert told.startswith("The SQL of the assignment source 'Exposures' does not run in the warehouse")
        results = acme.client.get(f"/api/v2/optimizations/{optimization.pk}/results").json()
        assert (results["training_error"], results["model_version"]) == (told, 1)
        model.refresh_from_db()
        assert (model.version, model.status) == (1, "trained")
        served = APIClient().post(f"/api/v2/optimizations/{optimization.pk}/serve", {"anonymous_id": "ann"})
        assert served.json()["model_version"] == 1
        assert not has_new_data(model)  # it does not try in vain every five minutes
        assert tasks.train_model(str(model.pk)) is None
        (tmp_path / "shop.duckdb").unlink()
        assert acme.client.post(train).status_code == 400
        acme.client.delete(URL)
        assert acme.client.post(train).status_code == 200
        assert acme.client.get(f"/api/v2/optimizations/{optimization.pk}/results").json()["training_error"] is None

    def test_the_same_events_give_the_same_numbers(
        self, acme: Tenant, globex: Tenant, settings: Any, tmp_path: Path
    ) -> None:
        """And closed days are kept: the second training reads the open ones only."""
        duckdb = pytest.importorskip("duckdb")
        settings.DUCKDB_DIRECTORY = str(tmp_path)
        optimization = make_optimization(acme.organization)
        with duckdb.connect(str(tmp_path / "shop.duckdb")) as file:
            file.execute(
                "CREATE TABLE exposures (anonymous_id TEXT, timestamp TIMESTAMPTZ, optimization_id TEXT, variant JSON, context JSON)"
            )
            file.execute(
                "CREATE TABLE rewards (anonymous_id TEXT, timestamp TIMESTAMPTZ, name TEXT, value DOUBLE, optimization_id TEXT)"
            )
            start = timezone.now() - timedelta(days=9)
            for i in range(200):
                at = start + i * timedelta(hours=1)
                variant = json.dumps({"headline": "Save time", "cta_text": "Start free"})
                file.execute(
                    "INSERT INTO exposures VALUES (?, ?, ?, ?, '{}')", [f"u{i}", at, str(optimization.pk), variant]
                )
                if i % 4 == 0:
                    file.execute(
                        "INSERT INTO rewards VALUES (?, ?, 'signup', 1, NULL)", [f"u{i}", at + timedelta(minutes=5)]
                    )
        acme.client.post(URL, {"provider": "duckdb", "credentials": {"path": "shop.duckdb"}})
        train = f"/api/v2/models/{optimization.models.get().pk}/train"
        observed = []
        for body in ({}, {}, {"reread": True}):
            answer = acme.client.post(train, body)
            assert answer.status_code == 200, answer.json()
            results = acme.client.get(f"/api/v2/optimizations/{optimization.pk}/results").json()
            observed.append(
                (answer.json()["observations"], results["primary_metric_vs_holdout"], results["time_series"])
            )
            assert ReadSeries.objects.filter(until__isnull=False).count() == 2
        assert observed[0][0] == 200
        assert observed[0] == observed[1] == observed[2]
        sql = acme.client.get(f"/api/v2/optimizations/{optimization.pk}/sql").json()
        assert sql["provider"] == "duckdb"
        for statement in sql["statements"]:
            ran = acme.client.post("/api/v2/warehouse/query", {"sql": statement["sql"], "limit": 1000})
            assert ran.status_code == 200, (statement, ran.json())
            if statement["name"] == "cells":
                assert sum(row["n"] for row in ran.json()["rows"]) == 200
