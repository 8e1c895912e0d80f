"""Laplace approximation of the posterior, with the group variances found along the way.

eta = X beta + u_v: beta the coefficients of all terms, u_v one residual per variant. The residual block of the Hessian
is diagonal and is eliminated by a Schur complement. Within a variant the design part of a row is constant, so
eliminating u only multiplies the weights of those blocks by lambda_v / h_v: no (variants x columns) matrix is needed.
"""

from dataclasses import dataclass

import numpy as np

from bandits.arrays import FloatArray
from bandits.cells import Cells
from bandits.inverse import inverse
from bandits.likelihood import Likelihood
from bandits.prior import Groups, Prior, updated_variances

_AITKEN_FROM = 3  # variance steps before the changes are regular enough to extrapolate
_AITKEN_RATIO = 0.8  # the slowest convergence that is believed
_SAFE_MOVE = 0.1  # of eta, in units of the prior: weights hardly change by as much, so the step needs no second look
_SMALLEST_STEP = 1e-4  # of a full step; where not even that is an improvement, none is taken


@dataclass(frozen=True)
class Settings:
    """How a fit is done; see `bandits.posterior.fit`."""

    prior: Prior
    random_walk: bool
    residuals: bool
    empirical_bayes: bool
    max_iterations: int
    variance_tolerance: float
    predictor_tolerance: float


@dataclass
class State:
    """Where the iteration stands: coefficients (M,), residuals of seen variants (V,), group and residual variances.

    `predictor` (N,) is what they give, once known; the rest is memory of the variances' steps.
    """

    coefficients: FloatArray
    residual: FloatArray
    variances: FloatArray
    residual_variance: float
    predictor: FloatArray | None = None
    variance_steps: int = 0
    earlier_change: FloatArray | None = None


@dataclass(frozen=True)
class Curvature:
    """Second-order expansion at a state.

    Attributes:
        precision: A, of the coefficients, residuals integrated out, (M, M); covariance: its inverse.
        residual_precision: h_v, (V,).
        weight: W_v = sum of the weights of a variant's cells, (V,).
        environment: E_v, the weighted sums of its cells' environment columns, (V, environment columns).
    """

    precision: FloatArray
    covariance: FloatArray
    residual_precision: FloatArray
    weight: FloatArray
    environment: FloatArray


@dataclass(frozen=True)
class Fitted:
    state: State
    curvature: Curvature
    groups: Groups
    guesses: FloatArray
    iterations: int
    converged: bool


def laplace(cells: Cells, likelihood: Likelihood, groups: Groups, state: State, settings: Settings) -> Fitted:
    """Newton steps on (beta, u), each followed by one empirical-Bayes step on the variances."""
    prior, scale = settings.prior, likelihood.scale
    guesses = groups.guesses(prior, random_walk=settings.random_walk) * scale
    converged, changed = False, np.inf if settings.empirical_bayes else 0.0
    iteration = 0
    curvature: Curvature | None = None
    while iteration < settings.max_iterations and not converged:
        iteration += 1
        precision = groups.precision(state.variances, 1.0 / likelihood.intercept_variance)
        residual_precision = _residual_precision(cells, state.residual_variance, scale, settings)
        curvature, moved = _newton_step(cells, likelihood, state, precision, residual_precision)
        settled = moved < settings.predictor_tolerance
        if settings.empirical_bayes and not (settled and changed < settings.variance_tolerance):
            changed = _variance_step(cells, groups, guesses, state, curvature, scale, settings)
        converged = settled and changed < settings.variance_tolerance
    if curvature is None:
        raise ValueError("max_iterations: must be at least 1")
    return Fitted(state, curvature, groups, guesses, iteration, converged)


def _residual_precision(cells: Cells, variance: float, scale: float, settings: Settings) -> FloatArray:
    """Prior precision of the residual of each seen variant, (V,); infinite without residuals."""
    if not settings.residuals:
        return np.full(len(cells.seen), np.inf)
    result = np.full(len(cells.seen), 1.0 / variance)
    result[cells.seen == 0] = 1.0 / max((settings.prior.baseline * scale) ** 2, variance)
    return result


def _newton_step(
    cells: Cells, likelihood: Likelihood, state: State, precision: FloatArray, residual_precision: FloatArray
) -> tuple[Curvature, float]:
    """Move `state` by one damped Newton step; the curvature before it, and the largest change of eta."""
    blocks = cells.blocks
    if state.predictor is None:
        state.predictor = cells.predictor(state.coefficients, state.residual)
    eta = state.predictor
    weights, gradient = likelihood.curvature(eta)
    curvature = _curvature(cells, weights, precision, residual_precision)
    centered = state.coefficients.copy()
    centered[blocks.design.start] -= likelihood.center
    gain = 1.0 / curvature.residual_precision
    finite = np.where(np.isfinite(residual_precision), residual_precision, 0.0)
    residual_gradient = cells.by_seen(gradient) - finite * state.residual
    score = cells.transposed_dot(gradient - weights * (gain * residual_gradient)[cells.seen_of_cell])
    score -= precision * centered
    step = curvature.covariance @ score
    shift = cells.predictor(step, np.zeros(len(cells.seen)))
    residual_step = gain * (residual_gradient - cells.by_seen(weights * shift))
    shift = shift + residual_step[cells.seen_of_cell]

    def log_posterior(size: float) -> float:
        moved, residual = centered + size * step, state.residual + size * residual_step
        log_prior = -0.5 * (float(precision @ moved**2) + float(finite @ residual**2))
        return likelihood.log_likelihood(eta + size * shift) + log_prior

    furthest, size = float(np.max(np.abs(shift), initial=0.0)), 1.0
    if furthest > _SAFE_MOVE * likelihood.scale:
        size, start = min(1.0, likelihood.reach / furthest), log_posterior(0.0)
        while size and not log_posterior(size) >= start - 1e-9 * abs(start):
            size = 0.5 * size if size > _SMALLEST_STEP else 0.0
    state.coefficients = state.coefficients + size * step
    state.residual = state.residual + size * residual_step
    state.predictor = eta + size * shift
    return curvature, size * furthest / likelihood.scale


def _curvature(cells: Cells, weights: FloatArray, precision: FloatArray, residual_precision: FloatArray) -> Curvature:
    """A = X'WX + Lambda - sum_v B_v B_v' / h_v by blocks, with B_v = W_v (design row) + E_v (environment part)."""
    blocks = cells.blocks
    weight = cells.by_seen(weights)
    environment = cells.environment_sums(weights)
    residual = weight + residual_precision
    left = 1.0 / (1.0 + weight / residual_precision)  # W_v - W_v^2 / h_v = W_v lambda_v / h_v, without cancellation
    A = cells.variant_gram(weight, environment, left / np.maximum(weight, np.finfo(float).tiny))
    if blocks.n_environment:
        A[blocks.environment, blocks.environment] = (
            cells.environment_gram(weights) - (environment / residual[:, None]).T @ environment
        )
    A.flat[:: len(A) + 1] += precision
    return Curvature(A, inverse(A), residual, weight, environment)


def _variance_step(
    cells: Cells,
    groups: Groups,
    guesses: FloatArray,
    state: State,
    curvature: Curvature,
    scale: float,
    settings: Settings,
) -> float:
    """Replace the variances in `state`; the largest change of a log variance by the fixed-point step."""
    prior = settings.prior
    marginal = curvature.covariance.diagonal()
    squares = groups.sums(state.coefficients**2)
    effective = (groups.size - groups.sums(marginal) / state.variances).clip(0.0, groups.size)
    variances = updated_variances(groups, prior, guesses, squares, effective)
    change = np.log(variances / state.variances)
    if settings.residuals:
        others = cells.seen != 0
        spread = _total_residual_variance(cells, curvature, others)
        count = int(others.sum())
        gamma = min(max(count - spread / state.residual_variance, 0.0), count)
        shape = 2 * prior.order_shape
        guess = (prior.residual * scale) ** 2
        replaced = (float(np.sum(state.residual[others] ** 2)) + shape * guess) / (gamma + shape)
        change = np.append(change, np.log(replaced / state.residual_variance))
    step = _extrapolated(change, state)
    state.variances = state.variances * np.exp(step[: len(variances)])
    if settings.residuals:
        state.residual_variance *= float(np.exp(step[-1]))
    return float(np.max(np.abs(change), initial=0.0))


def _extrapolated(change: FloatArray, state: State) -> FloatArray:
    """The step to take where the fixed-point iteration would change log variances by `change`.

    The iteration converges geometrically and sometimes slowly. From two changes in a row Aitken's rule gives the limit,
    change / (1 - ratio); it is used every other step once the first, large changes are over.
    """
    earlier, state.earlier_change = state.earlier_change, change
    state.variance_steps += 1
    if earlier is None or state.variance_steps < _AITKEN_FROM:
        return change
    state.earlier_change = None
    ratio = np.where(earlier * change > 0, change / np.where(earlier == 0, 1.0, earlier), 0.0)
    return change / (1.0 - np.clip(ratio, 0.0, _AITKEN_RATIO))


def _total_residual_variance(cells: Cells, curvature: Curvature, others: FloatArray) -> float:
    """sum over the non-baseline variants of Var(u_v) = 1 / h_v + B_v' A^-1 B_v / h_v^2, as a trace."""
    h = curvature.residual_precision
    gram = cells.variant_gram(curvature.weight, curvature.environment, others / h**2)
    return float(np.sum(others / h)) + float(np.vdot(curvature.covariance, gram))
