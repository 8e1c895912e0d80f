"""What has been learned, and learning more."""

from typing import Annotated
from uuid import UUID

from pydantic import Field

from levered_site.errors import Conflict
from levered_site.mcp import outputs as out
from levered_site.mcp.registry import DryRun, checked, tool
from levered_site.organizations.principals import Principal
from optimizations.api.serializers import BiasInput, ModelOutput
from optimizations.models import BanditModel, TrainingRun
from optimizations.services import lifecycle
from optimizations.services.model_state import model_state
from optimizations.services.training import has_new_data, train
from optimizations.states import ModelStatus, Status

ModelId = Annotated[UUID, Field(description="`model_id` of an optimization.")]


@tool(title="Get a model", scope="read")
def get_model(
    caller: Principal,
    model_id: ModelId,
    include_state: Annotated[
        bool, Field(description="Also what it has learned: effects of levels and pairs, the best variant per context.")
    ] = False,
) -> out.Model:
    """One model: status, served version, how its latest training went, and what it has learned."""
    model = lifecycle.get_model(caller.organization, model_id)
    run = model.training_runs.first()
    state = out.ModelState.model_validate(model_state(model)) if include_state else None
    return _model(model).model_copy(update={"last_run": _run(run) if run else None, "state": state})


@tool(title="Train a model", scope="manage", writes=True, idempotent=False)
def train_model(
    caller: Principal,
    model_id: ModelId,
    bias: Annotated[
        dict[str, float] | None,
        Field(description="Design factor to extra exploration, 0 or more. Kept for later trainings; rarely needed."),
    ] = None,
    dry_run: DryRun = False,
) -> out.Trained:
    """Reads the latest events, fits the model and serves the new version. Takes seconds.

    Training also runs by itself every few minutes: call this only when somebody waits for fresh numbers.
    """
    model = lifecycle.get_model(caller.organization, model_id)
    wanted = checked(BiasInput, {} if bias is None else {"bias": bias}).get("bias")
    if dry_run:
        return _dry(model)
    run = train(model, trigger=TrainingRun.Trigger.MCP, bias=wanted)
    return out.Trained(
        model_id=model.pk,
        status=model.status,
        model_version=run.version,
        observations=int(run.observations or 0),
        in_sample_metrics=run.in_sample_metrics,
        training_run_id=run.pk,
    )


def _dry(model: BanditModel) -> out.Trained:
    if model.optimization.status != Status.LIVE:
        raise Conflict(f"The optimization is {model.optimization.status}; only a live one learns.")
    if model.current_status == ModelStatus.TRAINING:
        raise Conflict("The model is being trained right now.", code="training_in_progress")
    return out.Trained(
        model_id=model.pk,
        status=model.current_status,
        model_version=model.version,
        observations=None,
        has_new_data=has_new_data(model),
        dry_run=True,
    )


def _model(model: BanditModel) -> out.Model:
    return out.Model.model_validate(dict(ModelOutput(model).data))


def _run(run: TrainingRun) -> out.TrainingRun:
    return out.TrainingRun(
        id=run.pk,
        outcome=run.outcome,
        stage=run.stage,
        trigger=run.trigger,
        started_at=run.started_at,
        finished_at=run.finished_at,
        observations=run.observations,
        error=run.error,
    )
