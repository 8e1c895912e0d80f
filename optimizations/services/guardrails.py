"""Metrics that must not be harmed: read, judged, stored, shown; a violation acts once."""

import datetime as dt
from dataclasses import replace
from typing import Any

import structlog
from django.db import transaction
from django.utils import timezone

from bandits.guardrail import Direction, GuardrailStatus, harm_p_value, judge
from bandits.lift import StratifiedLift, stratified_lift
from levered_site.errors import DomainError
from levered_site.organizations import audit
from levered_site.queue import enqueue
from optimizations.models import Guardrail, Optimization
from optimizations.services.measured import arm_total, pair, published_arms, strata_of
from optimizations.services.notifications import admins
from optimizations.services.observations import config_of, reward_of, spec_of
from optimizations.services.pausing import pause
from warehouse.mapping import RewardType
from warehouse.models import Metric
from warehouse.services.increments import read_arm_days
from warehouse.services.observations import ArmDay
from warehouse.services.sources import source_in_use

log = structlog.get_logger("levered.guardrails")


def evaluate_guardrails(optimization: Optimization) -> list[Guardrail]:
    """Reads every guardrail's metric, per user by the first exposure, and judges it.

    One that cannot be read keeps what was known, with the reason. Never raises for what a warehouse answers.
    """
    found = list(optimization.guardrails.select_related("metric"))
    for guardrail in found:
        try:
            _evaluate(optimization, guardrail)
        except DomainError as error:
            guardrail.reason = f"{Guardrail.UNREADABLE}: {error.message}"[:1000]
            guardrail.save(update_fields=["reason"])
            log.warning("guardrail_unreadable", guardrail=str(guardrail.pk), error=error.message)
        except Exception:  # a training that succeeded does not fail over a guardrail
            log.exception("guardrail_failed", guardrail=str(guardrail.pk))
    return found


def guardrail_rows(
    optimization: Optimization, *, start: dt.date | None = None, end: dt.date | None = None
) -> list[dict[str, Any]]:
    """Each guardrail with both arms. `start` and `end` restrict the numbers; the status is of everything seen.

    The lift, its always-valid 95 % interval and the one-sided p-value compare within days and regimes; the rates are
    those of the latest regime with users in both arms.
    """
    return [_row(guardrail, start, end) for guardrail in optimization.guardrails.select_related("metric")]


def _evaluate(optimization: Optimization, guardrail: Guardrail) -> None:
    source = source_in_use(optimization.organization, optimization.assignment_source)
    spec = replace(spec_of(optimization, config_of(optimization)), reward_type=_reward_type(guardrail.metric))
    now = timezone.now()
    arms = read_arm_days(source, guardrail.metric, spec, now=now)
    guardrail.arms = [[a.day.isoformat(), a.holdout, a.users, a.total, a.total_squares, a.regime] for a in arms]
    lift = _lift(guardrail, arms)
    status = judge(lift, direction=_direction(guardrail), margin_percent=guardrail.margin_percent)
    guardrail.reason, guardrail.evaluated_at = _reason(guardrail, status, lift), now
    with transaction.atomic():
        guardrail.save(update_fields=["arms", "reason", "evaluated_at"])
        mine = Guardrail.objects.filter(pk=guardrail.pk)
        if status != "violated":
            mine.update(status=status)
        # the claim: of several evaluations at once, one acts
        elif mine.exclude(status=status).update(status=status, violated_at=now):
            _act(optimization, guardrail)
    guardrail.status = status


def _act(optimization: Optimization, guardrail: Guardrail) -> None:
    detail = {"guardrail": str(guardrail.pk), "metric": guardrail.metric.name, "reason": guardrail.reason}
    audit.record(optimization.organization, "guardrail.violated", guardrail, after=detail)
    if guardrail.on_violation == Guardrail.OnViolation.PAUSE:
        pause(optimization, detail=detail)
    enqueue("optimizations.tasks.post_violation", str(guardrail.pk))
    for recipient in admins(optimization.organization):
        enqueue("optimizations.tasks.mail_violation", str(guardrail.pk), recipient)
    log.warning("guardrail_violated", optimization=str(optimization.pk), **detail)


def _row(guardrail: Guardrail, start: dt.date | None, end: dt.date | None) -> dict[str, Any]:
    arms = [ArmDay(dt.date.fromisoformat(day), *rest) for day, *rest in guardrail.arms]
    arms = [a for a in arms if (start is None or a.day >= start) and (end is None or a.day <= end)]
    pooled = published_arms(arms)
    held, served = arm_total(pooled, holdout=True), arm_total(pooled, holdout=False)
    lift = _lift(guardrail, arms)
    return {
        "id": guardrail.pk,
        "metric": {"id": guardrail.metric.pk, "name": guardrail.metric.name},
        "reward_type": _reward_type(guardrail.metric),
        "direction": guardrail.direction,
        "margin_percent": guardrail.margin_percent,
        "on_violation": guardrail.on_violation,
        "status": guardrail.status,
        "reason": guardrail.reason or "It has not been evaluated yet; the next training does.",
        "holdout_rate": held.mean if held.users else None,
        "holdout_users": held.users,
        "optimization_rate": served.mean if served.users else None,
        "optimization_users": served.users,
        "lift_percent": lift.lift_percent,
        "lift_ci": pair(lift.sequence),
        "p_value": harm_p_value(lift, direction=_direction(guardrail), margin_percent=guardrail.margin_percent),
        "evaluated_at": guardrail.evaluated_at,
        "violated_at": guardrail.violated_at,
    }


def _lift(guardrail: Guardrail, arms: list[ArmDay]) -> StratifiedLift:
    return stratified_lift(strata_of(arms), reward=reward_of(guardrail.metric, _reward_type(guardrail.metric)))


def _reason(guardrail: Guardrail, status: GuardrailStatus, lift: StratifiedLift) -> str:
    if lift.sequence is None:
        return f"Too early: {lift.reason}."
    moved = "fall" if guardrail.direction == Guardrail.Direction.INCREASE else "rise"
    low, high = lift.sequence
    between = f"{low:+.1f} % and {high:+.1f} %"
    limit = f"the metric must not {moved} by more than {guardrail.margin_percent:g} %"
    if status == "violated":
        return f"Violated: {limit}, and the change lies between {between}."
    if status == "ok":
        return f"{limit[0].upper()}{limit[1:]}; the change lies between {between}."
    return f"Too early: {limit}; the change may be anything between {between}."


def _direction(guardrail: Guardrail) -> Direction:
    return "decrease" if guardrail.direction == Guardrail.Direction.DECREASE else "increase"


def _reward_type(metric: Metric) -> RewardType:
    return "numeric" if metric.column_mapping.get("reward_type") == "numeric" else "bool"
