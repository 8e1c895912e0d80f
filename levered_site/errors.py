"""What can go wrong in the domain, told without HTTP: the API, the dashboard and commands translate it."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Issue:
    """One thing wrong with one field, e.g. `events[3].variant.headline`."""

    field: str
    message: str


class DomainError(Exception):
    """A refusal that a caller can act on. `code` is part of the public API."""

    code = "internal"

    def __init__(self, message: str, *, code: str | None = None, details: Sequence[Issue] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.code
        self.details = list(details)


class InvalidRequest(DomainError):
    code = "invalid_request"

    @classmethod
    def of(cls, details: Sequence[Issue]) -> "InvalidRequest":
        first = details[0]
        more = f" (and {len(details) - 1} more)" if len(details) > 1 else ""
        return cls(f"{first.field}: {first.message}{more}" if first.field else first.message, details=details)


class Forbidden(DomainError):
    code = "forbidden"


class NotFound(DomainError):
    code = "not_found"


class Conflict(DomainError):
    """`conflict`, or one of its named kinds: `invalid_transition`, `training_in_progress`, `model_unavailable`, …"""

    code = "conflict"


class PayloadTooLarge(DomainError):
    code = "payload_too_large"


class Unavailable(DomainError):
    """Something outside us does not answer now; the same request may succeed later."""

    code = "unavailable"
