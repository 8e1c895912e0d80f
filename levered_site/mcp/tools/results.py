"""What an optimization has achieved."""

import datetime as dt
from dataclasses import asdict
from typing import Annotated, Any, Literal

from pydantic import Field

from levered_site.mcp import outputs as out
from levered_site.mcp.explain import explain
from levered_site.mcp.registry import checked, tool
from levered_site.mcp.tools.optimizations import OptimizationId
from levered_site.organizations.principals import Principal
from optimizations.api.results import DateRange
from optimizations.services import lifecycle
from optimizations.services import results as service
from optimizations.services.guardrails import guardrail_rows
from optimizations.services.health import health
from optimizations.services.progress import progress
from optimizations.services.statements import optimization_statements


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
    include_sql: Annotated[
        bool, Field(description="Also the statements that these numbers were read with, to run and compare.")
    ] = False,
) -> out.Results:
    """Observed and modeled numbers as of the latest training: arms, variants, importance of factors; their SQL.

    For a verdict that may be quoted, call levered_explain_result.
    """
    given: dict[str, Any] = {"start": start, "end": end}
    days = checked(DateRange, {key: value for key, value in given.items() if value is not None})
    optimization = lifecycle.get_optimization(caller.organization, optimization_id)
    found = service.results(optimization, **days)
    if not include_time_series:
        del found["time_series"]
    told = out.Results.model_validate(found | {"variants": found["variants"][:max_variants]})
    if include_sql:
        told.sql = out.Statements.model_validate(asdict(optimization_statements(optimization)))
    return told


@tool(title="Check on an optimization", scope="read")
def check_optimization(
    caller: Principal,
    optimization_id: OptimizationId,
    aspects: Annotated[
        list[Literal["health", "progress", "guardrails"]], Field(description="Which of them to look at.")
    ] = ["health", "progress", "guardrails"],  # noqa: B006  (pydantic copies defaults)
) -> out.Checked:
    """Whether its data arrives (health), how far it is (progress), and whether a guarded metric was harmed.

    Every check of health says what was found and what to do. Call this when numbers look odd, and before you train.
    """
    optimization = lifecycle.get_optimization(caller.organization, optimization_id)
    told = out.Checked()
    if "health" in aspects:
        told.health = out.Health.model_validate(health(optimization))
    if "progress" in aspects:
        told.progress = out.Progress.model_validate(progress(optimization))
    if "guardrails" in aspects:
        told.guardrails = [out.GuardrailState.model_validate(row) for row in guardrail_rows(optimization)]
    return told
