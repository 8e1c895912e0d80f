"""The warehouse: what is connected, what is in it, and questions to it."""

from dataclasses import asdict
from typing import Annotated

from pydantic import Field

from levered_site.errors import DomainError
from levered_site.mcp import outputs as out
from levered_site.mcp.registry import checked, tool
from levered_site.organizations.principals import Principal
from warehouse.api.serializers import QueryInput
from warehouse.models import Provider
from warehouse.services import catalog, connections, sources


@tool(title="Warehouse status", scope="read")
def warehouse_status(caller: Principal) -> out.WarehouseStatus:
    """Which warehouse is connected, whether it answers, where exposures come from and which rewards have arrived."""
    organization = caller.organization
    connection = connections.connection_of(organization)
    managed = connection.provider == Provider.MANAGED
    source = sources.active_source(organization)
    problem = None
    try:
        catalog.list_tables(organization)
    except DomainError as error:
        problem = error.message
    names = catalog.event_names(organization)[:50] if managed else []
    return out.WarehouseStatus(
        provider=connection.provider,
        name=connection.get_provider_display(),
        reachable=problem is None,
        problem=problem,
        assignment_source=out.Named(id=source.pk, name=source.name) if source else None,
        reward_names=[out.EventName(**asdict(name)) for name in names],
    )


@tool(title="List tables and columns", scope="read")
def list_tables(
    caller: Principal, table: Annotated[str | None, Field(description="Only this one; left out: all of them.")] = None
) -> out.Tables:
    """The tables that SQL may read, each with its columns and their types."""
    if table is not None:
        columns = catalog.list_columns(caller.organization, table=table)
        return out.Tables(tables=[out.Table(name=table, columns=[out.Column(**asdict(c)) for c in columns])])
    return out.Tables(tables=[out.Table.model_validate(asdict(t)) for t in catalog.list_tables(caller.organization)])


@tool(title="Run a SELECT", scope="read")
def query_warehouse(
    caller: Principal,
    sql: Annotated[str, Field(description="One read-only SELECT; anything else is refused.")],
    limit: Annotated[int, Field(ge=1, le=1000)] = 100,
) -> out.QueryAnswer:
    """The first rows of a SELECT on the organization's own data. Nothing can be changed this way."""
    answer = catalog.run_query(caller.organization, **checked(QueryInput, {"sql": sql, "limit": limit}))
    return out.QueryAnswer(rows=answer.rows, columns=answer.columns)
