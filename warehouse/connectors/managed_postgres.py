"""The managed warehouse in PostgreSQL: a read-only transaction in which one organization's rows are all there is.

The first lock is the gate in `sql/`: only rewritten SQL arrives here. This is the second, for the day the gate is
fooled: the transaction cannot write, prepared statements cannot be chained, and it runs as the role `levered_reader`,
which may read the two managed tables only, where a row policy shows it the rows of one organization only: the one that
a signed setting names. A migration makes the role; where the database user was not allowed to make one, the first lock
stands alone and `manage.py check --database default` says so.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import psycopg
from django.db import connections
from psycopg.types.string import TextLoader

from levered_site.errors import InvalidRequest, Unavailable
from warehouse.connectors.base import SHORT_SECONDS, Column, Query, Rows, Table
from warehouse.connectors.reader_role import READER
from warehouse.connectors.tables import TABLES, find

_LOCK = """
SELECT set_config('statement_timeout', $1, true), set_config('lock_timeout', '5s', true),
       set_config('TimeZone', 'UTC', true), set_config('jit', 'off', true),
       set_config('levered.organization', levered_sign($2), true), set_config('transaction_read_only', 'on', true),
       set_config('role', rolname, true)
FROM (SELECT COALESCE((SELECT rolname FROM pg_roles WHERE rolname = $3 AND pg_has_role(current_user, oid, 'MEMBER')),
                      'none') AS rolname) AS reader
"""
_Session = Callable[[], AbstractContextManager["psycopg.Connection[Any]"]]


@contextmanager
def own_connection() -> Iterator["psycopg.Connection[Any]"]:
    """A connection of its own to Django's database: what one query does to its session ends with it."""
    database = connections["default"].settings_dict
    given = {"host": "HOST", "port": "PORT", "user": "USER", "password": "PASSWORD", "dbname": "NAME"}
    params = {ours: database[theirs] for ours, theirs in given.items() if database[theirs]}
    secure = {k: v for k, v in database["OPTIONS"].items() if k.startswith("ssl")}
    with psycopg.connect(**params, **secure, connect_timeout=5, application_name="levered-reader") as connection:
        connection.read_only = True
        yield connection


class ManagedPostgres:
    """The rows of one organization. `session` is an argument because a test's rows live in an open transaction."""

    dialect = "postgres"
    session: _Session = staticmethod(own_connection)

    def __init__(self, organization_id: int) -> None:
        self.organization_id = int(organization_id)

    def run(self, query: Query, *, limit: int | None = None, timeout: float = SHORT_SECONDS) -> Rows:
        try:
            with self.session() as connection, connection.transaction(force_rollback=True):
                with psycopg.RawCursor(connection) as lock:
                    lock.execute(_LOCK, (str(int(timeout * 1000)), self.organization_id, READER))
                return _fetch(connection, query, limit)
        except psycopg.Error as error:
            raise _told(error, timeout) from error

    def tables(self) -> list[Table]:
        return list(TABLES.values())

    def columns(self, table: str) -> tuple[Column, ...] | None:
        found = find(table)
        return found.columns if found else None

    def test(self) -> float:
        started = time.monotonic()
        self.run(Query("SELECT COUNT(*) FROM (SELECT 1 FROM managed_exposures LIMIT 1) AS one"))
        return time.monotonic() - started


def _fetch(connection: "psycopg.Connection[Any]", query: Query, limit: int | None) -> Rows:
    # Both kinds of cursor use the extended protocol, in which a chain of statements is an error.
    if limit is None:
        with psycopg.RawCursor(connection) as cursor:
            _json_as_text(cursor)
            cursor.execute(query.text, query.params or None, prepare=True)
            return Rows(_names(cursor), cursor.fetchall())
    with psycopg.RawServerCursor(connection, READER) as cursor:
        _json_as_text(cursor)
        cursor.execute(query.text, query.params or None)
        return Rows(_names(cursor), cursor.fetchmany(limit) if limit else [])


def _json_as_text(cursor: "psycopg.Cursor[Any]") -> None:
    """The same answer as SQLite's, and numbers as they were written."""
    for name in ("json", "jsonb"):
        cursor.adapters.register_loader(name, TextLoader)


def _names(cursor: "psycopg.Cursor[Any]") -> tuple[str, ...]:
    return tuple(column.name for column in cursor.description or ())


def _told(error: psycopg.Error, timeout: float) -> InvalidRequest | Unavailable:
    if isinstance(error, psycopg.errors.QueryCanceled):
        return Unavailable(f"The query did not end within {timeout:g} seconds.")
    too_complex = (error.sqlstate or "").startswith("54")
    if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError) and not too_complex:
        return Unavailable("The warehouse does not answer.")
    return InvalidRequest(f"The warehouse refused the query: {error.diag.message_primary or error}")
