"""What the managed and a customer's PostgreSQL share: how rows are fetched, and how failures are told."""

from typing import Any

import psycopg
from psycopg.types.string import TextLoader

from levered_site.errors import InvalidRequest, Unavailable
from warehouse.connectors.base import Query, Rows
from warehouse.connectors.running import Stopped

GRACE_SECONDS = 2.0  # for the server's own limit to end a statement, before we do
_CURSOR = "levered"


def fetch(connection: "psycopg.Connection[Any]", query: Query, limit: int | None) -> Rows:
    """With a limit by a cursor on the server; without one at once, so that the server may work in parallel."""
    # Both kinds of cursor use the extended protocol, in which a chain of statements is an error.
    if limit is None:
        with psycopg.RawCursor(connection) as cursor:
            _json_as_text(cursor)
            cursor.execute(query.text, query.params or None, prepare=True)
            return Rows(_names(cursor), cursor.fetchall())
    with psycopg.RawServerCursor(connection, _CURSOR) as cursor:
        _json_as_text(cursor)
        cursor.execute(query.text, query.params or None)
        return Rows(_names(cursor), cursor.fetchmany(limit) if limit else [])


def told(error: psycopg.Error, stopped: Stopped) -> InvalidRequest | Unavailable:
    if stopped.reason or isinstance(error, psycopg.errors.QueryCanceled):
        return stopped.told()
    too_complex = (error.sqlstate or "").startswith("54")
    if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError) and not too_complex:
        return Unavailable("The warehouse does not answer.")
    return InvalidRequest(f"The warehouse refused the query: {error.diag.message_primary or error}")


def _json_as_text(cursor: "psycopg.Cursor[Any]") -> None:
    """The same answer as SQLite's, and numbers as they were written."""
    for name in ("json", "jsonb"):
        cursor.adapters.register_loader(name, TextLoader)


def _names(cursor: "psycopg.Cursor[Any]") -> tuple[str, ...]:
    return tuple(column.name for column in cursor.description or ())
