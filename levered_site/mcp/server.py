"""The one server object: who we are, the tools and the prompts."""

from mcp.server import MCPServer

from levered_site.mcp import prompts
from levered_site.mcp.registry import TOOLS
from levered_site.mcp.tools import metrics, models, optimizations, results, warehouse

INSTRUCTIONS = """\
Levered runs optimizations: a decision is put into design factors, a Bayesian contextual bandit picks a variant per \
visitor, learns from the warehouse and proves the lift against a randomized holdout.
Usual order: levered_warehouse_status, levered_create_metric (or levered_list_metrics), levered_create_optimization, \
then the application serves variants and reports events; levered_check_optimization, levered_train_model, \
levered_explain_result.
Before you tell anybody a number, call levered_explain_result: it says whether the number may be quoted and why not.
Every writing tool takes dry_run. Completing and archiving cannot be undone."""

# each module registers its tools when it is imported
_ = (optimizations, results, models, metrics, warehouse)

server = MCPServer(
    "levered",
    title="Levered",
    version="2",
    instructions=INSTRUCTIONS,
    tools=TOOLS,
    subscriptions=False,
)
prompts.add_to(server)
