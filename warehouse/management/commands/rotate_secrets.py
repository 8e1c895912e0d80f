from typing import Any

from django.core.management.base import BaseCommand, CommandError

from levered_site.errors import DomainError
from warehouse.services.connections import rotate_secrets


class Command(BaseCommand):
    help = "Encrypt the credentials of all warehouses with the first of LEVERED_SECRET_KEYS; then older keys can go."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            count = rotate_secrets()
        except DomainError as error:
            raise CommandError(f"{error.message} Nothing was changed.") from error
        self.stdout.write(f"{count} connections are encrypted with the first key.")
