"""Posterior mean of the reward itself, period effects averaged."""

from collections.abc import Sequence

import numpy as np

from bandits.arrays import FloatArray, IntArray
from bandits.coding import Terms
from bandits.draws import context_part, mean_surface
from bandits.gram import sums
from bandits.likelihood import expit
from bandits.posterior import Posterior

_CHUNK = 1024  # variants whose rows are multiplied out at a time
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(7)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()


def expected_reward(posterior: Posterior, context: Sequence[int]) -> FloatArray:
    """E[reward | data] per variant in a context, (n_variants,), averaged over the periods with their traffic.

    For bool rewards the mean of the inverse logit over eta's normal posterior, by 7-point Gauss-Hermite quadrature;
    eta's variance is taken at the traffic-weighted average period.
    """
    terms = posterior.terms
    eta = mean_surface(posterior)
    if terms.n_context:
        means = posterior.coefficients[posterior.blocks.context][:, None]
        eta = eta + np.ravel(context_part(terms, context, means))
    effects = posterior.period_coding @ posterior.coefficients[posterior.blocks.period]
    if posterior.reward == "numeric":
        return eta + posterior.period_weights @ effects if len(effects) else eta
    spread = np.sqrt(predictor_variance(posterior, context))
    weights = posterior.period_weights if len(effects) else np.ones(1)
    effects = effects if len(effects) else np.zeros(1)
    distinct, inverse = np.unique(effects, return_inverse=True)
    weights = sums(inverse, weights, len(distinct))
    result = np.zeros(len(eta))
    for node, share in zip(_NODES, _WEIGHTS, strict=True):
        result += share * (expit((eta + node * spread)[:, None] + distinct) @ weights)
    return result


def predictor_variance(posterior: Posterior, context: Sequence[int]) -> FloatArray:
    """Posterior variance of eta per variant in a context, at the average period, (n_variants,).

    eta_v = (x_v - B_v / h_v)' beta + (u_v - its conditional mean) + const: the residual takes back a part of beta.
    """
    blocks, terms = posterior.blocks, posterior.terms
    n_variants = posterior.design.n_variants
    h = posterior.residual_precision
    gain = np.where(np.isfinite(h), 1.0 / h, 0.0)
    position = np.full(n_variants, -1)
    position[posterior.seen] = np.arange(len(posterior.seen))
    average = posterior.period_weights @ posterior.period_coding
    result = np.empty(n_variants)
    for start in range(0, n_variants, _CHUNK):
        variant = np.arange(start, min(start + _CHUNK, n_variants))
        rows = np.empty((len(variant), blocks.size))
        rows[:, blocks.period] = average
        rows[:, blocks.context] = _context_rows(terms, variant, context)
        rows[:, blocks.design] = _design_rows(terms, variant)
        extra = np.full(len(variant), posterior.residual_variance)
        known = position[variant] >= 0
        at = position[variant][known]
        rows[np.ix_(known, np.arange(blocks.n_environment))] -= gain[at, None] * posterior.environment[at]
        rows[known, blocks.n_environment :] *= 1.0 - (gain * posterior.weight)[at, None]
        extra[known] = gain[at]
        result[variant] = np.sum((rows @ posterior.root.T) ** 2, axis=1) + extra
    return result


def _design_rows(terms: Terms, variant: IntArray) -> FloatArray:
    return np.concatenate([term.coding[terms.design_index(term, variant)] for term in terms.design_terms], axis=1)


def _context_rows(terms: Terms, variant: IntArray, context: Sequence[int]) -> FloatArray:
    repeated = np.tile(np.array(context, np.int64).reshape(1, -1), (len(variant), 1))
    blocks = [term.coding[terms.context_index(term, variant, repeated)] for term in terms.context_terms]
    return np.concatenate(blocks, axis=1) if blocks else np.zeros((len(variant), 0))
