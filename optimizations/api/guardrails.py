"""`/optimizations/:id/guardrails` and `/optimizations/:id/resume`."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from levered_site.api.authentication import TenantRequest
from levered_site.api.schema import errors
from levered_site.api.views import TenantView
from optimizations.api import serializers as s
from optimizations.api.results import DateRange
from optimizations.models import Guardrail
from optimizations.services import lifecycle, pausing
from optimizations.services.guardrails import guardrail_rows

Number = serializers.FloatField


class GuardrailRow(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    metric = s.NamedOutput()
    direction = serializers.ChoiceField(choices=Guardrail.Direction.choices)
    margin_percent = Number()
    on_violation = serializers.ChoiceField(choices=Guardrail.OnViolation.choices)
    status = serializers.ChoiceField(choices=Guardrail.State.choices, help_text="Of everything seen so far.")
    reason = serializers.CharField(help_text="Of the status, in words.")
    holdout_rate = Number(allow_null=True)
    holdout_users = serializers.IntegerField()
    optimization_rate = Number(allow_null=True)
    optimization_users = serializers.IntegerField()
    lift_percent = Number(allow_null=True, help_text="Stratified by day and regime.")
    lift_ci = serializers.ListField(
        child=Number(), allow_null=True, help_text="95 %, always valid; decides the status."
    )
    p_value = Number(
        allow_null=True, help_text="One-sided, always valid: of a change within the margin. At most 0.025 if violated."
    )
    evaluated_at = serializers.DateTimeField(allow_null=True)
    violated_at = serializers.DateTimeField(allow_null=True)


class GuardrailsOutput(serializers.Serializer[Any]):
    guardrails = GuardrailRow(many=True)


class GuardrailsView(TenantView):
    @extend_schema(
        tags=["Results"],
        summary="Guardrails of an optimization",
        parameters=[DateRange],
        responses={200: GuardrailsOutput, **errors(400, 401, 403, 404, 429)},
    )
    def get(self, request: TenantRequest, optimization_id: UUID) -> Response:
        """Whether a guarded metric was harmed: per user, one-sided against the margin, safe to look at every day."""
        days = DateRange(data=request.query_params.dict())
        days.is_valid(raise_exception=True)
        optimization = lifecycle.get_optimization(self.organization, optimization_id)
        return Response({"guardrails": guardrail_rows(optimization, **days.validated_data)})


class ResumeView(TenantView):
    @extend_schema(
        tags=["Optimizations"],
        summary="Resume a paused optimization",
        request=None,
        responses={200: s.OptimizationOutput, **errors(401, 403, 404, 409, 429)},
    )
    def post(self, request: TenantRequest, optimization_id: UUID) -> Response:
        """Ends the pause that a violated guardrail began: its variants are served again."""
        optimization = lifecycle.get_optimization(self.organization, optimization_id)
        pausing.resume(optimization)
        return Response(s.OptimizationOutput(optimization).data)
