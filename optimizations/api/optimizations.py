"""`/optimizations` and `/optimizations/:id`."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from levered_site.api.authentication import TenantRequest
from levered_site.api.schema import errors
from levered_site.api.views import StrictSerializer, TenantView, validated
from optimizations.api import serializers as s
from optimizations.models import Optimization
from optimizations.services import lifecycle


class ListQuery(StrictSerializer):
    limit = serializers.IntegerField(min_value=1, max_value=100, default=10)
    order_by = serializers.ChoiceField(choices=["updated_at", "created_at"], default="updated_at")
    include_archived = serializers.BooleanField(default=False)


def full(optimization: Optimization) -> dict[str, Any]:
    return dict(s.OptimizationOutput(optimization).data)


class OptimizationListView(TenantView):
    @extend_schema(
        tags=["Optimizations"],
        summary="List optimizations",
        parameters=[ListQuery],
        responses={200: s.OptimizationList, **errors(400, 401, 403, 429)},
    )
    def get(self, request: TenantRequest) -> Response:
        """The latest first. `summary` is null until the first training."""
        query = ListQuery(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        limit = query.validated_data.pop("limit")
        found = lifecycle.list_optimizations(self.organization, **query.validated_data)
        page = found.prefetch_related("models")[:limit]
        return Response({"optimizations": s.OptimizationListItem(page, many=True).data})

    @extend_schema(
        tags=["Optimizations"],
        summary="Create an optimization",
        request=s.OptimizationInput,
        responses={201: s.OptimizationCreated, **errors(400, 401, 403, 413, 415, 429)},
    )
    def post(self, request: TenantRequest) -> Response:
        """The optimization is live at once and serves every variant equally until its model is trained."""
        made = lifecycle.create_optimization(
            self.organization, **validated(s.OptimizationInput, request), created_by=request.user.user
        )
        body = {"id": made.optimization.pk, "model_id": made.model.pk}
        return Response(body | ({"warnings": made.warnings} if made.warnings else {}), status=201)


class OptimizationView(TenantView):
    @extend_schema(
        tags=["Optimizations"],
        summary="Get an optimization",
        responses={200: s.OptimizationOutput, **errors(401, 403, 404, 429)},
    )
    def get(self, request: TenantRequest, optimization_id: UUID) -> Response:
        """The full object: its design, linked metrics, model and current status."""
        return Response(full(lifecycle.get_optimization(self.organization, optimization_id)))

    @extend_schema(
        tags=["Optimizations"],
        summary="Update an optimization",
        request=s.OptimizationPatch,
        responses={200: s.OptimizationOutput, **errors(400, 401, 403, 404, 409, 413, 415, 429)},
    )
    def patch(self, request: TenantRequest, optimization_id: UUID) -> Response:
        """Changes the name, the description, the holdout of a live optimization, or the status: live → completed →
        archived, or live → archived. A changed holdout is served at once and opens a regime: results compare the arms
        within regimes only."""
        changes = validated(s.OptimizationPatch, request)
        optimization = lifecycle.get_optimization(self.organization, optimization_id)
        return Response(full(lifecycle.update_optimization(optimization, **changes)))

    @extend_schema(
        tags=["Optimizations"],
        summary="Archive an optimization",
        responses={200: s.Ended, **errors(401, 403, 404, 429)},
    )
    def delete(self, request: TenantRequest, optimization_id: UUID) -> Response:
        """Serving stops and the optimization leaves the default list; its data is retained."""
        optimization = lifecycle.archive_optimization(lifecycle.get_optimization(self.organization, optimization_id))
        return Response({"id": optimization.pk, "status": optimization.status})
