"""The demo's organization, person and key."""

import secrets
from dataclasses import dataclass

from django.db import transaction

from levered_site.organizations.models import Organization, Scope, User
from levered_site.organizations.services import create_api_key, create_organization, list_api_keys, revoke_api_key

ORGANIZATION = "Demo"
EMAIL = "demo@example.com"
KEY_NAME = "Demo visitors"


@dataclass(frozen=True)
class Stage:
    organization: Organization
    key: str
    password: str | None  # of the demo user, only when it was made just now


def set_stage() -> Stage:
    """Makes what is missing, and a fresh key for the visitors; the key of an earlier run is revoked."""
    with transaction.atomic():
        password = None
        user = User.objects.filter(email=EMAIL).first()
        if user is None:
            password = secrets.token_urlsafe(9)
            user = User.objects.create_superuser(EMAIL, password)
        membership = user.memberships.select_related("organization").filter(organization__name=ORGANIZATION).first()
        organization = membership.organization if membership else create_organization(name=ORGANIZATION, owner=user)
        for key in list_api_keys(organization).filter(name=KEY_NAME, revoked_at=None):
            revoke_api_key(organization, key_id=key.pk)
        _, secret = create_api_key(organization, name=KEY_NAME, scopes=list(Scope), created_by=user)
    return Stage(organization, secret, password)
