"""A metric of one named event of the managed warehouse: the query nobody should have to type."""

from typing import Any

from sqlglot import exp, parse_one
from sqlglot.errors import SqlglotError

from levered_site.organizations.models import Organization
from warehouse.models import Metric
from warehouse.services.metrics import create_metric


def create_event_metric(organization: Organization, *, event: str, reward_type: str, name: str | None = None) -> Metric:
    """`reward_type` is `bool` (it happened) or `numeric` (its value)."""
    mapping: dict[str, Any] = {"anonymous_id": "anonymous_id", "timestamp": "timestamp", "reward_type": reward_type}
    columns = ["anonymous_id", "timestamp", "optimization_id"]
    if reward_type == "numeric":
        mapping["value"] = "value"
        columns.append("value")
    query = exp.select(*columns).from_("rewards").where(exp.column("name").eq(event))
    return create_metric(organization, name=name or event, sql=query.sql(), column_mapping=mapping)


def event_of(metric: Metric) -> str:
    """The event that a metric counts, if its query compares `name` with one; else the metric's own name."""
    try:
        query = parse_one(metric.sql)
    except SqlglotError:
        return metric.name
    for equality in query.find_all(exp.EQ):
        column, value = equality.this, equality.expression
        if isinstance(column, exp.Column) and column.name == "name" and isinstance(value, exp.Literal):
            return str(value.this)
    return metric.name
