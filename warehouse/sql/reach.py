"""On a customer's own warehouse, SQL may read whatever the credentials can read, and reach nothing beyond it.

The parser knows some seven hundred functions by their meaning; of these a few are refused. A function that it does not
know is refused unless it is listed: nobody can tell what a stranger does. What is missing can be wrapped in a view.
"""

import re

from sqlglot import exp

from levered_site.errors import InvalidRequest, Issue
from warehouse.sql.dialects import Dialect
from warehouse.sql.parse import function_name
from warehouse.sql.vocabulary import BY_NAME

# Classes of the parser: they read files, ask models or other servers, tell secrets, or count something up.
_FAR = re.compile(
    "AI|ML|Predict|Generate(Bool|Double|Embedding|Int|Table|Text)$|VectorSearch|FeaturesAtTime|Secret|ToFile|Read"
    "|NextValueFor|DynamicIdentifier"
)
_OF_A_TABLE = {
    "this", "db", "catalog", "alias", "joins", "laterals", "pivots", "sample", "version", "when", "only", "ordinality",
}  # fmt: skip


def check_reach(tree: exp.Query, dialect: Dialect, *, field: str = "sql") -> None:
    """Raises InvalidRequest naming the first thing that is not allowed."""
    for node in tree.walk():
        if message := _objection(node, dialect):
            raise InvalidRequest(message, details=[Issue(field, message)])


def _objection(node: exp.Expr, dialect: Dialect) -> str | None:
    if isinstance(node, exp.Table):
        return _table(node, dialect)
    if isinstance(node, exp.Column) and node.table and node.name.lower() == "nextval":
        return "A sequence may not be advanced."
    if isinstance(node, exp.TableFromRows | exp.Lateral):
        known = isinstance(node.this, exp.Func | exp.Query)
        return None if known else "TABLE() and LATERAL take a function or a SELECT."
    if isinstance(node, exp.Dot) and isinstance(node.expression, exp.Func):
        of_the_server = node.this.name.lower() in dialect.function_schemas
        return None if of_the_server else _stranger(node.sql())
    if isinstance(node, exp.Anonymous | exp.AnonymousAggFunc):
        name = function_name(node)
        return None if isinstance(node.this, str) and name in BY_NAME | dialect.functions else _stranger(name)
    if isinstance(node, exp.Func | exp.DynamicIdentifier) and _FAR.match(type(node).__name__):
        return f"The function {node.key.upper()} is not allowed."
    return None


def _table(table: exp.Table, dialect: Dialect) -> str | None:
    if isinstance(table.this, exp.Func):
        return _stranger(table.sql()) if table.args.get("db") else None
    if not isinstance(table.this, exp.Identifier):
        return "A FROM clause may name tables, SELECTs and functions only."
    if extra := [key for key, value in table.args.items() if value and key not in _OF_A_TABLE]:
        return f"{extra[0].upper()} is not allowed."
    if dialect.is_file(table.name):
        return f"Files are not allowed: {table.name}."
    return None


def _stranger(name: str) -> str:
    return f"The function {name} is not allowed; a view of your own may use it."
