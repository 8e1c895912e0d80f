"""One read of one optimization: both SELECTs through the gate, their columns, and the statements over them."""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import cast

from django.db.models import Model
from sqlglot import exp

from levered_site.errors import InvalidRequest
from warehouse.connectors.base import Rows
from warehouse.mapping import read_metric_mapping, read_source_mapping
from warehouse.models import AssignmentSource, Metric
from warehouse.services.reading import BEGINNING, Reader
from warehouse.sql.attribution import CAP_QUANTILE, Attribution
from warehouse.sql.parse import START_DATE
from warehouse.sql.scope import Scope
from warehouse.sql.simple import is_plain, plain_column
from warehouse.sql.spec import Exposures, Period, ReadSpec, Relation, Rewards

BEGINNING_DATE = "beginning_date"
_START_DATE, _BEGINNING = exp.Placeholder(this=START_DATE), exp.Placeholder(this=BEGINNING_DATE)
_MANAGED_TIMES = {"timestamp", "timestamp_utc"}


class AttributedRead:
    """Both SELECTs through the gate, and their columns.

    `for_people`: with the managed tables as customers know them.
    """

    def __init__(
        self,
        source: AssignmentSource,
        metric: Metric,
        spec: ReadSpec,
        period: Period,
        *,
        for_people: bool = False,
    ) -> None:
        _same_organization(source, metric)
        self.reader = Reader(source.organization)
        self.dialect = self.reader.dialect
        self.period = period
        self.for_people = for_people
        exposures, past = self._exposures(source, spec)
        rewards = self._rewards(metric, spec)
        self.attribution = Attribution(exposures, rewards, spec, period, self.dialect, past=past)

    @property
    def bound(self) -> dict[str, object]:
        """The parameters that every statement may name."""
        moments = {"now_at": self.period.now, "start_at": self.period.start_at, "end_at": self.period.end_at}
        moments |= {f"change_{i}": at for i, (at, _) in enumerate(self.attribution.spec.holdout_changes, start=1)}
        bound = {name: self.dialect.moment(moment) for name, moment in moments.items() if moment}
        return {**bound, START_DATE: self.period.start_at or BEGINNING, BEGINNING_DATE: BEGINNING}

    def run(self, tree: exp.Query, **params: object) -> Rows:
        return self.reader.run(tree, {**self.bound, **params})

    def cap(self) -> float | None:
        """What rewards are cut to for training (`bandits.capping`); None: nothing to cut."""
        of_all, of_positive = self.quantiles(CAP_QUANTILE)
        return of_all or of_positive

    def quantiles(self, of_all: float) -> tuple[float | None, float | None]:
        """Of matured exposures' rewards: this quantile, and the one of positive rewards that `cap` falls back to."""
        (row,) = self.run(self.attribution.cap(of_all)).rows
        low, high = (None if value is None else float(cast(float, value)) for value in row)
        return low, high

    def _exposures(self, source: AssignmentSource, spec: ReadSpec) -> tuple[Exposures, Exposures]:
        """Those of the period, and those since the beginning: who is new is told by the latter."""
        managed = self.reader.connector.managed
        mapping = read_source_mapping(source.column_mapping)
        scope = Scope(self.reader.organization.pk)
        with _told_of(f"assignment source '{source.name}'"):
            query = self.reader.scoped(source.sql, scope=scope, field="assignment_source")
            relation = self.reader.relation(query)
        if not relation.has("optimization_id") or is_plain(query):
            scope = replace(scope, exposures_of=spec.optimization_id)
        ever = self._read_from(source.sql, scope, relation, field="assignment_source")
        since_ever = cast(exp.Query, ever.query.transform(lambda n: _BEGINNING if n == _START_DATE else n))
        scope = replace(scope, since=self._since(query, mapping.timestamp))
        relation = self._read_from(source.sql, scope, relation, field="assignment_source")
        past = Exposures(replace(ever, query=since_ever), mapping, pinned=managed)
        return Exposures(relation, mapping, pinned=managed), past

    def _rewards(self, metric: Metric, spec: ReadSpec) -> Rewards:
        scope = Scope(self.reader.organization.pk, rewards_for=spec.optimization_id)
        mapping = read_metric_mapping(metric.column_mapping)
        with _told_of(f"metric '{metric.name}'"):
            query = self.reader.scoped(metric.sql, scope=scope, field="reward_metric")
            relation = self.reader.relation(query)
        scope = replace(scope, since=self._since(query, mapping.timestamp))
        relation = self._read_from(metric.sql, scope, relation, field="reward_metric")
        return Rewards(relation, mapping)

    def _since(self, query: exp.Query, time_column: str) -> dt.datetime | None:
        """The period's beginning, where it may as well sit beneath the customer's SQL: an index serves it there."""
        if not (self.period.start_at and self.reader.connector.managed and is_plain(query)):
            return None
        column = plain_column(query, time_column)
        return self.period.start_at if column is not None and column.name.lower() in _MANAGED_TIMES else None

    def _read_from(self, sql: str, scope: Scope, known: Relation, *, field: str) -> Relation:
        """The relation beneath this scope; for people, with the tables as they know them."""
        scope = replace(scope, organization_id=None) if self.for_people else scope
        return replace(known, query=self.reader.scoped(sql, scope=scope, field=field))


@contextmanager
def _told_of(what: str) -> Iterator[None]:
    """SQL that ran when it was saved may not run in the warehouse that took the place of the one then connected."""
    try:
        yield
    except InvalidRequest as error:
        message = f"The SQL of the {what} does not run in the warehouse that is connected now: {error.message}"
        raise InvalidRequest(message, details=error.details) from error


def _same_organization(source: Model, metric: Model) -> None:
    if source.organization_id != metric.organization_id:  # type: ignore[attr-defined]
        raise InvalidRequest("The metric and the assignment source belong to different organizations.")
