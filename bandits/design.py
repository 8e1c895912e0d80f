"""The full factorial design: which variants and which context cells exist."""

from collections.abc import Sequence
from itertools import product
from math import prod

import numpy as np
import numpy.typing as npt

from bandits.arrays import BoolArray, IntArray

MISSING = -1  # the code of a context level that is unknown or was not sent


class Design:
    """A full factorial design over categorical factors, with optional context factors.

    A variant is one level of every design factor; its index is the C-order ravel of the level codes, so variant 0
    has level 0 everywhere and is the baseline.

    Args:
        factors: number of levels of each design factor.
        contexts: number of levels of each context factor.
        allowed: bool (n_variants,); False marks an excluded combination. All are allowed by default.

    Raises:
        ValueError: a factor without levels, a mask of the wrong length, or an excluded baseline.
    """

    def __init__(
        self, factors: Sequence[int], contexts: Sequence[int] = (), allowed: npt.ArrayLike | None = None
    ) -> None:
        self.factors = tuple(int(size) for size in factors)
        self.contexts = tuple(int(size) for size in contexts)
        for name, sizes in (("factors", self.factors), ("contexts", self.contexts)):
            if any(size < 1 for size in sizes):
                raise ValueError(f"{name}: every factor needs at least one level, got {list(sizes)}")
        self.n_variants = prod(self.factors)
        self.levels: IntArray = _grid(self.factors)
        mask = np.ones(self.n_variants, bool) if allowed is None else np.array(allowed, bool)
        if mask.shape != (self.n_variants,):
            raise ValueError(f"allowed: needs one entry per variant ({self.n_variants}), got shape {mask.shape}")
        if not mask[0]:
            raise ValueError("allowed: the baseline (variant 0) cannot be excluded")
        mask.setflags(write=False)
        self.levels.setflags(write=False)
        self.allowed: BoolArray = mask

    @property
    def n_context_cells(self) -> int:
        return prod(self.contexts)

    @property
    def context_cells(self) -> tuple[tuple[int, ...], ...]:
        """All context cells as tuples of level codes, in C order; one empty tuple when there are no contexts."""
        return tuple(product(*(range(size) for size in self.contexts)))

    def context_code(self, context: Sequence[int]) -> tuple[int, ...]:
        """The context with every level outside the design turned into `MISSING`.

        Raises:
            ValueError: not one level per context factor.
        """
        if len(context) != len(self.contexts):
            raise ValueError(f"context: needs {len(self.contexts)} level codes, got {len(context)}")
        return tuple(
            int(level) if 0 <= level < size else MISSING for level, size in zip(context, self.contexts, strict=True)
        )

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Design)
            and self.factors == other.factors
            and self.contexts == other.contexts
            and bool(np.array_equal(self.allowed, other.allowed))
        )

    def __hash__(self) -> int:
        return hash((self.factors, self.contexts, self.allowed.tobytes()))

    def __repr__(self) -> str:
        excluded = int(np.sum(~self.allowed))
        return f"Design(factors={list(self.factors)}, contexts={list(self.contexts)}, excluded={excluded})"


def _grid(sizes: Sequence[int]) -> IntArray:
    """Level codes of all cells in C order, (prod(sizes), len(sizes))."""
    return np.indices(tuple(sizes), dtype=np.int64).reshape(len(sizes), -1).T.copy()
