"""Caps where rows are out of reach: what the rewards above the cap add to a cell, estimated from the cell's sums.

Rows beat this: use `bandits.capping.cap` at extraction where you can.
"""

from dataclasses import dataclass

import numpy as np

from bandits.arrays import FloatArray
from bandits.capping import cap
from bandits.gram import sums
from bandits.observations import Observations

ENOUGH = 20  # single rewards to know their distribution by
SIMULATED = 1000  # cells of each size
MANY = 100  # rewards in a cell: from here on its excess is that of the average


def capped_cells(observations: Observations) -> Observations:
    """Training cells as they would be with every reward above the cap cut to it.

    A cell whose squared sum is its sum of squares holds one reward, which is thereby known, and capped exactly. Those
    rewards stand for all: cells of every size are simulated from them, and regressing what lies above the cap on the
    sum and on the root of the sum of squares (about the largest reward, where one outweighs the others) gives the
    estimate for the cells of several rewards. Large and small cells are capped alike on average: to cut just the
    outliers that can be seen, which are those of small cells, would favor whatever is served most.

    Left as they are: cells with negative rewards among them, and cells of which hardly any holds a single reward.
    """
    n, total, squares = observations.n, observations.total, observations.total_squares
    known = (squares > 0) & (total > 0) & (np.abs(total**2 - squares) <= 1e-9 * squares)
    if np.any(total < 0) or np.count_nonzero(known) < ENOUGH:
        return observations
    rewards = _Rewards.of(total[known], float(total.sum() / n.sum()))
    if not np.isfinite(rewards.cap):
        return observations
    excess = np.where(known, np.maximum(total - rewards.cap, 0.0), _excess(rewards, n, total, squares))
    capped = total - np.where(total > 0, np.clip(excess, 0.0, total), 0.0)
    # the squares serve the pooled variance only, so they need to be right in sum
    left = min(1.0, rewards.rate * np.mean(rewards.capped**2) * n.sum() / squares.sum())
    kept = np.where(known, capped**2, np.maximum(left * squares, capped**2 / np.maximum(n, 1.0)))
    return Observations(observations.variant, observations.context, observations.period, n, capped, kept)


@dataclass(frozen=True)
class _Rewards:
    """A sample of the rewards other than 0, how many there are per exposure, and their cap."""

    values: FloatArray
    rate: float
    cap: float

    @classmethod
    def of(cls, values: FloatArray, mean: float) -> "_Rewards":
        """Args: mean: reward per exposure."""
        rate = min(1.0, mean / float(values.mean()))
        zeros = len(values) * (1.0 / rate - 1.0)
        return cls(values, rate, cap(np.append(values, 0.0), np.append(np.ones(len(values)), zeros)))

    @property
    def capped(self) -> FloatArray:
        return np.minimum(self.values, self.cap)


def _excess(rewards: _Rewards, n: FloatArray, total: FloatArray, squares: FloatArray) -> FloatArray:
    """Expected excess over the cap given a cell's sums, (cells,)."""
    rng = np.random.default_rng(0)  # the same cells give the same estimate
    excess: FloatArray = total * (1.0 - rewards.capped.mean() / rewards.values.mean())
    half_octave = np.floor(2.0 * np.log2(np.maximum(n, 1.0)))
    for number in np.unique(half_octave[rewards.rate * n < MANY]):
        at = half_octave == number
        size = float(n[at].mean())
        count = rng.poisson(size * rewards.rate, SIMULATED)
        drawn = rewards.values[rng.integers(len(rewards.values), size=count.sum())]
        cell = np.repeat(np.arange(SIMULATED), count)
        of_totals, of_squares, above = (
            sums(cell, column, SIMULATED) for column in (drawn, drawn**2, np.maximum(drawn - rewards.cap, 0.0))
        )
        features = np.column_stack([np.ones(SIMULATED), _outlier(of_squares, rewards.cap), of_totals])
        constant, per_outlier, per_total = np.linalg.lstsq(features, above, rcond=None)[0]
        excess[at] = constant * n[at] / size + per_outlier * _outlier(squares[at], rewards.cap) + per_total * total[at]
    return excess


def _outlier(squares: FloatArray, cap: float) -> FloatArray:
    return np.asarray(np.maximum(np.sqrt(squares) - cap, 0.0), np.float64)
