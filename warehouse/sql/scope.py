"""On the managed warehouse, customer SQL sees two tables, `exposures` and `rewards`, with its organization's rows.

The filter sits beneath the customer's SQL: every mention of a table becomes a subquery over the stored table, filtered
by organization. The customer's CTEs get names of ours. So no name in a FROM clause that the database reads is the
customer's, and whatever SQL does above, it does to rows that were the organization's to begin with.
"""

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NoReturn
from uuid import UUID

from sqlglot import exp

from levered_site.errors import InvalidRequest, Issue
from warehouse.connectors.tables import SCHEMA, STORED_AS, TABLES
from warehouse.sql.dialects import ManagedDialect
from warehouse.sql.vocabulary import check_vocabulary

_PLAIN_TABLE = {"this", "db", "alias", "joins"}


@dataclass(frozen=True)
class Scope:
    """Whose rows. `exposures_of` and `rewards_for` leave those of an optimization, and rewards that name none.

    `since` leaves rows of that moment and later. Without an organization the two tables stay as customers know them:
    for SQL that they run themselves.
    """

    organization_id: int | None
    exposures_of: UUID | None = None
    rewards_for: UUID | None = None
    since: dt.datetime | None = None


def scoped(tree: exp.Query, scope: Scope, dialect: ManagedDialect, *, field: str = "sql") -> exp.Query:
    """A parsed SELECT with its tables replaced; InvalidRequest for any other table."""
    check_vocabulary(tree, field=field)
    tree = tree.copy()
    try:
        _Rewriter(scope, dialect, field).visit(tree, {})
    except RecursionError as error:
        raise InvalidRequest("The SQL is nested too deeply.", details=[Issue(field, "Nested too deeply.")]) from error
    return tree


class _Rewriter:
    def __init__(self, scope: Scope, dialect: ManagedDialect, field: str) -> None:
        self.scope, self.dialect, self.field = scope, dialect, field
        self.renamed = 0

    def visit(self, node: exp.Expr, ctes: Mapping[str, str]) -> None:
        """`ctes`: the CTEs that can be seen from here, by lowercase name, with the names we gave them."""
        if with_ := node.args.get("with_"):
            ctes = self._define(with_, dict(ctes))
        for child in list(node.iter_expressions()):
            if child is not with_:
                self.visit(child, ctes)
        if isinstance(node, exp.Table):
            self._replace(node, ctes)
        elif isinstance(node, exp.Column):
            self._unqualify(node)

    def _define(self, with_: exp.With, ctes: dict[str, str]) -> dict[str, str]:
        """A CTE sees those before it, and itself if it is recursive."""
        for cte in with_.expressions:
            self.renamed += 1
            ours, theirs = f"customer_{self.renamed}", cte.alias.lower()
            self.visit(cte.this, ctes | {theirs: ours} if with_.recursive else ctes)
            cte.args["alias"].set("this", exp.to_identifier(ours))
            ctes[theirs] = ours
        return ctes

    def _replace(self, table: exp.Table, ctes: Mapping[str, str]) -> None:
        if not isinstance(table.this, exp.Identifier):
            self._refuse("A FROM clause may name tables and SELECTs only.")
        if extra := [k for k, v in table.args.items() if v and k not in _PLAIN_TABLE]:
            self._refuse(f"{extra[0].upper()} is not available on the managed warehouse.")
        name, schema = table.name.lower(), table.db.lower()
        alias = table.args.get("alias") or exp.TableAlias(this=table.this.copy())
        joins = table.args.get("joins")
        new: exp.Expr
        if not schema and name in ctes:
            new = exp.Table(this=exp.to_identifier(ctes[name]), alias=alias)
        elif schema in ("", SCHEMA) and name in TABLES:
            new = exp.Subquery(this=self._rows(name), alias=alias)
        else:
            known = ", ".join(TABLES)
            self._refuse(f"There is no table {table.sql()} on the managed warehouse; it has {known}.")
        if joins:
            new.set("joins", joins)
        table.replace(new)

    def _rows(self, name: str) -> exp.Select:
        if self.scope.organization_id is None:
            return self._known_rows(name)
        columns = {column.name: exp.column(column.name) for column in TABLES[name].columns}
        projections: list[exp.Expr] = [
            exp.alias_(exp.column("timestamp"), column) if column == "timestamp_utc"
            else exp.alias_(self.dialect.uuid_text(expression), column) if column == "optimization_id"
            else expression
            for column, expression in columns.items()
        ]  # fmt: skip
        own = exp.column("organization_id").eq(exp.convert(self.scope.organization_id))
        rows = exp.select(*projections).from_(exp.to_table(STORED_AS[name])).where(own)
        if self.scope.since:
            since = exp.convert(str(self.dialect.to_database(self.scope.since)))
            rows = rows.where(exp.column("timestamp") >= since)
        return rows.where(*self._of_one_optimization(name, self.dialect.uuid_literal))

    def _known_rows(self, name: str) -> exp.Select:
        rows = exp.select("*").from_(exp.to_table(name))
        return rows.where(*self._of_one_optimization(name, lambda pk: exp.convert(str(pk))))

    def _of_one_optimization(self, name: str, literal: Callable[[UUID], exp.Expr]) -> list[exp.Expr]:
        optimization = exp.column("optimization_id")
        if name == "exposures" and self.scope.exposures_of:
            return [optimization.eq(literal(self.scope.exposures_of))]
        if name == "rewards" and self.scope.rewards_for:
            ours = optimization.eq(literal(self.scope.rewards_for))
            return [exp.or_(optimization.copy().is_(exp.null()), ours)]
        return []

    def _unqualify(self, column: exp.Column) -> None:
        """`managed_dw.exposures.variant` is `exposures.variant`, now that `exposures` is an alias."""
        if column.args.get("catalog") or (column.db and column.db.lower() != SCHEMA):
            self._refuse(f"There is no column {column.sql()} on the managed warehouse.")
        column.set("db", None)

    def _refuse(self, message: str) -> NoReturn:
        raise InvalidRequest(message, details=[Issue(self.field, message)])
