"""Optimizations: list, get, create, update, complete, archive; and what a visitor would be served."""

import json
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from levered_site.mcp import outputs as out
from levered_site.mcp.registry import DryRun, checked, tool, undone_if
from levered_site.organizations.principals import Principal
from optimizations.api import optimizations as api
from optimizations.api.serializers import OptimizationInput, OptimizationListItem, OptimizationPatch
from optimizations.services import lifecycle, serving
from optimizations.services.observations import config_of
from optimizations.states import Status

OptimizationId = Annotated[UUID, Field(description="From levered_list_optimizations.")]


@tool(title="List optimizations", scope="read")
def list_optimizations(
    caller: Principal,
    limit: Annotated[int, Field(ge=1, le=100)] = 20,
    order_by: Literal["updated_at", "created_at"] = "updated_at",
    include_archived: bool = False,
) -> out.Optimizations:
    """The organization's optimizations, the latest first, with their status and a summary."""
    found = lifecycle.list_optimizations(
        caller.organization, include_archived=include_archived, order_by=order_by
    ).prefetch_related("models")[:limit]
    rows = [out.OptimizationItem.model_validate(dict(row)) for row in OptimizationListItem(found, many=True).data]
    return out.Optimizations(optimizations=rows)


@tool(title="Get an optimization", scope="read")
def get_optimization(caller: Principal, optimization_id: OptimizationId) -> out.Optimization:
    """One optimization in full: its design, metric, guardrails, exclusions and model."""
    return _full(caller, optimization_id)


@tool(title="Create an optimization", scope="manage", writes=True, idempotent=False)
def create_optimization(
    caller: Principal,
    name: Annotated[str, Field(min_length=1, max_length=255)],
    reward_metric_id: Annotated[UUID, Field(description="What to improve; from levered_list_metrics.")],
    design_factors: Annotated[list[out.Factor], Field(description="What may vary.")],
    context_factors: Annotated[
        list[out.Factor], Field(description="What is known of a visitor and may change what is best for them.")
    ] = [],  # noqa: B006  (pydantic copies defaults)
    description: Annotated[str, Field(max_length=1000)] = "",
    model_type: Annotated[Literal["cmab", "mab"], Field(description="mab ignores the context.")] = "cmab",
    reward_type: Annotated[Literal["bool", "numeric"], Field(description="numeric: the values are summed.")] = "bool",
    conversion_window_hours: Annotated[
        float, Field(gt=0, description="How long after an exposure a reward counts.")
    ] = 24,
    holdout_percentage: Annotated[
        int, Field(ge=0, le=50, description="Share of visitors who always see the baseline; 0 means no measured lift.")
    ] = 10,
    guardrails: list[out.Guardrail] = [],  # noqa: B006
    excluded_combinations: Annotated[
        list[dict[str, out.Level]],
        Field(description="Factor-to-level maps; a variant that matches one is never served."),
    ] = [],  # noqa: B006
    dry_run: DryRun = False,
) -> out.Created:
    """Starts an optimization. It is live at once and serves every variant evenly until its model is trained.

    Show the design to a person before you create it, and try it with dry_run first.
    """
    body = {
        "name": name,
        "description": description,
        "model_type": model_type,
        "reward_metric_id": str(reward_metric_id),
        "training_data_config": {
            "reward": {"type": reward_type},
            "design_factors": [f.model_dump() for f in design_factors],
            "context_factors": [f.model_dump() for f in context_factors],
            "attribution": {"conversion_window_hours": conversion_window_hours},
        },
        "holdout_percentage": holdout_percentage,
        "guardrails": [g.model_dump(mode="json") for g in guardrails],
        "excluded_combinations": excluded_combinations,
    }
    with undone_if(dry_run):
        made = lifecycle.create_optimization(
            caller.organization, **checked(OptimizationInput, body), created_by=caller.user
        )
    config = config_of(made.optimization)
    return out.Created(
        id=None if dry_run else made.optimization.pk,
        model_id=None if dry_run else made.model.pk,
        variants_count=config.n_variants,
        baseline=config.props(0),
        warnings=made.warnings,
        dry_run=dry_run,
    )


@tool(title="Rename or describe an optimization", scope="manage", writes=True, destructive=True)
def update_optimization(
    caller: Principal,
    optimization_id: OptimizationId,
    name: Annotated[str | None, Field(description="The new name; left out: it stays.")] = None,
    description: Annotated[str | None, Field(description="The new description; left out: it stays.")] = None,
    dry_run: DryRun = False,
) -> out.Optimization:
    """Replaces the name, the description or both. What is served does not change."""
    given = {"name": name, "description": description}
    changes = checked(OptimizationPatch, {key: value for key, value in given.items() if value is not None})
    return _changed(caller, optimization_id, dry_run, **changes)


@tool(title="Complete an optimization", scope="manage", writes=True, destructive=True)
def complete_optimization(
    caller: Principal, optimization_id: OptimizationId, dry_run: DryRun = False
) -> out.Optimization:
    """Fixes the winner and serves it to everyone: no exploration, no holdout, no training any more. Cannot be undone.

    Only when a person has asked for it. Call levered_explain_result before.
    """
    return _changed(caller, optimization_id, dry_run, status=Status.COMPLETED)


@tool(title="Archive an optimization", scope="manage", writes=True, destructive=True)
def archive_optimization(
    caller: Principal, optimization_id: OptimizationId, dry_run: DryRun = False
) -> out.Optimization:
    """Stops serving: applications that still ask get an error. The data stays, but it cannot be undone.

    Only when a person has asked for it.
    """
    return _changed(caller, optimization_id, dry_run, status=Status.ARCHIVED)


@tool(title="Preview what a visitor is served", scope="read")
def serve_preview(
    caller: Principal,
    optimization_id: OptimizationId,
    anonymous_id: Annotated[str, Field(min_length=1, max_length=512, description="Any visitor's id.")],
    context: Annotated[dict[str, Any], Field(description="Context factor to level; may be empty.")] = {},  # noqa: B006
    n_variants: Annotated[int, Field(ge=1, le=100)] = 1,
) -> out.Served:
    """What this visitor would get now, with the exact probability of it. Nothing is recorded: it counts nowhere."""
    optimization = lifecycle.get_optimization(caller.organization, optimization_id)
    raw = serving.answer(
        serving.find_served(str(optimization.pk)), anonymous_id=anonymous_id, context=context, count=n_variants
    )
    served = json.loads(raw + serving.CLOSING)
    del served["meta"]
    return out.Served.model_validate(served)


def _full(caller: Principal, optimization_id: UUID, *, dry_run: bool = False) -> out.Optimization:
    found = lifecycle.get_optimization(caller.organization, optimization_id)
    return out.Optimization.model_validate(api.full(found) | {"dry_run": dry_run})


def _changed(caller: Principal, optimization_id: UUID, dry_run: bool, **changes: Any) -> out.Optimization:
    with undone_if(dry_run):
        lifecycle.update_optimization(lifecycle.get_optimization(caller.organization, optimization_id), **changes)
        return _full(caller, optimization_id, dry_run=dry_run)
