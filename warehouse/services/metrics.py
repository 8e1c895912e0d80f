"""Metrics: what counts as a reward."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import ProtectedError, QuerySet

from levered_site.errors import Conflict, InvalidRequest, Issue, NotFound
from levered_site.organizations import audit
from levered_site.organizations.models import Organization
from warehouse.mapping import read_metric_mapping
from warehouse.models import Metric
from warehouse.services.reading import Reader, as_json

PREVIEW_ROWS = 100


def create_metric(organization: Organization, *, name: str, sql: str, column_mapping: Mapping[str, Any]) -> Metric:
    """Saves what has run: the SELECT must pass the gate, run, and return every mapped column."""
    if not name.strip():
        raise InvalidRequest.of([Issue("name", "A metric needs a name.")])
    mapping = read_metric_mapping(column_mapping)
    reader = Reader(organization)
    relation = reader.relation(reader.scoped(sql))
    for field, column in mapping.columns().items():
        relation.column(column, field=f"column_mapping.{field}")
    with transaction.atomic():
        metric = Metric.objects.create(
            organization=organization, name=name.strip(), sql=sql, column_mapping=dict(column_mapping)
        )
        audit.record(
            organization, "metric.created", metric, after=audit.fields(metric, "name", "sql", "column_mapping")
        )
    return metric


def list_metrics(organization: Organization) -> QuerySet[Metric]:
    return organization.metrics.all()


def get_metric(organization: Organization, *, metric_id: UUID) -> Metric:
    metric = organization.metrics.filter(pk=metric_id).first()
    if metric is None:
        raise NotFound("Metric not found")
    return metric


def delete_metric(organization: Organization, *, metric_id: UUID) -> None:
    """Conflict while an optimization uses it, as its reward metric or in a guardrail."""
    metric = get_metric(organization, metric_id=metric_id)
    try:
        with transaction.atomic():
            told = audit.fields(metric, "name", "sql", "column_mapping")
            audit.record(organization, "metric.deleted", metric, before=told)
            metric.delete()
    except ProtectedError as error:
        kinds = sorted({str(user._meta.verbose_name) for user in error.protected_objects})
        raise Conflict(f"The metric is in use by: {', '.join(kinds)}.") from error


def preview_metric(
    organization: Organization, *, metric_id: UUID, limit: int = PREVIEW_ROWS
) -> list[dict[str, object]]:
    """The first rows that the metric's SELECT returns."""
    metric = get_metric(organization, metric_id=metric_id)
    mapping = read_metric_mapping(metric.column_mapping)
    return as_json(Reader(organization).sample(metric.sql, limit=limit), moments=(mapping.timestamp,))
