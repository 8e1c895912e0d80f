"""Serving the baseline to everyone, and going on: a guardrail pauses, a person resumes."""

from typing import Any

from django.db import transaction
from django.utils import timezone

from levered_site.errors import Conflict
from levered_site.organizations import audit
from optimizations.models import Optimization
from optimizations.services.publication import publish
from optimizations.services.regimes import open_regime
from optimizations.states import Status


def pause(optimization: Optimization, *, detail: dict[str, Any]) -> bool:
    """Serves the baseline to everyone from now on; False when it is paused already or not live."""
    now = timezone.now()
    with transaction.atomic():
        live = Optimization.objects.filter(pk=optimization.pk, status=Status.LIVE, paused_at=None)
        if not live.update(paused_at=now):
            return False
        _record(optimization, "optimization.paused", detail)
    return True


def resume(optimization: Optimization) -> Optimization:
    """Serves the variants again. A guardrail that stays violated does not pause it a second time.

    Raises:
        Conflict: it is not paused.
    """
    with transaction.atomic():
        if not Optimization.objects.filter(pk=optimization.pk).exclude(paused_at=None).update(paused_at=None):
            raise Conflict("The optimization is not paused.")
        _record(optimization, "optimization.resumed", {})
    return optimization


def _record(optimization: Optimization, action: str, detail: dict[str, Any]) -> None:
    optimization.refresh_from_db(fields=["paused_at", "holdout_percentage"])
    open_regime(optimization, timezone.now())
    publish(optimization)
    audit.record(optimization.organization, action, optimization, after=detail or None)
