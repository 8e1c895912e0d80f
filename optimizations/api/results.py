"""`/optimizations/:id/results` and `/results.csv`."""

from typing import Any
from uuid import UUID

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from levered_site.api.authentication import TenantRequest
from levered_site.api.schema import errors
from levered_site.api.views import StrictSerializer, TenantView
from optimizations.api.insights import BaselineCheckOutput, ContextRow, NullableInterval
from optimizations.api.serializers import LevelField
from optimizations.services import lifecycle
from optimizations.services.export import variants_csv
from optimizations.services.results import results

Number = serializers.FloatField


class DateRange(StrictSerializer):
    start = serializers.DateField(required=False, help_text="First UTC day of the observed numbers.")
    end = serializers.DateField(required=False, help_text="Last UTC day of the observed numbers.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "start" in attrs and "end" in attrs and attrs["start"] > attrs["end"]:
            raise serializers.ValidationError({"end": "The end lies before the start."})
        return attrs


class Robust(serializers.Serializer[Any]):
    """The lift stratified by day and regime. The always-valid interval may be looked at as often as one likes."""

    holdout_users = serializers.IntegerField(help_text="Of the days that are compared.")
    optimization_users = serializers.IntegerField(help_text="Of the days that are compared.")
    lift_percent = Number(allow_null=True)
    lift_ci = serializers.ListField(child=Number(), allow_null=True, help_text="95 %, of the log ratio; for one look.")
    p_value = Number(allow_null=True)
    always_valid_ci = serializers.ListField(
        child=Number(), allow_null=True, help_text="Holds the lift at all looks at once with 95 %; decides the verdict."
    )
    always_valid_p_value = Number(allow_null=True)
    strata = serializers.IntegerField(help_text="Days and regimes with users in both arms.")
    verdict = serializers.ChoiceField(choices=["better", "worse", "no_detectable_change", "too_early"])
    reason = serializers.CharField(help_text="Of the verdict, or of what is missing.")


class VersusHoldout(serializers.Serializer[Any]):
    metric_name = serializers.CharField()
    holdout_rate = Number(allow_null=True)
    holdout_users = serializers.IntegerField()
    optimization_rate = Number(allow_null=True)
    optimization_users = serializers.IntegerField()
    lift_percent = Number(allow_null=True)
    lift_ci = serializers.ListField(child=Number(), allow_null=True)
    p_value = Number(allow_null=True)
    reason = serializers.CharField(allow_null=True, help_text="Why a number is missing.")
    regime = serializers.IntegerField(
        allow_null=True, help_text="The holdout regime that these numbers are of: the latest with users in both arms."
    )
    robust = Robust()


class DeviatingCell(serializers.Serializer[Any]):
    variant_number = serializers.IntegerField(help_text="1 is the baseline.")
    variant_key = serializers.CharField()
    context = serializers.DictField(  # type: ignore[assignment]  # DRF takes declared fields off the class
        child=LevelField(allow_null=True), help_text="null: missing or unknown."
    )
    users = serializers.IntegerField()
    expected_users = Number()


class AssignmentOutput(serializers.Serializer[Any]):
    """First exposures against the shares that each model version gave out per context, outside the holdout."""

    p_value = Number(allow_null=True)
    mismatch = serializers.BooleanField(help_text="p < 0.001: users are not shown, or not reported, what was served.")
    users = serializers.IntegerField(help_text="Compared, each by the first exposure.")
    unlogged_users = serializers.IntegerField(help_text="In contexts that the decision log lacks.")
    held_out_users = serializers.IntegerField()
    held_out_elsewhere = serializers.IntegerField(help_text="Held-out users who were shown another variant.")
    versions = serializers.IntegerField(help_text="Model versions compared, of the latest 128; the cold start is one.")
    largest = DeviatingCell(many=True, help_text="Of a mismatch: the cells that deviate most.")
    reason = serializers.CharField(allow_null=True, help_text="Why a number is missing.")


class SampleRatioOutput(serializers.Serializer[Any]):
    holdout_share = Number(allow_null=True)
    expected_holdout_share = Number(allow_null=True)
    p_value = Number(allow_null=True)
    mismatch = serializers.BooleanField(help_text="p < 0.001: events of one arm are lost or doubled.")
    reason = serializers.CharField(allow_null=True, help_text="Why a number is missing.")
    variants = AssignmentOutput(allow_null=True, help_text="null before the first training.")


class Regime(serializers.Serializer[Any]):
    regime = serializers.IntegerField(help_text="0 is the first.")
    holdout_percentage = serializers.IntegerField(help_text="100 while the baseline is served to everyone.")
    started_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)
    holdout_users = serializers.IntegerField()
    optimization_users = serializers.IntegerField()


class Stats(serializers.Serializer[Any]):
    estimated_improvement_percent = Number(allow_null=True)
    estimated_improvement_interval = serializers.ListField(child=Number(), allow_null=True)
    best_vs_baseline_percent = Number(allow_null=True)
    best_vs_baseline_interval = serializers.ListField(child=Number(), allow_null=True)
    estimated_progress = Number(allow_null=True)
    confidence = Number(allow_null=True)
    reason = serializers.CharField(allow_null=True)


class VariantResult(serializers.Serializer[Any]):
    number = serializers.IntegerField(help_text="1 is the baseline.")
    variant_key = serializers.CharField()
    variant = serializers.DictField()
    exposures = serializers.IntegerField()
    conversions = Number()
    rate = Number(allow_null=True)
    expected_reward_mean = Number(allow_null=True)
    expected_reward_lo = Number(allow_null=True)
    expected_reward_hi = Number(allow_null=True)
    prob_best = Number(allow_null=True)
    weight = Number(allow_null=True, help_text="Share of all traffic under the served policy.")


class FactorImportance(serializers.Serializer[Any]):
    factor = serializers.CharField()
    mean = Number(allow_null=True)
    q1 = Number(allow_null=True)
    q3 = Number(allow_null=True)
    kind = serializers.CharField()


class InteractionImportance(serializers.Serializer[Any]):
    mean = Number(allow_null=True)
    q1 = Number(allow_null=True)
    q3 = Number(allow_null=True)


class ContextImportance(serializers.Serializer[Any]):
    factor = serializers.CharField()
    mean = Number(allow_null=True)
    lo = Number(allow_null=True)
    hi = Number(allow_null=True)


class Day(serializers.Serializer[Any]):
    date = serializers.DateField()
    variants = serializers.DictField(child=serializers.DictField(child=Number()))


class ResultsOutput(serializers.Serializer[Any]):
    model_version = serializers.IntegerField(allow_null=True)
    computed_at = serializers.DateTimeField(allow_null=True)
    training_error = serializers.CharField(
        allow_null=True, help_text="Why the latest training failed; the numbers are of the last one that succeeded."
    )
    primary_metric_vs_holdout = VersusHoldout()
    sample_ratio = SampleRatioOutput()
    holdout_regimes = Regime(many=True)
    stats = Stats()
    baseline_check = BaselineCheckOutput(allow_null=True, help_text="null before the first training.")
    variants = VariantResult(many=True)
    factor_importance = FactorImportance(many=True)
    interaction_importance = InteractionImportance(allow_null=True)
    context_importance = ContextImportance(many=True)
    contexts = ContextRow(many=True, help_text="The best variant of each context seen, the heaviest first.")
    personalization = NullableInterval(
        allow_null=True, help_text="Reward gained by serving each context its own best variant, per user."
    )
    time_series = Day(many=True)


class ResultsView(TenantView):
    @extend_schema(
        tags=["Results"],
        summary="Results of an optimization",
        parameters=[DateRange],
        responses={200: ResultsOutput, **errors(400, 401, 403, 404, 429)},
    )
    def get(self, request: TenantRequest, optimization_id: UUID) -> Response:
        """Measured lift against the holdout, the model's estimates, and every variant, as of the latest training."""
        days = DateRange(data=request.query_params.dict())
        days.is_valid(raise_exception=True)
        optimization = lifecycle.get_optimization(self.organization, optimization_id)
        return Response(results(optimization, **days.validated_data))


class ResultsCsvView(TenantView):
    @extend_schema(
        tags=["Results"],
        summary="Results of an optimization as CSV",
        parameters=[DateRange],
        responses={(200, "text/csv"): OpenApiTypes.STR, **errors(400, 401, 403, 404, 429)},
    )
    def get(self, request: TenantRequest, optimization_id: UUID) -> HttpResponse:
        """One row per variant, with a column per design factor; the numbers of `variants` in the results."""
        days = DateRange(data=request.query_params.dict())
        days.is_valid(raise_exception=True)
        optimization = lifecycle.get_optimization(self.organization, optimization_id)
        return HttpResponse(
            variants_csv(optimization, **days.validated_data),
            content_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="results-{optimization.pk}.csv"'},
        )
