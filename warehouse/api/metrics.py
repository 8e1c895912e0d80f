"""`/warehouse/metrics`."""

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.response import Response

from levered_site.api.authentication import TenantRequest
from levered_site.api.schema import errors
from levered_site.api.views import TenantView, validated
from warehouse.api.serializers import MetricBody, MetricInput, MetricList, MetricOutput, RowsOutput
from warehouse.services import metrics

TAGS = ["Metrics"]


class MetricListView(TenantView):
    @extend_schema(
        operation_id="warehouse_metrics_list",
        tags=TAGS,
        summary="List metrics",
        responses={200: MetricList, **errors(401, 403, 429)},
    )
    def get(self, request: TenantRequest) -> Response:
        """Every metric of the organization, newest first."""
        found = metrics.list_metrics(self.organization)
        return Response({"metrics": MetricOutput(found, many=True).data})

    @extend_schema(
        tags=TAGS,
        summary="Create a metric",
        request=MetricBody,
        responses={201: MetricOutput, **errors(400, 401, 403, 413, 415, 429)},
    )
    def post(self, request: TenantRequest) -> Response:
        """Saves a metric once its SELECT has run without rows and returned every mapped column."""
        metric = metrics.create_metric(self.organization, **validated(MetricInput, request))
        return Response(MetricOutput(metric).data, status=201)


class MetricDetailView(TenantView):
    @extend_schema(tags=TAGS, summary="Get a metric", responses={200: MetricOutput, **errors(401, 403, 404, 429)})
    def get(self, request: TenantRequest, metric_id: UUID) -> Response:
        """The metric with its SQL and its column mapping."""
        return Response(MetricOutput(metrics.get_metric(self.organization, metric_id=metric_id)).data)

    @extend_schema(tags=TAGS, summary="Delete a metric", responses={204: None, **errors(401, 403, 404, 409, 429)})
    def delete(self, request: TenantRequest, metric_id: UUID) -> Response:
        """409 while an optimization uses the metric, as its reward or in a guardrail."""
        metrics.delete_metric(self.organization, metric_id=metric_id)
        return Response(status=204)


class MetricPreviewView(TenantView):
    required_scope = "read"

    @extend_schema(
        tags=TAGS,
        summary="Preview a metric",
        request=None,
        responses={200: RowsOutput, **errors(400, 401, 403, 404, 429)},
    )
    def post(self, request: TenantRequest, metric_id: UUID) -> Response:
        """At most 100 rows of what the metric's SELECT returns."""
        return Response({"rows": metrics.preview_metric(self.organization, metric_id=metric_id)})
