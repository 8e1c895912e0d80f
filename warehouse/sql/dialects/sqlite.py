import datetime as dt
from uuid import UUID

from sqlglot import exp
from sqlglot.dialects.sqlite import SQLite

from warehouse.sql.dialects.base import ManagedDialect
from warehouse.sql.dialects.microseconds import Microseconds


class _BacktickSQLite(SQLite):
    """Quotes with backticks: SQLite takes a misspelt "column" for a string, a misspelt `column` for an error."""

    class Tokenizer(SQLite.Tokenizer):
        IDENTIFIERS = ["`", '"', ("[", "]")]


class SqliteDialect(Microseconds, ManagedDialect):
    name = "sqlite"
    _grammar = _BacktickSQLite
    _mark = "?"

    def to_database(self, value: object) -> object:
        # as Django stores it, so that text compares as time does
        return str(value.astimezone(dt.UTC).replace(tzinfo=None)) if isinstance(value, dt.datetime) else value

    def instant(self, column: exp.Expr) -> exp.Expr:
        return exp.Anonymous(this="levered_instant", expressions=[column])

    def whole(self, number: exp.Expr, divisor: int) -> exp.Expr:
        return exp.Div(this=number, expression=exp.convert(divisor), typed=True, safe=False)

    def number(self, column: exp.Expr) -> exp.Expr:
        return exp.Anonymous(this="levered_number", expressions=[column])

    def json_text(self, column: exp.Expr, member: str) -> exp.Expr:
        # -> gives a number as it was written, where ->> would round it; a string it gives in quotes
        path = exp.Literal.string('$."' + member.replace('"', "") + '"')
        kind = exp.Anonymous(this="json_type", expressions=[column.copy(), path.copy()])
        whole = exp.JSONExtract(this=column.copy(), expression=path.copy())
        string = exp.JSONExtractScalar(this=column.copy(), expression=path.copy())
        return exp.case(kind).when(exp.convert("text"), string).when(exp.convert("null"), exp.null()).else_(whole)

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
