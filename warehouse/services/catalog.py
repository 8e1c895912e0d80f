"""What is in the warehouse: tables, columns, event names, and the answer to a question."""

import datetime as dt
from dataclasses import dataclass
from typing import Any, Literal

from django.db.models import Count, Max
from sqlglot import exp

from levered_site.errors import InvalidRequest, Issue, NotFound
from levered_site.organizations.models import Organization
from warehouse.connectors.base import Column, Table
from warehouse.connectors.registry import connector_of
from warehouse.models import Metric, Reward
from warehouse.services.connections import require_managed
from warehouse.services.metrics import create_metric
from warehouse.services.reading import Reader, as_json

MAX_ROWS = 1_000


@dataclass(frozen=True)
class Answer:
    columns: list[str]
    rows: list[dict[str, object]]


@dataclass(frozen=True)
class EventName:
    """A name under which rewards arrived."""

    name: str
    count: int
    last_seen: dt.datetime


def list_tables(organization: Organization) -> list[Table]:
    return connector_of(organization).tables()


def list_columns(organization: Organization, *, table: str) -> tuple[Column, ...]:
    columns = connector_of(organization).columns(table)
    if columns is None:
        raise NotFound("Table not found")
    return columns


def run_query(organization: Organization, *, sql: str, limit: int) -> Answer:
    """The first rows of a SELECT."""
    if not 1 <= limit <= MAX_ROWS:
        raise InvalidRequest.of([Issue("limit", f"The limit is between 1 and {MAX_ROWS:,}.")])
    answer = Reader(organization).sample(sql, limit=limit)
    rows = as_json(answer)
    return Answer(list(rows[0]) if rows else list(answer.columns), rows)


def event_names(organization: Organization) -> list[EventName]:
    """Names of managed rewards, the most frequent first."""
    rows = Reward.objects.filter(organization=organization).values("name")
    rows = rows.annotate(count=Count("pk"), last_seen=Max("timestamp")).order_by("-count", "name")
    return [EventName(**row) for row in rows]


def event_metric(*, name: str, reward_type: Literal["bool", "numeric"] = "bool") -> dict[str, Any]:
    """What `create_metric` takes for a managed reward's name: name, SQL and column mapping."""
    columns = ("anonymous_id", "timestamp", "value", "optimization_id")
    tree = exp.select(*columns).from_("rewards").where(exp.column("name").eq(exp.convert(name)))
    mapping = {"anonymous_id": "anonymous_id", "timestamp": "timestamp", "reward_type": reward_type, "value": "value"}
    return {"name": name, "sql": tree.sql(), "column_mapping": mapping}


def metric_for_event(
    organization: Organization, *, name: str, reward_type: Literal["bool", "numeric"] = "bool"
) -> Metric:
    """The metric of a managed reward's name, SQL included; the one that is there already, if there is one."""
    require_managed(organization)
    wanted = event_metric(name=name, reward_type=reward_type)
    for metric in organization.metrics.filter(sql=wanted["sql"]):
        if metric.column_mapping == wanted["column_mapping"]:
            return metric
    return create_metric(organization, **wanted)
