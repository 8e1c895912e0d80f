"""Runs customer SQL: through the gate, beneath the tenant filter where the warehouse is ours, on its connector."""

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

from django.conf import settings
from sqlglot import exp

from levered_site.organizations.models import Organization
from warehouse.connectors.base import Connector, Rows
from warehouse.connectors.registry import connector_of
from warehouse.sql.dialects import Dialect, ManagedDialect, dialect_of
from warehouse.sql.parse import START_DATE, parse_select
from warehouse.sql.reach import check_reach
from warehouse.sql.scope import Scope, scoped
from warehouse.sql.spec import Relation

OF_A_TASK = 0.8  # what one statement may take of the time that its task has
BEGINNING = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)  # @start_date where nothing earlier is excluded


@dataclass(frozen=True)
class Reader:
    """Reads one organization's warehouse."""

    organization: Organization

    @cached_property
    def connector(self) -> Connector:
        return connector_of(self.organization)

    @cached_property
    def dialect(self) -> Dialect:
        return dialect_of(self.connector.dialect)

    def scoped(self, sql: str, *, scope: Scope | None = None, field: str = "sql") -> exp.Query:
        """Through the gate; on the managed warehouse with the filter beneath it. Elsewhere `scope` says nothing."""
        tree = parse_select(sql, self.dialect.name, field=field)
        if self.connector.managed and isinstance(self.dialect, ManagedDialect):
            return scoped(tree, scope or Scope(self.organization.pk), self.dialect, field=field)
        check_reach(tree, self.dialect, field=field)
        return tree

    def relation(self, query: exp.Query) -> Relation:
        """The SELECT with the columns it returns, found by running it with LIMIT 0."""
        wrapped = exp.select("*").from_(Relation(query, ()).wrapped()).limit(0)
        return Relation(query, self.run(wrapped, {START_DATE: BEGINNING}, limit=0).columns)

    def sample(self, sql: str, *, limit: int) -> Rows:
        """The first rows of a customer's SELECT."""
        wrapped = exp.select("*").from_(Relation(self.scoped(sql), ()).wrapped()).limit(limit)
        return self.run(wrapped, {START_DATE: BEGINNING}, limit=limit)

    def run(self, tree: exp.Query, params: Mapping[str, object], *, limit: int | None = None) -> Rows:
        query = self.dialect.render(tree, params)
        if limit is None:
            return self.connector.run(query, timeout=OF_A_TASK * settings.TASK_SECONDS)
        return self.connector.run(query, limit=limit)


def as_json(rows: Rows, *, moments: Sequence[str] = ("timestamp", "timestamp_utc")) -> list[dict[str, object]]:
    """Rows as objects: moments as ISO 8601 UTC; a column whose name was taken gets a number."""
    names: list[str] = []
    for name in rows.columns:
        again = sum(1 for n in rows.columns[: len(names)] if n == name)
        names.append(f"{name}_{again + 1}" if again else name)
    texts = {i for i, name in enumerate(names) if name in moments}
    return [{names[i]: _json(value, moment=i in texts) for i, value in enumerate(row)} for row in rows.rows]


def _json(value: object, *, moment: bool) -> object:
    if isinstance(value, dt.datetime):
        return _iso(value)
    if moment and isinstance(value, str):
        try:
            return _iso(dt.datetime.fromisoformat(value))
        except ValueError:
            return value
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex()
    if isinstance(value, dict | list):
        return json.dumps(value, default=str)
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def _iso(moment: dt.datetime) -> str:
    utc = moment.astimezone(dt.UTC) if moment.tzinfo else moment
    return utc.replace(tzinfo=None).isoformat() + "Z"
