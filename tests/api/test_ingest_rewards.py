import datetime as dt
import json
from typing import Any
from unittest.mock import patch
from uuid import uuid4

import pytest
from django.db import OperationalError
from django.utils import timezone
from rest_framework.test import APIClient

from levered_site.organizations.models import Role
from optimizations.models import Optimization
from optimizations.states import Status
from tests.conftest import Tenant
from tests.ingestion import optimization, reward
from warehouse.models import Connection, Exposure, Provider, Reward

URL = "/api/v2/ingest/rewards"


@pytest.fixture
def ours(acme: Tenant, globex: Tenant) -> Optimization:
    return optimization(acme)


@pytest.fixture
def theirs(globex: Tenant) -> Optimization:
    return optimization(globex)


def send(client: APIClient, *events: dict[str, Any]) -> Any:
    return client.post(URL, {"events": list(events)})


def fields(answer: Any) -> list[str]:
    assert answer.status_code == 400, answer.content
    return [d["field"] for d in answer.json()["error"].get("details", [])]


@pytest.mark.django_db
class TestAccepted:
    def test_the_documented_request(self, acme: Tenant, globex: Tenant) -> None:
        answer = send(acme.client, reward(value=1, timestamp="2026-06-16T10:32:00Z"))
        assert answer.status_code == 200
        body = answer.json()
        assert body.pop("meta")["organization_id"] == acme.organization.public_id
        assert body == {"accepted": 1, "duplicates": 0, "rejected": []}
        stored = Reward.objects.get()
        assert stored.organization == acme.organization
        assert (stored.anonymous_id, stored.name, stored.value) == ("user_123", "signup_completed", 1.0)
        assert stored.timestamp == dt.datetime(2026, 6, 16, 10, 32, tzinfo=dt.UTC)
        assert stored.optimization_id is None
        assert stored.properties == {}

    def test_the_value_defaults_to_1(self, acme: Tenant, globex: Tenant) -> None:
        assert send(acme.client, reward()).status_code == 200
        assert Reward.objects.get().value == 1.0

    @pytest.mark.parametrize("value", [0, -3, 19.99, 1e308, 5e-324, 2**63])
    def test_values(self, acme: Tenant, globex: Tenant, value: float) -> None:
        assert send(acme.client, reward(value=value)).status_code == 200
        assert Reward.objects.get().value == float(value)

    def test_a_reward_may_be_pinned(self, acme: Tenant, ours: Optimization) -> None:
        answer = send(acme.client, reward(optimization_id=str(ours.pk)), reward(optimization_id=None))
        assert answer.json()["accepted"] == 2
        assert set(Reward.objects.values_list("optimization_id", flat=True)) == {ours.pk, None}

    @pytest.mark.parametrize("properties", [{"sku": ["a", {"b": None}]}, [1, "é"], "text", 7, True, {}])
    def test_properties_are_arbitrary_json(self, acme: Tenant, globex: Tenant, properties: object) -> None:
        assert send(acme.client, reward(properties=properties)).status_code == 200
        assert Reward.objects.get().properties == properties

    def test_an_explicit_null_is_an_omission(self, acme: Tenant, globex: Tenant) -> None:
        answer = send(acme.client, reward(properties=None, timestamp=None, idempotency_key=None, optimization_id=None))
        assert answer.status_code == 200
        assert Reward.objects.get().properties == {}

    def test_unknown_fields_are_taken_and_named_once(self, acme: Tenant, globex: Tenant) -> None:
        answer = send(acme.client, reward(currency="EUR"), reward(currency="USD"))
        assert answer.status_code == 200
        assert len(answer.json()["warnings"]) == 1
        assert "events[0].currency" in answer.json()["warnings"][0]
        assert Reward.objects.count() == 2

    def test_the_warnings_are_bounded(self, acme: Tenant, globex: Tenant) -> None:
        answer = send(acme.client, reward(**{f"field_{i}" * 50: i for i in range(1000)}))
        assert answer.status_code == 200
        assert len(answer.content) < 10_000


@pytest.mark.django_db
class TestIdempotency:
    def test_stored_once_within_and_across_batches(self, acme: Tenant, globex: Tenant) -> None:
        first = send(acme.client, reward(idempotency_key="a"), reward(idempotency_key="a")).json()
        assert (first["accepted"], first["duplicates"]) == (2, 1)
        again = send(acme.client, reward(idempotency_key="a"), reward(idempotency_key="b"), reward()).json()
        assert (again["accepted"], again["duplicates"]) == (3, 1)
        assert Reward.objects.count() == 3

    def test_keys_belong_to_the_kind_and_the_organization(
        self, acme: Tenant, globex: Tenant, ours: Optimization
    ) -> None:
        event = {
            "anonymous_id": "u",
            "optimization_id": str(ours.pk),
            "variant": {"cta": "try_it", "hero": "shield"},
            "idempotency_key": "a",
        }
        assert acme.client.post("/api/v2/ingest/exposures", {"events": [event]}).json()["duplicates"] == 0
        assert send(acme.client, reward(idempotency_key="a")).json()["duplicates"] == 0
        assert send(globex.client, reward(idempotency_key="a")).json()["duplicates"] == 0
        assert (Exposure.objects.count(), Reward.objects.count()) == (1, 2)


@pytest.mark.django_db
class TestRejected:
    def test_what_cannot_count_is_listed_and_the_rest_stored(self, acme: Tenant, ours: Optimization) -> None:
        archived = optimization(acme)
        Optimization.objects.filter(pk=archived.pk).update(status=Status.ARCHIVED)
        later = (timezone.now() + dt.timedelta(hours=25)).isoformat()
        answer = send(
            acme.client,
            reward(timestamp=later),
            reward(optimization_id=str(ours.pk)),
            reward(optimization_id=str(archived.pk)),
        )
        assert answer.status_code == 207
        assert answer.json()["accepted"] == 1
        assert [(r["index"], r["code"]) for r in answer.json()["rejected"]] == [
            (0, "timestamp_in_future"),
            (2, "optimization_archived"),
        ]
        assert Reward.objects.get().optimization_id == ours.pk


BAD_EVENTS: list[tuple[dict[str, Any], str]] = [
    ({"anonymous_id": ""}, "anonymous_id"),
    ({"anonymous_id": "\0"}, "anonymous_id"),
    ({"name": ""}, "name"),
    ({"name": "n" * 256}, "name"),
    ({"name": None}, "name"),
    ({"name": "a\0"}, "name"),
    ({"value": "1"}, "value"),
    ({"value": True}, "value"),
    ({"value": None}, "value"),  # which is how JavaScript writes NaN
    ({"value": [1]}, "value"),
    ({"value": 10**400}, "value"),
    ({"optimization_id": ""}, "optimization_id"),
    ({"properties": {"a": "\0"}}, "properties"),
    ({"timestamp": "2026-06-16T10:30:00"}, "timestamp"),
    ({"idempotency_key": "k" * 257}, "idempotency_key"),
]


@pytest.mark.django_db
class TestMalformed:
    @pytest.mark.parametrize(("change", "field"), BAD_EVENTS)
    def test_a_bad_field_is_named(self, acme: Tenant, globex: Tenant, change: dict[str, Any], field: str) -> None:
        assert fields(send(acme.client, reward(), reward() | change)) == [f"events[1].{field}"]
        assert not Reward.objects.exists()

    def test_every_issue_is_listed(self, acme: Tenant, globex: Tenant) -> None:
        answer = send(acme.client, {}, reward(value="x", name=""))
        assert fields(answer) == ["events[0].anonymous_id", "events[0].name", "events[1].name", "events[1].value"]
        assert not Reward.objects.exists()

    @pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "1e309", "9" * 5000, "0x10", "01"])
    def test_values_that_are_no_finite_numbers(self, acme: Tenant, globex: Tenant, value: str) -> None:
        body = json.dumps({"events": [reward(value="@")]}).replace('"@"', value)
        answer = acme.client.generic("POST", URL, body, "application/json")
        assert answer.status_code == 400
        assert not Reward.objects.exists()


@pytest.mark.django_db
class TestRefused:
    def test_foreign_and_unknown_optimizations_are_listed(
        self, acme: Tenant, ours: Optimization, theirs: Optimization
    ) -> None:
        unknown = uuid4()
        answer = send(
            acme.client,
            reward(),
            reward(optimization_id=str(theirs.pk)),
            reward(optimization_id=str(ours.pk)),
            reward(optimization_id=str(unknown)),
        )
        assert answer.status_code == 403
        details = answer.json()["error"]["details"]
        assert [d["field"] for d in details] == ["events[1].optimization_id", "events[3].optimization_id"]
        assert str(theirs.pk) in details[0]["message"]
        assert not Reward.objects.exists()

    def test_nobody(self, anonymous: APIClient, acme: Tenant, globex: Tenant) -> None:
        assert send(anonymous, reward()).status_code == 401

    def test_keys_without_the_scope_and_sessions(self, acme: Tenant, globex: Tenant) -> None:
        assert send(acme.with_scopes("read", "manage"), reward()).status_code == 403
        for role in Role:
            assert send(acme.browser(role), reward()).status_code == 403
        assert not Reward.objects.exists()
        assert send(acme.with_scopes("ingest"), reward()).status_code == 200

    def test_another_warehouse(self, acme: Tenant, globex: Tenant) -> None:
        Connection.objects.create(organization=acme.organization, provider=Provider.SNOWFLAKE)
        answer = send(acme.client, reward())
        assert answer.status_code == 409
        assert answer.json()["error"]["code"] == "not_managed"
        assert not Reward.objects.exists()
        assert send(globex.client, reward()).status_code == 200

    def test_bodies(self, acme: Tenant, globex: Tenant) -> None:
        def raw(body: str, content_type: str = "application/json") -> int:
            return int(acme.client.generic("POST", URL, body, content_type).status_code)

        good = json.dumps({"events": [reward()]})
        assert raw(good, "text/plain") == 415
        assert raw("{") == 400
        assert raw(json.dumps({"events": [reward()] * 501})) == 400
        assert raw(json.dumps({"events": [reward(properties="x" * 6_000_000)]})) == 413
        assert not Reward.objects.exists()
        assert raw(good) == 200

    def test_too_many_requests(self, acme: Tenant, globex: Tenant, settings: Any) -> None:
        settings.RATE_LIMITS = settings.RATE_LIMITS | {"ingest": "1/h"}
        assert send(acme.client, reward()).status_code == 200
        answer = send(acme.client, reward())
        assert answer.status_code == 429
        assert answer.json()["error"]["code"] == "rate_limited"
        assert int(answer["Retry-After"]) >= 1
        assert Reward.objects.count() == 1


@pytest.mark.django_db
def test_a_database_that_does_not_answer_is_a_503(acme: Tenant, globex: Tenant) -> None:
    gone = OperationalError("database is locked")
    with patch("warehouse.services.events._write", side_effect=gone):
        answer = send(acme.client, reward())
    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "unavailable"
    assert int(answer["Retry-After"]) >= 1
    assert not Reward.objects.exists()
