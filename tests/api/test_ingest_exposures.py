import datetime as dt
import json
from io import BytesIO
from typing import Any
from unittest.mock import patch
from uuid import uuid4

import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from levered_site.organizations.models import Role
from optimizations.models import Optimization
from optimizations.states import Status
from tests.conftest import Tenant
from tests.ingestion import exposure, optimization
from warehouse.models import Connection, Exposure, Provider

URL = "/api/v2/ingest/exposures"


@pytest.fixture
def ours(acme: Tenant, globex: Tenant) -> Optimization:
    return optimization(acme)


@pytest.fixture
def theirs(globex: Tenant) -> Optimization:
    return optimization(globex)


def send(client: APIClient, *events: dict[str, Any]) -> Any:
    return client.post(URL, {"events": list(events)})


def send_raw(client: APIClient, body: bytes | str, content_type: str = "application/json") -> Any:
    return client.generic("POST", URL, body, content_type)


def fields(answer: Any) -> list[str]:
    assert answer.status_code == 400, answer.content
    assert answer.json()["error"]["code"] == "invalid_request"
    return [d["field"] for d in answer.json()["error"].get("details", [])]


@pytest.mark.django_db
class TestAccepted:
    def test_the_documented_request(self, acme: Tenant, ours: Optimization) -> None:
        event = exposure(
            ours,
            anonymous_id="user_123",
            context={"country": "US", "device": "mobile"},
            timestamp="2026-06-16T10:30:00Z",
        )
        answer = send(acme.client, event)
        assert answer.status_code == 200
        body = answer.json()
        assert body.pop("meta")["organization_id"] == acme.organization.public_id
        assert body == {"accepted": 1, "duplicates": 0, "rejected": []}
        stored = Exposure.objects.get()
        assert stored.organization == acme.organization
        assert stored.optimization_id == ours.pk
        assert stored.anonymous_id == "user_123"
        assert stored.variant == event["variant"]
        assert stored.context == {"country": "US", "device": "mobile"}
        assert stored.timestamp == dt.datetime(2026, 6, 16, 10, 30, tzinfo=dt.UTC)
        assert stored.idempotency_key is None
        assert abs(stored.received_at - timezone.now()) < dt.timedelta(minutes=1)

    def test_x_api_key_works(self, acme: Tenant, ours: Optimization) -> None:
        client = APIClient(headers={"X-API-Key": acme.secret})
        assert send(client, exposure(ours)).status_code == 200

    def test_the_time_defaults_to_the_servers(self, acme: Tenant, ours: Optimization) -> None:
        before = timezone.now()
        assert send(acme.client, exposure(ours), exposure(ours, timestamp=None)).status_code == 200
        for stored in Exposure.objects.all():
            assert before <= stored.timestamp == stored.received_at <= timezone.now()

    @pytest.mark.parametrize(
        "text",
        [
            "2026-06-16T12:30:00+02:00",
            "2026-06-16T10:30Z",
            "2026-06-16 05:30:00.000-0500",
            "2026-06-16t10:30:00z",
            "20260616T103000Z",
        ],
    )
    def test_times_are_stored_in_utc(self, acme: Tenant, ours: Optimization, text: str) -> None:
        assert send(acme.client, exposure(ours, timestamp=text)).status_code == 200
        assert Exposure.objects.get().timestamp == dt.datetime(2026, 6, 16, 10, 30, tzinfo=dt.UTC)

    def test_the_context_is_stored_as_given(self, acme: Tenant, ours: Optimization) -> None:
        context = {"é": "ü\u2028", "n": 10**30, "f": 1.5, "deep": [[[[[{"a": [None, True]}]]]]], "empty": {}, "": ""}
        assert send(acme.client, exposure(ours, context=context)).status_code == 200
        assert Exposure.objects.get().context == context

    def test_the_longest_values_fit(self, acme: Tenant, ours: Optimization) -> None:
        answer = send(acme.client, exposure(ours, anonymous_id="é" * 512, idempotency_key="k" * 256))
        assert answer.status_code == 200
        assert Exposure.objects.get().anonymous_id == "é" * 512

    def test_500_events_cost_the_queries_of_one(self, acme: Tenant, ours: Optimization) -> None:
        other = optimization(acme)
        events = [exposure(ours if i % 2 else other, idempotency_key=f"k{i}") for i in range(500)]
        send(acme.client, *events[:2])  # the designs are known from here on
        with CaptureQueriesContext(connection) as one:
            send(acme.client, events[0])
        with CaptureQueriesContext(connection) as many:
            answer = send(acme.client, *events)
        assert len(one) == len(many)
        assert sum('FROM "optimizations_optimization"' in q["sql"] for q in many.captured_queries) == 1
        assert answer.json() | {"meta": 0} == {"accepted": 500, "duplicates": 2, "rejected": [], "meta": 0}
        assert Exposure.objects.count() == 500

    def test_unknown_fields_are_taken_and_named_once(self, acme: Tenant, ours: Optimization) -> None:
        events = [exposure(ours), exposure(ours, colour="red"), exposure(ours, colour="blue", size=1)]
        answer = acme.client.post(URL, {"events": events, "sdk": "1.0"})
        assert answer.status_code == 200
        assert answer.json()["accepted"] == 3
        warnings = answer.json()["warnings"]
        assert [w.split(":")[0] for w in warnings] == ["sdk", "events[1].colour", "events[2].size"]

    def test_completed_optimizations_still_take_exposures(self, acme: Tenant, ours: Optimization) -> None:
        Optimization.objects.update(status=Status.COMPLETED)
        assert send(acme.client, exposure(ours)).status_code == 200
