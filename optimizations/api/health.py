"""`/optimizations/:id/health`."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from levered_site.api.authentication import TenantRequest
from levered_site.api.schema import errors
from levered_site.api.views import TenantView
from optimizations.api.results import SampleRatioOutput
from optimizations.services import lifecycle
from optimizations.services.health import health

STATUSES = ["ok", "warning", "failing", "unknown"]


class CheckOutput(serializers.Serializer[Any]):
    key = serializers.ChoiceField(
        choices=[
            "warehouse", "exposures", "rewards", "matched_rewards", "levels", "holdout_ratio", "variant_ratio", "clock",
            "training", "baseline", "guardrails",
        ]
    )  # fmt: skip
    title = serializers.CharField()
    status = serializers.ChoiceField(choices=STATUSES, help_text="unknown: too little has happened to tell.")
    detail = serializers.CharField(help_text="What was found.")
    advice = serializers.CharField(help_text="What to do; empty where nothing is.", allow_blank=True)


class StreamOutput(serializers.Serializer[Any]):
    total = serializers.IntegerField()
    last_at = serializers.DateTimeField(allow_null=True, help_text="The timestamp of the latest event.")
    last_24h = serializers.IntegerField()
    last_7d = serializers.IntegerField()
    ahead = serializers.IntegerField(help_text="Dated more than five minutes ahead of now; counted nowhere else.")


class RewardStreamOutput(StreamOutput):
    last_30d = serializers.IntegerField()
    matched_30d = serializers.IntegerField(help_text="Of those, rewards of a user who was ever exposed.")


class ClockOutput(serializers.Serializer[Any]):
    """Exposures of the latest seven days, none older than the optimization, by when they were received."""

    received = serializers.IntegerField()
    late = serializers.IntegerField(help_text="More than an hour after their timestamp.")
    ahead = serializers.IntegerField(help_text="More than five minutes before it.")


class HealthOutput(serializers.Serializer[Any]):
    status = serializers.ChoiceField(choices=STATUSES, help_text="The worst of the checks.")
    checked_at = serializers.DateTimeField()
    last_successful_read_at = serializers.DateTimeField(
        allow_null=True, help_text="Of the warehouse; exposures, rewards and clock are of that moment."
    )
    checks = CheckOutput(many=True, help_text="In the order in which data flows: a failure explains those below it.")
    exposures = StreamOutput(allow_null=True, help_text="null until the warehouse was read.")
    rewards = RewardStreamOutput(allow_null=True, help_text="null until the warehouse was read.")
    clock = ClockOutput(allow_null=True, help_text="null on a warehouse of your own, which does not know.")
    sample_ratio = SampleRatioOutput(help_text="As in the results.")
    unknown_exposures = serializers.IntegerField(help_text="In the warehouse, with levels outside the design.")
    rejected_exposures = serializers.DictField(
        child=serializers.IntegerField(), help_text="Refused by ingestion in the latest seven days, by code."
    )


class HealthView(TenantView):
    @extend_schema(
        tags=["Results"],
        summary="Health of an optimization's data",
        responses={200: HealthOutput, **errors(401, 403, 404, 429)},
    )
    def get(self, request: TenantRequest, optimization_id: UUID) -> Response:
        """What usually goes wrong: events that do not arrive or do not match, lost users, clocks, trainings.

        A warehouse that takes long is not read again at once, and one that does not answer is a failing check."""
        return Response(HealthOutput(health(lifecycle.get_optimization(self.organization, optimization_id))).data)
