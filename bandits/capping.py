"""Caps for heavy-tailed rewards. Training uses capped rewards; reported means and lifts never do.

A handful of very large rewards decides a variant's mean for a long time. Training therefore sees min(reward, cap).
Capped means are biased low, so read-outs are fitted to the uncapped sums.
"""

import numpy as np
import numpy.typing as npt

from bandits.arrays import FloatArray

QUANTILE = 0.995  # of all matured exposures' rewards, zeros included
RARE_QUANTILE = 0.95  # of the rewards other than 0, where those are so rare that the quantile above is 0


def cap(rewards: npt.ArrayLike, weights: npt.ArrayLike | None = None) -> float:
    """The cap for training: the pooled 99.5 % quantile of all exposures' rewards, ties kept.

    Where more than 99.5 % of the rewards are 0, the 95 % quantile of the others, or the cap would be 0.
    No cap (infinity) without a positive reward.

    Args:
        rewards: one value per matured exposure, of both arms.
        weights: how many exposures each value stands for, so that zeros need not be listed one by one.

    Raises:
        ValueError: rewards or weights that are not finite.
    """
    values = np.asarray(rewards, np.float64).ravel()
    counts = np.ones(len(values)) if weights is None else np.asarray(weights, np.float64).ravel()
    if not (np.all(np.isfinite(values)) and np.all(np.isfinite(counts))):
        raise ValueError("rewards, weights: must be finite")
    if not np.any(values > 0):
        return float("inf")
    limit = _quantile(values, counts, QUANTILE)
    if limit > 0:
        return limit
    other = values != 0
    limit = _quantile(values[other], counts[other], RARE_QUANTILE)
    return limit if limit > 0 else float("inf")


def _quantile(values: FloatArray, weights: FloatArray, level: float) -> float:
    """Smallest value with at least `level` of the weight at or below it."""
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order])
    position = int(np.searchsorted(reached, level * reached[-1] * (1 - 1e-12)))
    return float(values[order[min(position, len(order) - 1)]])
