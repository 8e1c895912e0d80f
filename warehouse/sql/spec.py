"""What is read for an optimization, and the customer's two SELECTs it is read from."""

import datetime as dt
from dataclasses import dataclass, field
from typing import Literal
from uuid import UUID

from sqlglot import exp

from levered_site.errors import InvalidRequest, Issue
from warehouse.mapping import MetricMapping, SourceMapping


@dataclass(frozen=True)
class ReadSpec:
    """`design` and `context` are factor names. Held out is whose 32-bit hash is below `holdout_limit`.

    `holdout_changes`, in the order of time: from when on which other limit was in force.
    """

    optimization_id: UUID
    design: tuple[str, ...]
    context: tuple[str, ...]
    reward_type: Literal["bool", "numeric"]
    window_seconds: int
    holdout_limit: int
    holdout_changes: tuple[tuple[dt.datetime, int], ...] = ()

    @property
    def limits(self) -> tuple[int, ...]:
        """The limit of every regime, the first one's first."""
        return (self.holdout_limit, *(limit for _, limit in self.holdout_changes))


@dataclass(frozen=True)
class Period:
    """Exposures of the UTC days `start` to `end`, both included, as they stand at `now`."""

    now: dt.datetime
    start: dt.date | None = None
    end: dt.date | None = None

    @property
    def start_at(self) -> dt.datetime | None:
        return midnight(self.start) if self.start else None

    @property
    def end_at(self) -> dt.datetime | None:
        """The first moment after the last day."""
        return midnight(self.end + dt.timedelta(days=1)) if self.end else None


def midnight(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(), tzinfo=dt.UTC)


@dataclass(frozen=True)
class Relation:
    """A customer's SELECT, ready to be wrapped, and the columns it was found to return."""

    query: exp.Query
    columns: tuple[str, ...]

    def wrapped(self) -> exp.Subquery:
        return exp.Subquery(this=self.query.copy(), alias=exp.TableAlias(this=exp.to_identifier("q")))

    def has(self, name: str) -> bool:
        return self._actual(name) is not None

    def column(self, name: str, *, field: str) -> exp.Column:
        """InvalidRequest names `field` when the SELECT does not return exactly one such column."""
        actual = self._actual(name)
        if actual is None:
            message = f"The SQL returns no column '{name}'; it returns {', '.join(self.columns) or 'nothing'}."
            raise InvalidRequest(message, details=[Issue(field, message)])
        if self.columns.count(actual) > 1 or f"{actual}:1" in self.columns:  # SQLite numbers those of one name
            message = f"The SQL returns several columns '{name}'."
            raise InvalidRequest(message, details=[Issue(field, message)])
        return exp.column(exp.to_identifier(actual, quoted=True), table="q")

    def _actual(self, name: str) -> str | None:
        if name in self.columns:
            return name
        alike = [c for c in self.columns if c.lower() == name.lower()]
        return alike[0] if len(set(alike)) == 1 else None


@dataclass(frozen=True)
class Exposures:
    """The assignment source. `pinned`: its rows are this optimization's already."""

    relation: Relation
    mapping: SourceMapping
    pinned: bool = field(default=False)


@dataclass(frozen=True)
class Rewards:
    relation: Relation
    mapping: MetricMapping
