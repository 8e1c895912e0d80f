"""`/optimizations/estimate`: how long learning will take."""

import math
from dataclasses import asdict
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from levered_site.api.authentication import TenantRequest
from levered_site.api.schema import errors
from levered_site.api.views import StrictSerializer, TenantView, validated
from optimizations.config import MAX_GRID
from optimizations.services.planning import learning_time


class EstimateInput(StrictSerializer):
    sizes = serializers.ListField(
        child=serializers.IntegerField(min_value=2, max_value=10_000),
        min_length=1,
        max_length=50,
        help_text="The number of levels of each design factor.",
    )
    visitors_per_day = serializers.IntegerField(min_value=1, max_value=10**9)
    baseline_rate = serializers.FloatField(min_value=1e-5, max_value=0.999, help_text="0..1: what succeeds today.")
    lift_percent = serializers.FloatField(min_value=0.1, max_value=1000, help_text="The relative lift worth finding.")
    holdout_percentage = serializers.IntegerField(min_value=0, max_value=50, default=10)

    def validate_sizes(self, sizes: list[int]) -> list[int]:
        if math.prod(sizes) > MAX_GRID:
            raise serializers.ValidationError(f"More than {MAX_GRID:,} combinations are too many.")
        return sizes


class EstimateOutput(serializers.Serializer[Any]):
    lift = serializers.IntegerField(
        allow_null=True, help_text="Days until the lift is proven against the holdout; null without one."
    )
    levels = serializers.IntegerField(help_text="Days until two levels of the largest factor are told apart.")
    variants = serializers.IntegerField(help_text="The same for two variants, each tested by itself.")


class EstimateView(TenantView):
    required_scope = "read"

    @extend_schema(
        tags=["Optimizations"],
        summary="Estimate how long learning takes",
        request=EstimateInput,
        responses={200: EstimateOutput, **errors(400, 401, 403, 413, 415, 429)},
    )
    def post(self, request: TenantRequest) -> Response:
        """Whole days, each enough in four of five cases if the effect is that large. Nothing is created."""
        return Response(asdict(learning_time(**validated(EstimateInput, request))))
