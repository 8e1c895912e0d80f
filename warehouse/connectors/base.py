"""What every warehouse can do for us: a small protocol, and the shapes that cross it."""

from dataclasses import dataclass, field
from typing import Protocol

SHORT_SECONDS = 20.0  # for what a person waits for


@dataclass(frozen=True)
class Query:
    """One SELECT in the warehouse's own dialect, with its parameters in order. It has passed the gate in `sql/`."""

    text: str
    params: tuple[object, ...] = ()


@dataclass(frozen=True)
class Rows:
    columns: tuple[str, ...]
    rows: list[tuple[object, ...]]


@dataclass(frozen=True)
class Column:
    name: str
    type: str


@dataclass(frozen=True)
class Table:
    name: str
    columns: tuple[Column, ...] = field(default=())


class Connector(Protocol):
    """Every method is bounded in time.

    A query that the warehouse refuses raises InvalidRequest with the warehouse's own message; a warehouse that does not
    answer, or not in time, raises Unavailable.
    """

    @property
    def dialect(self) -> str:
        """sqlglot's name of the warehouse's dialect."""

    @property
    def managed(self) -> bool:
        """Whether the rows of many organizations lie there, so that customer SQL gets a filter beneath it."""

    def run(self, query: Query, *, limit: int | None = None, timeout: float = SHORT_SECONDS) -> Rows:
        """At most `limit` rows; with 0 only the columns. What takes longer than `timeout` seconds is stopped."""

    def tables(self) -> list[Table]:
        """The tables that customer SQL may read."""

    def columns(self, table: str) -> tuple[Column, ...] | None:
        """None: there is no such table."""

    def test(self) -> float:
        """Seconds of one round trip."""

    def cancel(self) -> None:
        """Stops, from any thread, what this connector runs now."""
