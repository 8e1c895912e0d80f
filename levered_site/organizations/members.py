"""Who belongs to an organization, and who is invited to. One admin always remains."""

import datetime as dt
import secrets
from smtplib import SMTPException
from uuid import UUID

import structlog
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.mail import send_mail
from django.core.validators import validate_email
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from levered_site.errors import Conflict, InvalidRequest, Issue, NotFound
from levered_site.organizations import audit
from levered_site.organizations.keys import hash_secret
from levered_site.organizations.models import ExternalUser, Invitation, Membership, Organization, Role, User

INVITATION_DAYS = 7

log = structlog.get_logger("levered.members")


def list_members(organization: Organization) -> QuerySet[Membership]:
    """In the order they joined; `external` says that an identity provider vouches for the person."""
    vouched = ExternalUser.objects.filter(user=OuterRef("user"))
    return organization.memberships.select_related("user").annotate(external=Exists(vouched))


def list_invitations(organization: Organization) -> QuerySet[Invitation]:
    """The latest first, expired ones included."""
    return organization.invitations.select_related("created_by")


def get_member(organization: Organization, *, member_id: UUID) -> Membership:
    member = organization.memberships.select_related("user", "organization").filter(public_id=member_id).first()
    if member is None:
        raise NotFound("Member not found")
    return member


def change_role(organization: Organization, *, member_id: UUID, role: str) -> Membership:
    """Raises Conflict for the last admin, NotFound, and InvalidRequest for what is no role."""
    with transaction.atomic():
        member = _locked(organization, member_id)
        if issues := _role_issues(role):
            raise InvalidRequest.of(issues)
        if role != member.role:
            _keep_an_admin(organization, member)
            before, member.role = audit.fields(member, "role"), Role(role)
            member.save(update_fields=["role"])
            audit.record(organization, "member.role_changed", member, before=before, after=audit.fields(member, "role"))
    return member


def remove_member(organization: Organization, *, member_id: UUID) -> Membership:
    """Ends the membership; the person keeps their account. Raises Conflict for the last admin, and NotFound."""
    with transaction.atomic():
        member = _locked(organization, member_id)
        _keep_an_admin(organization, member)
        audit.record(organization, "member.removed", member, before=audit.fields(member, "role"))
        Membership.objects.filter(pk=member.pk).delete()
    return member


def invite(
    organization: Organization, *, email: str, role: str, base_url: str, created_by: User | None = None
) -> tuple[Invitation, str]:
    """An invitation and its link, which cannot be shown again. One to the same address takes the place of an older one.

    Whether the address has an account already is not told. The link is mailed too, when a mail server is configured.
    """
    address = email.strip().lower()
    issues = _role_issues(role)
    try:
        validate_email(address)
    except ValidationError:
        issues.append(Issue("email", "This is not an e-mail address."))
    if organization.memberships.filter(user__email=address).exists():
        issues.append(Issue("email", "This person is a member already."))
    if issues:
        raise InvalidRequest.of(issues)
    secret = secrets.token_urlsafe(32)
    with transaction.atomic():
        Organization.objects.select_for_update().get(pk=organization.pk)  # two at once must not both insert
        organization.invitations.filter(email=address).delete()
        invitation = Invitation.objects.create(
            organization=organization,
            email=address,
            role=role,
            secret_hash=hash_secret(secret),
            created_by=created_by,
            expires_at=timezone.now() + dt.timedelta(days=INVITATION_DAYS),
        )
        audit.record(organization, "member.invited", invitation, after=audit.fields(invitation, "email", "role"))
    link = f"{base_url}/join?invitation={secret}"  # not in the path, which every log line tells
    _mail(invitation, link)
    return invitation, link


def withdraw_invitation(organization: Organization, *, invitation_id: UUID) -> Invitation:
    with transaction.atomic():
        invitation = organization.invitations.filter(pk=invitation_id).first()
        if invitation is None or not organization.invitations.filter(pk=invitation_id).delete()[0]:
            raise NotFound("Invitation not found")
        before = audit.fields(invitation, "email", "role")
        audit.record(organization, "member.invitation_withdrawn", invitation, before=before)
    return invitation


def find_invitation(secret: str) -> Invitation | None:
    """The invitation of a link, unless it was taken or withdrawn, or has expired."""
    found = Invitation.objects.select_related("organization").filter(secret_hash=hash_secret(secret)).first()
    return None if found is None or found.expired else found


def join(invitation: Invitation, *, user: User) -> Membership:
    """Makes the invited person a member: whoever holds the link and signs in with its address.

    Raises:
        Conflict: the invitation is for somebody else, or was taken or withdrawn meanwhile.
    """
    if user.email != invitation.email:
        raise Conflict(f"This invitation is for {invitation.email}.")
    with transaction.atomic():
        if not Invitation.objects.filter(pk=invitation.pk).delete()[0]:
            raise Conflict("This invitation is not valid any more.")
        member, new = Membership.objects.get_or_create(
            user=user, organization=invitation.organization, defaults={"role": invitation.role}
        )
        if new:
            audit.record(member.organization, "member.joined", member, after=audit.fields(member, "role"), by=user)
    return member


def join_as_new_user(invitation: Invitation, *, password: str) -> Membership:
    """An account for the invited address, and its membership. The link is the proof of the address."""
    with transaction.atomic():
        return join(invitation, user=User.objects.create_user(invitation.email, password))


def _locked(organization: Organization, member_id: UUID) -> Membership:
    """The membership, with the organization's members held still until the transaction ends."""
    Organization.objects.select_for_update().get(pk=organization.pk)
    return get_member(organization, member_id=member_id)


def _role_issues(role: str) -> list[Issue]:
    return [] if role in set(Role) else [Issue("role", f"'{role}' is not a role; use {', '.join(Role)}.")]


def _keep_an_admin(organization: Organization, leaving: Membership) -> None:
    others = organization.memberships.filter(role=Role.ADMIN, user__is_active=True).exclude(pk=leaving.pk)
    if leaving.role == Role.ADMIN and not others.exists():
        raise Conflict("This is the last admin. Make somebody else an admin first.")


def _mail(invitation: Invitation, link: str) -> None:
    """The link is on the page too: a mail server that does not answer stops nobody."""
    if not settings.EMAIL_HOST:
        return
    name = " ".join(invitation.organization.name.split())
    text = f"You are invited to {name} on Levered. Join within {INVITATION_DAYS} days:\n\n{link}\n"
    try:
        send_mail(f"Join {name} on Levered", text, None, [invitation.email])
    except (OSError, SMTPException) as error:
        log.warning("invitation_not_mailed", invitation=str(invitation.pk), error=str(error))
