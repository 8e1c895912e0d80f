"""Whether the second lock of the managed warehouse holds."""

from collections.abc import Sequence
from typing import Any

from django.core import checks
from django.db import connections

from warehouse.connectors.reader_role import READER


@checks.register(checks.Tags.database)
def reader_role(app_configs: Any, databases: Sequence[str] | None = None, **kwargs: Any) -> list[checks.CheckMessage]:
    """Only with `manage.py check --database default`: it asks the database."""
    database = connections["default"]
    if database.vendor != "postgresql" or "default" not in (databases or ()):
        return []
    with database.cursor() as cursor:
        cursor.execute(
            "SELECT COUNT(*) FROM pg_policies JOIN pg_roles ON rolname = %s"
            " WHERE policyname = 'one_organization' AND pg_has_role(current_user, pg_roles.oid, 'MEMBER')",
            [READER],
        )
        (policies,) = cursor.fetchone()
    if policies >= 2:
        return []
    return [
        checks.Warning(
            f"The role {READER} or its row policies are missing: customer SQL runs as the application's own user.",
            hint="As a superuser: CREATE ROLE levered_reader NOLOGIN NOINHERIT; GRANT levered_reader TO <the user>;"
            " then `manage.py secure_warehouse`. SQL is still parsed and rewritten without it.",
            id="warehouse.W001",
        )
    ]
