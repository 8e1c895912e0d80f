"""`POST /optimizations/:id/serve` and `POST /optimizations/best-variant`."""

import re
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import msgspec
from django.http import HttpRequest
from msgspec import Meta, Struct

from levered_site.api.parsers import read_request_body
from levered_site.errors import InvalidRequest, Issue
from optimizations.api.public import public
from optimizations.services.matching import match
from optimizations.services.serving import answer, find_served

AnonymousId = Annotated[str, Meta(min_length=1, max_length=512)]
Count = Annotated[int, Meta(ge=1, le=100)]
Body = TypeVar("Body")


class ServeBody(Struct):
    anonymous_id: AnonymousId
    context: dict[str, Any] | None = None
    n_variants: Count = 1
    dry_run: bool = False  # accepted for clients that send it: nothing is ever written


class Control(Struct):
    n_variants: Count = 1


class BestVariantBody(Struct):
    anonymous_id: AnonymousId
    props: Annotated[list[str], Meta(min_length=1)]
    context: dict[str, Any] | None = None
    control: Control | None = None
    dry_run: bool = False


_decode_serve = msgspec.json.Decoder(ServeBody).decode
_decode_best_variant = msgspec.json.Decoder(BestVariantBody).decode


@public
def serve(request: HttpRequest, /, optimization_id: str) -> bytes:
    body = _decoded(_decode_serve, request)
    return answer(
        find_served(optimization_id), anonymous_id=body.anonymous_id, context=body.context, count=body.n_variants
    )


@public
def best_variant(request: HttpRequest, /) -> bytes:
    body = _decoded(_decode_best_variant, request)
    count = body.control.n_variants if body.control else 1
    snapshot = match(body.props, publishable_key=_publishable_key(request))
    return answer(snapshot, anonymous_id=body.anonymous_id, context=body.context, count=count)


def _publishable_key(request: HttpRequest) -> str | None:
    """`pk_…` of `Authorization: Bearer` or `X-API-Key`. Other credentials are not needed here and not looked at."""
    scheme, _, token = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    for candidate in (token.strip() if scheme.lower() == "bearer" else "", request.META.get("HTTP_X_API_KEY", "")):
        if candidate.startswith("pk_"):
            return str(candidate)
    return None


def _decoded(decode: Callable[[bytes], Body], request: HttpRequest) -> Body:
    """The body, whatever its content type says: `navigator.sendBeacon` sends JSON as text/plain."""
    raw = read_request_body(request)
    try:
        return decode(raw)
    except msgspec.ValidationError as error:
        issue = _issue(str(error))
        raise (InvalidRequest.of([issue]) if issue.field else InvalidRequest(issue.message)) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"The body is not valid JSON: {error}") from error
    except RecursionError as error:
        raise InvalidRequest("The body is nested too deeply.") from error


_MISSING = re.compile(r"Object missing required field `(?P<name>[^`]+)`")


def _issue(text: str) -> Issue:
    """msgspec's sentence as a field and a message, e.g. ``Expected `str`, got `int` - at `$.anonymous_id` ``."""
    message, _, place = text.partition(" - at `$")
    path = place.rstrip("`").replace("[...]", "").lstrip(".")
    if missing := _MISSING.match(message):
        return Issue(f"{path}.{missing['name']}".lstrip("."), "This field is required.")
    return Issue(path, message.replace("`", "'") + ".")
