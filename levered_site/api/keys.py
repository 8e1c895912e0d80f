"""`/me` and `/api-keys`."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from levered_site.api.authentication import TenantRequest
from levered_site.api.schema import errors
from levered_site.api.views import StrictSerializer, TenantView, validated
from levered_site.organizations import services
from levered_site.organizations.models import ApiKey, Role, Scope


class ApiKeyInput(StrictSerializer):
    name = serializers.CharField(max_length=200)
    scopes = serializers.ListField(child=serializers.ChoiceField(choices=Scope.choices), min_length=1)


class ApiKeyOutput(serializers.ModelSerializer[ApiKey]):
    class Meta:
        model = ApiKey
        fields = ["id", "name", "prefix", "scopes", "created_at", "last_used_at", "revoked_at"]


class ApiKeyCreated(ApiKeyOutput):
    secret = serializers.CharField(help_text="The key itself. It is shown this once and cannot be read again.")

    class Meta(ApiKeyOutput.Meta):
        fields = [*ApiKeyOutput.Meta.fields, "secret"]


class ApiKeyList(serializers.Serializer[Any]):
    api_keys = ApiKeyOutput(many=True)


class PersonOutput(serializers.Serializer[Any]):
    email = serializers.EmailField()
    name = serializers.CharField(source="get_full_name")


class OrganizationOutput(serializers.Serializer[Any]):
    id = serializers.CharField(source="public_id")
    name = serializers.CharField()
    publishable_key = serializers.CharField()


class MeOutput(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(choices=["api_key", "session", "token"])
    user = PersonOutput(allow_null=True)
    api_key = ApiKeyOutput(allow_null=True)
    role = serializers.ChoiceField(choices=Role.choices, allow_null=True)
    scopes = serializers.ListField(child=serializers.CharField())
    organization = OrganizationOutput()


class MeView(TenantView):
    @extend_schema(tags=["Account"], summary="Who is calling", responses={200: MeOutput, **errors(401, 403, 429)})
    def get(self, request: TenantRequest) -> Response:
        """The user or API key behind this request, its role or scopes, and its organization."""
        principal = request.user
        body = MeOutput(principal).data
        return Response(body | {"scopes": sorted(principal.scopes)})


class ApiKeyListView(TenantView):
    required_scope = "administer"

    @extend_schema(tags=["Account"], summary="List API keys", responses={200: ApiKeyList, **errors(401, 403, 429)})
    def get(self, request: TenantRequest) -> Response:
        """Every key of the organization, newest first, revoked ones included. Secrets are never shown again."""
        keys = services.list_api_keys(self.organization)
        return Response({"api_keys": ApiKeyOutput(keys, many=True).data})

    @extend_schema(
        tags=["Account"],
        summary="Create an API key",
        request=ApiKeyInput,
        responses={201: ApiKeyCreated, **errors(400, 401, 403, 413, 415, 429)},
    )
    def post(self, request: TenantRequest) -> Response:
        """Makes a key. The answer's `secret` is the only time it is shown."""
        data = validated(ApiKeyInput, request)
        key, secret = services.create_api_key(self.organization, **data, created_by=request.user.user)
        return Response(dict(ApiKeyOutput(key).data) | {"secret": secret}, status=201)


class ApiKeyDetailView(TenantView):
    required_scope = "administer"

    @extend_schema(
        tags=["Account"], summary="Revoke an API key", responses={200: ApiKeyOutput, **errors(401, 403, 404, 429)}
    )
    def delete(self, request: TenantRequest, key_id: UUID) -> Response:
        """Ends the key at once; it stays listed with `revoked_at`."""
        return Response(ApiKeyOutput(services.revoke_api_key(self.organization, key_id=key_id)).data)
