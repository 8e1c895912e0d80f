"""Telling of a violated guardrail: letters to admins and the webhook, again until they arrive."""

import datetime as dt
import hashlib
import hmac
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_network
from typing import Any
from unittest.mock import patch

import orjson
import pytest
from django.core import mail
from django.utils import timezone
from django_q.models import OrmQ, Schedule
from django_q.scheduler import scheduler

from levered_site.errors import InvalidRequest, Unavailable
from levered_site.organizations.models import Role
from optimizations import tasks
from optimizations.models import Guardrail
from tests.conftest import Tenant
from tests.factories import make_metric, make_optimization

pytestmark = pytest.mark.django_db


class Hook(BaseHTTPRequestHandler):
    """Takes what is posted; its path is the status that it answers."""

    received: list[tuple[Any, bytes]] = []

    def do_POST(self) -> None:
        self.received.append((self.headers, self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(int(self.path.strip("/")))
        self.send_header("Location", "/204")
        self.end_headers()

    def log_message(self, *args: Any) -> None: ...


@pytest.fixture
def hook() -> Iterator[str]:
    Hook.received = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def reachable(settings: Any, hook: str) -> str:
    settings.PRIVATE_NETWORKS = [ip_network("127.0.0.0/8")]
    return hook


def make_guardrail(tenant: Tenant) -> Guardrail:
    rule = {"metric_id": make_metric(tenant.organization).pk, "direction": "increase", "margin_percent": 5.0}
    return make_optimization(tenant.organization, guardrails=[rule]).guardrails.get()


def due() -> list[dict[str, Any]]:
    """What the scheduler queues once everybody has waited long enough."""
    Schedule.objects.update(next_run=timezone.now() - dt.timedelta(seconds=1))
    with patch("django_q.scheduler.close_old_django_connections"):  # the test's transaction is on that connection
        scheduler()
    tasks = [row.task for row in OrmQ.objects.order_by("pk")]
    OrmQ.objects.all().delete()
    return tasks


def test_the_webhook_is_signed(acme: Tenant, settings: Any, reachable: str) -> None:
    guardrail = make_guardrail(acme)
    assert tasks.post_violation(str(guardrail.pk)) is False
    settings.WEBHOOK_URL, settings.WEBHOOK_SECRET = f"{reachable}/204", "s3cret"
    assert tasks.post_violation(str(guardrail.pk)) is True
    [(headers, body)] = Hook.received
    assert orjson.loads(body)["optimization"]["id"] == str(guardrail.optimization_id)
    stamp, signature = headers["X-Levered-Signature"].split(",")
    expected = hmac.new(b"s3cret", f"{stamp[2:]}.".encode() + body, hashlib.sha256).hexdigest()
    assert signature == f"v1={expected}"


@pytest.mark.parametrize("port", ["", ":1"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "169.254.169.254", "[::1]", "2130706433", "10.0.0.1"])
def test_the_webhook_reaches_no_private_address(acme: Tenant, settings: Any, hook: str, host: str, port: str) -> None:
    guardrail = make_guardrail(acme)
    settings.WEBHOOK_URL = f"http://{host}{port or hook[hook.rindex(':') :]}/204"
    with pytest.raises(InvalidRequest):
        tasks.post_violation(str(guardrail.pk))
    assert Hook.received == []


@pytest.mark.parametrize("url", ["ftp://hooks.example/", "hooks.example", "http://hooks.example:port/", "file:///etc"])
def test_a_webhook_is_an_http_address(acme: Tenant, settings: Any, url: str) -> None:
    guardrail = make_guardrail(acme)
    settings.WEBHOOK_URL = url
    with pytest.raises(InvalidRequest):
        tasks.post_violation(str(guardrail.pk))


@pytest.mark.parametrize("path", ["503", "404", "302"])
def test_a_webhook_that_does_not_take_it_is_asked_again(acme: Tenant, settings: Any, reachable: str, path: str) -> None:
    guardrail = make_guardrail(acme)
    settings.WEBHOOK_URL = f"{reachable}/{path}"
    before = timezone.now()
    assert tasks.post_violation(str(guardrail.pk)) is False
    waited = Schedule.objects.get().next_run - before
    assert dt.timedelta(minutes=1) <= waited < dt.timedelta(minutes=2)
    [task] = due()
    assert (task["func"], task["args"]) == ("optimizations.tasks.post_violation", (str(guardrail.pk), 1))
    assert not Schedule.objects.exists()
    settings.WEBHOOK_URL = f"{reachable}/204"
    assert tasks.post_violation(*task["args"]) is True
    assert due() == []
    assert len(Hook.received) == 2  # a redirect is not followed


def test_what_never_arrives_ends_as_a_failed_task(acme: Tenant, settings: Any, reachable: str) -> None:
    guardrail = make_guardrail(acme)
    settings.WEBHOOK_URL = f"{reachable}/503"
    args: tuple[Any, ...] = (str(guardrail.pk),)
    for _ in tasks.RETRY_MINUTES:
        assert tasks.post_violation(*args) is False
        [task] = due()
        args = task["args"]
    with pytest.raises(Unavailable, match="503"):
        tasks.post_violation(*args)
    assert due() == []
    assert len(Hook.received) == 1 + len(tasks.RETRY_MINUTES)


def test_a_mail_server_that_is_away_is_asked_again_for_each_letter(acme: Tenant, settings: Any) -> None:
    guardrail, told = str(make_guardrail(acme).pk), acme.user().email
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    assert tasks.mail_violation(guardrail, told) is False
    [task] = due()
    assert (task["func"], task["args"]) == ("optimizations.tasks.mail_violation", (guardrail, told, 1))
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    assert tasks.mail_violation(*task["args"]) is True
    assert [letter.to for letter in mail.outbox] == [[told]]


def test_nobody_is_told_who_is_no_admin_any_more(acme: Tenant, globex: Tenant) -> None:
    guardrail = str(make_guardrail(acme).pk)
    stranger, former = globex.user(), acme.user()
    former.memberships.update(role=Role.MEMBER)
    for somebody in (stranger, former):
        assert tasks.mail_violation(guardrail, somebody.email, 1) is False
    assert (mail.outbox, due()) == ([], [])


def test_a_guardrail_that_is_gone_is_not_told_of(acme: Tenant) -> None:
    nothing = "00000000-0000-4000-8000-000000000000"
    assert tasks.mail_violation(nothing, acme.user().email) is False
    assert tasks.post_violation(nothing) is False
    assert (mail.outbox, due()) == ([], [])
