"""Against other ways to the same numbers: statsmodels with flat priors, Metropolis sampling with proper ones."""

import warnings

import numpy as np
import pytest

from bandits.cells import Cells
from bandits.coding import terms_of
from bandits.design import Design
from bandits.draws import posterior_draws
from bandits.expected import expected_reward, predictor_variance
from bandits.observations import Observations
from bandits.posterior import fit
from bandits.prior import Prior
from bandits.readout import readout

FLAT = Prior(main=1e4, pair=1e4, context=1e4, context_design=1e4, period=1e4, random_walk=1e4, intercept_variance=1e9)


def model_matrix(cells: Cells) -> np.ndarray:
    rows = np.arange(len(cells.row_variant))
    return np.hstack(
        [
            cells.period_coding[cells.period],
            cells.context_matrix.take(rows)[cells.row],
            cells.design_matrix.take(np.arange(len(cells.seen)))[cells.seen_of_cell],
        ]
    )


@pytest.mark.parametrize("reward", ["bool", "numeric"])
def test_flat_priors_give_the_maximum_likelihood_of_statsmodels(observe, reward):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import statsmodels.api as sm
    design = Design([3, 2, 2], [3])
    rows = observe(design, users=20000, reward=reward, base=-0.5)
    posterior = fit(
        design,
        rows,
        reward=reward,
        prior=FLAT,
        periods="random_walk",
        residuals=False,
        empirical_bayes=False,
        predictor_tolerance=1e-11,
        max_iterations=60,
    )
    cells = Cells(design, rows, "random_walk")
    X = model_matrix(cells)
    if reward == "bool":
        outcome = np.column_stack([cells.total, cells.n - cells.total])
        model = sm.GLM(outcome, X, family=sm.families.Binomial()).fit(tol=1e-14, maxiter=100)
        covariance = model.cov_params()
    else:
        model = sm.WLS(cells.total / cells.n, X, weights=cells.n).fit()
        noise = (cells.total_squares - cells.total**2 / cells.n).sum() / (cells.n - 1).sum()
        covariance = model.normalized_cov_params * noise
    scale = posterior.scale
    assert np.max(np.abs(posterior.coefficients - model.params)) < 1e-6 * scale
    assert np.allclose(posterior.root.T @ posterior.root, covariance, rtol=1e-5, atol=1e-6 * scale**2)


def metropolis(log_density, start, covariance, draws, rng, thin=5):
    """Random-walk Metropolis with the proposal shaped like the Laplace approximation."""
    root = 2.4 / np.sqrt(len(start)) * np.linalg.cholesky(covariance)
    at, value = start.copy(), log_density(start)
    kept, accepted = np.empty((draws, len(start))), 0
    for step in range(-draws // 5 * thin, draws * thin):
        proposal = at + root @ rng.standard_normal(len(at))
        proposed = log_density(proposal)
        if np.log(rng.random()) < proposed - value:
            at, value = proposal, proposed
            accepted += 1
        if step >= 0 and step % thin == 0:
            kept[step // thin] = at
    assert 0.1 < accepted / (1.2 * draws * thin) < 0.6
    return kept


@pytest.mark.slow
@pytest.mark.parametrize(("users", "base"), [(4000, -2.0), (12000, -2.5)])
def test_means_and_deviations_match_metropolis(observe, rng, users, base):
    design = Design([3, 2])
    rows = observe(design, users=users, periods=1, base=base)
    posterior = fit(design, rows, reward="bool", empirical_bayes=False, predictor_tolerance=1e-9)
    cells = Cells(design, rows, "iid")
    X = np.hstack([model_matrix(cells), np.eye(6)])
    successes, trials = cells.total.sum(), cells.n.sum()
    center = np.zeros(X.shape[1])
    center[0] = np.log((successes + 0.5) / (trials - successes + 0.5))
    deviation = np.concatenate([[2.0], [0.2] * 3, [Prior().pair] * 2, [0.3], [0.1] * 5])

    def log_density(beta):
        eta = X @ beta
        prior = -0.5 * np.sum(((beta - center) / deviation) ** 2)
        return cells.total @ eta - cells.n @ np.logaddexp(0, eta) + prior

    mode = np.concatenate([posterior.coefficients, posterior.residual])
    p = 1 / (1 + np.exp(-X @ mode))
    hessian = X.T @ ((cells.n * p * (1 - p))[:, None] * X) + np.diag(deviation**-2.0)
    chain = metropolis(log_density, mode, np.linalg.inv(hessian), 30000, rng)
    eta = chain @ X.T
    ours = posterior_draws(posterior, 100_000, rng).predictor((), slice(None))
    sd = eta.std(axis=0)
    assert np.max(np.abs(ours.mean(axis=1) - eta.mean(axis=0)) / sd) < 0.12
    assert np.allclose(np.sqrt(predictor_variance(posterior, ())), sd, rtol=0.06)
    rate = 1 / (1 + np.exp(-eta))
    assert np.allclose(expected_reward(posterior, ()), rate.mean(axis=0), rtol=0.01)
    best = np.bincount(rate.argmax(axis=1), minlength=6) / len(rate)
    assert np.max(np.abs(readout(posterior, draws=20000, rng=rng).prob_best - best)) < 0.04


@pytest.mark.slow
def test_prob_best_is_within_its_stated_error_of_a_million_draws(observe, rng):
    design = Design([3, 2, 2])
    rows = observe(design, users=1500, periods=1)
    posterior = fit(design, rows, reward="bool")
    draws = posterior_draws(posterior, 1_000_000, rng)
    winners = draws.predictor((), slice(None)).argmax(axis=0)
    reference = np.bincount(winners, minlength=12) / 1_000_000
    errors = np.stack([readout(posterior, draws=1000, rng=rng).prob_best - reference for _ in range(40)])
    stated = np.sqrt(reference * (1 - reference) / 1000)
    assert np.all(np.sqrt(np.mean(errors**2, axis=0)) < 1.4 * stated + 0.002)
    assert np.max(np.abs(errors)) < 4 * 0.016


def test_a_linear_model_with_known_variances_covers_exactly(rng):
    """Effects drawn from the prior, numeric rewards: 95 % intervals cover 95 %, of variants shown and not shown."""
    design = Design([3, 2])
    deviation = {"intercept": 0.05, "main": Prior().main, "pair": Prior().pair}
    terms, every = terms_of(design), np.arange(6)
    covered = []
    for _ in range(500):
        effects = [
            deviation[term.kind] * (term.coding @ rng.normal(size=term.width))[terms.design_index(term, every)]
            for term in terms.design_terms
        ]
        truth = 10.0 * (1.0 + np.sum(effects, axis=0) + rng.normal(0, [0.3, *[0.1] * 5]))
        shown = np.array([0, 1, 2, 4, 5])
        n = np.full(5, 50.0)
        mean = truth[shown] + rng.normal(0, 5 / np.sqrt(n))
        rows = Observations(shown, np.zeros((5, 0)), np.zeros(5), n, n * mean, (n - 1) * 25.0 + n * mean**2)
        posterior = fit(design, rows, reward="numeric", empirical_bayes=False)
        half = 1.96 * np.sqrt(predictor_variance(posterior, ()))
        covered.append(np.abs(expected_reward(posterior, ()) - truth) <= half)
    # the prior's unit is the observed mean, itself random: a little below 95 %
    assert 0.92 < np.mean(covered) < 0.975
