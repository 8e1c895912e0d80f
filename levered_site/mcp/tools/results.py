"""What an optimization has achieved."""

import datetime as dt
from typing import Annotated, Any

from pydantic import Field

from levered_site.mcp import outputs as out
from levered_site.mcp.explain import explain
from levered_site.mcp.registry import checked, tool
from levered_site.mcp.tools.optimizations import OptimizationId
from levered_site.organizations.principals import Principal
from optimizations.api.results import DateRange
from optimizations.services import lifecycle
from optimizations.services import results as service


@tool(title="Explain the result", scope="read")
def explain_result(caller: Principal, optimization_id: OptimizationId) -> out.Explained:
    """The verdict on the measured lift, and which conditions for quoting it hold.

    Call this before you tell anybody a number. While `quotable` is false there is no lift to tell: say what is missing
    instead.
    """
    return explain(lifecycle.get_optimization(caller.organization, optimization_id))


@tool(title="Get results", scope="read")
def get_results(
    caller: Principal,
    optimization_id: OptimizationId,
    start: Annotated[dt.date | None, Field(description="First UTC day of the observed numbers.")] = None,
    end: Annotated[dt.date | None, Field(description="Last UTC day of the observed numbers.")] = None,
    max_variants: Annotated[int, Field(ge=1, le=1000, description="The best of them.")] = 25,
    include_time_series: bool = False,
) -> out.Results:
    """Observed and modeled numbers as of the latest training: arms, variants, importance of factors.

    For a verdict that may be quoted, call levered_explain_result.
    """
    given: dict[str, Any] = {"start": start, "end": end}
    days = checked(DateRange, {key: value for key, value in given.items() if value is not None})
    found = service.results(lifecycle.get_optimization(caller.organization, optimization_id), **days)
    if not include_time_series:
        del found["time_series"]
    return out.Results.model_validate(found | {"variants": found["variants"][:max_variants]})
