"""What connectors to a customer's own warehouse share: a catalogue that is a query, the round trip, cancelling."""

import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import cast

from warehouse.connectors.base import SHORT_SECONDS, Column, Query, Rows, Table
from warehouse.connectors.running import Running

MAX_COLUMNS = 20_000  # of all tables together


class CustomersWarehouse(ABC):
    """`catalogue` returns a schema, table, column, type, and the schema where plain names are looked up, per column."""

    managed = False
    catalogue: str

    def __init__(self) -> None:
        self._running = Running()

    @abstractmethod
    def run(self, query: Query, *, limit: int | None = None, timeout: float = SHORT_SECONDS) -> Rows: ...

    def tables(self) -> list[Table]:
        return _tables_of(self.run(Query(self.catalogue)).rows)

    def columns(self, table: str) -> tuple[Column, ...] | None:
        return _columns_of(self.tables(), table)

    def test(self) -> float:
        started = time.monotonic()
        self.run(Query("SELECT 1 AS one"))
        return time.monotonic() - started

    def cancel(self) -> None:
        self._running.cancel()


def _tables_of(rows: Iterable[Sequence[object]]) -> list[Table]:
    """In the order of the rows. Those of the own schema are named plainly."""
    found: dict[str, list[Column]] = {}
    for schema, table, column, kind, own_schema in rows:
        name = str(table) if schema == own_schema else f"{schema}.{table}"
        found.setdefault(name, []).append(Column(cast(str, column), cast(str, kind)))
    return [Table(name, tuple(columns)) for name, columns in found.items()]


def _columns_of(tables: Iterable[Table], name: str) -> tuple[Column, ...] | None:
    """Of the table of this name: as it is written, else in any case."""
    by_name = {table.name: table.columns for table in tables}
    alike = {table.name.lower(): table.columns for table in tables}
    return by_name.get(name) or alike.get(name.lower())
