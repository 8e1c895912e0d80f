"""A metric of one named event of the managed warehouse: the query nobody should have to type."""

from typing import Any

from sqlglot import exp

from levered_site.organizations.models import Organization
from warehouse.models import Metric
from warehouse.services.metrics import create_metric


def create_event_metric(organization: Organization, *, event: str, reward_type: str, name: str | None = None) -> Metric:
    """`reward_type` is `bool` (it happened) or `numeric` (its value)."""
    mapping: dict[str, Any] = {"anonymous_id": "anonymous_id", "timestamp": "timestamp", "reward_type": reward_type}
    columns = ["anonymous_id", "timestamp"]
    if reward_type == "numeric":
        mapping["value"] = "value"
        columns.append("value")
    query = exp.select(*columns).from_("rewards").where(exp.column("name").eq(event))
    return create_metric(organization, name=name or event, sql=query.sql(), column_mapping=mapping)
