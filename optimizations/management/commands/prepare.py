"""`manage.py prepare`: everything that must be true before the servers start."""

from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand

from optimizations.schedules import ensure_schedules


class Command(BaseCommand):
    help = "Checks the configuration, migrates the database, writes the schedules and collects the static files."

    def handle(self, *args: Any, **options: Any) -> None:
        call_command("check", databases=["default"])
        call_command("migrate", interactive=False, verbosity=0)
        ensure_schedules()
        # static/src holds what the stylesheet is built from; it is not served
        call_command("collectstatic", interactive=False, verbosity=0, ignore_patterns=["src"])
        self.stdout.write("The database, the schedules and the static files are ready.")
