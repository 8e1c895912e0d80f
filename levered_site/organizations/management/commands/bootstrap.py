"""`manage.py bootstrap`: an organization and a key for automation, safe to run again."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from levered_site.organizations.models import Organization, Scope
from levered_site.organizations.services import create_api_key, create_organization


class Command(BaseCommand):
    help = "Makes the named organization, if it is missing, and a fresh API key of every scope."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--organization", required=True, help="The organization's name.")
        parser.add_argument("--json", action="store_true", help="Print one JSON object as the last line.")

    def handle(self, *args: Any, **options: Any) -> None:
        name = options["organization"]
        organization = Organization.objects.filter(name=name).order_by("pk").first() or create_organization(name=name)
        _, secret = create_api_key(organization, name="bootstrap", scopes=list(Scope))
        if options["json"]:
            self.stdout.write(json.dumps({"organization_id": organization.public_id, "api_key": secret}))
        else:
            self.stdout.write(f"Organization {organization.name}: {organization.public_id}\nAPI key: {secret}")
