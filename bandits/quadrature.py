"""Averages over the observed periods with a handful of nodes instead of one evaluation per period."""

import numpy as np

from bandits.arrays import FloatArray
from bandits.likelihood import expit

NODES = 4


def gauss_rule(values: FloatArray, weights: FloatArray, nodes: int = NODES) -> tuple[FloatArray, FloatArray]:
    """Gauss rule of a discrete distribution, for many distributions at once.

    Stieltjes recurrence for the orthogonal polynomials of the weights, then Golub and Welsch (1969): nodes are the
    eigenvalues of the tridiagonal matrix. Exact for polynomials up to degree 2 nodes - 1.

    Args:
        values: (P, S), S sets of P support points.
        weights: (P,), non-negative, summing to 1.

    Returns:
        nodes and their weights, (J, S) each, J = min(nodes, P).
    """
    nodes = min(nodes, len(values))
    draws = values.shape[1]
    jacobi = np.zeros((draws, nodes, nodes))
    before, current, link = np.zeros_like(values), np.ones_like(values), np.zeros(draws)
    tiny = 1e-12 * (1.0 + np.abs(values).max(axis=0, initial=0.0))
    for k in range(nodes):
        center = weights @ (values * current**2)
        jacobi[:, k, k] = center
        after = (values - center) * current - link * before
        link = np.sqrt(weights @ after**2)
        spent = link <= tiny  # fewer distinct points than nodes: the rest gets weight 0
        link = np.where(spent, 0.0, link)
        if k + 1 < nodes:
            jacobi[:, k, k + 1] = jacobi[:, k + 1, k] = link
        before, current = current, np.where(spent, 0.0, after / np.where(spent, 1.0, link))
    points, vectors = np.linalg.eigh(jacobi)
    return points.T, vectors[:, 0, :].T ** 2


def mean_reward(eta: FloatArray, nodes: FloatArray, weights: FloatArray) -> FloatArray:
    """Mean inverse logit of eta + period effect, (variants, S), for the rule's nodes and weights (J, S)."""
    result = np.zeros_like(eta)
    for node, weight in zip(nodes, weights, strict=True):
        result += weight * expit(eta + node)
    return result
