import numpy as np
import pytest

from bandits.design import Design
from bandits.diagnostics import pearson_dispersion
from bandits.observations import Observations
from bandits.posterior import fit


def rows(rng, repeats):
    """Cells of users who each bring `repeats` exposures with the same outcome."""
    design = Design([4, 3])
    variant, period = np.tile(np.arange(12), 20), np.repeat(np.arange(20), 12)
    users = np.full(240, 300)
    successes = rng.binomial(users, 0.1) * repeats
    return design, Observations(variant, np.zeros((240, 0)), period, users * repeats, successes, successes)


def test_independent_users_are_not_overdispersed(rng):
    design, observations = rows(rng, 1)
    result = pearson_dispersion(fit(design, observations, reward="bool"), observations)
    assert result.ratio == pytest.approx(1.0, abs=0.25)
    assert not result.overdispersed


def test_repeated_exposures_are_noticed(rng):
    design, observations = rows(rng, 4)
    result = pearson_dispersion(fit(design, observations, reward="bool"), observations)
    assert result.ratio == pytest.approx(4.0, rel=0.3)
    assert result.overdispersed


def test_too_few_cells_say_nothing():
    observations = Observations([0, 1], np.zeros((2, 0)), [0, 0], [100, 100], [10, 12], [10, 12])
    assert pearson_dispersion(fit(Design([2]), observations, reward="bool"), observations).ratio is None


def test_numeric_rewards_are_refused():
    observations = Observations([0, 1], np.zeros((2, 0)), [0, 0], [100, 100], [10, 12], [10, 12])
    with pytest.raises(ValueError, match="bool"):
        pearson_dispersion(fit(Design([2]), observations, reward="numeric"), observations)
