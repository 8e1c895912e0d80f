import numpy as np
import pytest

from bandits.capping import cap
from bandits.cell_capping import ENOUGH, capped_cells
from bandits.observations import Observations


def cells_of(cell, reward):
    size = cell.max() + 1
    sums = (np.bincount(cell, column, minlength=size) for column in (np.ones(len(cell)), reward, reward**2))
    return Observations(np.arange(size), np.zeros((size, 0)), np.zeros(size), *sums)


def heavy(rng, rows, rate=0.05):
    return np.where(rng.random(rows) < rate, 50 * rng.lognormal(-0.72, 1.2, rows), 0.0)


def test_single_rewards_are_capped_like_their_rows(rng):
    reward = np.zeros((400, 20))
    converted = rng.random(400) < 0.9
    reward[converted, 0] = rng.lognormal(3, 1.5, converted.sum())
    after = capped_cells(cells_of(np.repeat(np.arange(400), 20), reward.ravel()))
    capped = np.minimum(reward, cap(reward.ravel())).sum(axis=1)
    assert np.allclose(after.total, capped)
    assert np.allclose(after.total_squares, capped**2)


@pytest.mark.parametrize("size", [5, 30, 200, 900])
def test_cells_of_all_sizes_are_capped_as_rows_would_be(rng, size):
    """What is served most has the largest cells; it must be capped no more and no less than the others."""
    cells = 40_000 // size
    cell = np.concatenate([np.repeat(np.arange(4000), 20), 4000 + np.repeat(np.arange(cells), size)])
    reward = heavy(rng, len(cell))
    limit = cap(reward)
    before, rows = cells_of(cell, reward), np.bincount(cell, np.minimum(reward, limit))
    after = capped_cells(before)
    assert after.total[4000:].sum() == pytest.approx(rows[4000:].sum(), rel=0.06)
    error = np.mean((after.total - rows)[4000:] ** 2)
    assert error < 0.35 * np.var(before.total[4000:] - rows[4000:])
    assert after.total_squares.sum() == pytest.approx(np.sum(np.minimum(reward, limit) ** 2), rel=0.2)


def test_the_average_excess_is_taken_from_cells_of_many_rewards(rng):
    cell = np.concatenate([np.repeat(np.arange(2000), 20), np.full(200_000, 2000)])
    reward = heavy(rng, len(cell))
    after = capped_cells(cells_of(cell, reward))
    assert after.total[2000] == pytest.approx(np.minimum(reward[cell == 2000], cap(reward)).sum(), rel=0.05)


def test_nothing_is_added_and_nothing_turns_negative(rng):
    before = cells_of(np.repeat(np.arange(300), 30), heavy(rng, 9000))
    after = capped_cells(before)
    assert np.all(after.total <= before.total)
    assert np.all(after.total >= 0)
    assert np.all(after.total_squares >= after.total**2 / after.n - 1e-9)


def test_the_same_cells_are_capped_alike(rng):
    cells = cells_of(np.repeat(np.arange(300), 30), heavy(rng, 9000))
    assert np.array_equal(capped_cells(cells).total, capped_cells(cells).total)


def test_rewards_that_all_cost_the_same_are_left_alone(rng):
    before = cells_of(np.repeat(np.arange(300), 30), 7.0 * (rng.random(9000) < 0.05))
    assert np.allclose(capped_cells(before).total, before.total)


def test_cells_that_show_no_single_rewards_are_left_alone(rng):
    before = cells_of(np.repeat(np.arange(50), 200), rng.lognormal(3, 1, 10_000))
    assert capped_cells(before) is before
    few = cells_of(np.arange(200), np.where(np.arange(200) < ENOUGH - 1, 5.0, 0.0))
    assert capped_cells(few) is few


def test_cells_with_negative_rewards_are_left_alone(rng):
    reward = heavy(rng, 9000)
    reward[::97] = -3.0
    before = cells_of(np.repeat(np.arange(300), 30), reward)
    assert capped_cells(before) is before
