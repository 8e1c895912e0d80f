"""`manage.py bootstrap`: an organization, a key for automation and perhaps a person. Safe to run again."""

import json
import secrets
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import transaction

from levered_site.organizations.models import Membership, Organization, Role, Scope, User
from levered_site.organizations.services import create_api_key, create_organization


class Command(BaseCommand):
    help = "Makes the named organization, if it is missing, and a fresh API key of every scope."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--organization", required=True, help="The organization's name.")
        parser.add_argument("--email", help="Also an admin with this address; a new one's password is printed once.")
        parser.add_argument("--json", action="store_true", help="Print one JSON object as the last line.")

    @transaction.atomic
    def handle(self, *args: Any, **options: Any) -> None:
        name = options["organization"]
        organization = Organization.objects.filter(name=name).order_by("pk").first() or create_organization(name=name)
        if options["email"]:
            self._add_admin(organization, options["email"].lower())
        _, secret = create_api_key(organization, name="bootstrap", scopes=list(Scope))
        if options["json"]:
            self.stdout.write(json.dumps({"organization_id": organization.public_id, "api_key": secret}))
        else:
            self.stdout.write(f"Organization {organization.name}: {organization.public_id}\nAPI key: {secret}")

    def _add_admin(self, organization: Organization, email: str) -> None:
        user = User.objects.filter(email=email).first()
        if user is None:
            password = secrets.token_urlsafe(12)
            user = User.objects.create_user(email, password)
            self.stdout.write(f"Sign in as {email} with the password {password} (shown this once).")
        Membership.objects.update_or_create(user=user, organization=organization, defaults={"role": Role.ADMIN})
