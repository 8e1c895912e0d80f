"""From rows of (schema, table, column, type) to tables."""

from collections.abc import Iterable, Sequence
from typing import cast

from warehouse.connectors.base import Column, Table

MAX_COLUMNS = 20_000  # of all tables together


def tables_of(rows: Iterable[Sequence[object]], *, own_schema: str) -> list[Table]:
    """In the order of the rows. Those of `own_schema`, where plain names are looked up, are named plainly."""
    found: dict[str, list[Column]] = {}
    for schema, table, column, kind in rows:
        name = str(table) if schema == own_schema else f"{schema}.{table}"
        found.setdefault(name, []).append(Column(cast(str, column), cast(str, kind)))
    return [Table(name, tuple(columns)) for name, columns in found.items()]


def columns_of(tables: Iterable[Table], name: str) -> tuple[Column, ...] | None:
    """Of the table of this name: as it is written, else in any case."""
    by_name = {table.name: table.columns for table in tables}
    alike = {table.name.lower(): table.columns for table in tables}
    return by_name.get(name) or alike.get(name.lower())
