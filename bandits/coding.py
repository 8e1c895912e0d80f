"""Sum-to-zero coding of effects, and the terms of the model.

A term is stored in one-hot space: an index per row into a small coding matrix (levels x columns). The model matrix
itself is never needed: see `bandits.gram`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from typing import Literal

import numpy as np

from bandits.arrays import FloatArray, IntArray
from bandits.design import Design

Kind = Literal["intercept", "main", "pair", "context", "context_pair", "context_design"]

CONTEXT_PAIR_COLUMNS = 200  # most columns spent on pairs of context factors; the smallest pairs come first


@lru_cache(maxsize=256)
def contrasts(levels: int) -> FloatArray:
    """Exchangeable sum-to-zero coding C of one factor, (levels, levels - 1).

    Orthonormal Helmert columns times sqrt(L / (L - 1)): with b ~ N(0, tau^2 I) the effects C b sum to zero, have
    variance tau^2 each and covariance -tau^2 / (L - 1), whatever the order of the levels (C C' = (L I - 11')/(L - 1)).
    """
    coding = np.zeros((levels, max(levels - 1, 0)))
    for column in range(levels - 1):
        coding[: column + 1, column] = 1.0
        coding[column + 1, column] = -(column + 1.0)
        coding[:, column] /= np.sqrt((column + 1.0) * (column + 2.0))
    if levels > 1:
        coding *= np.sqrt(levels / (levels - 1.0))
    coding.setflags(write=False)
    return coding


def context_contrasts(levels: int) -> FloatArray:
    """`contrasts` with a zero row appended: index -1, the missing level, is the average level."""
    return np.vstack([contrasts(levels), np.zeros((1, max(levels - 1, 0)))])


@dataclass(frozen=True)
class Term:
    """One group of exchangeable effects.

    Attributes:
        kind: what it is; every kind is one order of the hierarchical prior.
        members: (design factor,), (factor, factor), (context factor,), (context factor, context factor) or
            (context factor, design factor).
        coding: (one-hot size, width).
        start: position of its first coefficient within the design or the context block.
    """

    kind: Kind
    members: tuple[int, ...]
    coding: FloatArray
    start: int

    @property
    def width(self) -> int:
        return int(self.coding.shape[1])

    @property
    def columns(self) -> slice:
        return slice(self.start, self.start + self.width)


class Terms:
    """All terms of a design: a block that depends on the variant only, and one that depends on the context as well.

    Attributes:
        design_terms: intercept, main effects, pairwise interactions.
        context_terms: context main effects, pairs of contexts, context x design factor interactions.
        n_design, n_context: number of coefficients of each block.
    """

    def __init__(self, design: Design) -> None:
        self.design = design
        self.design_terms = tuple(_place(_design_codings(design)))
        self.context_terms = tuple(_place(_context_codings(design)))
        self.n_design = sum(term.width for term in self.design_terms)
        self.n_context = sum(term.width for term in self.context_terms)

    def design_index(self, term: Term, variant: IntArray) -> IntArray:
        """One-hot positions of the variants in a design term's coding."""
        index = np.zeros(len(variant), np.int64)
        for factor in term.members:
            index = index * self.design.factors[factor] + self.design.levels[variant, factor]
        return index

    def context_index(self, term: Term, variant: IntArray, context: IntArray) -> IntArray:
        """One-hot positions of (variant, context) rows in a context term's coding."""
        size = self.design.contexts[term.members[0]]
        index: IntArray = context[:, term.members[0]] % (size + 1)
        if term.kind == "context_pair":
            size = self.design.contexts[term.members[1]]
            index = index * (size + 1) + context[:, term.members[1]] % (size + 1)
        elif term.kind == "context_design":
            factor = term.members[1]
            index = index * self.design.factors[factor] + self.design.levels[variant, factor]
        return index


@lru_cache(maxsize=64)
def terms_of(design: Design) -> Terms:
    return Terms(design)


def _design_codings(design: Design) -> Iterator[tuple[Kind, tuple[int, ...], FloatArray]]:
    active = [factor for factor, size in enumerate(design.factors) if size > 1]
    yield "intercept", (), np.ones((1, 1))
    for factor in active:
        yield "main", (factor,), contrasts(design.factors[factor])
    for first, second in combinations(active, 2):
        yield "pair", (first, second), _kron(contrasts(design.factors[first]), contrasts(design.factors[second]))


def _context_codings(design: Design) -> Iterator[tuple[Kind, tuple[int, ...], FloatArray]]:
    active = [context for context, size in enumerate(design.contexts) if size > 1]
    for context in active:
        yield "context", (context,), context_contrasts(design.contexts[context])
    for first, second in _context_pairs(design):
        coding = _kron(context_contrasts(design.contexts[first]), context_contrasts(design.contexts[second]))
        yield "context_pair", (first, second), coding
    for context in active:
        for factor, size in enumerate(design.factors):
            if size > 1:
                coding = _kron(context_contrasts(design.contexts[context]), contrasts(size))
                yield "context_design", (context, factor), coding


def _context_pairs(design: Design) -> list[tuple[int, int]]:
    """Pairs of context factors that get a term.

    They choose nothing by themselves. But where they are left out, the rate of a combination of contexts is put down to
    the variants that were served in it, as effects of context x design, and those do choose.
    """
    active = [context for context, size in enumerate(design.contexts) if size > 1]

    def columns(pair: tuple[int, int]) -> int:
        return (design.contexts[pair[0]] - 1) * (design.contexts[pair[1]] - 1)

    kept, total = [], 0
    for pair in sorted(combinations(active, 2), key=columns):
        total += columns(pair)
        if total > CONTEXT_PAIR_COLUMNS:
            break
        kept.append(pair)
    return sorted(kept)


def _kron(left: FloatArray, right: FloatArray) -> FloatArray:
    product: FloatArray = np.kron(left, right).astype(np.float64, copy=False)
    return product


def _place(codings: Iterator[tuple[Kind, tuple[int, ...], FloatArray]]) -> Iterator[Term]:
    start = 0
    for kind, members, coding in codings:
        yield Term(kind, members, coding, start)
        start += coding.shape[1]
