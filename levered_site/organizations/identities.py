"""People and organizations that an identity provider vouches for."""

import hashlib
from dataclasses import dataclass

from django.db import IntegrityError, transaction

from levered_site.organizations import audit
from levered_site.organizations.models import (
    ExternalOrganization,
    ExternalUser,
    Membership,
    Organization,
    Role,
    User,
)


@dataclass(frozen=True)
class Identity:
    """What a verified token says: who, of which organization, in which role.

    `email` is given only when the issuer has verified it.
    """

    issuer: str
    user_id: str
    organization_id: str
    organization_name: str
    role: Role
    email: str | None = None
    name: str = ""


def member(identity: Identity) -> Membership:
    """The membership that the identity has; user, organization and membership are made on first sight.

    The issuer decides who belongs where: a role that has changed there changes here.
    """
    found = (
        Membership.objects.select_related("user", "organization")
        .filter(
            user__external_ids__issuer=identity.issuer,
            user__external_ids__external_id=identity.user_id,
            organization__external_ids__issuer=identity.issuer,
            organization__external_ids__external_id=identity.organization_id,
        )
        .first()
    )
    if found is None:
        with transaction.atomic():
            found, new = Membership.objects.get_or_create(
                user=_user(identity), organization=_organization(identity), defaults={"role": identity.role}
            )
            if new:
                audit.record(found.organization, "member.joined", found, after={"role": found.role}, by=found.user)
    if found.role != identity.role:
        with transaction.atomic():
            before, found.role = {"role": found.role}, identity.role
            found.save(update_fields=["role"])
            audit.record(
                found.organization,
                "member.role_changed",
                found,
                before=before,
                after={"role": found.role},
                by=found.user,
            )
    return found


def _user(identity: Identity) -> User:
    """Never an existing user of the same address: an address is no proof of who someone is."""
    wanted = {"issuer": identity.issuer, "external_id": identity.user_id}
    if known := ExternalUser.objects.select_related("user").filter(**wanted).first():
        return known.user
    try:
        with transaction.atomic():
            user = User.objects.create_user(_free_address(identity), first_name=identity.name[:150])
            return ExternalUser.objects.create(user=user, **wanted).user
    except IntegrityError:  # another request of the same person was first
        return ExternalUser.objects.select_related("user").get(**wanted).user


def _organization(identity: Identity) -> Organization:
    wanted = {"issuer": identity.issuer, "external_id": identity.organization_id}
    if known := ExternalOrganization.objects.select_related("organization").filter(**wanted).first():
        return known.organization
    try:
        with transaction.atomic():
            made = Organization.objects.create(name=identity.organization_name[:200])
            return ExternalOrganization.objects.create(organization=made, **wanted).organization
    except IntegrityError:
        return ExternalOrganization.objects.select_related("organization").get(**wanted).organization


def _free_address(identity: Identity) -> str:
    if identity.email and not User.objects.filter(email__iexact=identity.email).exists():
        return identity.email
    digest = hashlib.sha256(f"{identity.issuer}\n{identity.user_id}".encode()).hexdigest()
    return f"{digest[:24]}@users.invalid"  # RFC 2606: no mail is ever sent there
