"""The gate for customer SQL: one read-only SELECT, or a 400 that says why.

What passes is a tree. What runs is that tree, rendered again, so nothing runs that was not understood here.
"""

import logging
import re
from collections.abc import Iterator
from itertools import pairwise

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.normalize_identifiers import normalize_identifiers
from sqlglot.tokenizer_core import Token, TokenType

from levered_site.errors import InvalidRequest, Issue

logging.getLogger("sqlglot").setLevel(logging.ERROR)  # it warns of what we then refuse with a reason

START_DATE = "start_date"
MAX_CHARACTERS = 20_000
MAX_TOKENS = 5_000
MAX_DEPTH = 40
MAX_SUBSCRIPTS = 40  # the parser is quadratic in their number
_OPEN = {TokenType.L_PAREN, TokenType.L_BRACKET, TokenType.L_BRACE, TokenType.CASE}
_CLOSE = {TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.R_BRACE, TokenType.END}
_WRITES = (
    exp.Insert, exp.Update, exp.Delete, exp.Merge, exp.Create, exp.Drop, exp.Alter, exp.TruncateTable, exp.Command,
    exp.Copy, exp.Set, exp.Pragma, exp.Use, exp.Transaction, exp.Commit, exp.Rollback, exp.Attach, exp.Detach, exp.Into,
    exp.Lock, exp.Kill, exp.Describe, exp.Grant, exp.LoadData, exp.Export, exp.Analyze, exp.Cache, exp.Refresh,
)  # fmt: skip
# Functions of any warehouse that reach files, the network or the server, wait, or run other statements.
_FORBIDDEN = re.compile(
    r"""^(pg_(sleep|read_|ls_|terminate|cancel|reload|rotate|logical|advisory|try_advisory|export_snapshot|switch|create_
    |drop_|notify|stat_file|promote|wal|backup|start_|stop_|current_logfile|log_)|lo_|dblink|set_config|current_setting
    |(query|table|schema|database|cursor)_to_xml|currval|nextval|setval|lastval|txid_|external_query
    |read_(csv|parquet|json|text|blob|ndjson)|readcsv|readparquet|glob$|sniff_csv|parquet_|sqlite_|postgres_|mysql|iceberg_
    |delta_scan|duckdb_|getenv|system\$|url$|file|s3|remote|input|postgresql|jdbc|executable|hdfs|gcs|azure|which_secret
    |install|load|sleep|benchmark$|get_lock$|master_pos_wait$|writefile|readfile|edit$|fts3_tokenizer|randomblob|zeroblob)
    """.replace("\n", "").replace(" ", ""),
    re.IGNORECASE,
)


def parse_select(sql: str, dialect: str, *, field: str = "sql") -> exp.Query:
    """The one SELECT in `sql`, with `@start_date` as a placeholder. Raises InvalidRequest naming what is wrong."""
    try:
        statements = _statements(sql, dialect)
        if len(statements) != 1:
            raise _Refused("Exactly one statement is allowed." if statements else "The SQL is empty.")
        return _checked(statements[0], dialect)
    except _Refused as refused:
        raise InvalidRequest(str(refused), details=[Issue(field, str(refused))]) from refused
    except RecursionError as error:
        message = "The SQL is nested too deeply."
        raise InvalidRequest(message, details=[Issue(field, message)]) from error


class _Refused(ValueError):
    """Why a statement is not let in."""


def _statements(sql: str, dialect: str) -> list[exp.Expr]:
    if len(sql) > MAX_CHARACTERS:
        raise _Refused(f"The SQL is longer than {MAX_CHARACTERS:,} characters.")
    if "\x00" in sql:
        raise _Refused("The SQL contains a null character.")
    if "/*!" in sql or "/*+" in sql:
        raise _Refused("Executable comments and hints are not allowed.")
    grammar = sqlglot.Dialect.get_or_raise(dialect)
    try:
        tokens = grammar.tokenize(sql)
        _bounded(tokens)
        if dialect == "duckdb":
            sql = _with_colons(sql, tokens)
            tokens = grammar.tokenize(sql)
        parsed = grammar.parser(error_level=sqlglot.ErrorLevel.RAISE).parse(tokens, sql)
    except SqlglotError as error:
        raise _Refused(f"The SQL cannot be parsed: {_first_line(error)}") from error
    return [s for s in parsed if s is not None and not isinstance(s, exp.Semicolon)]


def _with_colons(sql: str, tokens: list[Token]) -> str:
    """`:start_date` for `@start_date`: to DuckDB an @ is the absolute value."""
    for at, name in pairwise(tokens):
        if at.token_type == TokenType.PARAMETER and name.text.lower() == START_DATE and name.start == at.end + 1:
            sql = f"{sql[: at.start]}:{sql[name.start :]}"
    return sql


def _bounded(tokens: list[Token]) -> None:
    """Refuses what the parser would take long for."""
    depth = deepest = 0
    for token in tokens:
        depth += (token.token_type in _OPEN) - (token.token_type in _CLOSE)
        deepest = max(deepest, depth)
    if len(tokens) > MAX_TOKENS or deepest > MAX_DEPTH:
        raise _Refused("The SQL is too long or nested too deeply.")
    if sum(t.token_type == TokenType.L_BRACKET for t in tokens) > MAX_SUBSCRIPTS:
        raise _Refused("The SQL has too many subscripts.")


def _checked(tree: exp.Expr, dialect: str) -> exp.Query:
    if not isinstance(tree, exp.Select | exp.SetOperation | exp.Subquery):
        raise _Refused(f"Only a SELECT is allowed, not {tree.key.upper()}.")
    for node in tree.walk():
        if isinstance(node, _WRITES):
            raise _Refused(f"Only a read-only SELECT is allowed; this contains {node.key.upper()}.")
        if isinstance(node, exp.Func) and _FORBIDDEN.match(name := function_name(node)):
            raise _Refused(f"The function {name} is not allowed.")
        if isinstance(node, exp.Query) and any(node.args.get(k) for k in ("into", "locks", "settings", "format")):
            raise _Refused("INTO, FOR UPDATE, SETTINGS and FORMAT are not allowed.")
    for parameter in list(_parameters(tree)):
        expected = exp.Placeholder if dialect == "duckdb" else exp.Parameter
        if parameter.name.lower() != START_DATE or not isinstance(parameter, expected):
            raise _Refused(f"Unknown parameter {parameter.sql(dialect)}; only @{START_DATE} is bound.")
        parameter.replace(exp.Placeholder(this=START_DATE))
    return normalize_identifiers(tree, dialect=dialect) if dialect != "sqlite" else tree


def _parameters(tree: exp.Expr) -> Iterator[exp.Expr]:
    yield from tree.find_all(exp.Parameter, exp.Placeholder, exp.SessionParameter)


def function_name(node: exp.Func) -> str:
    return (node.name if isinstance(node, exp.Anonymous) else node.sql_name()).lower()


def _first_line(error: Exception) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", str(error)).splitlines()[0]
