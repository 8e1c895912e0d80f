"""Rows of a query for a page, and what an editor of queries can complete."""

from collections.abc import Mapping, Sequence
from typing import Any

from levered_site.organizations.models import Organization
from warehouse.models import Provider
from warehouse.services.catalog import list_columns, list_tables
from warehouse.services.connections import provider_of

PREVIEW_ROWS = 20


def table_of(columns: Sequence[str], rows: Sequence[Mapping[str, object]]) -> dict[str, Any]:
    return {"columns": columns, "rows": [[row[column] for column in columns] for row in rows], "limit": PREVIEW_ROWS}


def known_tables(organization: Organization) -> dict[str, list[str]]:
    """Tables of the managed warehouse with their columns. No page waits for another one to list its own."""
    if provider_of(organization) != Provider.MANAGED:
        return {}
    tables = [table.name for table in list_tables(organization)]
    return {name: [column.name for column in list_columns(organization, table=name)] for name in tables}
