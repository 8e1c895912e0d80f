"""`/optimizations/:id/progress`, `/lift-history` and `/observations`, `/models/:id/state`."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from levered_site.api.authentication import TenantRequest
from levered_site.api.schema import errors
from levered_site.api.views import TenantView
from optimizations.api.insights import ModelState, NullableInterval, VariantBrief
from optimizations.api.results import DateRange
from optimizations.api.serializers import LevelField
from optimizations.services import lifecycle
from optimizations.services.cells import observed_cells
from optimizations.services.lift_history import lift_history
from optimizations.services.model_state import model_state
from optimizations.services.progress import progress

Number = serializers.FloatField


class Leader(VariantBrief):
    traffic_share = Number()
    prob_best = Number(allow_null=True)


class ProgressOutput(serializers.Serializer[Any]):
    model_version = serializers.IntegerField(allow_null=True)
    computed_at = serializers.DateTimeField(allow_null=True)
    days_running = serializers.IntegerField()
    holdout_users = serializers.IntegerField(help_text="Whose conversion window has closed.")
    optimization_users = serializers.IntegerField(help_text="Whose conversion window has closed.")
    exposures = serializers.IntegerField()
    progress_to_best = Number(allow_null=True, help_text="The policy's lift as a share of the best variant's, 0..1.")
    leader = Leader(allow_null=True, help_text="The variant with the largest share of all traffic.")
    verdict = serializers.ChoiceField(choices=["better", "worse", "no_detectable_change", "too_early"])
    expected_days_until_known = serializers.IntegerField(
        allow_null=True, help_text="At the current traffic, with 80 % power, if the lift is as the model expects."
    )
    reason = serializers.CharField(allow_null=True, help_text="Why the number of days is missing.")


class ProgressView(TenantView):
    @extend_schema(
        tags=["Results"],
        summary="Progress of an optimization",
        parameters=[DateRange],
        responses={200: ProgressOutput, **errors(400, 401, 403, 404, 429)},
    )
    def get(self, request: TenantRequest, optimization_id: UUID) -> Response:
        """Days running, users per arm, progress to the best variant, the leader's share, and when the lift is known."""
        days = DateRange(data=request.query_params.dict())
        days.is_valid(raise_exception=True)
        optimization = lifecycle.get_optimization(self.organization, optimization_id)
        return Response(progress(optimization, **days.validated_data))


class MeasuredPoint(serializers.Serializer[Any]):
    lift_percent = Number(allow_null=True)
    always_valid_ci = serializers.ListField(child=Number(), allow_null=True)
    verdict = serializers.CharField()


class LiftDay(serializers.Serializer[Any]):
    date = serializers.DateField()
    model_version = serializers.IntegerField(allow_null=True)
    computed_at = serializers.DateTimeField(allow_null=True, help_text="Of the read-out; it may be older than the day.")
    policy = NullableInterval(allow_null=True, help_text="Modeled lift of the served policy, in percent.")
    ceiling = NullableInterval(allow_null=True, help_text="Modeled lift of the best variant, in percent.")
    measured = MeasuredPoint(allow_null=True, help_text="The robust measured lift.")
    reason = serializers.CharField(allow_null=True, help_text="Why numbers are missing.")


class LiftHistoryOutput(serializers.Serializer[Any]):
    lift_history = LiftDay(many=True)


class LiftHistoryView(TenantView):
    @extend_schema(
        tags=["Results"],
        summary="Lift history of an optimization",
        parameters=[DateRange],
        responses={200: LiftHistoryOutput, **errors(400, 401, 403, 404, 429)},
    )
    def get(self, request: TenantRequest, optimization_id: UUID) -> Response:
        """One snapshot per UTC day, as the lift was known then; a day without one has nulls and a reason."""
        days = DateRange(data=request.query_params.dict())
        days.is_valid(raise_exception=True)
        optimization = lifecycle.get_optimization(self.organization, optimization_id)
        return Response({"lift_history": lift_history(optimization, **days.validated_data)})


class CellsQuery(DateRange):
    limit = serializers.IntegerField(min_value=1, max_value=1000, default=100)
    offset = serializers.IntegerField(min_value=0, max_value=10**9, default=0)


class CellOutput(serializers.Serializer[Any]):
    date = serializers.DateField()
    variant_number = serializers.IntegerField(help_text="1 is the baseline.")
    variant = serializers.DictField(child=LevelField())
    context = serializers.DictField(  # type: ignore[assignment]  # DRF takes declared fields off the class
        child=LevelField(allow_null=True), help_text="null: missing or unknown."
    )
    exposures = serializers.IntegerField()
    reward_total = Number()
    reward_squares = Number()


class CellsOutput(serializers.Serializer[Any]):
    model_version = serializers.IntegerField(allow_null=True)
    computed_at = serializers.DateTimeField(allow_null=True)
    observations = CellOutput(many=True)
    total = serializers.IntegerField()
    limit = serializers.IntegerField()
    offset = serializers.IntegerField()
    next_offset = serializers.IntegerField(allow_null=True, help_text="null on the last page.")


class ObservationsView(TenantView):
    @extend_schema(
        tags=["Results"],
        summary="Training cells of an optimization",
        parameters=[CellsQuery],
        responses={200: CellsOutput, **errors(400, 401, 403, 404, 429)},
    )
    def get(self, request: TenantRequest, optimization_id: UUID) -> Response:
        """The aggregated cells (day, variant, context) of the latest training, by day, a page at a time."""
        query = CellsQuery(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        optimization = lifecycle.get_optimization(self.organization, optimization_id)
        return Response(observed_cells(optimization, **query.validated_data))


class ModelStateView(TenantView):
    @extend_schema(
        tags=["Models"], summary="Get a model's state", responses={200: ModelState, **errors(401, 403, 404, 429)}
    )
    def get(self, request: TenantRequest, model_id: UUID) -> Response:
        """What the model has learned: effects of levels and pairs with intervals, and the best variant per context."""
        return Response(model_state(lifecycle.get_model(self.organization, model_id)))
