"""The OpenAPI schema: every successful object carries `meta`, every error has the one shape."""

from typing import Any

from django.utils.text import slugify
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from rest_framework import serializers


class ErrorDetail(serializers.Serializer[Any]):
    field = serializers.CharField(help_text="Path of the field, e.g. `events[3].variant.headline`.")
    message = serializers.CharField()


class ErrorObject(serializers.Serializer[Any]):
    code = serializers.CharField()
    message = serializers.CharField()
    details = ErrorDetail(many=True, required=False)


class ErrorMeta(serializers.Serializer[Any]):
    request_id = serializers.CharField()
    organization_id = serializers.CharField(required=False)


class ErrorBody(serializers.Serializer[Any]):
    error = ErrorObject()
    meta = ErrorMeta()


def errors(*statuses: int) -> dict[int, type[ErrorBody]]:
    """The error answers of an operation, for `extend_schema(responses=…)`. Every operation can fail by our mistake,
    and while the database does not answer."""
    return dict.fromkeys((*statuses, 500, 503), ErrorBody)


_META = {
    "type": "object",
    "properties": {"request_id": {"type": "string"}, "organization_id": {"type": "string"}},
    "required": ["request_id"],
}


class EnvelopeSchema(AutoSchema):
    """Adds `meta` beside the payload of every successful answer; operations are named after their summaries."""

    def get_operation_id(self) -> str:
        return slugify(self.get_summary() or super().get_operation_id()).replace("-", "_")

    def _get_response_for_code(self, serializer: Any, status_code: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
        response: dict[str, Any] = super()._get_response_for_code(  # type: ignore[no-untyped-call]
            serializer, status_code, *args, **kwargs
        )
        if str(status_code).startswith("2"):
            for kind, media in response.get("content", {}).items():
                if "schema" in media and kind == "application/json":
                    wrapper = {"type": "object", "properties": {"meta": _META}, "required": ["meta"]}
                    media["schema"] = {"allOf": [media["schema"], wrapper]}
        return response


class BearerScheme(OpenApiAuthenticationExtension):
    target_class = "levered_site.api.authentication.BearerAuthentication"
    name = ["bearer", "apiKey"]

    def get_security_definition(self, auto_schema: Any) -> list[dict[str, str]]:
        return [
            {"type": "http", "scheme": "bearer", "description": "An API key, or a token of the configured issuer."},
            {"type": "apiKey", "in": "header", "name": "X-API-Key"},
        ]


class SessionScheme(OpenApiAuthenticationExtension):
    target_class = "levered_site.api.authentication.DashboardAuthentication"
    name = "session"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "apiKey", "in": "cookie", "name": "sessionid", "description": "The dashboard's session."}
