"""`manage.py up`: the whole product in one terminal, as `make serve` and `make run` start it."""

import os
import sys
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandParser

from levered_site import env


class Command(BaseCommand):
    help = "Prepares the database and starts the web server and the task worker under a supervisor."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--demo", action="store_true", help="Also a demo organization with simulated visitors.")

    def handle(self, *args: Any, **options: Any) -> None:
        call_command("prepare", stdout=self.stdout)
        host, port = env.text("HOST", "127.0.0.1"), env.integer("PORT", 8000, at_least=1)
        environment = os.environ | {
            "HOST": host,
            "PORT": str(port),
            "WEB_PROCESSES": str(settings.WEB_PROCESSES),
            "LEVERED_BIN": str(Path(sys.executable).parent),
            "LEVERED_DEMO": str(options["demo"]).lower(),
        }
        environment.setdefault("LEVERED_LOG_FORMAT", "console")
        if options["demo"]:
            # every simulated visitor comes with an address of its own, as behind a proxy; a terminal full of request
            # lines would hide what the demo says
            environment.setdefault("LEVERED_TRUSTED_PROXIES", "1")
            environment.setdefault("LEVERED_LOG_LEVEL", "WARNING")
            environment.setdefault("LEVERED_TRAINING_MINUTES", "1")
        self.stdout.write(f"Levered is at http://{host}:{port} (stop it with Ctrl-C).")
        self.stdout.flush()
        os.chdir(settings.BASE_DIR)
        supervisord = str(Path(sys.executable).parent / "supervisord")
        os.execve(  # noqa: S606  (no shell: a fixed program and arguments)
            supervisord, [supervisord, "--configuration", "levered_site/supervisord.conf"], environment
        )
