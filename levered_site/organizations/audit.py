"""The audit log: every change is an entry, whichever door it came through.

Services call `record` in the transaction of the change. Who is behind it is read from the request of the moment, so
that no rule needs to pass callers along; without a request it is the system: the worker or a command.
"""

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any

from django.db import models
from django.http import HttpRequest, HttpResponse

from levered_site.organizations.models import AuditEntry, Organization, User
from levered_site.organizations.principals import Principal

_request: ContextVar[HttpRequest | None] = ContextVar("audited_request", default=None)
_DOORS = {"/api/": "api", "/mcp": "mcp", "/admin/": "admin"}


class AuditMiddleware:
    """Remembers the request of the moment. The API puts its principal where Django has the session's user."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        token = _request.set(request)
        try:
            return self.get_response(request)
        finally:
            _request.reset(token)


def record(
    organization: Organization,
    action: str,
    subject: models.Model,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    by: User | None = None,
) -> None:
    """Adds an entry. `action` is `<object>.<what happened>`; no secret or hash belongs into `before` and `after`.

    Args:
        by: who did it, while the request does not know yet.
    """
    AuditEntry.objects.create(
        organization=organization,
        action=action,
        object_type=str(subject._meta.model_name),
        object_id=str(subject.pk),
        object_name=str(subject)[:300],
        before=before,
        after=after,
        **_whoever(by),
    )


def record_difference(
    organization: Organization,
    action: str,
    subject: models.Model,
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any],
) -> None:
    """An entry of those fields that have changed; none when nothing has."""
    old = before or {}
    changed = [name for name, value in after.items() if name not in old or old[name] != value]
    if changed:
        shown = None if before is None else {name: old.get(name) for name in changed}
        record(organization, action, subject, before=shown, after={name: after[name] for name in changed})


def entries(organization: Organization, *, before: int | None = None, **wanted: str) -> models.QuerySet[AuditEntry]:
    """The latest first. `wanted` says what entries have: `action`, `door`, `object_type`, `object_id` as they are,
    `actor` and `object_name` in part; an empty one asks for nothing. `before`: only entries older than this id."""
    found = organization.audit_entries.all() if before is None else organization.audit_entries.filter(pk__lt=before)
    parts = {"actor", "object_name"}
    asked = {name + "__icontains" * (name in parts): text for name, text in wanted.items() if text}
    return found.filter(**asked)


def page_of(found: models.QuerySet[AuditEntry], limit: int) -> tuple[list[AuditEntry], int | None]:
    """The first `limit` entries, and the `before` of the next page; None on the last one."""
    read = list(found[: limit + 1])
    return read[:limit], read[limit - 1].pk if len(read) > limit else None


def fields(subject: models.Model, *names: str) -> dict[str, Any]:
    return {name: getattr(subject, name) for name in names}


def _whoever(by: User | None) -> dict[str, Any]:
    request = _request.get()
    door = "system" if request is None else _door(request.path)
    found: dict[str, Any] = {
        "door": door,
        "request_id": getattr(request, "request_id", ""),
        "actor": "system",
        "actor_kind": "system",
    }
    caller = by or (request.user if request is not None else None)
    if isinstance(caller, Principal):
        key = caller.api_key
        actor = str(key) if key else " with ".join(filter(None, [str(caller.user), caller.application]))
        return found | {"actor": actor[:300], "actor_kind": caller.kind, "user": caller.user, "api_key": key}
    if caller is not None and caller.is_authenticated:
        kind = "token" if by else "session"
        return found | {"actor": str(caller)[:300], "actor_kind": kind, "user_id": caller.pk}
    return found


def _door(path: str) -> str:
    return next((door for prefix, door in _DOORS.items() if path.startswith(prefix)), "dashboard")
