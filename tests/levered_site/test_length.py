"""Bodies without a declared length become bodies with one; nobody else's input is touched."""

from collections.abc import Callable, Iterable
from io import BytesIO
from typing import Any

import pytest
from django.conf import settings

from levered_site.api.length import with_length


class Trickle(BytesIO):
    """Gives fewer bytes than it is asked for, as sockets do."""

    def read(self, size: int | None = -1) -> bytes:
        return super().read(min(size or 0, 100_000))


class Untouched(BytesIO):
    def read(self, size: int | None = -1) -> bytes:
        raise AssertionError("the body was read")


def seen(environ: dict[str, Any]) -> tuple[str | None, Any]:
    """What the application below gets to see: the length, and the input."""
    got: list[tuple[str | None, Any]] = []

    def application(below: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        got.append((below.get("CONTENT_LENGTH"), below["wsgi.input"]))
        return []

    with_length(application)(environ, lambda *args: None)
    return got[0]


@pytest.mark.parametrize("size", [0, 1, 250_000])
def test_the_length_is_measured(size: int) -> None:
    length, body = seen({"wsgi.input": Trickle(b"x" * size), "wsgi.input_terminated": True})
    assert length == str(size)
    assert body.read() == b"x" * size


def test_a_body_is_read_one_byte_past_the_limit_and_no_further() -> None:
    stream = Trickle(b"x" * (settings.MAX_BODY_BYTES + 500_000))
    length, _ = seen({"wsgi.input": stream, "wsgi.input_terminated": True})
    assert length == str(settings.MAX_BODY_BYTES + 1)
    assert stream.tell() == settings.MAX_BODY_BYTES + 1


@pytest.mark.parametrize(
    "environ",
    [
        {"CONTENT_LENGTH": "10", "wsgi.input_terminated": True},
        {"wsgi.input_terminated": False},  # reading to the end would wait for ever
        {},
    ],
)
def test_other_inputs_are_left_alone(environ: dict[str, Any]) -> None:
    stream = Untouched()
    assert seen(environ | {"wsgi.input": stream}) == (environ.get("CONTENT_LENGTH"), stream)
