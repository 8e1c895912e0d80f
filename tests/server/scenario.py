"""What another process does to the database of a running server: `python -m tests.server.scenario COMMAND [ID]`.

Prints one JSON object. `at` is the moment after the commit, in Unix seconds.
"""

import json
import os
import sys
import time
from typing import Any

import django


def main(command: str, *arguments: str) -> dict[str, Any]:
    from django.core.management import call_command

    from levered_site.organizations.services import create_organization
    from optimizations.models import Optimization
    from tests.serving import make_optimization, publish_version

    if command == "create":
        call_command("migrate", verbosity=0)
        optimization = make_optimization(create_organization(name="Acme"), holdout=0)
        return {"id": str(optimization.pk), "at": time.time()}
    if command == "another":
        optimization = make_optimization(create_organization(name="Globex"), holdout=0)
        return {"id": str(optimization.pk), "at": time.time()}
    version = publish_version(Optimization.objects.get(pk=arguments[0]), best=2)
    return {"version": version.version, "at": time.time()}


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "levered_site.settings")
    django.setup()
    sys.stdout.write(json.dumps(main(*sys.argv[1:])) + "\n")
