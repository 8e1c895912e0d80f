"""Metrics of an organization."""

from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet

from levered_site.organizations.models import Organization
from warehouse.models import Metric


def list_metrics(organization: Organization) -> QuerySet[Metric]:
    return organization.metrics.all()


def create_metric(organization: Organization, *, name: str, sql: str, column_mapping: Mapping[str, Any]) -> Metric:
    return Metric.objects.create(organization=organization, name=name, sql=sql, column_mapping=dict(column_mapping))
