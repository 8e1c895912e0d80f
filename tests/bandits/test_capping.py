import numpy as np
import pytest

from bandits.capping import QUANTILE, RARE_QUANTILE, cap, capped_cells
from bandits.observations import Observations


def test_the_cap_is_the_pooled_quantile(rng):
    rewards = rng.lognormal(3, 1, 5000)
    limit = cap(rewards)
    assert np.mean(rewards <= limit) == pytest.approx(QUANTILE, abs=1e-3)
    assert limit in rewards


def test_zeros_need_not_be_listed(rng):
    rewards = np.where(rng.random(5000) < 0.1, rng.lognormal(3, 1, 5000), 0.0)
    positive = rewards[rewards > 0]
    weighted = cap([*positive, 0.0], [*np.ones(len(positive)), float(np.sum(rewards == 0))])
    assert weighted == cap(rewards)


def test_rare_rewards_are_capped_among_themselves():
    rewards = np.zeros(100_000)
    rewards[:100] = np.arange(1, 101)
    assert cap(rewards) == pytest.approx(100 * RARE_QUANTILE)


@pytest.mark.parametrize("rewards", [[], [0.0, 0.0], [-5.0, 0.0, -1.0]])
def test_without_positive_rewards_there_is_no_cap(rewards):
    assert cap(rewards) == float("inf")


def test_ties_at_the_cap_are_kept():
    assert cap(np.full(1000, 7.0)) == 7.0


def test_rewards_that_are_not_finite_are_refused():
    with pytest.raises(ValueError, match="finite"):
        cap([1.0, float("nan")])


def cells_of(variant, reward):
    size = variant.max() + 1
    sums = (np.bincount(variant, column, minlength=size) for column in (np.ones(len(variant)), reward, reward**2))
    return Observations(np.arange(size), np.zeros((size, 0)), np.zeros(size), *sums)


def test_cells_with_single_conversions_are_capped_like_their_rows(rng):
    reward = np.zeros((400, 20))
    converted = rng.random(400) < 0.9
    reward[converted, 0] = rng.lognormal(3, 1.5, converted.sum())
    variant = np.repeat(np.arange(400), 20)
    limit = cap(reward.ravel())
    assert np.allclose(capped_cells(cells_of(variant, reward.ravel())).total, np.minimum(reward, limit).sum(axis=1))


def test_cells_without_outliers_are_left_alone(rng):
    variant = np.repeat(np.arange(50), 200)
    reward = rng.normal(10, 1, len(variant))
    before = cells_of(variant, reward)
    assert np.allclose(capped_cells(before).total, before.total)


def test_capping_lowers_outliers_only(rng):
    variant = np.repeat(np.arange(300), 30)
    reward = np.where(rng.random(9000) < 0.05, rng.lognormal(3, 1.7, 9000), 0.0)
    before = cells_of(variant, reward)
    after = capped_cells(before)
    assert np.all(after.total <= before.total + 1e-9)
    assert np.all(after.total >= 0)
    assert np.all(after.total_squares >= 0)
    assert after.total_squares.sum() < 0.7 * before.total_squares.sum()
    assert np.mean(after.total < before.total - 1e-9) < 0.2


def test_negative_totals_pass_through():
    rows = Observations([0, 1], np.zeros((2, 0)), [0, 0], [10, 10], [-50, 20], [300, 60])
    assert capped_cells(rows).total[0] == -50
