"""Events as they come in: their shape, and every reason why one is malformed.

A good batch is decoded by one call into typed events. Only a batch that this call refuses is looked at field by field,
to list every issue of every event and to take what the fast types leave out: unknown fields and deeper JSON.
"""

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

import msgspec
import orjson
from msgspec import Meta

from levered_site.errors import InvalidRequest, Issue

MAX_EVENTS = 500
MAX_DEPTH = 100  # of nested JSON: databases and readers recurse
MAX_WARNINGS = 20

AnonymousId = Annotated[str, Meta(min_length=1, max_length=512)]
IdempotencyKey = Annotated[str, Meta(min_length=1, max_length=256)]
Name = Annotated[str, Meta(min_length=1, max_length=255)]
Timestamp = Annotated[dt.datetime, Meta(tz=True)]
_Scalar = str | bool | int | float | None
# JSON of bounded depth, which no database chokes on; deeper values take the careful way
_Json1 = _Scalar | list[_Scalar] | dict[str, _Scalar]
_Json2 = _Scalar | list[_Json1] | dict[str, _Json1]
_Json3 = _Scalar | list[_Json2] | dict[str, _Json2]


class NewEvent(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What both kinds of event share. `timestamp` is in UTC; None is the moment of arrival."""

    anonymous_id: AnonymousId
    timestamp: Timestamp | None = None
    idempotency_key: IdempotencyKey | None = None

    def __post_init__(self) -> None:
        if self.timestamp is not None and self.timestamp.tzinfo is not dt.UTC:
            try:
                self.timestamp = self.timestamp.astimezone(dt.UTC)
            except OverflowError as error:
                raise ValueError("The timestamp is out of range.") from error


class NewExposure(NewEvent, kw_only=True, forbid_unknown_fields=True):
    optimization_id: UUID
    variant: dict[str, _Json3]
    context: dict[str, _Json3] | None = None


class NewReward(NewEvent, kw_only=True, forbid_unknown_fields=True):
    name: Name
    value: float = 1.0
    optimization_id: UUID | None = None
    properties: _Json3 = None


E = TypeVar("E", NewExposure, NewReward)


@dataclass(frozen=True)
class Batch(Generic[E]):
    """Well-formed events, and what is worth telling about them."""

    events: list[E]
    warnings: list[str] = field(default_factory=list)


class EventReader(Generic[E]):
    """Reads batches and single events of one kind."""

    def __init__(self, kind: type[E]) -> None:
        class Body(msgspec.Struct, forbid_unknown_fields=True):
            events: Annotated[list[kind], Meta(min_length=1, max_length=MAX_EVENTS)]  # type: ignore[valid-type]

        self._kind: type[E] = kind
        self._body = msgspec.json.Decoder(Body)
        self._fields = msgspec.structs.fields(kind)
        self._names = {f.name for f in self._fields}

    def read_batch(self, body: bytes) -> Batch[E]:
        """The events of a request's body; InvalidRequest lists every issue of every event."""
        if b"\\u0000" not in body:  # which PostgreSQL cannot store
            try:
                return Batch(self._body.decode(body).events)
            except (ValueError, RecursionError):
                pass  # the careful way tells why, or finds that it may pass
        return self._read_carefully(body)

    def read_event(self, raw: object, path: str, issues: list[Issue]) -> E | None:
        """One event of decoded JSON; None when something was added to `issues`. Unknown fields are left out."""
        if not isinstance(raw, dict):
            issues.append(Issue(path, "Expected an object."))
            return None
        found = len(issues)
        values: dict[str, Any] = {}
        for f in self._fields:
            where = f"{path}.{f.name}" if path else f.name
            value = raw.get(f.name, msgspec.UNSET)
            if value is msgspec.UNSET:
                if f.required:
                    issues.append(Issue(where, "This field is required."))
            elif issue := _flaw(value, where):
                issues.append(issue)
            else:
                try:
                    values[f.name] = _convert(value, f.name, f.type)
                except msgspec.ValidationError as error:
                    issues.append(Issue(where + _subpath(error), _told(error)))
        if len(issues) > found:
            return None
        try:
            return self._kind(**values)
        except ValueError as error:  # of __post_init__
            issues.append(Issue(f"{path}.timestamp" if path else "timestamp", str(error)))
            return None

    def _read_carefully(self, body: bytes) -> Batch[E]:
        data = _loads(body)
        if not isinstance(data, dict):
            raise InvalidRequest("The body must be a JSON object.")
        raw = data.get("events")
        if not isinstance(raw, list):
            told = "This field is required." if "events" not in data else "Expected an array of events."
            raise InvalidRequest.of([Issue("events", told)])
        if not 1 <= len(raw) <= MAX_EVENTS:
            raise InvalidRequest.of([Issue("events", f"A batch has 1 to {MAX_EVENTS} events, not {len(raw)}.")])
        unknown = {name: name for name in data if name != "events"}
        issues: list[Issue] = []
        events: list[E] = []
        for i, item in enumerate(raw):
            path = f"events[{i}]"
            event = self.read_event(item, path, issues)
            if event is not None:
                events.append(event)
            if isinstance(item, dict):
                for name in item.keys() - self._names - unknown.keys():
                    unknown[name] = f"{path}.{name}"
        if issues:
            raise InvalidRequest.of(issues)
        return Batch(events, _warnings(unknown))


exposures = EventReader(NewExposure)
rewards = EventReader(NewReward)


def _loads(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except RecursionError as error:
        raise InvalidRequest(f"The body nests deeper than {MAX_DEPTH} levels.") from error
    except ValueError as error:  # DecodeError and UnicodeDecodeError
        reason = str(error)
        try:
            orjson.loads(body)
        except orjson.JSONDecodeError as better:  # tells a lone surrogate and the line
            reason = str(better)
        raise InvalidRequest(f"The body is not valid JSON: {reason}") from error


def _convert(value: Any, name: str, kind: Any) -> Any:
    if name in ("variant", "context", "properties"):  # any depth that _flaw lets pass
        if name != "properties" and not isinstance(value, dict) and not (value is None and name == "context"):
            raise msgspec.ValidationError("Expected `object`")
        return value
    if name == "timestamp" and isinstance(value, str):
        value = _timestamp(value)
    return msgspec.convert(value, kind)


def _timestamp(text: str) -> str | dt.datetime:
    """Other writings of ISO 8601 than RFC 3339's, e.g. without seconds; the text itself when it is none."""
    try:
        return dt.datetime.fromisoformat(text)
    except ValueError:
        return text


def _flaw(value: object, where: str) -> Issue | None:
    """What JSON allows and a database does not: NUL characters, and nesting without end."""
    pending: list[tuple[object, int]] = [(value, 1)]
    while pending:
        item, depth = pending.pop()
        if isinstance(item, str):
            if "\0" in item:
                return Issue(where, "NUL characters cannot be stored.")
        elif isinstance(item, dict | list):
            if depth > MAX_DEPTH:
                return Issue(where, f"Nested deeper than {MAX_DEPTH} levels.")
            if isinstance(item, dict):
                pending.extend((key, depth + 1) for key in item)
            pending.extend((child, depth + 1) for child in _children(item))
    return None


def _children(item: Mapping[str, object] | list[object]) -> Iterator[object]:
    return iter(item.values() if isinstance(item, Mapping) else item)


def _told(error: msgspec.ValidationError) -> str:
    message = str(error).partition(" - at `$")[0].replace(" | null", "").replace("`", "'")
    return message if message.endswith(".") else f"{message}."


def _subpath(error: msgspec.ValidationError) -> str:
    return str(error).partition(" - at `$")[2].rstrip("`")


def _warnings(unknown: Mapping[str, str]) -> list[str]:
    told = [f"{where[:200]}: unknown field, ignored." for where in list(unknown.values())[:MAX_WARNINGS]]
    if len(unknown) > MAX_WARNINGS:
        told.append(f"{len(unknown) - MAX_WARNINGS} more unknown fields, ignored.")
    return told
