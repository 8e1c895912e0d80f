"""Sample sizes against statsmodels; the baseline check; the modeled lift under drift."""

import numpy as np
import pytest

from bandits.baseline import check_baseline
from bandits.design import Design
from bandits.observations import Observations
from bandits.posterior import fit
from bandits.power import holdout_users_needed, rate_effect
from bandits.readout import readout


@pytest.mark.parametrize(("held", "served", "ratio"), [(0.05, 0.06, 9.0), (0.3, 0.28, 1.0), (0.02, 0.03, 4.0)])
def test_users_needed_match_statsmodels(held, served, ratio):
    from statsmodels.stats.power import NormalIndPower
    from statsmodels.stats.proportion import proportion_effectsize

    effect = rate_effect(served, held)
    assert effect == pytest.approx(proportion_effectsize(served, held))
    expected = NormalIndPower().solve_power(effect_size=abs(effect), alpha=0.05, power=0.8, ratio=ratio)
    found = holdout_users_needed(effect, served_per_held=ratio, z=1.959963984540054)
    assert found == pytest.approx(expected, rel=1e-4)


def drifting(days=28, per_day=200_000, lift=0.02):
    """The base rate grows from 10 to 11 % while the better variant takes over the traffic: exact expected counts."""
    rows = []
    for day in range(days):
        base = 0.10 + 0.01 * day / (days - 1)
        share = 0.1 + 0.8 * day / (days - 1)
        for variant, n, rate in ((0, per_day * (1 - share), base), (1, per_day * share, base * (1 + lift))):
            rows.append((variant, day, n, n * rate))
    variant, period, n, total = np.array(rows).T
    return Observations(variant.astype(int), np.zeros((len(n), 0), int), period.astype(int), n, total, total)


def test_a_drifting_base_rate_is_not_a_lift(rng):
    observations = drifting()
    posterior = fit(Design([2]), observations, reward="bool", periods="random_walk")
    lift = readout(posterior, rng=rng).best_lift
    assert 100 * lift.mean == pytest.approx(2.0, abs=0.3)
    assert lift.lo < 0.02 < lift.hi
    pooled = observations.total[observations.variant == 1].sum() / observations.n[observations.variant == 1].sum()
    base = observations.total[observations.variant == 0].sum() / observations.n[observations.variant == 0].sum()
    assert 100 * (pooled / base - 1) > 4  # what pooling the days would tell


def test_the_baseline_is_tracked_by_a_fit_that_follows_the_days():
    observations = drifting()
    following = check_baseline(fit(Design([2]), observations, reward="bool", periods="random_walk"), observations)
    assert following.tracking
    assert following.observed == pytest.approx(following.modeled, rel=0.01)
    blind = check_baseline(fit(Design([2]), observations, reward="bool", periods="none"), observations)
    assert blind.tracking is False


def test_numeric_and_thin_baselines():
    rows = np.arange(40)
    value = np.where(rows % 2, 3.0, 1.0)
    n = np.full(40, 10.0)
    data = Observations(rows % 2, np.zeros((40, 0), int), rows // 10, n, n * value, n * (value**2 + 1))
    assert check_baseline(fit(Design([2]), data, reward="numeric"), data).tracking
    thin = Observations([1], np.zeros((1, 0), int), [0], [500.0], [50.0], [50.0])
    assert check_baseline(fit(Design([2]), thin, reward="bool"), thin).tracking is None
