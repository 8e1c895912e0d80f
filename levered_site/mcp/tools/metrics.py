"""Metrics: what counts as success."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from levered_site.mcp import outputs as out
from levered_site.mcp.registry import DryRun, checked, tool, undone_if
from levered_site.organizations.principals import Principal
from warehouse.api.serializers import MetricInput, MetricOutput
from warehouse.models import Metric
from warehouse.services import metrics


class OutcomeMatch(BaseModel):
    model_config = ConfigDict(extra="forbid")

    by: Literal["name", "value"]
    value: str | float


class Outcome(BaseModel):
    """One of several weighted outcomes."""

    model_config = ConfigDict(extra="forbid")

    key: str
    weight: float
    match: OutcomeMatch


class MetricMapping(BaseModel):
    """Which column holds what."""

    model_config = ConfigDict(extra="forbid")

    anonymous_id: str = Field(description="Column of the user's identifier.")
    timestamp: str = Field(description="Column of the event's time.")
    reward_type: Literal["bool", "numeric"] = "bool"
    value: str | None = Field(default=None, description="Column of the value; required for numeric.")
    name: str | None = Field(default=None, description="Column of the event's name.")
    outcomes: list[Outcome] | None = Field(default=None, description="At least two; the first match counts.")


@tool(title="List metrics", scope="read")
def list_metrics(caller: Principal) -> out.Metrics:
    """The organization's metrics, newest first, with their SQL."""
    return out.Metrics(metrics=[_metric(metric) for metric in metrics.list_metrics(caller.organization)])


@tool(title="Create a metric", scope="manage", writes=True, idempotent=False)
def create_metric(
    caller: Principal,
    name: Annotated[str, Field(min_length=1, max_length=255)],
    sql: Annotated[str, Field(description="One read-only SELECT that returns a row per reward; @start_date is bound.")],
    column_mapping: MetricMapping,
    dry_run: DryRun = False,
) -> out.Metric:
    """Saves a SELECT as a metric once it has run and returned every mapped column.

    On the managed warehouse, for example: SELECT anonymous_id, timestamp, value, optimization_id FROM rewards
    WHERE name = 'signup', with anonymous_id and timestamp mapped to the columns of the same names.
    """
    mapping: dict[str, Any] = column_mapping.model_dump(exclude_none=True)
    body = checked(MetricInput, {"name": name, "sql": sql, "column_mapping": mapping})
    with undone_if(dry_run):
        metric = metrics.create_metric(caller.organization, **body)
    return _metric(metric).model_copy(update={"dry_run": dry_run} | ({"id": None} if dry_run else {}))


@tool(title="Preview a metric", scope="read")
def preview_metric(
    caller: Principal,
    metric_id: Annotated[UUID, Field(description="From levered_list_metrics.")],
    limit: Annotated[int, Field(ge=1, le=100)] = 20,
) -> out.Rows:
    """The first rows that the metric's SELECT returns."""
    return out.Rows(rows=metrics.preview_metric(caller.organization, metric_id=metric_id, limit=limit))


def _metric(metric: Metric) -> out.Metric:
    return out.Metric.model_validate(dict(MetricOutput(metric).data))
