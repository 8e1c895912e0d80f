"""Makes the second lock of the managed warehouse, where the migration was not allowed to."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection, transaction

from warehouse.checks import reader_role as check
from warehouse.connectors import reader_role


class Command(BaseCommand):
    help = "Makes the role and the row policies that customer SQL runs under (PostgreSQL). Running it twice is fine."

    def handle(self, *args: Any, **options: Any) -> None:
        if connection.vendor != "postgresql":
            self.stdout.write("Nothing to do: on SQLite every connection brings its own lock.")
            return
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(reader_role.CREATE)
        if warnings := check(None, databases=["default"]):
            raise CommandError(f"{warnings[0].msg}\n{warnings[0].hint}")
        self.stdout.write("Customer SQL runs as its own role, which sees one organization's rows.")
