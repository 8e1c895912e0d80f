"""The lift as it was known day by day: snapshots that stay when models are retrained or deleted."""

import datetime as dt
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.utils import timezone

from optimizations.models import BanditModel, LiftSnapshot, Optimization, Readout
from optimizations.services.measured import robust_lift
from optimizations.services.observations import config_of, reward_of
from optimizations.services.results import read_arms_of

_NONE = {"policy": None, "ceiling": None, "measured": None, "model_version": None, "computed_at": None}


def snapshot_lift(model: BanditModel, *, day: dt.date | None = None) -> LiftSnapshot | None:
    """Writes the day's snapshot, today's if none is named, from the latest read-out; None before the first.

    The day's last write stays.
    """
    read = Readout.objects.filter(model=model).first()
    if read is None:
        return None
    optimization = model.optimization
    reward = reward_of(optimization.reward_metric, config_of(optimization).reward_type)
    measured = robust_lift(read_arms_of(read), reward=reward)
    snapshot, _ = LiftSnapshot.objects.update_or_create(
        optimization=optimization,
        day=day or timezone.now().date(),
        defaults={
            "version": read.version,
            "computed_at": read.computed_at,
            "policy": read.conclusions.get("policy_lift"),
            "ceiling": read.conclusions.get("best_lift"),
            "measured": {key: measured[key] for key in ("lift_percent", "always_valid_ci", "verdict")},
        },
    )
    return snapshot


def latest_lifts(optimizations: Iterable[UUID], *, days: int) -> dict[UUID, list[LiftSnapshot]]:
    """Per optimization the snapshots of the last `days` days, oldest first: one query for all."""
    since = timezone.now().date() - dt.timedelta(days=days - 1)
    found: dict[UUID, list[LiftSnapshot]] = {}
    for snapshot in LiftSnapshot.objects.filter(optimization__in=list(optimizations), day__gte=since):
        found.setdefault(snapshot.optimization_id, []).append(snapshot)
    return found


def lift_history(
    optimization: Optimization, *, start: dt.date | None = None, end: dt.date | None = None
) -> list[dict[str, Any]]:
    """Every day from the first snapshot to the last; a day without one has nulls and a reason."""
    found = optimization.lift_snapshots.all()
    if start:
        found = found.filter(day__gte=start)
    if end:
        found = found.filter(day__lte=end)
    days: list[dict[str, Any]] = []
    for snapshot in found:
        while days and days[-1]["date"] + dt.timedelta(days=1) < snapshot.day:
            gap = days[-1]["date"] + dt.timedelta(days=1)
            days.append({"date": gap} | _NONE | {"reason": "No snapshot was taken on this day."})
        days.append(
            {
                "date": snapshot.day,
                "model_version": snapshot.version,
                "computed_at": snapshot.computed_at,
                "policy": snapshot.policy,
                "ceiling": snapshot.ceiling,
                "measured": snapshot.measured,
                "reason": None if snapshot.policy else "The model had no lift to tell yet.",
            }
        )
    return days
