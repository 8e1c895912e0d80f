"""Inputs at the edge of what can be learned: no data, all of one kind, far too much of it, and anything at all."""

import numpy as np
import pytest

from bandits.cell_capping import capped_cells
from bandits.design import Design
from bandits.expected import expected_reward
from bandits.observations import Observations
from bandits.posterior import Posterior, fit
from bandits.readout import readout
from bandits.thompson import SlotTable, WinnerTable
from tests.bandits.problems import any_problem, cells


@pytest.mark.parametrize("reward", ["bool", "numeric"])
def test_without_data_the_posterior_is_the_prior(reward):
    design = Design([3, 2], [2])
    posterior = fit(design, Observations.empty(design), reward=reward)
    assert posterior.observations_count == 0
    assert posterior.historic_reward is None
    assert np.ptp(expected_reward(posterior, (0,))) < 1e-9
    shares = SlotTable(posterior, seed=0).shares((0,))
    assert shares.min() > 0.08


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_all_zero_and_all_one_rewards_stay_near_uniform(rate):
    design = Design([3, 2])
    n = np.full(6, 500.0)
    posterior = fit(design, cells(np.arange(6), n, n * rate), reward="bool")
    mean = expected_reward(posterior, ())
    assert np.all(np.isfinite(posterior.root))
    assert np.all(np.abs(mean - rate) < 0.01)
    assert SlotTable(posterior, seed=0).shares(()).min() > 0.05


def test_complete_separation_serves_the_variant_that_converts():
    design = Design([2, 3])
    n = np.full(6, 1000.0)
    total = np.zeros(6)
    total[4] = 1000.0
    posterior = fit(design, cells(np.arange(6), n, total), reward="bool")
    assert np.all(np.isfinite(posterior.coefficients))
    assert SlotTable(posterior, seed=0).shares(())[4] > 0.95


@pytest.mark.parametrize("reward", ["bool", "numeric"])
def test_one_row_and_one_variant(reward):
    for factors in ([1], [2, 2]):
        design = Design(factors)
        posterior = fit(design, cells([0], [1.0], [1.0]), reward=reward)
        table = SlotTable(posterior, seed=0)
        assert np.isclose(table.shares(()).sum(), 1)
        assert np.all(np.isfinite(table.expected_reward(())))


def test_one_level_seen_only(rng):
    design = Design([3])
    posterior = fit(design, cells([0], [10000.0], [500.0]), reward="bool")
    mean = expected_reward(posterior, ())
    assert np.isclose(mean[0], 0.05, rtol=0.02)
    assert SlotTable(posterior, seed=0).shares(())[1:].sum() > 0.3


def test_an_unseen_context_level_is_predicted_at_the_average_level(observe):
    design = Design([3, 2], [4])
    rows = observe(design, users=8000)
    known = rows.context[:, 0] < 3
    rows = Observations(*(getattr(rows, name)[known] for name in Observations.__slots__))
    posterior = fit(design, rows, reward="bool")
    table = SlotTable(posterior, seed=0)
    between = np.stack([table.expected_reward((level,)) for level in range(3)])
    unseen = table.expected_reward((-1,))
    assert np.all(unseen > 0.5 * between.min(axis=0))
    assert np.all(unseen < 1.5 * between.max(axis=0))
    assert np.array_equal(table.winners((17,)), table.winners((-1,)))


def test_a_variant_never_shown_is_predicted_from_its_levels_and_keeps_its_doubt():
    design = Design([2, 2, 2])
    n = np.full(8, 4000.0)
    rate = 0.05 + 0.05 * design.levels.sum(axis=1) / 3
    n[7] = 0.0
    posterior = fit(design, cells(np.arange(8), n, n * rate), reward="bool")
    assert np.isclose(expected_reward(posterior, ())[7], rate[7], rtol=0.2)
    assert 7 not in posterior.seen


def test_a_constant_context_changes_nothing_between_variants(observe):
    plain, contextual = Design([3, 2]), Design([3, 2], [3])
    rows = observe(plain)
    codes = np.zeros((len(rows), 1), int)
    with_context = Observations(rows.variant, codes, rows.period, rows.n, rows.total, rows.total_squares)
    first = expected_reward(fit(plain, rows, reward="bool"), ())
    second = expected_reward(fit(contextual, with_context, reward="bool"), (0,))
    assert np.allclose(first, second, rtol=0.05)


@pytest.mark.parametrize("reward", ["bool", "numeric"])
def test_huge_counts(reward):
    design = Design([3, 2])
    n = np.full(6, 1e9)
    rate = np.linspace(0.05, 0.06, 6)
    posterior = fit(design, cells(np.arange(6), n, n * rate), reward=reward)
    assert np.allclose(expected_reward(posterior, ()), rate, rtol=1e-3)
    assert SlotTable(posterior, seed=0).shares(())[5] > 0.95


@pytest.mark.parametrize(
    "values",
    [
        pytest.param(lambda rng, size: np.full(size, 7.5), id="constant"),
        pytest.param(lambda rng, size: np.zeros(size), id="zero"),
        pytest.param(lambda rng, size: -rng.lognormal(2, 1, size), id="negative"),
        pytest.param(lambda rng, size: rng.normal(0, 5, size), id="around zero"),
        pytest.param(lambda rng, size: rng.pareto(1.1, size) * 1e6, id="heavy tail"),
        pytest.param(lambda rng, size: rng.normal(1e-9, 1e-12, size), id="tiny"),
    ],
)
def test_numeric_rewards_of_any_kind(rng, values):
    design = Design([3, 2])
    variant = rng.integers(0, 6, 3000)
    value = values(rng, 3000)
    rows = Observations(variant, np.zeros((3000, 0)), variant % 3, np.ones(3000), value, value**2)
    for coding in ("iid", "random_walk"):
        posterior = fit(design, rows, reward="numeric", periods=coding)
        mean = expected_reward(posterior, ())
        assert np.all(np.isfinite(mean))
        assert value.min() - 1e-9 <= mean.mean() <= value.max() + 1e-9
        shares = SlotTable(posterior, seed=0).shares(())
        assert np.isclose(shares.sum(), 1)


@pytest.mark.parametrize("success", [True, False])
def test_far_more_users_at_one_end_than_at_the_other(success):
    """From where a rate is nearly 0, a full Newton step towards 1 is as long as the rate is small."""
    n, total = np.array([1e9, 1e5, 1e5]), np.array([0.0, 1e5, 5e4])
    rows = cells(np.arange(3), n, total if success else n - total)
    posterior = fit(Design([3]), rows, reward="bool", periods="none")
    assert posterior.converged
    assert np.allclose(expected_reward(posterior, ()), rows.total / n, atol=1e-4)


def test_a_precise_constant_next_to_a_wide_prior():
    """One cell that says 1e9 a hundred million times: its precision is 1e17 times the prior's."""
    design = Design([4, 3, 5], [2, 2])
    one = Observations([7], [[0, 1]], [0], [1e8], [1e17], [1e26 * (1 + 1e-10)])
    posterior = fit(design, one, reward="numeric", periods="random_walk")
    assert np.isclose(expected_reward(posterior, (0, 1))[7], 1e9)


@pytest.mark.parametrize("seed", range(80))
def test_anything(seed):
    """Warnings are errors here, so nothing overflows and nothing is divided by zero on the way either."""
    rng = np.random.default_rng(seed)
    design, observations, options = any_problem(rng)
    if options["reward"] == "numeric":
        observations = capped_cells(observations)
    posterior = fit(design, observations, **options)
    assert Posterior.from_bytes(posterior.to_bytes()).to_bytes() == posterior.to_bytes()
    warm = fit(design, observations, **options, warm_start=posterior)
    for each in (posterior, warm):
        for numbers in (each.coefficients, each.root, each.variances, each.residual, each.environment, each.weight):
            assert np.all(np.isfinite(numbers))
    bias = {int(rng.integers(len(design.factors))): float(rng.choice([0.0, 0.1, 5.0]))}
    table = SlotTable(posterior, seed=seed, bias=bias, slots=256)
    context = tuple(rng.integers(-1, np.array(design.contexts, int) + 2).tolist())
    for shares in (table.shares(context), WinnerTable(posterior, slots=64).shares(context)):
        assert np.isclose(shares.sum(), 1)
        assert not shares[~design.allowed].any()
    assert np.all(np.isfinite(table.expected_reward(context)))
    result = readout(posterior, draws=200, rng=rng)
    lifts = [result.best_lift, *(each.lift for each in result.contexts)]
    assert all(np.isfinite([lift.lo, lift.mean, lift.hi]).all() for lift in lifts if lift)
