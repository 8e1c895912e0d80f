"""`/connected-applications`: clients of our own authorization server, such as agents."""

from typing import Any
from uuid import UUID

from django.conf import settings
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from levered_site.api.authentication import TenantRequest
from levered_site.api.schema import errors
from levered_site.api.views import TenantView
from levered_site.organizations.applications import disconnect, list_connections
from levered_site.organizations.models import ConnectedApplication


class ConnectedApplicationOutput(serializers.ModelSerializer[ConnectedApplication]):
    name = serializers.CharField(source="application.name", help_text="As the application calls itself.")
    user = serializers.EmailField(source="user.email", help_text="For whom it acts.")
    scopes = serializers.ListField(
        child=serializers.ChoiceField(list(settings.OAUTH_SCOPES)),
        help_text="What it was allowed; it may never do more than its person.",
    )

    class Meta:
        model = ConnectedApplication
        fields = ["id", "name", "user", "scopes", "created_at", "last_used_at"]


class ConnectedApplicationList(serializers.Serializer[Any]):
    connected_applications = ConnectedApplicationOutput(many=True)


class ConnectedApplicationListView(TenantView):
    @extend_schema(
        tags=["Account"],
        summary="List connected applications",
        responses={200: ConnectedApplicationList, **errors(401, 403, 429)},
    )
    def get(self, request: TenantRequest) -> Response:
        """Applications that people let act for them, newest first: your own; everybody's for administrators."""
        found = list_connections(request.user)
        return Response({"connected_applications": ConnectedApplicationOutput(found, many=True).data})


class ConnectedApplicationDetailView(TenantView):
    @extend_schema(
        tags=["Account"],
        summary="Disconnect an application",
        responses={204: None, **errors(401, 403, 404, 429)},
    )
    def delete(self, request: TenantRequest, connection_id: UUID) -> Response:
        """Ends at once what the application may do. It can ask again, and a person decides again."""
        disconnect(request.user, connection_id=connection_id)
        return Response(status=204)
