import numpy as np
import pytest

from bandits.capping import QUANTILE, RARE_QUANTILE, cap


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
