"""What connectors share: the round trip and cancelling, and how either kind tells its tables."""

import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import cast

from warehouse.connectors.base import SHORT_SECONDS, Column, Query, Rows, Table
from warehouse.connectors.running import Running
from warehouse.connectors.tables import TABLES, find

MAX_COLUMNS = 20_000  # of all tables together


class RunningQueries(ABC):
    """`probe` is the query of a round trip."""

    probe = "SELECT 1 AS one"

    def __init__(self) -> None:
        self._running = Running()

    @abstractmethod
    def run(self, query: Query, *, limit: int | None = None, timeout: float = SHORT_SECONDS) -> Rows: ...

    def test(self) -> float:
        started = time.monotonic()
        self.run(Query(self.probe))
        return time.monotonic() - started

    def cancel(self) -> None:
        self._running.cancel()


class ManagedWarehouse(RunningQueries):
    """The two tables of events, with the rows of one organization."""

    managed = True
    probe = "SELECT COUNT(*) FROM (SELECT 1 FROM managed_exposures LIMIT 1) AS one"

    def __init__(self, organization_id: int) -> None:
        super().__init__()
        self.organization_id = int(organization_id)

    def tables(self) -> list[Table]:
        return list(TABLES.values())

    def columns(self, table: str) -> tuple[Column, ...] | None:
        found = find(table)
        return found.columns if found else None


class CustomersWarehouse(RunningQueries):
    """`catalogue` returns a schema, table, column, type, and the schema where plain names are looked up, per column."""

    managed = False
    catalogue: str

    def tables(self) -> list[Table]:
        return _tables_of(self.run(Query(self.catalogue)).rows)

    def columns(self, table: str) -> tuple[Column, ...] | None:
        return _columns_of(self.tables(), table)


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
