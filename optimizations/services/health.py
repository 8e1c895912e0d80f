"""The health of an optimization's data: what arrives, what is lost, and what to do about it."""

import datetime as dt
import time
from dataclasses import asdict
from typing import Any

import structlog
from django.db.models import prefetch_related_objects
from django.utils import timezone

from levered_site.errors import DomainError
from optimizations.models import DataHealth, Optimization, TrainingRun
from optimizations.services.health_checks import Facts, checks_of, worst
from optimizations.services.observations import Table, config_of, spec_of
from optimizations.services.regimes import regimes_of
from optimizations.services.rejections import rejected_since
from optimizations.services.results import latest_readout, read_arms_of, sample_ratios
from warehouse.services.data_health import read_arrivals
from warehouse.services.sources import source_in_use

log = structlog.get_logger("levered.health")

CLOCK_OVER = dt.timedelta(days=7)
CHEAP_SECONDS = 1.0
REUSED_FOR = 60  # times what a dear reading took
REUSED_AT_MOST = dt.timedelta(minutes=5)


def health(optimization: Optimization, *, read: bool = True) -> dict[str, Any]:
    """Every check with its status and what to do, and the figures behind them.

    Never raises for what a warehouse answers: that is one of the checks.

    Args:
        read: reads the warehouse when it is due; else the last reading is told.
    """
    prefetch_related_objects([optimization], "holdout_regimes", "guardrails__metric")
    stored = _due(optimization) if read else _last(optimization)
    known = latest_readout(optimization)
    conclusions: dict[str, Any] = known.conclusions if known else {}
    arms = read_arms_of(known) if known else []
    now = timezone.now()
    facts = Facts(
        optimization=optimization,
        now=now,
        found=stored.facts,
        measured_at=stored.measured_at,
        read_error=stored.error,
        trained_on=int(Table.from_bytes(bytes(known.table)).n.sum()) + known.unknown_exposures if known else 0,
        unknown=known.unknown_exposures if known else 0,
        rejected=rejected_since(optimization, now.date() - dt.timedelta(days=7)),
        sample_ratio=sample_ratios(arms, regimes_of(optimization), conclusions),
        baseline_check=conclusions.get("baseline_check"),
        last_run=_last_run(optimization),
        trained_at=known.computed_at if known else None,
        guardrails=list(optimization.guardrails.all()),
    )
    checks = checks_of(facts)
    return {
        "status": worst(checks),
        "checked_at": now,
        "last_successful_read_at": stored.measured_at,
        "checks": [asdict(check) for check in checks],
        "exposures": stored.facts["exposures"] if stored.facts else None,
        "rewards": stored.facts["rewards"] if stored.facts else None,
        "clock": stored.facts["clock"] if stored.facts else None,
        "sample_ratio": facts.sample_ratio,
        "unknown_exposures": facts.unknown,
        "rejected_exposures": facts.rejected,
    }


def measure(optimization: Optimization, last: DataHealth) -> DataHealth:
    """Reads the warehouse now and keeps what it found, or why it found nothing, in the place of the `last` reading."""
    spec = spec_of(optimization, config_of(optimization))
    began, now = time.monotonic(), timezone.now()
    kept: dict[str, Any]
    try:
        source = source_in_use(optimization.organization, optimization.assignment_source)
        # what is older than the optimization was brought in from elsewhere: it says nothing of clocks
        since = max(now - CLOCK_OVER, optimization.created_at)
        arrivals = asdict(read_arrivals(source, optimization.reward_metric, spec, now=now, clock_since=since))
        clock = arrivals.pop("clock")
        rewards, matched = arrivals.pop("rewards_30d"), arrivals.pop("matched_30d")
        arrivals["rewards"] |= {"last_30d": rewards, "matched_30d": matched}
        for stream in arrivals.values():
            stream["last_at"] = stream["last_at"] and stream["last_at"].astimezone(dt.UTC).isoformat()
        kept = {"facts": arrivals | {"clock": clock}, "measured_at": now, "error": ""}
    except DomainError as error:
        kept = {"error": error.message[:1000]}
        log.warning("data_unreadable", optimization=str(optimization.pk), error=error.message)
    kept |= {"tried_at": now, "seconds": time.monotonic() - began}
    if not DataHealth.objects.filter(optimization=optimization).update(**kept):
        DataHealth.objects.get_or_create(optimization=optimization, defaults=kept)
    for name, value in kept.items():
        setattr(last, name, value)
    return last


def _due(optimization: Optimization) -> DataHealth:
    """The last reading, or a new one: always where it is cheap, else for about a sixtieth of the time."""
    last = _last(optimization)
    reused = min(dt.timedelta(seconds=REUSED_FOR * last.seconds), REUSED_AT_MOST)
    if last.seconds > CHEAP_SECONDS and timezone.now() < last.tried_at + reused:
        return last
    return measure(optimization, last)


def _last(optimization: Optimization) -> DataHealth:
    """The stored reading; one without facts before the first."""
    stored = DataHealth.objects.filter(optimization=optimization).first()
    return stored or DataHealth(optimization=optimization, tried_at=optimization.created_at)


def _last_run(optimization: Optimization) -> TrainingRun | None:
    ended = TrainingRun.objects.filter(model__optimization=optimization).exclude(outcome=TrainingRun.Outcome.RUNNING)
    return ended.first()
