"""The fit: closed forms, invariances, warm starts, and what is refused."""

import numpy as np
import pytest

from bandits.cells import Cells
from bandits.design import Design
from bandits.expected import expected_reward
from bandits.observations import Observations
from bandits.posterior import fit
from tests.bandits.problems import cells

TIGHT = {"variance_tolerance": 1e-10, "predictor_tolerance": 1e-10, "max_iterations": 2000}


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
    scale = posterior.scale
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


def test_numeric_fits_do_not_depend_on_the_unit(observe):
    design = Design([3, 2])
    rows = observe(design, reward="numeric")
    cents = Observations(rows.variant, rows.context, rows.period, rows.n, 100 * rows.total, 1e4 * rows.total_squares)
    first, second = (fit(design, each, reward="numeric") for each in (rows, cents))
    assert np.allclose(100 * expected_reward(first, ()), expected_reward(second, ()), rtol=1e-9)


def test_what_is_served_most_is_not_the_measure_of_all_effects():
    """Of six variants one brings three times as much; the prior's unit hardly grows while it gets all the traffic."""
    design, means = Design([3, 2]), np.array([1.0, 1.0, 1.0, 3.0, 1.0, 1.0])

    def scale(n):
        return fit(design, cells(np.arange(6), n, n * means, n * (means**2 + 4.0)), reward="numeric").scale

    even, served = np.full(6, 1000.0), np.array([1000.0, 200, 200, 100_000, 200, 200])
    assert np.isclose(scale(even), means.mean())
    assert np.sum(served * means) / served.sum() > 2.9
    assert scale(served) < 1.5


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
