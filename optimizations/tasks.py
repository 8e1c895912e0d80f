"""What the worker does. Tasks take ids, look again, and leave quietly when there is nothing left to do."""

import datetime as dt
from collections.abc import Callable
from http.client import HTTPException

import structlog
from oauth2_provider.models import clear_expired

from levered_site.errors import Conflict, InvalidRequest, Unavailable
from levered_site.queue import enqueue, enqueue_later
from levered_site.sessions import SessionStore
from optimizations.models import BanditModel, Guardrail, Optimization, TrainingRun
from optimizations.services import notifications
from optimizations.services.guardrails import evaluate_guardrails
from optimizations.services.lift_history import snapshot_lift
from optimizations.services.training import has_new_data, train
from optimizations.states import ModelStatus, Status

log = structlog.get_logger("levered.tasks")
RETRY_MINUTES = (1, 5, 30, 120, 480)  # a server may be away for a night; news of harm must not be lost by that


def train_due_models() -> int:
    """Queues a training for every live model that has new data; returns how many."""
    live = BanditModel.objects.filter(optimization__status=Status.LIVE, training_claimed_at=None)
    due = 0
    for model in live.exclude(status=ModelStatus.ARCHIVED).select_related("optimization__assignment_source"):
        try:
            is_due = has_new_data(model)
        except Unavailable as error:
            log.warning("warehouse_unavailable", model=str(model.pk), error=error.message)
            continue
        if is_due:
            enqueue("optimizations.tasks.train_model", str(model.pk))
            due += 1
    return due


def train_model(model_id: str, trigger: str = TrainingRun.Trigger.SCHEDULE) -> int | None:
    """Trains one model and returns its version. A training that cannot happen now is recorded in its run, not retried
    here: the schedule comes back."""
    model = BanditModel.objects.select_related("optimization").filter(pk=model_id).first()
    if model is None or model.status == ModelStatus.ARCHIVED:
        return None
    try:
        return train(model, trigger=trigger).version
    except (Conflict, InvalidRequest, Unavailable) as error:
        log.info("training_skipped", model=model_id, reason=error.message)
        return None


def snapshot_lifts() -> int:
    """Writes today's lift of every live optimization that has one; returns how many."""
    live = BanditModel.objects.filter(optimization__status=Status.LIVE).exclude(status=ModelStatus.ARCHIVED)
    return sum(snapshot_lift(model) is not None for model in live.select_related("optimization__reward_metric"))


def check_guardrails() -> int:
    """Evaluates the guardrails of every live optimization; returns how many optimizations have some."""
    guarded = Optimization.objects.filter(status=Status.LIVE, guardrails__isnull=False).distinct()
    for optimization in guarded:
        evaluate_guardrails(optimization)
    return len(guarded)


def forget_expired() -> None:
    """Removes sessions and tokens that have ended: nobody can use them, and they would only pile up."""
    SessionStore.clear_expired()
    clear_expired()


def mail_violation(guardrail_id: str, recipient: str, attempt: int = 0) -> bool:
    return _tell(notifications.mail_violation, guardrail_id, recipient, attempt=attempt)


def post_violation(guardrail_id: str, attempt: int = 0) -> bool:
    return _tell(notifications.post_violation, guardrail_id, attempt=attempt)


def _tell(send: Callable[..., bool], guardrail_id: str, *to: str, attempt: int) -> bool:
    """Whether it arrived. What does not is sent again after each of `RETRY_MINUTES`, and then is a failed task."""
    guardrail = Guardrail.objects.select_related("metric", "optimization__organization").filter(pk=guardrail_id).first()
    if guardrail is None:
        return False
    try:
        return send(guardrail, *to)
    except (OSError, HTTPException, Unavailable) as error:
        if attempt == len(RETRY_MINUTES):
            raise
        delay = dt.timedelta(minutes=RETRY_MINUTES[attempt])
        log.warning(
            "violation_not_told", guardrail=guardrail_id, by=send.__name__, error=str(error), again_in=str(delay)
        )
        enqueue_later(f"optimizations.tasks.{send.__name__}", guardrail_id, *to, attempt + 1, delay=delay)
        return False
