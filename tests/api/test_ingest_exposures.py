import datetime as dt
import gzip
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

    def test_more_events_cost_no_more_queries(self, acme: Tenant, ours: Optimization) -> None:
        other = optimization(acme)
        events = [exposure(ours if i % 2 else other, idempotency_key=f"k{i}") for i in range(500)]
        send(acme.client, *events[:2])  # the designs are known from here on
        with CaptureQueriesContext(connection) as some:
            send(acme.client, *events[:100])
        with CaptureQueriesContext(connection) as many:
            answer = send(acme.client, *events)
        assert len(some) == len(many) < 10
        assert sum('FROM "optimizations_optimization"' in q["sql"] for q in many.captured_queries) == 1
        assert answer.json() | {"meta": 0} == {"accepted": 500, "duplicates": 100, "rejected": [], "meta": 0}
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


@pytest.mark.django_db
class TestIdempotency:
    def test_a_repeated_key_is_accepted_and_stored_once(self, acme: Tenant, ours: Optimization) -> None:
        assert send(acme.client, exposure(ours, idempotency_key="a")).json()["duplicates"] == 0
        again = send(acme.client, exposure(ours, idempotency_key="a", anonymous_id="other")).json()
        assert (again["accepted"], again["duplicates"]) == (1, 1)
        assert Exposure.objects.get().anonymous_id == "user_123"

    def test_within_one_batch_the_first_is_stored(self, acme: Tenant, ours: Optimization) -> None:
        events = [exposure(ours, idempotency_key="a", anonymous_id=str(i)) for i in range(5)]
        answer = send(acme.client, exposure(ours), *events, exposure(ours)).json()
        assert (answer["accepted"], answer["duplicates"]) == (7, 4)
        assert Exposure.objects.get(idempotency_key="a").anonymous_id == "0"
        assert Exposure.objects.count() == 3

    def test_keys_are_an_organizations_own(
        self, acme: Tenant, globex: Tenant, ours: Optimization, theirs: Optimization
    ) -> None:
        assert send(acme.client, exposure(ours, idempotency_key="a")).json()["duplicates"] == 0
        assert send(globex.client, exposure(theirs, idempotency_key="a")).json()["duplicates"] == 0
        assert Exposure.objects.count() == 2

    def test_a_rejected_event_leaves_its_key_free(self, acme: Tenant, ours: Optimization) -> None:
        assert send(acme.client, exposure(ours, idempotency_key="a", variant={})).status_code == 207
        assert send(acme.client, exposure(ours, idempotency_key="a")).json()["duplicates"] == 0


@pytest.mark.django_db
class TestRejected:
    def test_what_cannot_count_is_listed_and_the_rest_stored(self, acme: Tenant, ours: Optimization) -> None:
        archived = optimization(acme)
        Optimization.objects.filter(pk=archived.pk).update(status=Status.ARCHIVED)
        ahead = timezone.now() + dt.timedelta(hours=24)
        answer = send(
            acme.client,
            exposure(ours),
            exposure(ours, variant={"cta": "no_such", "hero": "shield"}),
            exposure(ours, variant={"cta": "try_it"}),
            exposure(ours, variant={"cta": "try_it", "hero": "rocket", "extra": 1}),
            exposure(archived),
            exposure(ours, timestamp=(ahead + dt.timedelta(minutes=1)).isoformat()),
            exposure(ours, timestamp=(ahead - dt.timedelta(minutes=1)).isoformat()),
        )
        assert answer.status_code == 207
        body = answer.json()
        assert (body["accepted"], body["duplicates"]) == (2, 0)
        assert [(r["index"], r["code"]) for r in body["rejected"]] == [
            (1, "unknown_variant"),
            (2, "unknown_variant"),
            (3, "unknown_variant"),
            (4, "optimization_archived"),
            (5, "timestamp_in_future"),
        ]
        assert body["rejected"][0]["message"].startswith("variant.cta: 'no_such'")
        assert body["meta"]["organization_id"] == acme.organization.public_id
        assert Exposure.objects.count() == 2

    @pytest.mark.parametrize("level", ["1", 1.0, True, None, [1], {"a": 1}, 10**400])
    def test_levels_have_types(self, acme: Tenant, globex: Tenant, level: object) -> None:
        typed = optimization(acme, levels=(1, 2), dtype="int")
        answer = send(acme.client, exposure(typed, variant={"cta": level, "hero": "shield"}))
        assert answer.status_code == 207
        assert not Exposure.objects.exists()

    def test_a_changed_design_is_seen_at_once(self, acme: Tenant, ours: Optimization) -> None:
        new = exposure(ours, variant={"cta": "brand_new", "hero": "shield"})
        assert send(acme.client, new).status_code == 207
        ours.training_data_config["design_factors"][0]["levels"].append("brand_new")
        ours.updated_at = timezone.now()
        ours.save()
        assert send(acme.client, new).status_code == 200


BAD_EVENTS: list[tuple[dict[str, Any], str]] = [
    ({"anonymous_id": ""}, "anonymous_id"),
    ({"anonymous_id": "x" * 513}, "anonymous_id"),
    ({"anonymous_id": 7}, "anonymous_id"),
    ({"anonymous_id": None}, "anonymous_id"),
    ({"anonymous_id": "a\0b"}, "anonymous_id"),
    ({"optimization_id": "not-a-uuid"}, "optimization_id"),
    ({"optimization_id": None}, "optimization_id"),
    ({"optimization_id": 5}, "optimization_id"),
    ({"variant": "sign_up_now"}, "variant"),
    ({"variant": ["sign_up_now"]}, "variant"),
    ({"variant": None}, "variant"),
    ({"variant": {"cta": "a\0b"}}, "variant"),
    ({"context": "mobile"}, "context"),
    ({"context": {"a\0b": 1}}, "context"),
    ({"context": {"a": [{"b": "\0"}]}}, "context"),
    ({"timestamp": "2026-06-16T10:30:00"}, "timestamp"),
    ({"timestamp": "2026-06-16"}, "timestamp"),
    ({"timestamp": "yesterday"}, "timestamp"),
    ({"timestamp": 1781605800}, "timestamp"),
    ({"timestamp": "0001-01-01T00:00:00+23:00"}, "timestamp"),
    ({"timestamp": "9999-12-31T23:59:59-10:00"}, "timestamp"),
    ({"idempotency_key": ""}, "idempotency_key"),
    ({"idempotency_key": "k" * 257}, "idempotency_key"),
    ({"idempotency_key": 5}, "idempotency_key"),
    ({"idempotency_key": "\0"}, "idempotency_key"),
]


@pytest.mark.django_db
class TestMalformed:
    @pytest.mark.parametrize(("change", "field"), BAD_EVENTS)
    def test_a_bad_field_is_named(self, acme: Tenant, ours: Optimization, change: dict[str, Any], field: str) -> None:
        answer = send(acme.client, exposure(ours), exposure(ours) | change)
        assert fields(answer) == [f"events[1].{field}"]
        assert not Exposure.objects.exists()

    def test_every_issue_of_every_event_is_listed(self, acme: Tenant, ours: Optimization) -> None:
        bad = {"anonymous_id": 1, "variant": 2, "timestamp": "x", "idempotency_key": "", "context": 3}
        answer = send(acme.client, bad, exposure(ours), "no event", exposure(ours, anonymous_id=""))  # type: ignore[arg-type]
        assert set(fields(answer)) == {
            "events[0].anonymous_id",
            "events[0].optimization_id",
            "events[0].variant",
            "events[0].context",
            "events[0].timestamp",
            "events[0].idempotency_key",
            "events[2]",
            "events[3].anonymous_id",
        }
        assert len(fields(answer)) == 8
        assert not Exposure.objects.exists()

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"no json",
            b"[]",
            b"null",
            b'"events"',
            b"{",
            b'{"events": [',
            b'{"events": [{}]} {}',
            b'{"events": [{"anonymous_id": NaN}]}',
            b'{"events": [{"anonymous_id": -Infinity}]}',
            b'{"events": [{"anonymous_id": "\xff"}]}',
            b"\xff\xfe{\x00}\x00",
            b"[" * 100_000,
            b'{"a":' * 100_000,
        ],
    )
    def test_what_is_no_json_object(self, acme: Tenant, globex: Tenant, body: bytes) -> None:
        answer = send_raw(acme.client, body)
        assert answer.status_code == 400
        assert answer.json()["error"]["code"] == "invalid_request"

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"event": []},
            {"events": None},
            {"events": {}},
            {"events": "all"},
            {"events": []},
            {"events": [{}] * 501},
        ],
    )
    def test_there_are_1_to_500_events(self, acme: Tenant, globex: Tenant, body: dict[str, Any]) -> None:
        assert fields(acme.client.post(URL, body)) == ["events"]

    @pytest.mark.parametrize(
        "value",
        [
            *("NaN", "Infinity", "1e999", "9" * 5000, "[" * 500 + "]" * 500, '{"a":' * 200 + "1" + "}" * 200),
            *('"\\ud800"', '"\\udc00x"', '"\\ud800\\ud800"', '"\x01"'),
        ],
    )
    @pytest.mark.parametrize("field", ["context", "variant", "anonymous_id", "extra"])
    def test_values_no_database_can_hold(self, acme: Tenant, ours: Optimization, field: str, value: str) -> None:
        event = exposure(ours) | {field: "@"}
        if field in ("context", "variant"):
            event[field] = {"cta": "@", "hero": "shield"}
        answer = send_raw(acme.client, json.dumps({"events": [event]}).replace('"@"', value))
        if field == "extra" and value[0] in "[{":
            assert answer.status_code == 200  # not stored, so its depth is nobody's concern
        else:
            assert answer.status_code == 400, answer.content
            assert not Exposure.objects.exists()

    def test_a_text_that_only_looks_like_an_escaped_nul_is_stored(self, acme: Tenant, ours: Optimization) -> None:
        assert send(acme.client, exposure(ours, anonymous_id="\\u0000")).status_code == 200
        assert Exposure.objects.get().anonymous_id == "\\u0000"


@pytest.mark.django_db
class TestSize:
    def test_a_declared_length_above_5_mb_is_refused_before_a_byte_is_read(self, acme: Tenant, globex: Tenant) -> None:
        class Untouched(BytesIO):
            def read(self, *args: Any) -> bytes:
                raise AssertionError("the body was read")

        answer = acme.client.post(
            URL, **{"wsgi.input": Untouched(), "CONTENT_LENGTH": str(6_000_000), "CONTENT_TYPE": "application/json"}
        )
        assert answer.status_code == 413
        assert answer.json()["error"]["code"] == "payload_too_large"

    def test_a_body_of_6_mb(self, acme: Tenant, ours: Optimization) -> None:
        answer = send(acme.client, *[exposure(ours, context={"a": "x" * 13_000})] * 500)
        assert answer.status_code == 413
        assert not Exposure.objects.exists()

    def test_a_body_just_below_5_mb_is_taken(self, acme: Tenant, ours: Optimization) -> None:
        answer = send(acme.client, *[exposure(ours, context={"a": "x" * 10_000})] * 500)
        assert answer.json()["accepted"] == 500


@pytest.mark.django_db
class TestRefused:
    @pytest.mark.parametrize(
        "content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""]
    )
    def test_other_content_types(self, acme: Tenant, ours: Optimization, content_type: str) -> None:
        body = json.dumps({"events": [exposure(ours)]})
        answer = send_raw(acme.client, body, content_type)
        assert answer.status_code == 415
        assert answer.json()["error"]["code"] == "unsupported_media_type"
        assert not Exposure.objects.exists()
        assert send_raw(acme.client, body, "Application/JSON; charset=utf-8").status_code == 200

    def test_compressed_bodies(self, acme: Tenant, ours: Optimization) -> None:
        body = gzip.compress(json.dumps({"events": [exposure(ours)]}).encode())
        answer = acme.client.generic("POST", URL, body, "application/json", headers={"Content-Encoding": "gzip"})
        assert answer.status_code == 415
        assert "gzip" in answer.json()["error"]["message"]

    def test_foreign_and_unknown_optimizations_are_listed(
        self, acme: Tenant, ours: Optimization, theirs: Optimization
    ) -> None:
        nobodys = str(uuid4())
        answer = send(
            acme.client,
            exposure(ours),
            exposure(theirs),
            exposure(ours, optimization_id=nobodys),
            exposure(theirs),
        )
        assert answer.status_code == 403
        error = answer.json()["error"]
        assert error["code"] == "forbidden"
        assert [d["field"] for d in error["details"]] == ["events[1].optimization_id", "events[2].optimization_id"]
        assert str(theirs.pk) in error["message"]
        assert nobodys in error["message"]
        assert str(ours.pk) not in error["message"]
        assert not Exposure.objects.exists()

    @pytest.mark.parametrize("secret", ["", "lv_wrong", "Bearer"])
    def test_nobody(self, anonymous: APIClient, ours: Optimization, secret: str) -> None:
        if secret:
            anonymous.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
        answer = send(anonymous, exposure(ours))
        assert answer.status_code == 401
        assert answer["WWW-Authenticate"] == "Bearer"
        assert not Exposure.objects.exists()

    def test_a_key_without_the_scope(self, acme: Tenant, ours: Optimization) -> None:
        assert send(acme.with_scopes("read", "manage"), exposure(ours)).status_code == 403
        assert send(acme.with_scopes("ingest"), exposure(ours)).status_code == 200

    @pytest.mark.parametrize("role", list(Role))
    def test_a_dashboard_session_never_ingests(self, acme: Tenant, ours: Optimization, role: Role) -> None:
        assert send(acme.browser(role), exposure(ours)).status_code == 403
        assert not Exposure.objects.exists()

    def test_get_is_not_allowed(self, acme: Tenant, globex: Tenant) -> None:
        answer = acme.client.get(URL)
        assert answer.status_code == 405
        assert answer.json()["error"]["code"] == "method_not_allowed"

    def test_too_many_requests(self, acme: Tenant, globex: Tenant, settings: Any) -> None:
        settings.RATE_LIMITS = settings.RATE_LIMITS | {"ingest": "2/h", "api": "1/h"}
        answers = [acme.client.post(URL, {}) for _ in range(3)]
        assert [a.status_code for a in answers] == [400, 400, 429]
        assert int(answers[2]["Retry-After"]) >= 1
        assert globex.client.post(URL, {}).status_code == 400  # counted by key
        for spelling in ({"Authorization": f"bearer   {acme.secret} "}, {"X-API-Key": acme.secret}):
            assert APIClient(headers=spelling).post(URL, {}).status_code == 429

    def test_another_warehouse(self, acme: Tenant, globex: Tenant, ours: Optimization, theirs: Optimization) -> None:
        Connection.objects.create(organization=acme.organization, provider=Provider.BIGQUERY)
        answer = send(acme.client, exposure(ours))
        assert answer.status_code == 409
        assert answer.json()["error"]["code"] == "not_managed"
        assert send(globex.client, exposure(theirs)).status_code == 200
        Connection.objects.update(provider=Provider.MANAGED)
        assert send(acme.client, exposure(ours)).status_code == 200

    def test_the_order_of_checks(self, acme: Tenant, theirs: Optimization, anonymous: APIClient) -> None:
        Connection.objects.create(organization=acme.organization, provider=Provider.DUCKDB)
        assert send_raw(anonymous, "no json").status_code == 401
        assert send_raw(acme.client, "no json", "text/plain").status_code == 409
        Connection.objects.all().delete()
        assert send(acme.client, exposure(theirs, anonymous_id="")).status_code == 400
        assert send(acme.client, exposure(theirs, variant={})).status_code == 403


@pytest.mark.django_db
class TestUnavailable:
    def test_nothing_is_stored(self, acme: Tenant, ours: Optimization) -> None:
        def written_then_gone(*args: Any) -> int:
            Exposure.objects.create(
                organization=acme.organization,
                anonymous_id="half",
                timestamp=timezone.now(),
                optimization_id=ours.pk,
                variant={},
                context={},
            )
            raise OperationalError("server closed the connection unexpectedly")

        with patch("warehouse.services.events._write", written_then_gone):
            answer = send(acme.client, exposure(ours))
        assert answer.status_code == 503
        assert answer.json()["error"]["code"] == "unavailable"
        assert "password" not in str(answer.json())
        assert int(answer["Retry-After"]) >= 1
        assert not Exposure.objects.exists()
        assert send(acme.client, exposure(ours)).status_code == 200
