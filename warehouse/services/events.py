"""The managed warehouse's two tables: storing events once, durably, as one batch."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

import msgspec
import structlog
from django.db import InterfaceError, OperationalError, connection, transaction

from levered_site.errors import Unavailable
from levered_site.organizations.models import Organization
from warehouse.services.incoming import NewEvent, NewExposure, NewReward

log = structlog.get_logger("levered.events")
Row = tuple[Any, ...]
FEW = 50  # rows, up to which PostgreSQL takes one INSERT faster than a COPY

# column -> its type in the stage, where PostgreSQL takes a batch in by COPY
_COMMON = {
    "organization_id": "bigint", "anonymous_id": "text", "timestamp": "timestamptz", "received_at": "timestamptz",
    "idempotency_key": "text",
}  # fmt: skip
_EXPOSURES = _COMMON | {"optimization_id": "uuid", "variant": "jsonb", "context": "jsonb"}
_REWARDS = _COMMON | {"optimization_id": "uuid", "name": "text", "value": "float8", "properties": "jsonb"}


def store_exposures(organization: Organization, events: Sequence[NewExposure], *, received_at: dt.datetime) -> int:
    """Commits the events all or none and returns how many were duplicates: their idempotency key was known already.

    Raises Unavailable when the database did not take them; nothing of the batch is stored then.
    """
    encode = msgspec.json.Encoder().encode
    rows = [
        (*common, e.optimization_id.hex, encode(e.variant).decode(), encode(e.context or {}).decode())
        for e, common in zip(events, _common(organization, events, received_at), strict=True)
    ]
    return _store("managed_exposures", _EXPOSURES, rows)


def store_rewards(organization: Organization, events: Sequence[NewReward], *, received_at: dt.datetime) -> int:
    """As `store_exposures`."""
    encode = msgspec.json.Encoder().encode
    rows = [
        (
            *common,
            e.optimization_id.hex if e.optimization_id else None,
            e.name,
            e.value,
            "{}" if e.properties is None else encode(e.properties).decode(),
        )
        for e, common in zip(events, _common(organization, events, received_at), strict=True)
    ]
    return _store("managed_rewards", _REWARDS, rows)


def _common(organization: Organization, events: Sequence[NewEvent], received_at: dt.datetime) -> list[Row]:
    # As Django stores times, whose own adapter costs more than the insert. SQLite's texts carry no offset.
    cut = None if connection.vendor == "postgresql" else -len("+00:00")
    tenant, arrived = organization.pk, str(received_at)[:cut]
    return [
        (
            tenant,
            e.anonymous_id,
            arrived if e.timestamp is None else str(e.timestamp)[:cut],
            arrived,
            e.idempotency_key,
        )
        for e in events
    ]


def _store(table: str, columns: dict[str, str], rows: list[Row]) -> int:
    if not rows:
        return 0
    # Two batches that share keys take them in the same order: neither waits for the other in a circle.
    rows.sort(key=lambda row: row[4] or "")
    try:
        # durable: an answer after this block is an answer after the commit
        with transaction.atomic(durable=True):
            return len(rows) - _write(table, columns, rows)
    except (OperationalError, InterfaceError) as error:
        log.exception("events_not_stored", table=table, events=len(rows))
        raise Unavailable("The events could not be stored; nothing of the batch was. Please retry.") from error


def _write(table: str, columns: dict[str, str], rows: list[Row]) -> int:
    """How many of the rows were new."""
    if connection.vendor != "postgresql":
        return _insert_each(table, columns, rows)
    return _insert_few(table, columns, rows) if len(rows) <= FEW else _copy(table, columns, rows)


def _insert_each(table: str, columns: dict[str, str], rows: list[Row]) -> int:
    with connection.cursor() as cursor:
        cursor.executemany(_insertion(table, columns, f"VALUES ({_marks(columns)})"), rows)
        stored: int = cursor.rowcount
        return stored


def _insert_few(table: str, columns: dict[str, str], rows: list[Row]) -> int:
    """One statement, where the three that surround a COPY would take longer than the rows."""
    values = ", ".join([f"({_marks(columns)})"] * len(rows))
    with connection.cursor() as cursor:
        cursor.execute(_insertion(table, columns, f"VALUES {values}"), [value for row in rows for value in row])
        stored: int = cursor.rowcount
        return stored


def _marks(columns: dict[str, str]) -> str:
    return ", ".join(["%s"] * len(columns))


def _insertion(table: str, columns: dict[str, str], rows: str) -> str:
    return (
        f"INSERT INTO {table} ({', '.join(columns)}) {rows} ON CONFLICT (organization_id, idempotency_key) DO NOTHING"
    )


def _copy(table: str, columns: dict[str, str], rows: list[Row]) -> int:
    """COPY knows no ON CONFLICT: it fills a stage of this connection, from which one INSERT takes the new events."""
    names = ", ".join(columns)
    stage = f"stage_{table}"
    definition = ", ".join(f"{name} {kind}" for name, kind in columns.items())
    with connection.wrap_database_errors, connection.cursor() as cursor:
        cursor.execute(f"CREATE TEMPORARY TABLE IF NOT EXISTS {stage} ({definition}) ON COMMIT DELETE ROWS")
        with cursor.copy(f"COPY {stage} ({names}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
        # ctid: in the order of COPY, so that of a key that comes twice the first event is stored
        cursor.execute(_insertion(table, columns, f"SELECT {names} FROM {stage} ORDER BY ctid"))  # noqa: S608
        stored: int = cursor.rowcount
        return stored
