import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from bandits import empirical_bayes
from bandits.design import Design
from bandits.empirical_bayes import EmpiricalBayes
from bandits.posterior import fit
from bandits.prior import Groups, Prior
from tests.bandits.problems import any_problem, cells

GUESS, INFORMATION = 0.2, 40.0


def learn(raw):
    """Variance of a group of orthogonal coefficients whose data say N(raw, 1 / INFORMATION), and the steps it took."""
    groups = Groups(("main",), ((0,),), np.zeros(len(raw), int), np.array([len(raw)]))
    bayes = EmpiricalBayes(groups, Prior(), np.array([GUESS**2]), None)
    variances, change, steps = np.array([GUESS**2]), np.inf, 0
    while change > 1e-8:
        shrunk = INFORMATION / (INFORMATION + 1 / variances)
        variances, change = bayes.step(
            variances, np.sum((shrunk * raw) ** 2, keepdims=True), len(raw) * shrunk / INFORMATION
        )
        steps += 1
    return float(variances[0]), steps


@pytest.mark.parametrize("spread", [0.02, 0.2, 2.0])
def test_the_variance_maximizes_the_marginal_likelihood_with_its_hyperprior(spread):
    raw = np.random.default_rng(1).normal(0, np.sqrt(spread**2 + 1 / INFORMATION), 12)

    def surprise(log_variance):
        variance = np.exp(log_variance)
        total = variance + 1 / INFORMATION
        return 0.5 * np.sum(np.log(total) + raw**2 / total) + log_variance + GUESS**2 / variance

    best = np.exp(minimize_scalar(surprise, bounds=(-12, 6), method="bounded", options={"xatol": 1e-10}).x)
    assert np.isclose(learn(raw)[0], best, rtol=1e-6)


def test_leaps_take_half_the_steps_of_the_bare_fixed_point(monkeypatch):
    raw = np.random.default_rng(1).normal(0, np.sqrt(0.02**2 + 1 / INFORMATION), 12)
    variance, steps = learn(raw)
    monkeypatch.setattr(empirical_bayes, "_FURTHER_STEPS", 0)
    bare, more = learn(raw)
    assert np.isclose(variance, bare, rtol=1e-6)
    assert steps <= more / 2


@pytest.mark.parametrize("seed", [26, 105])
def test_groups_that_compete_for_one_effect_settle(seed):
    """With five cells any group explains them all; leaping together they would go up and down for ever."""
    design, observations, options = any_problem(np.random.default_rng(seed))
    assert len(observations) == 5
    posterior = fit(design, observations, **options)
    assert posterior.converged
    assert posterior.iterations < 30


def test_without_data_every_variance_keeps_its_guess():
    design = Design([3, 2], [2])
    posterior = fit(design, cells([], [], [], design=design), reward="bool")
    assert np.allclose(posterior.variances, posterior.groups.guesses(Prior(), random_walk=False) ** 2)
    assert np.isclose(posterior.residual_variance, Prior().residual ** 2)
