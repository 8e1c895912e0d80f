"""What SQLite and PostgreSQL say differently. Each class turns ideas into sqlglot trees, and answers back into values.

An *instant* is a moment that can be compared and moved exactly to the microsecond: PostgreSQL's `timestamptz`; in
SQLite, which knows no time, a whole number of microseconds (`connectors.sqlite_functions`).
"""

import datetime as dt
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import cast
from uuid import UUID

from sqlglot import Dialect as Grammar
from sqlglot import ErrorLevel, exp
from sqlglot.dialects.sqlite import SQLite
from sqlglot.errors import UnsupportedError

from levered_site.errors import InvalidRequest
from warehouse.connectors.base import Query
from warehouse.connectors.sqlite_functions import instant as microseconds

_DAY = 86_400_000_000
_HOUR = 3_600_000_000


def _whole(number: exp.Expr, divisor: int) -> exp.Expr:
    """Division as the database does it: of integers, without a remainder and without a detour by way of floats."""
    return exp.Div(this=number, expression=exp.convert(divisor), typed=True, safe=False)


class _BacktickSQLite(SQLite):
    """Quotes with backticks: SQLite takes a misspelt "column" for a string, a misspelt `column` for an error."""

    class Tokenizer(SQLite.Tokenizer):
        IDENTIFIERS = ["`", '"', ("[", "]")]


class Dialect(ABC):
    """`name` reads customer SQL; `_grammar` writes ours."""

    name: str
    _grammar: str | type[Grammar]
    _mark: str
    type_of: Mapping[str, str]

    def render(self, tree: exp.Query, params: Mapping[str, object]) -> Query:
        """The statement as text. Parameters are bound, in the order of their names' first mention."""
        tree = tree.copy()
        order: list[str] = []
        for node in list(tree.find_all(exp.Placeholder)):
            if node.name not in order:
                order.append(node.name)
            node.replace(self._bound(node.name, f"{self._mark}{order.index(node.name) + 1}"))
        try:
            text = tree.sql(self._grammar, identify=True, comments=False, unsupported_level=ErrorLevel.RAISE)
        except UnsupportedError as error:
            raise InvalidRequest(f"This cannot be said in {self.name}: {error}") from error
        return Query(text, tuple(self.to_database(params[name]) for name in order))

    def explained(self, tree: exp.Query) -> str:
        """For people: the statement over many lines, its parameters by name."""
        return tree.sql(self._grammar, identify=True, comments=False, pretty=True)

    def _bound(self, name: str, mark: str) -> exp.Expr:
        return exp.Var(this=mark)

    def to_database(self, value: object) -> object:
        return value

    @abstractmethod
    def instant(self, column: exp.Expr) -> exp.Expr: ...

    @abstractmethod
    def moment(self, value: dt.datetime) -> object:
        """The parameter that an instant is compared with."""

    @abstractmethod
    def plus(self, instant: exp.Expr, seconds: int) -> exp.Expr: ...

    @abstractmethod
    def day(self, instant: exp.Expr) -> exp.Expr:
        """The UTC day, for `decode_day`."""

    @abstractmethod
    def decode_day(self, value: object) -> dt.date: ...

    @abstractmethod
    def hours(self, start: exp.Expr, end: exp.Expr) -> exp.Expr:
        """Whole hours from `start` to `end`, rounded down; `end` is not before `start`."""

    @abstractmethod
    def number(self, column: exp.Expr) -> exp.Expr:
        """A double, or an error."""

    @abstractmethod
    def json_text(self, column: exp.Expr, member: str) -> exp.Expr:
        """A member of an object as text: `true`, `1.5`, `Save time`; NULL when it is missing or null."""

    @abstractmethod
    def ordered(self, text: exp.Expr) -> exp.Expr:
        """Text that sorts and compares by its bytes, whatever the database's collation."""

    @abstractmethod
    def uuid_text(self, column: exp.Expr) -> exp.Expr: ...

    @abstractmethod
    def uuid_literal(self, value: UUID) -> exp.Expr:
        """As the managed tables store it."""

    def text(self, column: exp.Expr) -> exp.Expr:
        return exp.cast(column, "text")

    def hash8(self, text: exp.Expr) -> exp.Expr:
        """The first 32 bits of the md5, as eight lowercase hexadecimal digits."""
        return exp.func("SUBSTR", exp.Anonymous(this="md5", expressions=[text]), *map(exp.convert, (1, 8)))


class SqliteDialect(Dialect):
    name = "sqlite"
    _grammar = _BacktickSQLite
    _mark = "?"

    def to_database(self, value: object) -> object:
        # as Django stores it, so that text compares as time does
        return str(value.astimezone(dt.UTC).replace(tzinfo=None)) if isinstance(value, dt.datetime) else value

    def instant(self, column: exp.Expr) -> exp.Expr:
        return exp.Anonymous(this="levered_instant", expressions=[column])

    def moment(self, value: dt.datetime) -> object:
        return microseconds(value)

    def plus(self, instant: exp.Expr, seconds: int) -> exp.Expr:
        return exp.Add(this=instant, expression=exp.convert(seconds * 1_000_000))

    def day(self, instant: exp.Expr) -> exp.Expr:
        return _whole(instant, _DAY)

    def decode_day(self, value: object) -> dt.date:
        return dt.date.fromordinal(cast(int, value) + 1)

    def hours(self, start: exp.Expr, end: exp.Expr) -> exp.Expr:
        return _whole(exp.paren(exp.Sub(this=end, expression=start)), _HOUR)

    def number(self, column: exp.Expr) -> exp.Expr:
        return exp.Anonymous(this="levered_number", expressions=[column])

    def json_text(self, column: exp.Expr, member: str) -> exp.Expr:
        # -> gives a number as it was written, where ->> would round it; a string it gives in quotes
        path = exp.Literal.string('$."' + member.replace('"', "") + '"')
        kind = exp.Anonymous(this="json_type", expressions=[column.copy(), path.copy()])
        whole = exp.JSONExtract(this=column.copy(), expression=path.copy())
        string = exp.JSONExtractScalar(this=column.copy(), expression=path.copy())
        return exp.case(kind).when(exp.convert("text"), string).when(exp.convert("null"), exp.null()).else_(whole)

    def ordered(self, text: exp.Expr) -> exp.Expr:
        return text

    def uuid_text(self, column: exp.Expr) -> exp.Expr:
        """SQLite holds the 32 digits only."""
        places = ((1, 8), (9, 4), (13, 4), (17, 4), (21, 12))
        parts = [exp.func("SUBSTR", column.copy(), *map(exp.convert, place)) for place in places]
        joined: exp.Expr = parts[0]
        for part in parts[1:]:
            joined = exp.DPipe(this=exp.DPipe(this=joined, expression=exp.convert("-")), expression=part)
        return joined

    def uuid_literal(self, value: UUID) -> exp.Expr:
        return exp.convert(value.hex)


class PostgresDialect(Dialect):
    name = "postgres"
    _grammar = "postgres"
    _mark = "$"

    def _bound(self, name: str, mark: str) -> exp.Expr:
        return exp.cast(exp.Var(this=mark), "timestamptz") if name.endswith(("date", "_at")) else exp.Var(this=mark)

    def instant(self, column: exp.Expr) -> exp.Expr:
        return exp.cast(column, "timestamptz")

    def moment(self, value: dt.datetime) -> object:
        return value

    def plus(self, instant: exp.Expr, seconds: int) -> exp.Expr:
        return exp.Add(this=instant, expression=exp.cast(exp.convert(f"{seconds} seconds"), "interval"))

    def day(self, instant: exp.Expr) -> exp.Expr:
        return exp.cast(exp.AtTimeZone(this=instant, zone=exp.convert("UTC")), "date")

    def decode_day(self, value: object) -> dt.date:
        return cast(dt.date, value)

    def hours(self, start: exp.Expr, end: exp.Expr) -> exp.Expr:
        seconds = exp.Extract(this=exp.var("EPOCH"), expression=exp.paren(exp.Sub(this=end, expression=start)))
        return exp.cast(exp.func("FLOOR", _whole(seconds, 3_600)), "int")

    def number(self, column: exp.Expr) -> exp.Expr:
        return exp.cast(column, "double")

    def json_text(self, column: exp.Expr, member: str) -> exp.Expr:
        document = exp.cast(column.copy(), "jsonb")
        return exp.Anonymous(this="jsonb_extract_path_text", expressions=[document, exp.convert(member)])

    def ordered(self, text: exp.Expr) -> exp.Expr:
        return exp.Collate(this=text, expression=exp.to_identifier("C", quoted=True))

    def uuid_text(self, column: exp.Expr) -> exp.Expr:
        return column.copy()

    def uuid_literal(self, value: UUID) -> exp.Expr:
        return exp.cast(exp.convert(str(value)), "uuid")


_DIALECTS: dict[str, Dialect] = {d.name: d for d in (SqliteDialect(), PostgresDialect())}


def dialect_of(name: str) -> Dialect:
    return _DIALECTS[name]
