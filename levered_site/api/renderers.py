"""Answers: the payload at the top level with `meta` beside it; the browsable API for people who are signed in."""

from collections.abc import Iterable, Mapping
from typing import Any

import orjson
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer, BrowsableAPIRenderer
from rest_framework.request import Request

from levered_site.organizations.principals import Principal


def meta_of(request: Request) -> dict[str, str]:
    meta = {"request_id": request._request.request_id}  # type: ignore[attr-defined]
    principal = getattr(request, "_user", None)  # never authenticates: the answer may be about a failed attempt
    if isinstance(principal, Principal):
        meta["organization_id"] = principal.organization.public_id
    return meta


class EnvelopeRenderer(BaseRenderer):
    media_type = "application/json"
    format = "json"
    charset = None

    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Mapping[str, Any] | None = None
    ) -> bytes:
        context = renderer_context or {}
        response, request = context.get("response"), context.get("request")
        if data is None and response is not None and response.status_code == 204:
            return b""
        body = dict(data or {})
        if request is not None:
            body["meta"] = meta_of(request)
        indent = orjson.OPT_INDENT_2 if context.get("indent") else 0
        return orjson.dumps(body, default=str, option=orjson.OPT_UTC_Z | indent)


class _Indented(EnvelopeRenderer):
    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Mapping[str, Any] | None = None
    ) -> bytes:
        return super().render(data, accepted_media_type, {**(renderer_context or {}), "indent": True})


class BrowsableRenderer(BrowsableAPIRenderer):
    def get_default_renderer(self, view: Any) -> BaseRenderer:
        return _Indented()

    def show_form_for_method(self, view: Any, method: str, request: Request, obj: Any) -> bool:
        return False  # raw JSON bodies only: the API takes no forms

    def get_rendered_html_form(self, data: Any, view: Any, method: str, request: Request) -> Any:
        return None


class Negotiation(DefaultContentNegotiation):
    """HTML is for a browser with a session; everyone else gets JSON, whatever they accept."""

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        json, *browsable = renderers
        accept = request.headers.get("Accept", "")
        user = getattr(request._request, "user", None)
        if "text/html" in accept and user is not None and user.is_authenticated and browsable:
            return browsable[0], browsable[0].media_type
        return json, json.media_type
