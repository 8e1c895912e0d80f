"""The fit: closed forms, invariances, warm starts, and inputs at the edge of what can be learned."""

import numpy as np
import pytest

from bandits.cells import Cells
from bandits.design import Design
from bandits.expected import expected_reward
from bandits.observations import Observations
from bandits.posterior import fit
from bandits.thompson import SlotTable

TIGHT = {"variance_tolerance": 1e-10, "predictor_tolerance": 1e-10, "max_iterations": 2000}


def cells(variant, n, total, total_squares=None, design=None, context=None, period=None):
    size = len(variant)
    width = len(design.contexts) if design else 0
    return Observations(
        variant,
        np.zeros((size, width), int) if context is None else context,
        np.zeros(size, int) if period is None else period,
        n,
        total,
        total if total_squares is None else total_squares,
    )


def dense_problem(design, observations, coding):
    """X, per-cell variants and the prior's parts multiplied out, for checks by brute force."""
    problem = Cells(design, observations, coding)
    rows = np.arange(len(problem.row_variant))
    X = np.hstack(
        [
            problem.period_coding[problem.period],
            problem.context_matrix.take(rows)[problem.row],
            problem.design_matrix.take(np.arange(len(problem.seen)))[problem.seen_of_cell],
        ]
    )
    return problem, X


@pytest.mark.parametrize("coding", ["iid", "random_walk", "none"])
def test_the_posterior_is_the_mode_and_curvature_of_the_dense_problem(observe, coding):
    design = Design([3, 2, 2], [3])
    observations = observe(design)
    posterior = fit(design, observations, reward="bool", periods=coding, **TIGHT)
    problem, X = dense_problem(design, observations, coding)
    Z = np.eye(len(problem.seen))[problem.seen_of_cell]
    joint = np.hstack([X, Z])
    mean = np.concatenate([posterior.coefficients, posterior.residual])
    center = np.zeros(len(mean))
    successes, trials = problem.total.sum(), problem.n.sum()
    center[posterior.blocks.design.start] = np.log((successes + 0.5) / (trials - successes + 0.5))
    tau = np.full(len(problem.seen), posterior.residual_variance)
    tau[problem.seen == 0] = max(0.09, posterior.residual_variance)
    precision = np.concatenate([posterior.groups.precision(posterior.variances, 0.25), 1 / tau])
    p = 1 / (1 + np.exp(-joint @ mean))
    gradient = joint.T @ (problem.total - problem.n * p) - precision * (mean - center)
    assert np.max(np.abs(gradient)) < 1e-6
    hessian = joint.T @ ((problem.n * p * (1 - p))[:, None] * joint) + np.diag(precision)
    covariance = np.linalg.inv(hessian)
    M = len(posterior.coefficients)
    assert np.allclose(posterior.root.T @ posterior.root, covariance[:M, :M], rtol=1e-6, atol=1e-10)


def test_the_variances_are_a_fixed_point_of_the_marginal_likelihood(observe):
    """Finite differences of log(Laplace marginal likelihood x inverse gamma prior) for the pooled residual variance."""
    design = Design([3, 2, 2])
    observations = observe(design, users=20000)
    posterior = fit(design, observations, reward="numeric", periods="none", **TIGHT)
    problem, X = dense_problem(design, observations, "none")
    joint = np.hstack([X, np.eye(len(problem.seen))[problem.seen_of_cell]])
    n, total = problem.n, problem.total
    noise = (problem.total_squares - total**2 / n).sum() / (n - 1).sum()
    scale = abs(total.sum() / n.sum())
    free = problem.seen != 0
    baseline = (0.3 * scale) ** 2

    def log_posterior(residual_variance):
        variances = posterior.groups.precision(posterior.variances, 1 / (10 * scale) ** 2)
        tau = np.where(free, residual_variance, max(baseline, residual_variance))
        prior = np.diag(1 / np.concatenate([variances, 1 / tau]))
        covariance = np.diag(noise / n) + joint @ prior @ joint.T
        off = total / n - total.sum() / n.sum()
        _, logdet = np.linalg.slogdet(covariance)
        likelihood = -0.5 * (logdet + off @ np.linalg.solve(covariance, off))
        return likelihood - 1.0 * np.log(residual_variance) - (0.1 * scale) ** 2 / residual_variance

    at, step = posterior.residual_variance, 1e-4
    slope = (log_posterior(at * np.exp(step)) - log_posterior(at * np.exp(-step))) / (2 * step)
    assert abs(slope) < 1e-3


@pytest.mark.parametrize("reward", ["bool", "numeric"])
@pytest.mark.parametrize("coding", ["iid", "random_walk"])
def test_a_warm_start_gives_the_same_posterior_in_fewer_iterations(observe, reward, coding):
    design = Design([4, 3, 2], [3])
    observations = observe(design, users=20000, reward=reward)
    cold = fit(design, observations, reward=reward, periods=coding)
    warm = fit(design, observations, reward=reward, periods=coding, warm_start=cold)
    assert warm.iterations < cold.iterations
    assert np.allclose(expected_reward(warm, (0,)), expected_reward(cold, (0,)), rtol=5e-3)
    assert np.allclose(np.diag(warm.root), np.diag(cold.root), rtol=0.05)


def test_a_warm_start_with_another_design_is_ignored(observe):
    small, large = Design([2, 2]), Design([2, 3])
    start = fit(small, observe(small), reward="bool")
    observations = observe(large)
    cold = fit(large, observations, reward="bool")
    warm = fit(large, observations, reward="bool", warm_start=start)
    assert np.array_equal(cold.coefficients, warm.coefficients)


def test_excluding_a_variant_does_not_end_a_warm_start(observe):
    design, fewer = Design([3, 2]), Design([3, 2], allowed=[True] * 5 + [False])
    observations = observe(design, users=20000)
    earlier = fit(design, observations, reward="bool")
    warm = fit(fewer, observations, reward="bool", warm_start=earlier)
    assert warm.iterations < fit(fewer, observations, reward="bool").iterations


def test_duplicate_cells_and_their_order_do_not_matter(observe, rng):
    design = Design([3, 2], [2])
    rows = observe(design, users=500)
    order = rng.permutation(len(rows))
    columns = ("variant", "context", "period", "n", "total", "total_squares")
    shuffled = Observations(*(getattr(rows, name)[order] for name in columns))
    first, second = (fit(design, each, reward="bool") for each in (rows, shuffled))
    assert np.allclose(first.coefficients, second.coefficients, atol=1e-12)


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


def test_numeric_fits_do_not_depend_on_the_unit(observe):
    design = Design([3, 2])
    rows = observe(design, reward="numeric")
    cents = Observations(rows.variant, rows.context, rows.period, rows.n, 100 * rows.total, 1e4 * rows.total_squares)
    first, second = (fit(design, each, reward="numeric") for each in (rows, cents))
    assert np.allclose(100 * expected_reward(first, ()), expected_reward(second, ()), rtol=1e-9)


def test_exposures_that_count_in_part_leave_the_rate_unbiased():
    design = Design([2, 2])
    full = fit(design, cells(np.arange(4), np.full(4, 1000.0), np.full(4, 100.0)), reward="bool")
    young = cells(np.tile(np.arange(4), 2), np.repeat([1000.0, 0.4], 4), np.repeat([100.0, 1.0], 4))
    partly = fit(design, young, reward="bool")
    assert np.allclose(expected_reward(full, ()), expected_reward(partly, ()), rtol=0.02)


def test_forgetting_follows_the_recent_periods():
    design = Design([2])
    total = np.array([100.0, 200.0, 200.0, 100.0])
    rows = cells([0, 1, 0, 1], np.full(4, 1000.0), total, period=[0, 0, 30, 30])
    assert np.ptp(expected_reward(fit(design, rows, reward="bool"), ())) < 0.02
    recent = expected_reward(fit(design, rows, reward="bool", half_life=3), ())
    assert recent[0] > 1.3 * recent[1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"reward": "money"}, "reward"),
        ({"reward": "bool", "half_life": 0}, "half_life"),
        ({"reward": "bool", "max_iterations": -1}, "max_iterations"),
    ],
)
def test_bad_options_are_refused_by_name(change, message):
    with pytest.raises(ValueError, match=message):
        fit(Design([2]), cells([0], [1.0], [1.0]), **change)


def test_negative_totals_are_refused_for_bool():
    with pytest.raises(ValueError, match=r"^total"):
        fit(Design([2]), cells([0], [1.0], [-1.0], [1.0]), reward="bool")


def test_observations_outside_the_design_are_refused():
    with pytest.raises(ValueError, match=r"^variant"):
        fit(Design([2]), cells([2], [1.0], [1.0]), reward="bool")


def test_the_rate_of_a_combination_of_contexts_is_not_put_down_to_the_variants_served_in_it():
    design = Design([2], [2, 2])
    context = np.repeat([[0, 0], [0, 1], [1, 0], [1, 1]], 2, axis=0)
    variant = np.tile([0, 1], 4)
    rate = np.repeat([0.05, 0.10, 0.10, 0.05], 2)  # no sum of two effects
    n = np.where(variant == (rate == 0.10), 9000.0, 1000.0)
    observations = cells(variant, n, n * rate, design=design, context=context)
    posterior = fit(design, observations, reward="bool")
    for cell in design.context_cells:
        low, high = sorted(expected_reward(posterior, cell))
        assert high < 1.05 * low
