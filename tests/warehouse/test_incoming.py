"""Whatever JSON comes in: it is stored as it was sent, or refused in words, and nothing in between."""

import datetime as dt
import json
import math
from typing import Any

import msgspec
import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from levered_site.errors import InvalidRequest
from levered_site.organizations.services import create_organization
from optimizations.api.ingest import ExposureInput, RewardInput
from warehouse.models import Exposure, Reward
from warehouse.services import incoming
from warehouse.services.events import store_exposures, store_rewards
from warehouse.services.incoming import MAX_DEPTH, NewExposure, NewReward

texts = st.text(st.characters(exclude_categories=[]), max_size=20)  # surrogates and NUL too
numbers = st.integers(-(10**40), 10**40) | st.floats()
json_values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)


def encoded(value: object) -> bytes:
    """JSON as any client might write it: escaped or not, and with Python's NaN and Infinity."""
    return json.dumps(value).encode()


def storable(value: object) -> bool:
    match value:
        case str():
            return "\0" not in value and not any("\ud800" <= c <= "\udfff" for c in value)
        case float():
            return math.isfinite(value)
        case list():
            return all(map(storable, value))
        case dict():
            return all(storable(k) and storable(v) for k, v in value.items())
    return True


def same(stored: object, sent: object) -> bool:
    """PostgreSQL keeps numbers exactly, but writes 1e300 as a whole number and forgets the sign of zero."""
    match sent:
        case bool() | None | str():
            return stored == sent and type(stored) is type(sent)
        case int() | float():
            return isinstance(stored, int | float) and not isinstance(stored, bool) and float(stored) == float(sent)
        case list():
            return isinstance(stored, list) and len(stored) == len(sent) and all(map(same, stored, sent))
        case dict():
            return (
                isinstance(stored, dict)
                and stored.keys() == sent.keys()
                and all(same(stored[k], sent[k]) for k in sent)
            )
    return False


@pytest.mark.django_db
class TestAnything:
    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
    @given(context=st.dictionaries(texts, json_values, max_size=4), anonymous_id=texts, key=texts)
    def test_exposures(self, context: dict[str, Any], anonymous_id: str, key: str) -> None:
        event = {
            "anonymous_id": anonymous_id,
            "optimization_id": "eec6a814-3672-4fcc-b88f-1a900724a9aa",
            "variant": {"cta": "x"},
            "context": context,
            "idempotency_key": key,
        }
        good = bool(anonymous_id and key) and storable([context, anonymous_id, key])
        try:
            batch = incoming.exposures.read_batch(encoded({"events": [event]}))
        except InvalidRequest:
            assert not good
            return
        assert good
        organization = create_organization(name="Acme")
        store_exposures(organization, batch.events, received_at=timezone.now())
        stored = Exposure.objects.get(organization=organization)
        assert (stored.anonymous_id, stored.idempotency_key) == (anonymous_id, key)
        assert same(stored.context, context)

    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
    @given(properties=json_values, value=numbers)
    def test_rewards(self, properties: Any, value: float) -> None:
        event = {"anonymous_id": "u", "name": "n", "properties": properties, "value": value}
        good = storable(properties) and math.isfinite(value)
        try:
            batch = incoming.rewards.read_batch(encoded({"events": [event]}))
        except InvalidRequest:
            assert not good
            return
        assert good
        organization = create_organization(name="Acme")
        store_rewards(organization, batch.events, received_at=timezone.now())
        stored = Reward.objects.get(organization=organization)
        assert stored.value == float(value)
        assert same(stored.properties, {} if properties is None else properties)

    @given(
        body=st.binary(max_size=60)
        | json_values.map(encoded)
        | st.lists(json_values).map(lambda v: encoded({"events": v}))
    )
    @settings(max_examples=300, deadline=None)
    def test_bodies(self, body: bytes) -> None:
        """A body is read or refused; nothing else comes out."""
        try:
            batch = incoming.rewards.read_batch(body)
        except InvalidRequest:
            return
        assert batch.events


def test_the_two_ways_of_reading_agree() -> None:
    """The fast types and the careful look accept the same, down to the last level of nesting."""
    for depth in (0, 1, 2, 3, 4, MAX_DEPTH - 1, MAX_DEPTH):
        nested: Any = "x"
        for _ in range(depth):
            nested = [nested]
        body = encoded({"events": [{"anonymous_id": "u", "name": "n", "properties": nested}]})
        assert incoming.rewards.read_batch(body).events[0].properties == nested
        careful = incoming.rewards._read_carefully(body)
        assert careful.events == incoming.rewards.read_batch(body).events
        assert careful.warnings == []
    with pytest.raises(InvalidRequest, match="Nested deeper"):
        incoming.rewards.read_batch(body.replace(b'"x"', b'["x"]'))


def test_times_are_in_utc_whatever_their_offset() -> None:
    at = dt.datetime(2026, 6, 16, 12, 0, tzinfo=dt.timezone(dt.timedelta(hours=2)))
    event = NewReward(anonymous_id="u", name="n", timestamp=at)
    assert event.timestamp == at
    assert event.timestamp is not None
    assert event.timestamp.tzinfo is dt.UTC


@pytest.mark.parametrize(("documented", "kind"), [(ExposureInput, NewExposure), (RewardInput, NewReward)])
def test_the_schema_documents_what_is_read(documented: Any, kind: type[msgspec.Struct]) -> None:
    """Fields, which are required, which may be null, and the lengths: from the types that decode."""
    _, definitions = msgspec.json.schema_components([kind])
    schema = definitions[kind.__name__]
    fields = documented().fields
    assert set(fields) == set(schema["properties"])
    assert {name for name, f in fields.items() if f.required} == set(schema["required"])
    for name, field in fields.items():
        given_ = schema["properties"][name]
        kinds = [given_, *given_.get("anyOf", [])]
        if name != "properties":
            assert field.allow_null == any(k.get("type") == "null" for k in kinds), name
        for ours, theirs in (("min_length", "minLength"), ("max_length", "maxLength")):
            lengths = [k[theirs] for k in kinds if theirs in k]
            assert [v for v in [getattr(field, ours, None)] if v is not None] == lengths, name
