"""Snowflake: one session per query, in UTC, whose statements the warehouse itself ends in time.

Customer SQL may read what the credentials may read; a role that may only SELECT is the lock beneath the gate in `sql/`.
"""

import logging
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import sqlglot
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from sqlglot.tokenizer_core import TokenType

from levered_site.errors import InvalidRequest, Unavailable
from warehouse.connectors.base import SHORT_SECONDS, Query, Rows
from warehouse.connectors.config import SnowflakeConfig
from warehouse.connectors.extras import needed
from warehouse.connectors.running import Stopped
from warehouse.connectors.shared import MAX_COLUMNS, CustomersWarehouse

if TYPE_CHECKING:
    from snowflake.connector import SnowflakeConnection

logging.getLogger("snowflake.connector").setLevel(logging.CRITICAL)  # failures are told by what is raised

LOGIN_SECONDS = 8
GRACE_SECONDS = 2
POLL_SECONDS = 60  # within which Snowflake answers, if only that it is not done yet

_COLUMNS = f"""
SELECT table_schema, table_name, column_name, data_type, CURRENT_SCHEMA()
FROM information_schema.columns WHERE table_schema <> 'INFORMATION_SCHEMA'
ORDER BY CASE WHEN table_schema = CURRENT_SCHEMA() THEN 0 ELSE 1 END, table_schema, table_name, ordinal_position
LIMIT {MAX_COLUMNS}
"""  # noqa: S608  (an int)
_SELECT = re.compile(r"[\s(]*(SELECT|WITH)\b", re.IGNORECASE)
_STOPPED = {604, 630}  # cancelled; the statement's or the warehouse's own limit
_NO_SUCH_ACCOUNT = {290403, 290404}


class Snowflake(CustomersWarehouse):
    dialect = "snowflake"
    catalogue = _COLUMNS

    def __init__(self, config: SnowflakeConfig) -> None:
        super().__init__()
        with needed("snowflake-connector-python"):
            import snowflake.connector  # noqa: F401
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,254}", config.account):
            raise InvalidRequest("The account is an identifier such as 'myorg-account123'.")
        if (config.password is None) == (config.private_key is None):
            raise InvalidRequest("Either a password or a private key is needed.")
        self.config = config
        self._secret = {"password": config.password} if config.private_key is None else {"private_key": _der(config)}

    def run(self, query: Query, *, limit: int | None = None, timeout: float = SHORT_SECONDS) -> Rows:
        import snowflake.connector

        _one_select(query.text)
        with self._connection(timeout) as connection, connection.cursor() as cursor:

            def stop() -> None:
                if cursor._request_id:
                    connection._cancel_query(query.text, cursor._request_id)  # as its own timer does

            with self._running.bounded(stop, timeout) as stopped:
                try:
                    if limit == 0:  # needs no running warehouse
                        return Rows(tuple(c.name for c in cursor.describe(query.text, query.params or None)), [])
                    cursor.execute(query.text, query.params or None)
                    rows = cursor.fetchall() if limit is None else cursor.fetchmany(limit)
                    return Rows(tuple(column.name for column in cursor.description), [tuple(row) for row in rows])
                except snowflake.connector.Error as error:
                    raise _told(error, stopped) from error

    @contextmanager
    def _connection(self, timeout: float) -> Iterator["SnowflakeConnection"]:
        import snowflake.connector

        try:
            connection = snowflake.connector.connect(**self._params(timeout))
        except (snowflake.connector.Error, OSError) as error:
            raise _not_connected(error) from error
        cancel = connection._cancel_query

        def cancel_quietly(*args: Any) -> Any:  # also of the client's own timer, whose thread has nobody to tell
            with suppress(snowflake.connector.Error):
                return cancel(*args)

        vars(connection)["_cancel_query"] = cancel_quietly
        try:
            yield connection
        finally:
            with suppress(snowflake.connector.Error):
                connection.close(retry=False)

    def _params(self, timeout: float) -> dict[str, Any]:
        config, bound = self.config, math.ceil(timeout) + GRACE_SECONDS
        where = {"host": config.host, "port": config.port, "role": config.role}
        return {
            "account": config.account, "user": config.username, "warehouse": config.warehouse,
            "database": config.database, "schema": config.schema, "protocol": config.protocol,
            **{key: value for key, value in where.items() if value is not None}, **self._secret,
            "application": "Levered", "paramstyle": "numeric", "login_timeout": LOGIN_SECONDS,
            "network_timeout": bound, "socket_timeout": min(bound, POLL_SECONDS),
            "session_parameters": {
                "TIMEZONE": "UTC", "QUERY_TAG": "levered", "STATEMENT_TIMEOUT_IN_SECONDS": bound,
                "MULTI_STATEMENT_COUNT": 1, "ABORT_DETACHED_QUERY": True, "QUOTED_IDENTIFIERS_IGNORE_CASE": False,
                "CLIENT_TELEMETRY_ENABLED": False,
            },
        }  # fmt: skip


def _one_select(text: str) -> None:
    """A second lock: Snowflake knows no read-only sessions, but what begins so and is alone cannot write."""
    chained = any(token.token_type == TokenType.SEMICOLON for token in sqlglot.tokenize(text, read="snowflake"))
    if chained or not _SELECT.match(text):
        raise InvalidRequest("Only one SELECT is allowed.")


def _der(config: SnowflakeConfig) -> bytes:
    """The private key as the client takes it; a passphrase never reaches the client."""
    passphrase = config.passphrase.encode() if config.passphrase else None
    try:
        key = serialization.load_pem_private_key((config.private_key or "").strip().encode(), passphrase)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise InvalidRequest("The private key cannot be read, or its passphrase is another one.") from error
    return key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _not_connected(error: Exception) -> InvalidRequest | Unavailable:
    from snowflake.connector import DatabaseError, OperationalError

    if getattr(error, "errno", None) in _NO_SUCH_ACCOUNT:
        return InvalidRequest("The warehouse refused the connection: there is no such account.")
    if isinstance(error, DatabaseError) and not isinstance(error, OperationalError):
        says = str(error.msg).rpartition("Failed to connect to DB: ")[2].partition(". ")[2]  # host and port before it
        return InvalidRequest(f"The warehouse refused the connection: {says or 'check the credentials.'}")
    return Unavailable("The warehouse does not answer.")


def _told(error: Any, stopped: Stopped) -> InvalidRequest | Unavailable:
    from snowflake.connector import DataError, IntegrityError, NotSupportedError, ProgrammingError

    if stopped.reason or error.errno in _STOPPED:
        return stopped.told()
    if isinstance(error, ProgrammingError | DataError | IntegrityError | NotSupportedError):
        message = " ".join(str(error.raw_msg or error.msg).split())
        return InvalidRequest(f"The warehouse refused the query: {message}")
    return Unavailable("The warehouse does not answer.")
