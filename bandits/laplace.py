"""Laplace approximation of the posterior, with the group variances found along the way.

eta = X beta + u_v: beta the coefficients of all terms, u_v one residual per variant. The residual block of the Hessian
is diagonal and is eliminated by a Schur complement. Within a variant the design part of a row is constant, so
eliminating u only multiplies the weights of those blocks by lambda_v / h_v: no (variants x columns) matrix is needed.
"""

from dataclasses import dataclass

import numpy as np

from bandits.arrays import FloatArray
from bandits.cells import Cells
from bandits.empirical_bayes import EmpiricalBayes
from bandits.inverse import inverse
from bandits.likelihood import Likelihood
from bandits.prior import Groups, Prior

_SAFE_MOVE = 0.1  # of eta, in units of the prior: weights hardly change by as much, so the step needs no second look
_SMALLEST_STEP = 1e-4  # of a full step; where not even that is an improvement, none is taken


@dataclass(frozen=True)
class Settings:
    """How a fit is done; see `bandits.posterior.fit`."""

    prior: Prior
    residuals: bool
    max_iterations: int
    variance_tolerance: float
    predictor_tolerance: float


@dataclass
class State:
    """Where the iteration stands: coefficients (M,), residuals of seen variants (V,), group and residual variances.

    `predictor` (N,) is what they give, once known.
    """

    coefficients: FloatArray
    residual: FloatArray
    variances: FloatArray
    residual_variance: float
    predictor: FloatArray | None = None


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
    iterations: int
    converged: bool


def laplace(
    cells: Cells,
    likelihood: Likelihood,
    groups: Groups,
    state: State,
    bayes: EmpiricalBayes | None,
    settings: Settings,
) -> Fitted:
    """Newton steps on (beta, u), each followed by a step of the variances; without `bayes` those stay."""
    converged, changed = False, 0.0 if bayes is None else np.inf
    iteration = 0
    curvature: Curvature | None = None
    while iteration < settings.max_iterations and not converged:
        iteration += 1
        precision = groups.precision(state.variances, 1.0 / likelihood.intercept_variance)
        residual_precision = _residual_precision(cells, state.residual_variance, likelihood.scale, settings)
        curvature, moved = _newton_step(cells, likelihood, state, precision, residual_precision)
        settled = moved < settings.predictor_tolerance
        if bayes is not None and not (settled and changed < settings.variance_tolerance):
            changed = _variance_step(cells, groups, state, curvature, bayes, settings)
        converged = settled and changed < settings.variance_tolerance
    if curvature is None:
        raise ValueError("max_iterations: must be at least 1")
    return Fitted(state, curvature, iteration, converged)


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
    cells: Cells, groups: Groups, state: State, curvature: Curvature, bayes: EmpiricalBayes, settings: Settings
) -> float:
    """Replace the variances in `state`; the largest change of a log variance by one step of their fixed point."""
    squares = groups.sums(state.coefficients**2)
    spread = groups.sums(curvature.covariance.diagonal())
    if not settings.residuals:
        state.variances, change = bayes.step(state.variances, squares, spread)
        return change
    others = cells.seen != 0
    variances, change = bayes.step(
        np.append(state.variances, state.residual_variance),
        np.append(squares, np.sum(state.residual[others] ** 2)),
        np.append(spread, _total_residual_variance(cells, curvature, others)),
    )
    state.variances, state.residual_variance = variances[:-1], float(variances[-1])
    return change


def _total_residual_variance(cells: Cells, curvature: Curvature, others: FloatArray) -> float:
    """sum over the non-baseline variants of Var(u_v) = 1 / h_v + B_v' A^-1 B_v / h_v^2, as a trace."""
    h = curvature.residual_precision
    gram = cells.variant_gram(curvature.weight, curvature.environment, others / h**2)
    return float(np.sum(others / h)) + float(np.vdot(curvature.covariance, gram))
