"""Rules of organizations, memberships and API keys."""

import datetime as dt
from collections.abc import Iterable, Sequence
from uuid import UUID

from django.db import models, transaction
from django.utils import timezone

from levered_site.errors import InvalidRequest, Issue, NotFound
from levered_site.organizations import audit, keys
from levered_site.organizations.models import ApiKey, Membership, Organization, Role, Scope, User

LAST_USED_RESOLUTION = dt.timedelta(minutes=1)


def create_organization(*, name: str, owner: User | None = None) -> Organization:
    """A new organization, with `owner` as its first admin."""
    with transaction.atomic():
        organization = Organization.objects.create(name=name)
        if owner is not None:
            Membership.objects.create(user=owner, organization=organization, role=Role.ADMIN)
        audit.record(organization, "organization.created", organization, after={"name": name})
    return organization


def create_api_key(
    organization: Organization, *, name: str, scopes: Iterable[str], created_by: User | None = None
) -> tuple[ApiKey, str]:
    """A new key and its secret, which is not stored and cannot be shown again."""
    wanted = sorted(set(scopes))
    issues = []
    if not name.strip():
        issues.append(Issue("name", "A key needs a name."))
    if not wanted:
        issues.append(Issue("scopes", "A key needs at least one scope."))
    issues += [Issue("scopes", f"'{s}' is not a scope; use {', '.join(Scope)}.") for s in wanted if s not in set(Scope)]
    if issues:
        raise InvalidRequest.of(issues)
    new = keys.new_secret()
    with transaction.atomic():
        key = ApiKey.objects.create(
            organization=organization,
            name=name.strip(),
            prefix=new.prefix,
            secret_hash=new.secret_hash,
            scopes=wanted,
            created_by=created_by,
        )
        audit.record(organization, "api_key.created", key, after=audit.fields(key, "name", "prefix", "scopes"))
    return key, new.secret


def list_api_keys(organization: Organization) -> models.QuerySet[ApiKey]:
    return organization.api_keys.all()


def revoke_api_key(organization: Organization, *, key_id: UUID) -> ApiKey:
    """Ends a key at once. Revoking twice keeps the first moment."""
    with transaction.atomic():
        ended = organization.api_keys.filter(pk=key_id, revoked_at=None).update(revoked_at=timezone.now())
        key = organization.api_keys.filter(pk=key_id).first()
        if key is None:
            raise NotFound("API key not found")
        if ended:
            after = audit.fields(key, "revoked_at")
            audit.record(organization, "api_key.revoked", key, before={"revoked_at": None}, after=after)
    return key


def find_api_key(secret: str) -> ApiKey | None:
    """The live key of this secret, with its organization; None for a wrong or revoked one."""
    prefix = keys.prefix_of(secret)
    if prefix is None:
        return None
    key = ApiKey.objects.select_related("organization").filter(prefix=prefix, revoked_at=None).first()
    if key is None or not keys.matches(secret, key.secret_hash):
        return None
    _mark_used(key)
    return key


def _mark_used(key: ApiKey) -> None:
    """Notes the use, at most once a minute: a write per request would cost more than the request."""
    now = timezone.now()
    if key.last_used_at is None or now - key.last_used_at > LAST_USED_RESOLUTION:
        ApiKey.objects.filter(pk=key.pk).update(last_used_at=now)


def memberships_of(user: User) -> list[Membership]:
    """The user's memberships with their organizations, in the order they joined."""
    return list(user.memberships.select_related("organization", "user"))


def chosen_membership(memberships: Sequence[Membership], organization_id: str | None) -> Membership | None:
    """The membership in the organization with this public id, else the first one."""
    chosen = (m for m in memberships if m.organization.public_id == organization_id)
    return next(chosen, memberships[0] if memberships else None)


def membership_of(user: User, organization_id: str | None = None) -> Membership | None:
    """The user's membership in the organization with this public id, else their first one."""
    return chosen_membership(memberships_of(user), organization_id)
