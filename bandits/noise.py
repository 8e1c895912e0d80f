"""The standard normals behind a table's draws: a function of the seed alone, the same for every version.

Each kind of noise has a stream of its own, so that a version with one period more shares all other noise with the one
before. Residual noise is made in blocks of slots, because all of it would be too much for 10,000 variants.
"""

import numpy as np

from bandits.arrays import FloatArray

_EFFECTS, _PERIODS, _RESIDUALS, _BIAS = range(4)
_BLOCK = 64  # slots per block; part of what a seed means


class SlotNoise:
    """Standard normals for the slots of one optimization.

    Args:
        seed: any non-negative integer, 0 included.
        slots: number of slots.
    """

    def __init__(self, seed: int, slots: int) -> None:
        self.seed, self.slots = seed, slots

    def coefficients(self, periods: int, others: int) -> FloatArray:
        """(periods + others, slots): period effects first."""
        result = np.empty((periods + others, self.slots))
        result[:periods] = self._stream(_PERIODS).standard_normal((periods, self.slots))
        result[periods:] = self._stream(_EFFECTS).standard_normal((self.slots, others)).T
        return result

    def bias(self, factor: int, width: int) -> FloatArray:
        """(width, slots)"""
        return self._stream(_BIAS, factor).standard_normal((width, self.slots))

    def residuals(self, variants: int, slots: slice) -> FloatArray:
        """(variants, slots in the slice)"""
        start, stop, _ = slots.indices(self.slots)
        result = np.empty((variants, max(stop - start, 0)))
        for block in range(start // _BLOCK, -(-stop // _BLOCK)):
            first = block * _BLOCK
            low, high = max(start, first), min(stop, first + _BLOCK)
            normals = self._stream(_RESIDUALS, block).standard_normal((_BLOCK, variants), dtype=np.float32)
            result[:, low - start : high - start] = normals[low - first : high - first].T
        return result

    def _stream(self, *purpose: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, *purpose])
