"""Inverses of precision matrices, and of lower triangular ones, which numpy lacks."""

import numpy as np

from bandits.arrays import FloatArray

_SMALL = 40  # below this size a general inverse is as fast


def inverse(A: FloatArray) -> FloatArray:
    """A^-1; through a root of the mended matrix where rounding has made A singular or indefinite."""
    try:
        result = np.linalg.inv(A).astype(np.float64, copy=False)
    except np.linalg.LinAlgError:
        result = np.zeros_like(A)
    if np.all(result.diagonal() > 0):
        return result
    root = inverse_root(A)
    return root.T @ root


def inverse_root(A: FloatArray) -> FloatArray:
    """L^-1 of A = L L'; a matrix that rounding has made indefinite gets the smallest ridge that mends it."""
    ridge = 0.0
    for _ in range(12):
        try:
            L = np.linalg.cholesky(A + ridge * np.diag(np.diag(A)) if ridge else A)
        except np.linalg.LinAlgError:
            ridge = max(10 * ridge, 1e-14)
        else:
            return lower_inverse(L.astype(np.float64, copy=False))
    raise np.linalg.LinAlgError("the posterior precision matrix is not positive definite")


def lower_inverse(L: FloatArray) -> FloatArray:
    """L^-1 by halves, [[A, 0], [C, B]]^-1 = [[A^-1, 0], [-B^-1 C A^-1, B^-1]]; exactly 0 above the diagonal."""
    size = len(L)
    if size <= _SMALL:
        return np.tril(np.linalg.inv(L))
    half = size // 2
    result = np.zeros_like(L)
    result[:half, :half] = first = lower_inverse(L[:half, :half])
    result[half:, half:] = last = lower_inverse(L[half:, half:])
    result[half:, :half] = -last @ (L[half:, :half] @ first)
    return result
