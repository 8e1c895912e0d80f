"""`/audit-log`."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from levered_site.api.authentication import TenantRequest
from levered_site.api.schema import errors
from levered_site.api.views import StrictSerializer, TenantView
from levered_site.organizations import audit
from levered_site.organizations.models import AuditEntry


class AuditQuery(StrictSerializer):
    limit = serializers.IntegerField(min_value=1, max_value=100, default=50)
    before = serializers.IntegerField(
        min_value=1,
        max_value=2**63 - 1,
        required=False,
        help_text="Entries older than this id: `next` of the last page.",
    )
    object_id = serializers.CharField(max_length=60, required=False, help_text="Changes of one object.")
    object_type = serializers.CharField(max_length=40, required=False, help_text="E.g. `optimization`.")
    object_name = serializers.CharField(max_length=300, required=False, help_text="A part of it is enough.")
    action = serializers.CharField(max_length=60, required=False, help_text="E.g. `optimization.updated`.")
    actor = serializers.CharField(max_length=300, required=False, help_text="A part of it is enough.")
    door = serializers.CharField(max_length=10, required=False)


class AuditEntryOutput(serializers.ModelSerializer[AuditEntry]):
    actor = serializers.CharField(help_text="The user's address, or the key's name and prefix.")
    actor_kind = serializers.CharField(help_text="`session`, `token`, `api_key` or `system`.")
    api_key_id = serializers.UUIDField(allow_null=True)
    door = serializers.CharField(help_text="`api`, `dashboard`, `admin`, `mcp` or `system`.")
    before = serializers.DictField(allow_null=True)
    after = serializers.DictField(allow_null=True)

    class Meta:
        model = AuditEntry
        fields = [
            "id", "created_at", "actor", "actor_kind", "api_key_id", "door", "action", "object_type", "object_id",
            "object_name", "before", "after", "request_id",
        ]  # fmt: skip


class AuditLog(serializers.Serializer[Any]):
    entries = AuditEntryOutput(many=True)
    next = serializers.IntegerField(allow_null=True, help_text="`before` of the next page; null on the last one.")


class AuditLogView(TenantView):
    required_scope = "administer"

    @extend_schema(
        tags=["Account"],
        summary="Read the audit log",
        parameters=[AuditQuery],
        responses={200: AuditLog, **errors(400, 401, 403, 429)},
    )
    def get(self, request: TenantRequest) -> Response:
        """Every change in the organization, the latest first: who, through which door, what was before and after."""
        query = AuditQuery(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        wanted = query.validated_data
        limit = wanted.pop("limit")
        page, following = audit.page_of(audit.entries(self.organization, **wanted), limit)
        return Response({"entries": AuditEntryOutput(page, many=True).data, "next": following})
