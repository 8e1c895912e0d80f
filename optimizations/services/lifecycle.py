"""Creating, changing and ending optimizations. Rules of the whole product: every door calls these."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from levered_site.errors import Conflict, InvalidRequest, Issue, NotFound
from levered_site.organizations import audit
from levered_site.organizations.models import Organization, User
from optimizations.config import validate_config, warnings_of
from optimizations.models import BanditModel, Guardrail, Optimization
from optimizations.services.publication import publish
from optimizations.services.regimes import open_regime
from optimizations.states import MOVES, ModelStatus, Status
from warehouse.models import AssignmentSource, Metric
from warehouse.services.sources import default_source


@dataclass(frozen=True)
class Created:
    optimization: Optimization
    model: BanditModel
    warnings: list[str]


def list_optimizations(
    organization: Organization, *, include_archived: bool = False, order_by: str = "updated_at"
) -> QuerySet[Optimization]:
    """The organization's optimizations, latest first by `updated_at` or `created_at`."""
    found = organization.optimizations.order_by(f"-{order_by}", "pk")
    return found if include_archived else found.exclude(status=Status.ARCHIVED)


def get_optimization(organization: Organization, optimization_id: UUID | str) -> Optimization:
    found = (
        organization.optimizations.select_related("reward_metric", "assignment_source")
        .prefetch_related("guardrails__metric")
        .filter(pk=optimization_id)
        .first()
    )
    if found is None:
        raise NotFound("Optimization not found")
    return found


def active_model(optimization: Optimization) -> BanditModel | None:
    """The optimization's model, unless it was deleted."""
    return optimization.models.exclude(status=ModelStatus.ARCHIVED).first()


def create_optimization(
    organization: Organization,
    *,
    name: str,
    training_data_config: Mapping[str, Any],
    reward_metric_id: UUID | str,
    description: str = "",
    model_type: str = "cmab",
    assignment_source_id: UUID | str | None = None,
    holdout_percentage: int = 10,
    guardrails: Sequence[Mapping[str, Any]] = (),
    excluded_combinations: Sequence[Mapping[str, Any]] = (),
    created_by: User | None = None,
) -> Created:
    """A live optimization with an untrained model. Nothing is stored when anything is wrong.

    Raises:
        InvalidRequest: lists every field that is wrong.
    """
    config = validate_config(training_data_config, excluded_combinations)
    issues: list[Issue] = []
    metric = organization.metrics.filter(pk=reward_metric_id).first()
    if metric is None:
        issues.append(Issue("reward_metric_id", "No metric of your organization has this id."))
    source: AssignmentSource | None = None
    if assignment_source_id is not None:
        source = organization.assignment_sources.filter(pk=assignment_source_id, active=True).first()
        if source is None:
            issues.append(Issue("assignment_source_id", "No assignment source of your organization has this id."))
    guarded = _guarded_metrics(organization, guardrails, issues)
    if issues or metric is None:
        raise InvalidRequest.of(issues)
    now = timezone.now()
    with transaction.atomic():
        optimization = Optimization.objects.create(
            organization=organization,
            name=name,
            description=description,
            model_type=model_type,
            holdout_percentage=holdout_percentage,
            training_data_config=config.as_json(),
            excluded_combinations=[dict(c) for c in excluded_combinations],
            reward_metric=metric,
            assignment_source=source or default_source(organization),
            created_by=created_by,
            updated_at=now,
        )
        open_regime(optimization, now)
        Guardrail.objects.bulk_create(
            Guardrail(
                optimization=optimization,
                metric=guarded[str(g["metric_id"])],
                direction=g["direction"],
                margin_percent=g["margin_percent"],
                on_violation=g.get("on_violation", Guardrail.OnViolation.NOTIFY),
            )
            for g in guardrails
        )
        model = _new_model(optimization)
        audit.record(organization, "optimization.created", optimization, after=_told(optimization))
    return Created(optimization, model, warnings_of(config))


def _told(optimization: Optimization) -> dict[str, Any]:
    """What the audit log keeps of a new optimization."""
    names = ("name", "description", "status", "model_type", "holdout_percentage", "training_data_config")
    return audit.fields(optimization, *names, "excluded_combinations", "reward_metric_id")


def _guarded_metrics(
    organization: Organization, guardrails: Sequence[Mapping[str, Any]], issues: list[Issue]
) -> dict[str, Metric]:
    found = {str(m.pk): m for m in organization.metrics.filter(pk__in=[g["metric_id"] for g in guardrails])}
    issues += [
        Issue(f"guardrails[{i}].metric_id", "No metric of your organization has this id.")
        for i, g in enumerate(guardrails)
        if str(g["metric_id"]) not in found
    ]
    return found


def update_optimization(
    optimization: Optimization,
    *,
    name: str | None = None,
    description: str | None = None,
    status: str | None = None,
    holdout_percentage: int | None = None,
) -> Optimization:
    """Renames, describes or moves an optimization, or changes its holdout; the moves are those of `states.MOVES`.

    Raises:
        Conflict: `invalid_transition`, or the holdout of an optimization that is not live.
    """
    told = ("name", "description", "status", "holdout_percentage")
    before = audit.fields(optimization, *told)
    # a form may have written its values into the object already
    before |= Optimization.objects.values("name", "description").get(pk=optimization.pk)
    with transaction.atomic():
        if holdout_percentage is not None and holdout_percentage != optimization.holdout_percentage:
            _change_holdout(optimization, holdout_percentage)
        if status is not None and status != optimization.status:
            _move(optimization, status)
        if name is not None:
            optimization.name = name
        if description is not None:
            optimization.description = description
        optimization.updated_at = timezone.now()
        optimization.save(update_fields=["name", "description", "updated_at"])
        after = audit.fields(optimization, *told)
        audit.record_difference(optimization.organization, "optimization.updated", optimization, before, after)
    return optimization


def _change_holdout(optimization: Optimization, percentage: int) -> None:
    """A new share from now on, which opens a regime; users keep the arm of their first exposure in all numbers."""
    live = Optimization.objects.filter(pk=optimization.pk, status=Status.LIVE)
    if not live.update(holdout_percentage=percentage):
        raise Conflict(f"The optimization is {optimization.status}; only a live one has a holdout to change.")
    optimization.holdout_percentage = percentage
    open_regime(optimization, timezone.now())
    publish(optimization)


def _move(optimization: Optimization, status: str) -> None:
    """Claims the move: of two callers at once, one succeeds and the other is told where things stand."""
    old = optimization.status
    now = timezone.now()
    ended = "completed_at" if status == Status.COMPLETED else "archived_at"
    moment = {ended: now, "paused_at": None}  # a pause ends with what it withheld
    claimed = status in MOVES[old] and Optimization.objects.filter(pk=optimization.pk, status=old).update(
        status=status, **moment
    )
    if not claimed:
        raise Conflict(f"An optimization that is {old} cannot become {status}.", code="invalid_transition")
    optimization.status = Status(status)
    for field, value in moment.items():
        setattr(optimization, field, value)
    publish(optimization)


def archive_optimization(optimization: Optimization) -> Optimization:
    """Hides it from lists and stops serving; its data stays. Archiving twice changes nothing."""
    if optimization.status == Status.ARCHIVED:
        return optimization
    return update_optimization(optimization, status=Status.ARCHIVED)


def create_model(optimization: Optimization) -> BanditModel:
    """A new, untrained model. An optimization has one at a time: 409 while another is there.

    A completed or archived optimization learns nothing more: 409 as well.
    """
    with transaction.atomic():
        model = _new_model(optimization)
        audit.record(optimization.organization, "model.created", model)
    return model


def _new_model(optimization: Optimization) -> BanditModel:
    if optimization.status != Status.LIVE:
        raise Conflict(f"The optimization is {optimization.status}; only a live one can learn.")
    with transaction.atomic():
        if (
            Optimization.objects.select_for_update()
            .get(pk=optimization.pk)
            .models.exclude(status=ModelStatus.ARCHIVED)
            .exists()
        ):
            raise Conflict("The optimization has a model; delete it first.")
        model = BanditModel.objects.create(
            organization=optimization.organization, optimization=optimization, updated_at=timezone.now()
        )
        publish(optimization)
    return model


def list_models(organization: Organization) -> QuerySet[BanditModel]:
    return organization.models.exclude(status=ModelStatus.ARCHIVED).select_related("optimization")


def get_model(organization: Organization, model_id: UUID | str) -> BanditModel:
    found = list_models(organization).filter(pk=model_id).first()
    if found is None:
        raise NotFound("Model not found")
    return found


def delete_model(model: BanditModel) -> BanditModel:
    """Soft-deletes the model: its optimization stays, but serves nothing until it gets a new one."""
    with transaction.atomic():
        before = audit.fields(model, "status", "version")
        model.status = ModelStatus.ARCHIVED
        model.updated_at = timezone.now()
        model.save(update_fields=["status", "updated_at"])
        after = audit.fields(model, "status", "version")
        audit.record(model.organization, "model.deleted", model, before=before, after=after)
        publish(model.optimization)
    return model
