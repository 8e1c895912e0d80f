"""Training a model: read, fit, publish. The API, the schedule, the dashboard, admin and commands all call `train`."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

import numpy as np
import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from bandits.baseline import check_baseline
from bandits.blob import PosteriorFormatError
from bandits.likelihood import Reward
from bandits.observations import Observations
from bandits.posterior import Posterior, fit
from bandits.readout import readout
from levered_site.errors import Conflict, DomainError, InvalidRequest, Issue
from levered_site.organizations import audit
from optimizations.config import Config
from optimizations.models import BanditModel, PosteriorVersion, Readout, TrainingRun
from optimizations.services.assignment import check_assignment
from optimizations.services.conclusions import conclude, summarize
from optimizations.services.guardrails import evaluate_guardrails
from optimizations.services.lift_history import snapshot_lift
from optimizations.services.observations import Evidence, config_of, read_evidence, spec_of
from optimizations.services.policy import slot_policy, slot_seed
from optimizations.services.publication import publish
from optimizations.services.regimes import held_out_now
from optimizations.states import ModelStatus, Status
from warehouse.models import Provider
from warehouse.services.connections import provider_of
from warehouse.services.observations import newest_event
from warehouse.services.sources import source_in_use

log = structlog.get_logger("levered.training")

RIPENING = dt.timedelta(hours=1)
KEPT_VERSIONS = 20  # older posteriors give up their blob; their slot shares, the decision log, stay for ever
LOGGED_CELLS = 256  # context cells in the decision log, those with the most traffic
READOUT_DRAWS = 2000


def train(
    model: BanditModel, *, trigger: str, bias: Mapping[str, float] | None = None, reread: bool = False
) -> TrainingRun:
    """Trains the model on everything in the warehouse and publishes the new posterior.

    Args:
        bias: exploration bias per design factor, kept for later trainings; None keeps what was set before.
        reread: read all days from the warehouse again, also those that are over.

    Raises:
        InvalidRequest: the bias names no design factor, or the SQL does not run in the warehouse.
        Conflict: `training_in_progress`, or the optimization is no longer live.
        Unavailable: the warehouse does not answer. The served model stays the last good one.
    """
    optimization = model.optimization
    config = config_of(optimization)
    bias = dict(model.bias if bias is None else bias)
    _check_bias(config, bias)
    if optimization.status != Status.LIVE:
        raise Conflict(f"The optimization is {optimization.status}; only a live one learns.")
    claimed_at = _claim(model)
    try:
        run = TrainingRun.objects.create(model=model, trigger=trigger, stage="reading the warehouse")
        try:
            run = _train(run, model, config, bias, claimed_at, reread=reread)
        except Exception as error:
            _record_failure(run, error)
            raise
    finally:
        BanditModel.objects.filter(pk=model.pk, training_claimed_at=claimed_at).update(training_claimed_at=None)
    evaluate_guardrails(optimization)
    return run


def _train(
    run: TrainingRun,
    model: BanditModel,
    config: Config,
    bias: dict[str, float],
    claimed_at: dt.datetime,
    *,
    reread: bool,
) -> TrainingRun:
    optimization = model.optimization
    evidence = read_evidence(optimization, config, now=run.started_at, reread=reread)
    _enter(run, "fitting the model")
    previous = model.posteriors.filter(version=model.version).first()
    posterior = _fit(config, evidence.reward, evidence.learnable, previous.blob if previous else None, periods="iid")
    _enter(run, "building the policy")
    policy = slot_policy(config, posterior, optimization_id=optimization.pk, bias=bias)
    cells = _heaviest_cells(posterior)
    shares = {cell: policy.shares(cell) for cell in cells}
    _enter(run, "reading out")
    earlier = Readout.objects.filter(model=model).first()
    reporting = _fit(
        config, evidence.reward, evidence.reported, earlier.blob if earlier else None, periods="random_walk"
    )
    read = readout(
        reporting,
        context_weights=cells,
        shares=shares,
        holdout=held_out_now(optimization) / 100,
        draws=READOUT_DRAWS,
        rng=np.random.default_rng(slot_seed(optimization.pk)),
    )
    conclusions = conclude(config, read, check_baseline(reporting, evidence.reported), evidence.table)
    conclusions["assignment"] = check_assignment(optimization, config, now=claimed_at)
    arms = [[a.day.isoformat(), a.holdout, a.users, a.total, a.total_squares, a.regime] for a in evidence.arms]
    version = model.version + 1
    now = timezone.now()
    with transaction.atomic():
        # the claim is the right to publish: a process that lost it to a faster one must not overwrite its version
        if (
            not BanditModel.objects.filter(pk=model.pk, training_claimed_at=claimed_at)
            .exclude(status=ModelStatus.ARCHIVED)
            .update(status=ModelStatus.TRAINED, version=version, trained_at=now, updated_at=now, bias=bias)
        ):
            raise Conflict("The model was deleted or trained elsewhere in the meantime.")
        if bias != model.bias:
            told = {"bias": model.bias}, {"bias": bias}
            audit.record_difference(optimization.organization, "model.bias_changed", model, *told)
        PosteriorVersion.objects.create(
            model=model,
            version=version,
            blob=posterior.to_bytes(),
            bias=bias,
            shares=[[list(cell), _logged(policy.slots * share)] for cell, share in shares.items()],
            observations=posterior.observations_count,
        )
        model.posteriors.filter(version__lte=version - KEPT_VERSIONS).exclude(blob=b"").update(blob=b"")
        Readout.objects.update_or_create(
            model=model,
            defaults={
                "version": version,
                "computed_at": now,
                "blob": reporting.to_bytes(),
                "table": evidence.table.to_bytes(),
                "arms": arms,
                "conclusions": conclusions,
                "unknown_exposures": evidence.unknown,
            },
        )
        snapshot_lift(model)
        optimization.summary = summarize(config, evidence, conclusions)
        optimization.save(update_fields=["summary"])
        publish(optimization)
        run.version = version
        run.observations = float(evidence.table.n.sum())
        run.in_sample_metrics = {
            "historic_reward": _mean_reward(evidence),
            "expected_reward": conclusions["policy"],
        }
        run.outcome, run.stage, run.finished_at = TrainingRun.Outcome.SUCCEEDED, "", now
        run.save()
    model.refresh_from_db()
    log.info("trained", model=str(model.pk), version=version, observations=run.observations, trigger=run.trigger)
    return run


def has_new_data(model: BanditModel) -> bool:
    """Whether a training would see more than the last one: a new event, or windows that were open then.

    While the windows of the latest events close, what they say ripens without a new event: an hourly look is enough.
    A warehouse of one's own does not tell what is new: there it is due after a while, whatever the last one came to.
    """
    last = model.training_runs.filter(outcome=TrainingRun.Outcome.SUCCEEDED).first()
    optimization = model.optimization
    try:
        source_in_use(optimization.organization, optimization.assignment_source)
    except Conflict:
        return False
    if provider_of(optimization.organization) != Provider.MANAGED:
        latest = model.training_runs.order_by("-started_at").first()
        pause = dt.timedelta(minutes=settings.WAREHOUSE_TRAINING_MINUTES)
        return latest is None or timezone.now() - latest.started_at >= pause
    spec = spec_of(optimization, config_of(optimization))
    newest = newest_event(optimization.organization, spec)
    if newest is None or last is None:
        return newest is not None
    ripening = last.started_at < newest + dt.timedelta(seconds=spec.window_seconds)
    return newest >= last.started_at or (ripening and timezone.now() - last.started_at >= RIPENING)


def _claim(model: BanditModel) -> dt.datetime:
    now = timezone.now()
    longest = dt.timedelta(seconds=settings.TASK_SECONDS + 60)  # a claim older than this belongs to a dead process
    free = Q(training_claimed_at=None) | Q(training_claimed_at__lt=now - longest)
    if not BanditModel.objects.filter(free, pk=model.pk).update(training_claimed_at=now):
        raise Conflict("The model is being trained right now.", code="training_in_progress")
    model.refresh_from_db()
    return now


def _check_bias(config: Config, bias: Mapping[str, float]) -> None:
    issues = [Issue(f"bias.{name}", "This is not a design factor.") for name in bias if name not in config.names]
    issues += [
        Issue(f"bias.{name}", "A bias is a finite number of at least 0.")
        for name, amount in bias.items()
        if not (np.isfinite(amount) and amount >= 0)
    ]
    if issues:
        raise InvalidRequest.of(issues)


def _fit(
    config: Config, reward: Reward, observations: Observations, earlier: bytes | memoryview | None, *, periods: Any
) -> Posterior:
    return fit(config.bandit_design, observations, reward=reward, warm_start=_readable(earlier), periods=periods)


def _readable(blob: bytes | memoryview | None) -> Posterior | None:
    """An earlier posterior to start from. One of an older format or a damaged one only makes the fit start cold."""
    if not blob:
        return None
    try:
        return Posterior.from_bytes(bytes(blob))
    except PosteriorFormatError as error:
        log.warning("cold_start", reason=str(error))
        return None


def _heaviest_cells(posterior: Posterior) -> dict[tuple[int, ...], float]:
    """The context cells with the most traffic and their weights; the average context when nothing was seen."""
    cells = [tuple(int(code) for code in row) for row in posterior.contexts]
    if not cells:
        return {tuple(-1 for _ in posterior.design.contexts): 1.0}
    order = np.argsort(-posterior.context_weights, kind="stable")[:LOGGED_CELLS]
    return {cells[i]: float(posterior.context_weights[i]) for i in order}


def _logged(slots: np.ndarray[Any, Any]) -> list[list[int]]:
    return [[int(variant), round(slots[variant])] for variant in np.flatnonzero(slots)]


def _mean_reward(evidence: Evidence) -> float | None:
    n = float(evidence.table.n.sum())
    return float(evidence.table.total.sum()) / n if n else None


def _enter(run: TrainingRun, stage: str) -> None:
    run.stage = stage
    run.save(update_fields=["stage"])


def _record_failure(run: TrainingRun, error: Exception) -> None:
    known = isinstance(error, DomainError)
    if not known:
        log.exception("training_failed", run=str(run.pk))
    run.outcome = TrainingRun.Outcome.FAILED
    run.error = (
        error.message[:1000] if isinstance(error, DomainError) else "An internal error; the log has its details."
    )
    run.stage, run.finished_at = "", timezone.now()
    run.save(update_fields=["outcome", "error", "stage", "finished_at"])
