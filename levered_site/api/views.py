"""The base of every API view, and the serializer that refuses what it does not know."""

from typing import Any

from django.http import HttpRequest
from rest_framework import serializers
from rest_framework.views import APIView

from levered_site.api.authentication import TenantRequest
from levered_site.organizations.models import Organization


class TenantView(APIView):
    """A view of one organization's data: `read` for GET, `write_scope` for writes, or `required_scope` for both."""

    required_scope: str | None = None
    write_scope = "manage"
    request: TenantRequest

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> TenantRequest:
        plain = super().initialize_request(request, *args, **kwargs)
        return TenantRequest(
            plain._request,
            parsers=plain.parsers,
            authenticators=plain.authenticators,  # type: ignore[arg-type]  # the stubs are narrower than DRF
            negotiator=plain.negotiator,
            parser_context=plain.parser_context,
        )

    @property
    def organization(self) -> Organization:
        return self.request.organization


class StrictSerializer(serializers.Serializer[Any]):
    """An unknown field is an error: a typo is never swallowed."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict) and (unknown := [k for k in data if k not in self.fields]):
            known = ", ".join(f for f, field in self.fields.items() if not field.read_only)
            raise serializers.ValidationError({k: [f"Unknown field. Known fields: {known}."] for k in unknown})
        return super().to_internal_value(data)


def validated(serializer: type[serializers.Serializer[Any]], request: TenantRequest) -> dict[str, Any]:
    """The body as `serializer` reads it; raises the 400 that lists every issue."""
    reader = serializer(data=request.data)
    reader.is_valid(raise_exception=True)
    data: dict[str, Any] = reader.validated_data
    return data
