import numpy as np
import pytest

from bandits.design import Design
from bandits.expected import expected_reward
from bandits.likelihood import expit
from bandits.observations import Observations
from bandits.posterior import fit
from bandits.quadrature import gauss_rule, mean_reward
from bandits.readout import readout
from bandits.thompson import SlotTable


def flat(design, n, total, total_squares=None):
    size = len(n)
    squares = total if total_squares is None else total_squares
    return Observations(np.arange(size), np.zeros((size, 0)), np.zeros(size), n, total, squares)


def test_the_rule_averages_over_periods_like_the_full_sum(rng):
    effects, weights = rng.normal(0, 0.7, (60, 50)), rng.dirichlet(np.ones(60))
    eta = rng.normal(-2, 1, (7, 50))
    exact = sum(weight * expit(eta + effect) for weight, effect in zip(weights, effects, strict=True))
    nodes, node_weights = gauss_rule(effects, weights)
    assert np.allclose(node_weights.sum(axis=0), 1)
    assert np.allclose(mean_reward(eta, nodes, node_weights), exact, rtol=2e-4)


@pytest.mark.parametrize("distinct", [1, 2, 3])
def test_the_rule_is_exact_for_few_periods(rng, distinct):
    effects = np.repeat(rng.normal(size=(distinct, 5)), 4, axis=0)
    weights = rng.dirichlet(np.ones(len(effects)))
    nodes, node_weights = gauss_rule(effects, weights)
    eta = rng.normal(size=(3, 5))
    exact = sum(weight * expit(eta + effect) for weight, effect in zip(weights, effects, strict=True))
    assert np.allclose(mean_reward(eta, nodes, node_weights), exact, rtol=1e-9)


def test_the_readout_is_coherent(observe, rng):
    design = Design([3, 2, 2], [2])
    posterior = fit(design, observe(design, users=8000), reward="bool", periods="random_walk")
    table = SlotTable(posterior, seed=0)
    result = readout(posterior, shares=table.shares, holdout=0.1, rng=rng)
    assert np.all((result.lo <= result.mean) & (result.mean <= result.hi))
    assert np.isclose(result.prob_best.sum(), 1)
    assert np.isclose(result.weight.sum(), 1)
    assert result.weight[0] >= 0.1
    assert result.best == np.argmax(result.mean)
    assert result.policy.lo <= result.policy.mean <= result.policy.hi
    assert result.policy.mean <= sum(cell.weight * cell.mean.mean for cell in result.contexts) + 1e-12
    assert 0 <= result.confidence <= 1
    shares = [row.mean for row in result.importances.factors] + [row.mean for row in result.importances.pairs]
    assert 0 < sum(shares) <= 1
    assert np.isclose(sum(row.prob_largest for row in result.importances.factors), 1)
    assert result.interaction_importance[1] <= result.interaction_importance[2]
    assert [row[0] for row in result.context_importance] == [0]
    assert result.context_coverage == 1


def test_means_equal_the_expected_reward_over_the_observed_mix(observe, rng):
    design = Design([3, 2], [2])
    posterior = fit(design, observe(design, users=8000), reward="bool")
    exact = sum(
        weight * expected_reward(posterior, context)
        for context, weight in zip(posterior.contexts.tolist(), posterior.context_weights, strict=True)
    )
    result = readout(posterior, draws=20000, rng=rng)
    assert np.allclose(result.mean, exact, rtol=0.01)
    one = readout(posterior, context_weights={(1,): 2.0}, draws=20000, rng=rng)
    assert np.allclose(one.mean, expected_reward(posterior, (1,)), rtol=0.01)


def test_a_mapping_of_shares_says_the_same_as_the_table(observe):
    design = Design([3, 2], [2])
    posterior = fit(design, observe(design), reward="bool")
    table = SlotTable(posterior, seed=0)
    mapping = {tuple(cell): table.shares(tuple(cell)) for cell in posterior.contexts.tolist()}
    first = readout(posterior, shares=mapping, rng=np.random.default_rng(0))
    second = readout(posterior, shares=table.shares, rng=np.random.default_rng(0))
    assert first.policy == second.policy
    with pytest.raises(ValueError, match="lacks"):
        readout(posterior, shares={}, rng=np.random.default_rng(0))


def test_excluded_variants_are_never_best(rng):
    design = Design([2, 2], allowed=[True, True, True, False])
    n = np.full(4, 5000.0)
    posterior = fit(design, flat(design, n, n * np.array([0.05, 0.06, 0.07, 0.5])), reward="bool")
    result = readout(posterior, rng=rng)
    assert result.best == 2
    assert result.prob_best[3] == 0


def test_a_pair_of_levels_without_servable_variants_has_no_synergy(rng):
    design = Design([2, 3, 2], allowed=[True] * 4 + [False] * 2 + [True] * 2 + [False] * 4)
    n = np.full(12, 500.0)
    result = readout(fit(design, flat(design, n, n / 10), reward="bool"), rng=rng)
    (pair,) = [row for row in result.interactions if row.factors == (0, 1)]
    assert np.isnan(pair.rewards.extra.mean).tolist() == [[False, False, True], [False, True, True]]
    assert result.levels[1][2].reward is None


def test_a_clear_winner_and_its_lift(rng):
    design = Design([2, 2])
    n = np.full(4, 50000.0)
    posterior = fit(design, flat(design, n, n * np.array([0.05, 0.05, 0.05, 0.08])), reward="bool")
    result = readout(posterior, rng=rng)
    assert result.best == 3
    assert result.has_winner
    assert result.best_lift.lo < 0.6 < result.best_lift.hi
    assert result.best_difference.mean == pytest.approx(0.03, rel=0.1)


def test_a_baseline_without_conversions_has_no_lift(rng):
    design = Design([2, 2])
    n = np.array([3.0, 500.0, 500.0, 500.0])
    total = np.array([0.0, 20.0, 25.0, 30.0])
    result = readout(fit(design, flat(design, n, total), reward="bool"), rng=rng)
    assert result.best_lift is None
    assert "baseline" in result.reason
    assert np.isfinite(result.best_difference.mean)


def test_numeric_means_around_zero_have_a_difference_only(rng):
    design = Design([2, 2])
    variant = rng.integers(0, 4, 4000)
    value = rng.normal(0, 3, 4000)
    rows = Observations(variant, np.zeros((4000, 0)), np.zeros(4000), np.ones(4000), value, value**2)
    result = readout(fit(design, rows, reward="numeric"), rng=rng)
    assert result.best_lift is None
    assert "zero" in result.reason


def test_importance_goes_to_the_factor_that_matters(rng):
    design = Design([3, 3, 2])
    n = np.full(18, 20000.0)
    rate = np.array([0.05, 0.06, 0.08])[design.levels[:, 1]]
    result = readout(fit(design, flat(design, n, n * rate), reward="bool"), rng=rng)
    shares = {factor: mean for factor, mean, _, _ in result.factor_importance}
    assert shares[1] > 0.8
    assert result.importances.factors[1].prob_largest > 0.95
    assert result.levels[1][2].effect.lo > result.levels[1][0].effect.hi
    assert result.levels[1][2].reward.mean == pytest.approx(0.08, rel=0.05)
    assert result.ranges[1].mean == pytest.approx(0.03, rel=0.1)
    assert result.ranges[0].mean < 0.01


def test_an_interaction_is_found_and_flagged(rng):
    design = Design([2, 2, 2])
    n = np.full(8, 50000.0)
    rate = np.where(design.levels[:, 0] == design.levels[:, 1], 0.06, 0.04)
    result = readout(fit(design, flat(design, n, n * rate), reward="bool"), rng=rng)
    found = {row.factors: row for row in result.interactions}
    assert found[(0, 1)].flagged.all()
    assert found[(0, 1)].mean[0, 0] > 0 > found[(0, 1)].mean[0, 1]
    assert not found[(0, 2)].flagged.any()
    assert result.interaction_importance[0] > 0.8
    assert np.allclose(found[(0, 1)].rewards.extra.mean, [[0.01, -0.01], [-0.01, 0.01]], rtol=0.15)


def test_personalization_is_what_contexts_gain(rng):
    design = Design([2], [2])
    context = np.array([[0], [0], [1], [1]])
    variant = np.array([0, 1, 0, 1])
    n = np.full(4, 50000.0)
    total = n * np.array([0.05, 0.08, 0.08, 0.05])
    rows = Observations(variant, context, np.zeros(4), n, total, total)
    result = readout(fit(design, rows, reward="bool"), rng=rng)
    assert {cell.context: cell.best for cell in result.contexts} == {(0,): 1, (1,): 0}
    assert result.personalization.mean == pytest.approx(0.015, rel=0.1)


def test_recent_periods_only(rng):
    design = Design([2])
    n = np.full(4, 20000.0)
    total = n * np.array([0.02, 0.02, 0.1, 0.1])
    rows = Observations([0, 1, 0, 1], np.zeros((4, 0)), [0, 0, 1, 1], n, total, total)
    posterior = fit(design, rows, reward="bool", periods="random_walk")
    assert readout(posterior, rng=rng).mean.mean() == pytest.approx(0.06, rel=0.1)
    assert readout(posterior, rng=rng, last_periods=1).mean.mean() == pytest.approx(0.1, rel=0.1)


def test_without_observations(rng):
    design = Design([2, 2], [2])
    result = readout(fit(design, Observations.empty(design), reward="bool"), rng=rng)
    assert result.best_lift is None
    assert result.historic_reward is None
    assert np.all(np.isfinite(result.mean))


@pytest.mark.parametrize("options", [{"draws": 1}, {"holdout": 1.5}, {"context_weights": {(): -1.0}}])
def test_bad_options_are_refused(options, rng):
    posterior = fit(Design([2]), flat(Design([2]), np.ones(2), np.ones(2)), reward="bool")
    with pytest.raises(ValueError, match="must"):
        readout(posterior, rng=rng, **options)
