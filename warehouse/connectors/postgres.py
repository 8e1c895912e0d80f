"""A customer's PostgreSQL: one connection per query, in a read-only transaction whose statements end in time.

What the credentials may read is what customer SQL may read; the gate in `sql/` sees to it that it only reads.
"""

import os
import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg

from levered_site.errors import InvalidRequest, Unavailable
from warehouse.connectors.base import SHORT_SECONDS, Query, Rows
from warehouse.connectors.config import PostgresConfig
from warehouse.connectors.psycopg_rows import GRACE_SECONDS, fetch, told
from warehouse.connectors.shared import MAX_COLUMNS, CustomersWarehouse

CONNECT_SECONDS = 5

_SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
# work_mem: with the default of 4 MB, the sort of ten million events takes one more pass over the disk
_BOUNDS = """
SELECT set_config('statement_timeout', $1, true), set_config('lock_timeout', '5s', true),
       set_config('TimeZone', 'UTC', true), set_config('jit', 'off', true),
       set_config('work_mem', GREATEST(pg_size_bytes(current_setting('work_mem')) / 1024, 65536) || 'kB', true)
"""
_COLUMNS = f"""
SELECT n.nspname, c.relname, a.attname, format_type(a.atttypid, a.atttypmod), current_schema()
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relkind IN ('r', 'v', 'm', 'f', 'p') AND n.nspname <> 'information_schema' AND NOT starts_with(n.nspname, 'pg_')
  AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
ORDER BY n.nspname IS DISTINCT FROM current_schema(), n.nspname, c.relname, a.attnum
LIMIT {MAX_COLUMNS}
"""  # noqa: S608  (an int)
_NOT_NOW = re.compile("starting up|shutting down|recovery|too many|connection slots|conflict", re.IGNORECASE)


class Postgres(CustomersWarehouse):
    """`hostaddr` is the IP address that the host was found to have: no name is resolved again on the way."""

    dialect = "postgres"
    catalogue = _COLUMNS

    def __init__(self, config: PostgresConfig, *, hostaddr: str) -> None:
        super().__init__()
        if config.sslmode not in _SSL_MODES:
            raise InvalidRequest(f"The sslmode is one of {', '.join(_SSL_MODES)}.")
        if re.search(r"[,/@\s]", config.host + hostaddr):
            raise InvalidRequest("The host is one name or address.")
        self.config, self.hostaddr = config, hostaddr

    def run(self, query: Query, *, limit: int | None = None, timeout: float = SHORT_SECONDS) -> Rows:
        with self._connection() as connection:

            def stop() -> None:
                _stop(connection)

            with self._running.bounded(stop, timeout, grace=GRACE_SECONDS) as stopped:
                try:
                    with connection.transaction(force_rollback=True):
                        with psycopg.RawCursor(connection) as bounds:
                            bounds.execute(_BOUNDS, (str(max(1, int(timeout * 1000))),))
                        return fetch(connection, query, limit)
                except psycopg.Error as error:
                    raise told(error, stopped) from error

    @contextmanager
    def _connection(self) -> Iterator["psycopg.Connection[Any]"]:
        try:
            connection = psycopg.connect(**self._params())
        except psycopg.Error as error:
            raise _not_connected(error) from error
        try:
            connection.read_only = True
            yield connection
        finally:
            connection.close()

    def _params(self) -> dict[str, Any]:
        config = self.config
        params = {
            "host": config.host, "hostaddr": self.hostaddr, "port": config.port, "dbname": config.database,
            "user": config.username, "password": config.password, "sslmode": config.sslmode,
            "connect_timeout": CONNECT_SECONDS, "application_name": "levered", "gssencmode": "disable",
            "client_encoding": "utf8",
        }  # fmt: skip
        if config.sslmode == "verify-full" and "PGSSLROOTCERT" not in os.environ:
            params["sslrootcert"] = "system"  # libpq would look for a file in somebody's home
        return params


def _stop(connection: "psycopg.Connection[Any]") -> None:
    """Asks the server to stop; then cuts the connection, since a server that is gone would keep us waiting."""
    with suppress(psycopg.Error, OSError):
        connection.cancel_safe(timeout=GRACE_SECONDS)
    time.sleep(0.5)
    with suppress(psycopg.Error, OSError), socket.socket(fileno=os.dup(connection.fileno())) as ours:
        ours.shutdown(socket.SHUT_RDWR)


def _not_connected(error: psycopg.Error) -> InvalidRequest | Unavailable:
    """What the server itself says of the credentials is the customer's to mend; whatever else, it does not answer."""
    _, answered, says = str(error).partition("FATAL:")
    if answered and not _NOT_NOW.search(says):
        return InvalidRequest(f"The warehouse refused the connection: {says.strip().splitlines()[0]}")
    return Unavailable("The warehouse does not answer.")
