"""Synergy, saturation and conflict of two levels, told apart on the reward scale."""

import numpy as np
import pytest

from bandits.design import Design
from bandits.observations import Observations
from bandits.posterior import fit
from bandits.readout import readout
from bandits.synergy import pair_rewards

PLAIN, HIGH = 0.04, 0.06


def draws_of(table, rng, *, noise=1e-4):
    means = np.asarray(table, float).ravel()
    return means[:, None] + noise * rng.standard_normal((len(means), 500))


@pytest.mark.parametrize(
    ("table", "kinds"),
    [
        # only together: the pair is worth more than the sum
        ([[PLAIN, PLAIN], [PLAIN, HIGH]], [[None, None], [None, "synergy"]]),
        # either is enough: both help, together they add nothing
        ([[PLAIN, HIGH], [HIGH, HIGH]], [[None, None], [None, "saturation"]]),
        # levels that match: the others are in each other's way
        ([[HIGH, PLAIN], [PLAIN, HIGH]], [["synergy", "conflict"], ["conflict", "synergy"]]),
        # additive
        ([[0.04, 0.05], [0.05, 0.06]], [[None, None], [None, None]]),
    ],
)
def test_kinds(table, kinds, rng):
    found = pair_rewards(Design([2, 2]), (0, 1), draws_of(table, rng))
    assert found.kinds == kinds
    extra = np.asarray(table) - found.additive.mean
    assert found.extra.mean == pytest.approx(extra, abs=1e-4)
    assert found.together.mean == pytest.approx(np.asarray(table), abs=1e-4)
    assert np.all(found.extra.lo <= found.extra.mean)
    assert np.all(found.extra.mean <= found.extra.hi)


def test_nothing_is_named_while_it_is_not_sure(rng):
    found = pair_rewards(Design([2, 2]), (0, 1), draws_of([[PLAIN, PLAIN], [PLAIN, HIGH]], rng, noise=0.02))
    assert found.kinds == [[None, None], [None, None]]
    assert np.all(found.extra.lo < 0)


def test_the_interval_covers_what_the_pair_really_brings(rng):
    """60 worlds of a 3 x 3 design: the 95 % interval of `extra` holds the truth in at least 88 % of the cells."""
    design, n = Design([3, 3]), np.full(9, 4000.0)
    held = []
    for _ in range(60):
        rate = 0.06 + 0.01 * rng.standard_normal(9).clip(-2, 2)
        total = rng.binomial(4000, rate).astype(float)
        zeros = np.zeros(9)
        rows = Observations(np.arange(9), np.zeros((9, 0)), zeros, n, total, total)
        (pair,) = readout(fit(design, rows, reward="bool"), rng=rng).interactions
        table = rate.reshape(3, 3)
        truth = table - table.mean(1, keepdims=True) - table.mean(0, keepdims=True) + table.mean()
        held.append((pair.rewards.extra.lo <= truth) & (truth <= pair.rewards.extra.hi))
    assert np.mean(held) >= 0.88, np.mean(held)
