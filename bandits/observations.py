"""Sufficient statistics of the rewards per cell (variant, context, period)."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bandits.arrays import FloatArray, IntArray
from bandits.design import MISSING, Design


@dataclass(frozen=True, slots=True)
class Observations:
    """Cells of N equal-length columns; a cell may occur more than once.

    Attributes:
        variant: int (N,), variant indices.
        context: int (N, number of context factors), level codes; -1 is an unknown or missing level.
        period: int (N,), e.g. the ordinal of the calendar day. Gaps are fine.
        n: float (N,), exposures. Fractional where young exposures count in part.
        total: float (N,), sum of rewards.
        total_squares: float (N,), sum of squared rewards.

    Raises:
        ValueError: names the field and what is wrong with it.
    """

    variant: IntArray
    context: IntArray
    period: IntArray
    n: FloatArray
    total: FloatArray
    total_squares: FloatArray

    def __init__(
        self,
        variant: npt.ArrayLike,
        context: npt.ArrayLike,
        period: npt.ArrayLike,
        n: npt.ArrayLike,
        total: npt.ArrayLike,
        total_squares: npt.ArrayLike,
    ) -> None:
        cells = np.asarray(variant).size
        columns = {
            "variant": _integers("variant", variant),
            "period": _integers("period", period),
            "n": _floats("n", n),
            "total": _floats("total", total),
            "total_squares": _floats("total_squares", total_squares),
        }
        for name, column in columns.items():
            if column.shape != (cells,):
                raise ValueError(f"{name}: needs {cells} entries like variant, got shape {column.shape}")
            object.__setattr__(self, name, column)
        codes = _integers("context", context)
        if codes.ndim != 2 and codes.size == 0:
            codes = codes.reshape(cells, 0)
        if codes.ndim != 2 or len(codes) != cells:
            raise ValueError(f"context: needs shape ({cells}, number of context factors), got {codes.shape}")
        object.__setattr__(self, "context", codes)
        for name in ("n", "total_squares"):
            if np.any(columns[name] < 0):
                raise ValueError(f"{name}: must not be negative")

    def __len__(self) -> int:
        return len(self.variant)

    def check(self, design: Design) -> None:
        """Raise ValueError where a code lies outside the design."""
        _in_range("variant", self.variant, 0, design.n_variants)
        if self.context.shape[1] != len(design.contexts):
            raise ValueError(f"context: needs {len(design.contexts)} columns, got {self.context.shape[1]}")
        for factor, size in enumerate(design.contexts):
            _in_range(f"context[:, {factor}]", self.context[:, factor], MISSING, size)

    def known_to(self, design: Design) -> tuple["Observations", float]:
        """The cells whose variant is part of the design, and the exposures of those that were left out.

        For data that is older than the design: give a variant of levels that no longer exist any index outside the
        design, -1 say. A context level outside the design becomes the missing level; its cells stay.
        """
        kept = (self.variant >= 0) & (self.variant < design.n_variants)
        context = self.context[kept]
        context = np.where((context >= 0) & (context < np.array(design.contexts, np.int64)), context, MISSING)
        columns = (self.period[kept], self.n[kept], self.total[kept], self.total_squares[kept])
        return Observations(self.variant[kept], context, *columns), float(self.n[~kept].sum())

    @classmethod
    def empty(cls, design: Design) -> "Observations":
        none = np.zeros(0)
        return cls(none, np.zeros((0, len(design.contexts))), none, none, none, none)


def _integers(name: str, values: npt.ArrayLike) -> IntArray:
    array = np.asarray(values)
    if array.size == 0:
        return np.zeros(array.shape, np.int64)
    if not np.issubdtype(array.dtype, np.integer):
        array = _floats(name, array)
        if np.any(array != np.floor(array)):
            raise ValueError(f"{name}: must be whole numbers")
    return array.astype(np.int64)


def _floats(name: str, values: npt.ArrayLike) -> FloatArray:
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"{name}: must be numbers") from None
    if not np.all(np.isfinite(array)):
        raise ValueError(f"{name}: must be finite (no NaN, no infinity)")
    return array


def _in_range(name: str, codes: IntArray, low: int, high: int) -> None:
    if codes.size and (codes.min() < low or codes.max() >= high):
        raise ValueError(f"{name}: must lie in {low}..{high - 1}, got {codes.min()}..{codes.max()}")
