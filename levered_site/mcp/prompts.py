"""Two conversations that agents can be asked to have."""

from typing import Annotated, Any

from mcp.server import MCPServer
from pydantic import Field


def set_up_an_optimization(
    goal: Annotated[str, Field(description="What should happen more often, e.g. 'visitors start a trial'.")],
    decision: Annotated[str, Field(description="What may vary, e.g. 'the headline and the button'.")] = "",
) -> str:
    """Turn a goal into a metric and a live optimization."""
    varied = f"What may vary: {decision}." if decision else "Ask what may vary before you design anything."
    return f"""Set up a Levered optimization. The goal: {goal}. {varied}

1. Call levered_warehouse_status and levered_list_tables to learn where events live and what they look like.
2. Find a metric for the goal with levered_list_metrics, or write its SQL, try it with levered_query_warehouse, and
   create it with levered_create_metric, first with dry_run. Look at levered_preview_metric: are these the right events?
3. Propose design factors with their levels. The first level of every factor is the baseline: it must be what is live
   today. Add context factors only when different people may prefer different variants. Say how many variants that
   makes; more than 100 learn slowly.
4. Keep a holdout of 10 % unless told otherwise: without it the lift can be modeled, but not measured.
5. Show the design and wait for approval. Then call levered_create_optimization with dry_run, repair what it refuses,
   and call it again without.
6. Answer with the optimization's id, and how the application asks for a variant and reports exposures and rewards."""


def report_on_an_optimization(
    optimization_id: Annotated[str, Field(description="Its id; levered_list_optimizations knows them.")],
) -> str:
    """Tell how an optimization does, without a number that does not hold."""
    return f"""Report on the Levered optimization {optimization_id}.

1. Call levered_get_optimization, levered_check_optimization and levered_explain_result.
2. If `quotable` is false, do not state a lift. Say which gates failed, in plain words, and what would make them pass.
3. If it is true, begin with the verdict and the measured lift with its interval, its metric and the users in each arm.
   Call a modeled number (levered_get_results, `stats`) modeled; never mix it with the measured one.
4. Name the variants that lead, each with its probability of being best, and the factors that matter.
5. End with one recommendation: keep learning, complete it, or archive it. Do not complete or archive anything
   yourself unless you are asked to."""


def add_to(server: MCPServer[Any]) -> None:
    server.prompt(name="set_up_an_optimization", title="Set up an optimization")(set_up_an_optimization)
    server.prompt(name="report_on_an_optimization", title="Report on an optimization")(report_on_an_optimization)
