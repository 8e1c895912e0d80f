"""The served policy. Invariants: what a slot means, what a retrain may change, who can be served at all."""

import threading

import numpy as np
import pytest

from bandits.design import Design
from bandits.draws import context_part, posterior_draws, surface
from bandits.observations import Observations
from bandits.posterior import fit
from bandits.thompson import FULL_SHARE, RESIDUAL_TEMPER, TEMPER, SlotTable, UniformTable, WinnerTable


@pytest.fixture
def design():
    return Design([3, 2, 2], [2, 3])


@pytest.fixture
def posterior(design, observe):
    return fit(design, observe(design), reward="bool")


def test_the_surface_is_the_sum_of_its_effects(posterior, rng):
    terms = posterior.terms
    coefficients = rng.normal(size=(terms.n_design, 4))
    expected = np.zeros((12, 4))
    for term in terms.design_terms:
        index = terms.design_index(term, np.arange(12))
        expected += term.coding[index] @ coefficients[term.columns]
    assert np.allclose(surface(terms, coefficients), expected)


def test_the_context_part_is_the_sum_of_its_effects(posterior, rng):
    terms = posterior.terms
    coefficients = rng.normal(size=(terms.n_context, 3))
    for context in ((0, 2), (-1, 1), (-1, -1)):
        expected = np.zeros((12, 3))
        repeated = np.tile(context, (12, 1))
        for term in terms.context_terms:
            expected += term.coding[terms.context_index(term, np.arange(12), repeated)] @ coefficients[term.columns]
        assert np.allclose(context_part(terms, context, coefficients), expected)


def test_draws_have_the_posteriors_moments(observe, rng):
    design = Design([2, 2, 2], [2])
    observations = observe(design, users=3000)
    part = observations.variant != 7
    seen = Observations(*(getattr(observations, name)[part] for name in Observations.__slots__))
    posterior = fit(design, seen, reward="bool")
    draws = posterior_draws(posterior, 40000, rng)
    eta = draws.predictor((1,), slice(None)) + posterior.period_weights @ draws.period_effects()
    from bandits.expected import predictor_variance

    assert np.allclose(eta.var(axis=1), predictor_variance(posterior, (1,)), rtol=0.05)


def test_winners_are_read_only_int32_and_cached(posterior):
    table = SlotTable(posterior, seed=3)
    winners = table.winners((0, 1))
    assert winners.dtype == np.int32
    assert winners.shape == (4096,)
    assert table.winners((0, 1)) is winners
    with pytest.raises(ValueError, match="read-only"):
        winners[0] = 0


def test_the_same_seed_gives_the_same_table_and_zero_is_a_seed(posterior):
    first, second = (SlotTable(posterior, seed=0).winners((0, 0)) for _ in range(2))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, SlotTable(posterior, seed=1).winners((0, 0)))


@pytest.mark.parametrize("context", [(0, 0), (-1, 2), (9, -7)])
def test_ranked_starts_with_the_winner_and_has_no_repeats(posterior, context):
    table = SlotTable(posterior, seed=0)
    winners = table.winners(context)
    for slot in range(0, 4096, 97):
        ranked = table.ranked(context, slot, 5)
        assert ranked[0] == winners[slot]
        assert table.ranked(context, slot, 1).tolist() == [winners[slot]]
        assert len(set(ranked.tolist())) == 5
    assert len(table.ranked(context, 0, 99)) == 12


def test_excluded_variants_are_never_served(observe):
    design = Design([2, 3], allowed=[True, True, False, True, False, True])
    posterior = fit(design, observe(design), reward="bool")
    for table in (SlotTable(posterior, seed=0), WinnerTable(posterior), UniformTable(design)):
        assert table.shares(())[~design.allowed].sum() == 0
        assert not set(table.ranked((), 17, 6).tolist()) & {2, 4}
        assert len(table.ranked((), 17, 6)) == 4


def test_every_servable_variant_keeps_a_chance_in_doubt():
    """The full posterior draws of 3 % of the slots explore what the scaled draws would leave alone."""
    design = Design([4, 3])
    n = np.full(12, 200.0)
    total = 20.0 + np.arange(12) / 2
    rows = Observations(np.arange(12), np.zeros((12, 0)), np.zeros(12), n, total, total)
    assert np.all(SlotTable(fit(design, rows, reward="bool"), seed=0).shares(()) > 0)


def test_a_retrain_with_a_new_day_moves_few_users(observe):
    design = Design([4, 3, 2])
    rows = observe(design, users=800, periods=8)
    columns = Observations.__slots__
    early = Observations(*(getattr(rows, name)[rows.period < 7] for name in columns))
    before, after = (fit(design, each, reward="bool") for each in (early, rows))
    assert before.blocks.n_period != after.blocks.n_period
    first, second = SlotTable(before, seed=5).winners(()), SlotTable(after, seed=5).winners(())
    fresh = SlotTable(after, seed=6).winners(())
    assert 0 < np.mean(first != second) < 0.6 * np.mean(first != fresh)


def test_the_share_of_a_slot_table_is_the_probability_under_scaled_draws(observe, rng):
    design = Design([3, 2])
    posterior = fit(design, observe(design, users=3000), reward="bool")
    scaled = posterior_draws(posterior, 100_000, rng)
    scaled.design *= TEMPER
    scaled.environment *= TEMPER
    own = scaled.residual
    scaled.residual = lambda at: RESIDUAL_TEMPER * own(at)
    full = posterior_draws(posterior, 100_000, rng)
    winners = [each.predictor((), slice(None)).argmax(axis=0) for each in (scaled, full)]
    reference, exploring = (np.bincount(each, minlength=6) / 100_000 for each in winners)
    expected = (1 - FULL_SHARE) * reference + FULL_SHARE * exploring
    assert np.max(np.abs(SlotTable(posterior, seed=1).shares(()) - expected)) < 4 * np.sqrt(0.25 / 4096)


def test_bias_spreads_the_levels_of_its_factor_only():
    design = Design([3, 3])
    n = np.full(9, 20000.0)
    rate = 0.05 + 0.01 * design.levels.sum(axis=1)
    rows = Observations(np.arange(9), np.zeros((9, 0)), np.zeros(9), n, n * rate, n * rate)
    posterior = fit(design, rows, reward="bool")

    def entropy(bias, factor):
        shares = SlotTable(posterior, seed=0, bias=bias).shares(()).reshape(3, 3).sum(axis=1 - factor)
        return -np.sum(shares * np.log(np.maximum(shares, 1e-12)))

    amounts = [entropy({0: x}, 0) for x in (0.0, 0.1, 0.3, 1.0)]
    assert amounts == sorted(amounts)
    assert amounts[-1] > 0.8 * np.log(3)
    assert entropy({0: 1.0}, 1) < 0.3


@pytest.mark.parametrize("bias", [{7: 0.1}, {0: -0.1}, {0: float("nan")}, {0: float("inf")}])
def test_bad_bias_is_refused(posterior, bias):
    with pytest.raises(ValueError, match="bias"):
        SlotTable(posterior, seed=0, bias=bias)


def test_a_context_of_the_wrong_length_is_refused(posterior):
    with pytest.raises(ValueError, match="context"):
        SlotTable(posterior, seed=0).winners((0,))


def test_uniform_serves_everything_alike():
    design = Design([5, 3, 3], allowed=[True] * 44 + [False])
    table = UniformTable(design)
    counts = np.bincount(table.winners(()), minlength=45)
    assert np.ptp(counts[:44]) <= 1
    assert table.ranked((), 4000, 1).tolist() == [table.winners(())[4000]]
    assert len(set(table.ranked((), 4000, 44).tolist())) == 44


def test_the_winner_is_the_variant_with_the_highest_mean_in_its_context(posterior):
    table = WinnerTable(posterior)
    for context in posterior.design.context_cells:
        best = int(np.argmax(table.expected_reward(context)))
        assert np.all(table.winners(context) == best)
        assert table.ranked(context, 0, 1).tolist() == [best]
        assert table.shares(context)[best] == 1


def test_threads_agree(posterior):
    table = SlotTable(posterior, seed=0)
    reference = SlotTable(posterior, seed=0)
    wrong = []

    def ask():
        for context in posterior.design.context_cells * 3:
            wrong.extend([context] * (not np.array_equal(table.winners(context), reference.winners(context))))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_table_of_10_000_variants(observe):
    design = Design([10, 10, 10, 10])
    posterior = fit(design, observe(design, users=30000, periods=2), reward="bool")
    table = SlotTable(posterior, seed=0, slots=256)
    assert np.isclose(table.shares(()).sum(), 1)
    assert table.ranked((), 3, 1)[0] == table.winners(())[3]
    assert np.all(np.isfinite(table.expected_reward(())))
