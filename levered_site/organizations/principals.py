"""Who is calling, whatever the credential, and what they may do."""

from dataclasses import dataclass, replace
from typing import Literal

from levered_site.organizations.models import ApiKey, Membership, Organization, Role, Scope, User

Kind = Literal["api_key", "session", "token"]

_ROLE_SCOPES: dict[str, frozenset[str]] = {
    Role.ADMIN: frozenset({Scope.READ, Scope.MANAGE, "administer"}),
    Role.MEMBER: frozenset({Scope.READ, Scope.MANAGE}),
    Role.VIEWER: frozenset({Scope.READ}),
}


@dataclass(frozen=True)
class Principal:
    """An authenticated caller within one organization.

    `scopes` are `read`, `manage`, `ingest` and `administer` (keys, connections, members).
    """

    kind: Kind
    organization: Organization
    scopes: frozenset[str]
    user: User | None = None
    role: str | None = None
    api_key: ApiKey | None = None
    application: str | None = None  # the client that acts for the user

    # Django's and DRF's machinery ask every `request.user` these two questions
    is_authenticated = True
    is_anonymous = False

    def may(self, scope: str) -> bool:
        return scope in self.scopes

    @classmethod
    def of_membership(cls, membership: Membership, kind: Kind = "session") -> "Principal":
        return cls(
            kind=kind,
            organization=membership.organization,
            scopes=_ROLE_SCOPES[membership.role],
            user=membership.user,
            role=membership.role,
        )

    @classmethod
    def of_application(cls, membership: Membership, *, application: str, scopes: frozenset[str]) -> "Principal":
        """A client that acts for a person: what it was allowed, and never more than what that person may do."""
        person = cls.of_membership(membership, kind="token")
        return replace(person, scopes=person.scopes & scopes, application=application)

    @classmethod
    def of_key(cls, key: ApiKey) -> "Principal":
        scopes = set(key.scopes)
        if Scope.MANAGE in scopes:  # a managing key does what an admin does in the dashboard
            scopes |= {"administer", Scope.READ}
        return cls(kind="api_key", organization=key.organization, scopes=frozenset(scopes), api_key=key)
