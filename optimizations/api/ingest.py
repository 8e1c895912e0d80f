"""`POST /ingest/exposures` and `/ingest/rewards`: how events reach the managed warehouse."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from levered_site.api.authentication import TenantRequest
from levered_site.api.parsers import read_json_bytes
from levered_site.api.schema import errors
from levered_site.api.throttling import IngestThrottle
from levered_site.api.views import TenantView
from levered_site.organizations.models import Organization
from optimizations.services.ingestion import Ingested, ingest_exposures, ingest_rewards
from warehouse.services import incoming
from warehouse.services.connections import require_managed
from warehouse.services.incoming import MAX_EVENTS, E, EventReader


class EventInput(serializers.Serializer[Any]):
    """The documented shape. Events are decoded by `warehouse.services.incoming`; a test keeps the two together."""

    anonymous_id = serializers.CharField(min_length=1, max_length=512, help_text="Stable identifier of the user.")
    timestamp = serializers.DateTimeField(
        required=False, allow_null=True, help_text="ISO 8601 with an offset; the server's time when omitted."
    )
    idempotency_key = serializers.CharField(
        required=False,
        allow_null=True,
        min_length=1,
        max_length=256,
        help_text="Makes retries safe: a repeated key is stored once.",
    )


class ExposureInput(EventInput):
    optimization_id = serializers.UUIDField()
    variant = serializers.DictField(help_text="The variant that was served: factor → level.")
    context = serializers.DictField(  # type: ignore[assignment]  # DRF takes declared fields off the class
        required=False, allow_null=True, help_text="Context factor → value."
    )


class RewardInput(EventInput):
    name = serializers.CharField(min_length=1, max_length=255, help_text="Metric name, e.g. `signup_completed`.")
    value = serializers.FloatField(required=False, default=1.0)
    optimization_id = serializers.UUIDField(
        required=False, allow_null=True, help_text="Pins the reward to one optimization; else it counts for all."
    )
    properties = serializers.JSONField(required=False, allow_null=True, help_text="Arbitrary JSON metadata.")


class ExposureBatch(serializers.Serializer[Any]):
    events = serializers.ListField(child=ExposureInput(), min_length=1, max_length=MAX_EVENTS)


class RewardBatch(serializers.Serializer[Any]):
    events = serializers.ListField(child=RewardInput(), min_length=1, max_length=MAX_EVENTS)


class RejectedOutput(serializers.Serializer[Any]):
    index = serializers.IntegerField(help_text="Position in the request's `events`.")
    code = serializers.ChoiceField(choices=["unknown_variant", "optimization_archived", "timestamp_in_future"])
    message = serializers.CharField()


class IngestedOutput(serializers.Serializer[Any]):
    accepted = serializers.IntegerField(help_text="Events that are stored, duplicates included.")
    duplicates = serializers.IntegerField(help_text="Accepted events whose idempotency key was stored already.")
    rejected = RejectedOutput(many=True)
    warnings = serializers.ListField(child=serializers.CharField(), required=False)


_ANSWERS: dict[int, Any] = {
    200: IngestedOutput,
    207: IngestedOutput,
    **errors(400, 401, 403, 409, 413, 415, 429),
}
_RULES = """

Up to 500 events and 5 MB. A 200 or 207 means that the accepted events are committed. 207: some well-formed events
cannot count (a variant outside the design, an archived optimization, a timestamp more than 24 hours ahead) and are
listed in `rejected`. On every error nothing of the batch is stored: 400 lists every issue, 403 every unknown or foreign
`optimization_id`, and a 503 may be retried as it is. Needs an API key with the `ingest` scope.
"""


class _IngestView(TenantView):
    required_scope = "ingest"  # which no role has: a dashboard session never ingests
    throttle_classes = [IngestThrottle]

    def ingest(self, reader: EventReader[E], service: Callable[[Organization, Sequence[E]], Ingested]) -> Response:
        require_managed(self.organization)
        batch = reader.read_batch(read_json_bytes(self.request._request))
        result = service(self.organization, batch.events)
        body: dict[str, Any] = {
            "accepted": result.accepted,
            "duplicates": result.duplicates,
            "rejected": [asdict(r) for r in result.rejected],
        }
        if batch.warnings:
            body["warnings"] = batch.warnings
        return Response(body, status=207 if result.rejected else 200)


class IngestExposuresView(_IngestView):
    @extend_schema(
        tags=["Ingestion"],
        summary="Send exposures",
        description="Records which variant each user saw." + _RULES,
        request=ExposureBatch,
        responses=_ANSWERS,
    )
    def post(self, request: TenantRequest) -> Response:
        return self.ingest(incoming.exposures, ingest_exposures)


class IngestRewardsView(_IngestView):
    @extend_schema(
        tags=["Ingestion"],
        summary="Send rewards",
        description="Records conversions and metric events; `anonymous_id` attributes them to exposures." + _RULES,
        request=RewardBatch,
        responses=_ANSWERS,
    )
    def post(self, request: TenantRequest) -> Response:
        return self.ingest(incoming.rewards, ingest_rewards)
