"""`/warehouse/assignment-source`."""

from drf_spectacular.utils import extend_schema
from rest_framework.response import Response

from levered_site.api.authentication import TenantRequest
from levered_site.api.schema import errors
from levered_site.api.views import TenantView, validated
from warehouse.api.serializers import RowsOutput, SourceBody, SourceInput, SourceOutput
from warehouse.services import sources

TAGS = ["Assignment source"]


class SourceView(TenantView):
    @extend_schema(
        tags=TAGS, summary="Get the assignment source", responses={200: SourceOutput, **errors(401, 403, 404, 429)}
    )
    def get(self, request: TenantRequest) -> Response:
        """Where exposures are read from now."""
        return Response(SourceOutput(sources.get_source(self.organization)).data)

    @extend_schema(
        tags=TAGS,
        summary="Create or replace the assignment source",
        request=SourceBody,
        responses={201: SourceOutput, **errors(400, 401, 403, 413, 415, 429)},
    )
    def post(self, request: TenantRequest) -> Response:
        """Takes the place of the one before, once its SELECT has run and returned every mapped column."""
        source = sources.replace_source(self.organization, **validated(SourceInput, request))
        return Response(SourceOutput(source).data, status=201)

    @extend_schema(
        tags=TAGS, summary="Delete the assignment source", responses={204: None, **errors(401, 403, 404, 429)}
    )
    def delete(self, request: TenantRequest) -> Response:
        """Optimizations cannot train until there is a new one."""
        sources.delete_source(self.organization)
        return Response(status=204)


class SourcePreviewView(TenantView):
    required_scope = "read"

    @extend_schema(
        tags=TAGS,
        summary="Preview the assignment source",
        request=None,
        responses={200: RowsOutput, **errors(400, 401, 403, 404, 429)},
    )
    def post(self, request: TenantRequest) -> Response:
        """At most 100 rows of what the source's SELECT returns."""
        return Response({"rows": sources.preview_source(self.organization)})
