"""`manage.py up`: the whole product in one terminal, as `make serve` and `make run` start it."""

import os
import sys
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandParser

from levered_site import env
from levered_site.supervisor import Program, supervise

THREADS = 8  # of each web process; SQLite and the warehouse release the interpreter while they wait


class Command(BaseCommand):
    help = "Prepares the database and runs the web server and the task worker until it is stopped."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--demo", action="store_true", help="Also a demo organization with simulated visitors.")

    def handle(self, *args: Any, **options: Any) -> None:
        host, port = env.text("HOST", "127.0.0.1"), env.integer("PORT", 8000, at_least=1)
        environment = os.environ | {"PYTHONUNBUFFERED": "1"}
        environment.setdefault("LEVERED_LOG_FORMAT", "console")
        if options["demo"]:
            # every simulated visitor comes with an address of its own, as behind a proxy; a terminal full of request
            # lines would hide what the demo says
            environment.setdefault("LEVERED_TRUSTED_PROXIES", "1")
            environment.setdefault("LEVERED_LOG_LEVEL", "ERROR")
            # for the schedule, which is written here, and for the pages, which tell it
            settings.TRAINING_MINUTES = env.integer("LEVERED_TRAINING_MINUTES", 1, at_least=1)
            environment.setdefault("LEVERED_TRAINING_MINUTES", str(settings.TRAINING_MINUTES))
        call_command("prepare", stdout=self.stdout)
        self.stdout.write(f"Levered is at http://{host}:{port} (stop it with Ctrl-C).")
        self.stdout.flush()
        os.chdir(settings.BASE_DIR)
        python = sys.executable
        web = [
            str(Path(python).parent / "granian"), "--interface", "wsgi", "--host", host, "--port", str(port),
            "--workers", str(settings.WEB_PROCESSES), "--blocking-threads", str(THREADS),
            "--respawn-failed-workers", "--no-ws", "--log-level", "error", "levered_site.wsgi:application",
        ]  # fmt: skip
        programs = [Program("web", web), Program("worker", [python, "manage.py", "qcluster"])]
        if options["demo"]:
            visitors = [python, "manage.py", "demo", "--url", f"http://127.0.0.1:{port}"]
            programs.append(Program("demo", visitors, once=True))
        supervise(programs, environment)
