"""What the databases say differently. Each class turns ideas into sqlglot trees, and answers back into values.

An *instant* is a moment that can be compared and moved exactly to the microsecond: PostgreSQL's `timestamptz`;
elsewhere a whole number of microseconds (`microseconds.py`).
"""

import datetime as dt
from abc import ABC, abstractmethod
from collections.abc import Mapping
from uuid import UUID

from sqlglot import Dialect as Grammar
from sqlglot import ErrorLevel, exp
from sqlglot.errors import UnsupportedError

from levered_site.errors import InvalidRequest
from warehouse.connectors.base import Query


class Dialect(ABC):
    """`name` reads customer SQL; `_grammar` writes ours."""

    name: str
    _grammar: str | type[Grammar]
    _mark: str
    # for `sql.reach`: functions that the parser has no class for, and the schemas that the warehouse's own lie in
    functions: frozenset[str] = frozenset()
    function_schemas: frozenset[str] = frozenset()

    def is_file(self, table: str) -> bool:
        """Whether the warehouse may take a table's name for that of a file."""
        return False

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

    def spelled_out(self, tree: exp.Query, params: Mapping[str, object]) -> str:
        """For people: the statement over many lines, with its parameters' values in their places."""
        tree = tree.copy()
        for node in list(tree.find_all(exp.Placeholder)):
            value = self._literal(self.to_database(params[node.name]))
            mark = self._bound(node.name, "?")
            node.replace(mark.transform(lambda part, value=value: value if part == exp.Var(this="?") else part))
        return tree.sql(self._grammar, identify=True, comments=False, pretty=True)

    def _literal(self, value: object) -> exp.Expr:
        return exp.convert(value.isoformat() if isinstance(value, dt.datetime) else value)

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
    def json_text(self, column: exp.Expr, member: str) -> exp.Expr:
        """A member of an object as text: `true`, `1.5`, `Save time`; NULL when it is missing or null."""

    def ordered(self, text: exp.Expr) -> exp.Expr:
        """Text that sorts and compares by its bytes, whatever the database's collation."""
        return text

    def text(self, column: exp.Expr) -> exp.Expr:
        return exp.cast(column, "text")

    def number(self, column: exp.Expr) -> exp.Expr:
        """A double, or an error."""
        return exp.cast(column, "double")

    def hash8(self, text: exp.Expr) -> exp.Expr:
        """The first 32 bits of the md5, as eight lowercase hexadecimal digits."""
        return exp.func("SUBSTR", self.md5(text), *map(exp.convert, (1, 8)))

    def md5(self, text: exp.Expr) -> exp.Expr:
        """As lowercase hexadecimal digits."""
        return exp.Anonymous(this="md5", expressions=[text])


class ManagedDialect(Dialect):
    """A database that the managed warehouse's tables can lie in."""

    @abstractmethod
    def uuid_text(self, column: exp.Expr) -> exp.Expr: ...

    @abstractmethod
    def uuid_literal(self, value: UUID) -> exp.Expr:
        """As the managed tables store it."""
