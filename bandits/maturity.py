"""How much of their chance to convert young exposures have had.

An exposure of age a counts as F(a) exposures, where F is the distribution of the delay from exposure to reward. Then
E[conversions] = n p F(a): the rate stays unbiased, and learning need not wait for the conversion window to close.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bandits.arrays import FloatArray

MIN_CONVERSIONS = 100  # matured conversions before the curve is believed


@dataclass(frozen=True)
class DelayCurve:
    """F in hour buckets: `reached[h]` is the share of conversions that have come by the end of hour h."""

    reached: FloatArray

    @classmethod
    def of(cls, conversions: npt.ArrayLike) -> "DelayCurve":
        """The curve of matured history.

        Args:
            conversions: per whole hour of delay, how many conversions came. Count only exposures whose window is over,
                or slow conversions would be missing.

        Raises:
            ValueError: counts that are negative or not finite.
        """
        counts = np.asarray(conversions, np.float64).ravel()
        if not np.all(np.isfinite(counts)) or np.any(counts < 0):
            raise ValueError("conversions: must be finite and not negative")
        if counts.sum() < MIN_CONVERSIONS:
            return cls(np.ones(1))
        return cls(np.cumsum(counts) / counts.sum())

    def matured(self, age_hours: npt.ArrayLike) -> FloatArray:
        """F(a) per exposure, 0..1, for ages in hours; linear within an hour, 1 beyond the longest delay.

        1 at every age while there is no curve yet.
        """
        if len(self.reached) == 1:
            return np.ones(np.shape(age_hours))
        ages = np.asarray(age_hours, np.float64)
        hours = np.arange(len(self.reached) + 1)
        shares: FloatArray = np.interp(ages, hours, np.concatenate([[0.0], self.reached]))
        return shares
