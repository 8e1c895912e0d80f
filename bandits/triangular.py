"""Inverse of a lower triangular matrix, which numpy lacks."""

import numpy as np

from bandits.arrays import FloatArray

_SMALL = 40  # below this size a general inverse is as fast


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
