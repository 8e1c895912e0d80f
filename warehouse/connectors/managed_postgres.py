"""The managed warehouse in PostgreSQL: a read-only transaction in which one organization's rows are all there is.

The first lock is the gate in `sql/`: only rewritten SQL arrives here. This is the second, for the day the gate is
fooled: the transaction cannot write, prepared statements cannot be chained, and it runs as the role `levered_reader`,
which may read the two managed tables only, where a row policy shows it the rows of one organization only: the one that
a signed setting names. A migration makes the role; where the database user was not allowed to make one, the first lock
stands alone and `manage.py check --database default` says so.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import psycopg
from django.db import connections

from warehouse.connectors.base import SHORT_SECONDS, Query, Rows
from warehouse.connectors.psycopg_rows import GRACE_SECONDS, fetch, told
from warehouse.connectors.reader_role import READER
from warehouse.connectors.running import Stopped
from warehouse.connectors.shared import ManagedWarehouse

_LOCK = """
SELECT set_config('statement_timeout', $1, true), set_config('lock_timeout', '5s', true),
       set_config('TimeZone', 'UTC', true), set_config('jit', 'off', true),
       set_config('work_mem', GREATEST(pg_size_bytes(current_setting('work_mem')) / 1024, 65536) || 'kB', true),
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


class ManagedPostgres(ManagedWarehouse):
    """The rows of one organization. `session` is an argument because a test's rows live in an open transaction."""

    dialect = "postgres"
    session: _Session = staticmethod(own_connection)

    def run(self, query: Query, *, limit: int | None = None, timeout: float = SHORT_SECONDS) -> Rows:
        stopped = Stopped(timeout)
        try:
            with (
                self.session() as connection,
                self._running.bounded(connection.cancel_safe, timeout, grace=GRACE_SECONDS) as stopped,
                connection.transaction(force_rollback=True),
            ):
                with psycopg.RawCursor(connection) as lock:
                    lock.execute(_LOCK, (str(int(timeout * 1000)), self.organization_id, READER))
                return fetch(connection, query, limit)
        except psycopg.Error as error:
            raise told(error, stopped) from error
