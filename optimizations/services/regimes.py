"""Which share of the users got the baseline, and when: the holdout's history."""

import datetime as dt

from optimizations.models import HoldoutRegime, Optimization


def regimes_of(optimization: Optimization) -> list[HoldoutRegime]:
    """In the order of time, at least one; their positions are the numbers that observed arms carry."""
    return list(optimization.holdout_regimes.all()) or [_current(optimization, optimization.created_at)]


def open_regime(optimization: Optimization, now: dt.datetime) -> None:
    """Records the share that is served from now on, if it is another one. The caller holds the optimization's row."""
    latest = optimization.holdout_regimes.last()
    regime = _current(optimization, now)
    if latest is None or latest.percentage != regime.percentage:
        regime.save()


def held_out_now(optimization: Optimization) -> int:
    """The share that gets the baseline: everybody while the optimization is paused."""
    return 100 if optimization.paused_at else optimization.holdout_percentage


def _current(optimization: Optimization, started_at: dt.datetime) -> HoldoutRegime:
    return HoldoutRegime(optimization=optimization, percentage=held_out_now(optimization), started_at=started_at)
