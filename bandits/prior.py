"""The hierarchical prior: what is guessed, and which coefficients share a variance."""

from dataclasses import dataclass

import numpy as np

from bandits.arrays import FloatArray, IntArray
from bandits.cells import Blocks
from bandits.gram import sums


@dataclass(frozen=True)
class Prior:
    """Prior guesses of effect sizes and how firmly they are held.

    The guesses are standard deviations of an effect in a typical cell, on the log-odds scale; for numeric rewards they
    are relative to the variants' mean reward. Each variance tau^2 has an inverse-gamma prior with this mode-like
    guess, which keeps it away from 0: a collapse cannot end exploration. Interactions are guessed small: where they are
    absent, as they often are, a large guess costs more than a small one costs where they are present.

    Attributes:
        main, pair, context, context_pair, context_design, residual, period: guesses s per order of effects.
        random_walk: the guess that takes the place of `period` for random-walk steps.
        order_shape: IG shape a_0 of the variance pooled over an order.
        term_shape: IG shape a_1 of a term's variance around its order's.
        baseline: least standard deviation of the baseline's own residual. A holdout gives the baseline data enough, and
            shrinking it towards the surface of the others would bias the denominator of every lift.
        intercept_variance: variance of the intercept around the logit of the overall rate.
    """

    main: float = 0.20
    pair: float = 0.05
    context: float = 0.30
    context_pair: float = 0.15
    context_design: float = 0.08
    residual: float = 0.10
    period: float = 0.05
    random_walk: float = 0.10
    order_shape: float = 1.0
    term_shape: float = 1.5
    baseline: float = 0.30
    intercept_variance: float = 4.0


@dataclass(frozen=True)
class Groups:
    """Which variance belongs to which coefficient.

    Attributes:
        order: name of the order of each group, (G,).
        members: members of each group's term (factor numbers), () for periods.
        of_coefficient: int (M,), group of each coefficient; -1 for the intercept.
        size: int (G,), coefficients per group.
    """

    order: tuple[str, ...]
    members: tuple[tuple[int, ...], ...]
    of_coefficient: IntArray
    size: IntArray

    @classmethod
    def of(cls, blocks: Blocks) -> "Groups":
        order: list[str] = []
        members: list[tuple[int, ...]] = []
        of_coefficient = np.full(blocks.size, -1)
        placed = [(blocks.context.start, term) for term in blocks.terms.context_terms]
        placed += [(blocks.design.start, term) for term in blocks.terms.design_terms if term.kind != "intercept"]
        for offset, term in placed:
            of_coefficient[offset + term.start : offset + term.start + term.width] = len(order)
            order.append(term.kind)
            members.append(term.members)
        if blocks.n_period:  # last, so that the groups before it keep their numbers when periods come and go
            of_coefficient[blocks.period] = len(order)
            order.append("period")
            members.append(())
        size = np.bincount(of_coefficient[of_coefficient >= 0], minlength=len(order)).astype(np.int64)
        return cls(tuple(order), tuple(members), of_coefficient, size)

    def guesses(self, prior: Prior, *, random_walk: bool) -> FloatArray:
        """Prior standard deviation of each group, (G,)."""
        scale = {
            "main": prior.main,
            "pair": prior.pair,
            "context": prior.context,
            "context_pair": prior.context_pair,
            "context_design": prior.context_design,
            "period": prior.random_walk if random_walk else prior.period,
        }
        return np.array([scale[order] for order in self.order])

    def precision(self, variances: FloatArray, intercept_precision: float) -> FloatArray:
        """Prior precision of each coefficient, (M,)."""
        return 1.0 / np.append(variances, 1.0 / intercept_precision)[self.of_coefficient]

    def sums(self, values: FloatArray) -> FloatArray:
        """Sum of a per-coefficient column over each group, (G,)."""
        return sums(self.of_coefficient + 1, values, len(self.size) + 1)[1:]
