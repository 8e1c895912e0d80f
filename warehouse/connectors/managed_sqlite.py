"""The managed warehouse in SQLite: a read-only connection on which one organization's rows are all there is.

The first lock is the gate in `sql/`: only rewritten SQL arrives here. This is the second, for the day the gate is
fooled. The connection opens the file read-only, and an authorizer, asked by SQLite itself for every column it is about
to read, admits nothing but the two managed tables, and those only from inside views that filter by organization. The
views' names are drawn anew for every connection, so no SQL can pretend to be inside of one.
"""

import secrets
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from urllib.parse import quote

from django.db import connections

from levered_site.errors import InvalidRequest, Unavailable
from warehouse.connectors.base import SHORT_SECONDS, Query, Rows
from warehouse.connectors.running import Stopped
from warehouse.connectors.shared import ManagedWarehouse
from warehouse.connectors.sqlite_functions import Functions
from warehouse.connectors.tables import STORED_AS

_UNAVAILABLE = {
    sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_PROTOCOL,
}  # fmt: skip
_LIMITS = {
    sqlite3.SQLITE_LIMIT_LENGTH: 20_000_000,
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: 1_000_000,
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
    sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 1_000,
}
# As SQLite names them to its authorizer; operators such as LIKE and -> are functions to it.
_FUNCTIONS = """
    -> ->> like glob abs acos asin atan atan2 avg ceil ceiling char coalesce cos count cume_dist current_date
    current_time current_timestamp date datetime degrees dense_rank exp first_value floor format group_concat hex ifnull
    iif instr json json_array json_array_length json_extract json_group_array json_group_object json_object json_quote
    json_type json_valid julianday lag last_value lead length levered_instant levered_number ln log log10 log2 lower
    ltrim max md5 min mod nth_value ntile nullif percent_rank pi pow power printf quote radians rank replace round
    row_number rtrim sign sin sqrt strftime substr substring sum tan time total trim trunc typeof unicode unixepoch
    upper"""


def own_connection() -> sqlite3.Connection:
    """A connection of its own to Django's database file, which it cannot write."""
    database = connections["default"]
    database.ensure_connection()  # a reader cannot open a write-ahead log that nobody else holds open
    name = str(database.settings_dict["NAME"])
    uri = name if name.startswith("file:") else f"file:{quote(name)}?mode=ro"
    return sqlite3.connect(uri, uri=True, timeout=5, isolation_level=None, check_same_thread=False)


class ManagedSqlite(ManagedWarehouse):
    """The rows of one organization. `connect` is an argument because a test's rows live in an open transaction."""

    dialect = "sqlite"
    connect: Callable[[], sqlite3.Connection] = staticmethod(own_connection)

    def run(self, query: Query, *, limit: int | None = None, timeout: float = SHORT_SECONDS) -> Rows:
        functions, stopped = Functions(), Stopped(timeout)
        try:
            with (
                self._locked(functions) as connection,
                self._running.bounded(connection.interrupt, timeout) as stopped,
            ):
                cursor = connection.execute(query.text, query.params)
                rows = cursor.fetchall() if limit is None else cursor.fetchmany(limit) if limit else []
                return Rows(tuple(column[0] for column in cursor.description or ()), rows)
        except (sqlite3.Error, sqlite3.Warning, OverflowError, MemoryError) as error:
            raise _told(error, functions.failure, stopped) from error

    @contextmanager
    def _locked(self, functions: Functions) -> Iterator[sqlite3.Connection]:
        with closing(self.connect()) as connection:
            secret = self._create_views(connection)
            functions.register(connection)
            for limit, value in _LIMITS.items():
                connection.setlimit(limit, value)
            connection.execute("PRAGMA query_only = 1")
            connection.set_authorizer(_authorizer(secret))
            yield connection

    def _create_views(self, connection: sqlite3.Connection) -> str:
        """Shadows each stored table by a view of the same name on this organization's rows."""
        secret = f"tenant_{secrets.token_hex(16)}_"
        for table in STORED_AS.values():
            inner = f"{secret}{table}"
            connection.execute(
                f"CREATE TEMP VIEW {inner} AS SELECT * FROM main.{table} WHERE organization_id = {self.organization_id}"  # noqa: S608  (an int)
            )
            connection.execute(f"CREATE TEMP VIEW {table} AS SELECT * FROM temp.{inner}")  # noqa: S608
        return secret


def _authorizer(secret: str) -> Callable[[int, str | None, str | None, str | None, str | None], int]:
    functions = frozenset(_FUNCTIONS.split())
    stored = set(STORED_AS.values())
    views = stored | {f"{secret}{table}" for table in stored}

    def decide(action: int, a: str | None, b: str | None, database: str | None, inside: str | None) -> int:
        if action == sqlite3.SQLITE_READ:
            beneath = database == "main" and a in stored and inside == f"{secret}{a}"
            of_the_query = database is None  # a CTE or a subquery
            allowed = beneath or of_the_query or (database == "temp" and a in views)
        elif action == sqlite3.SQLITE_FUNCTION:
            allowed = (b or "").lower() in functions
        else:
            allowed = action in (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_RECURSIVE)
        return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY

    return decide


def _told(error: BaseException, failure: str | None, stopped: Stopped) -> InvalidRequest | Unavailable:
    code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF  # the rest of the bits are details
    if code == sqlite3.SQLITE_INTERRUPT:
        return stopped.told()
    if code in _UNAVAILABLE or isinstance(error, MemoryError):
        return Unavailable(f"The warehouse does not answer: {error}")
    return InvalidRequest(f"The warehouse refused the query: {failure or error}")
