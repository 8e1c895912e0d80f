"""Observations brought to distinct cells, and the products with the model matrix that a fit needs."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from bandits.arrays import FloatArray, IntArray
from bandits.coding import Terms, terms_of
from bandits.design import Design
from bandits.gram import OneHotMatrix, distinct, sums, two_way
from bandits.observations import Observations

PeriodCoding = Literal["iid", "random_walk", "none"]

_MANY_PLACES = 2**30  # of contexts: from here on only those that occur are numbered, or 64 bits would not hold the next


def period_columns(coding: PeriodCoding, periods: int) -> FloatArray:
    """Coding of the observed periods, (periods, columns); no columns for a single period.

    "iid" gives each period its own effect; "random_walk" codes the steps 1[t >= k] between neighbouring periods, so
    that iid coefficients make a random walk.
    """
    if coding == "none" or periods < 2:
        return np.zeros((periods, 0))
    if coding == "iid":
        return np.eye(periods)
    return np.tri(periods, periods - 1, -1)


class Cells:
    """Distinct cells (row, period), where a row is a distinct (variant, context).

    Coefficients are ordered [periods | context terms | design terms]; the first two blocks are the "environment" block,
    the columns that vary within a variant. Periods come first so that the draws of the others, made through L^-T, do
    not depend on the number of periods.

    Attributes:
        n, total, total_squares: float (N,) sums per cell; N cells.
        row, period: int (N,), positions in `row_variant` / `row_context` and in `periods`.
        row_place: int (R,), equal for rows of one context.
        seen: int (V,), the variants observed; `row_seen` (R,) and `seen_of_cell` (N,) are positions in it.
    """

    def __init__(
        self, design: Design, observations: Observations, coding: PeriodCoding, half_life: float | None = None
    ) -> None:
        observations.check(design)
        used = (observations.n > 0) | (observations.total != 0)
        variant, context = observations.variant[used], observations.context[used]
        columns = np.stack([observations.n[used], observations.total[used], observations.total_squares[used]])
        self.periods, period = np.unique(observations.period[used], return_inverse=True)
        if half_life is not None and len(self.periods):
            columns = columns * 0.5 ** ((self.periods[-1] - self.periods[period]) / half_life)
        place, places = np.zeros_like(variant), 1
        for factor, size in enumerate(design.contexts):
            if places > _MANY_PLACES:
                known, place = np.unique(place, return_inverse=True)
                places = len(known)
            place, places = place * (size + 1) + context[:, factor] % (size + 1), places * (size + 1)
        _, first, row = np.unique(variant * places + place, return_index=True, return_inverse=True)
        self.row_variant, self.row_context, self.row_place = variant[first], context[first], place[first]
        periods = max(len(self.periods), 1)
        cell_key, cell = distinct(row * periods + period, len(first) * periods)
        self.row, self.period = np.divmod(cell_key, periods)
        self.n, self.total, self.total_squares = (sums(cell, column, len(cell_key)) for column in columns)
        self.seen, self.row_seen = distinct(self.row_variant, design.n_variants)
        self.seen_of_cell: IntArray = self.row_seen[self.row]
        self.design = design
        self.period_coding = period_columns(coding, len(self.periods))
        terms = self.terms = terms_of(design)
        self.design_matrix = OneHotMatrix(
            [term.coding for term in terms.design_terms],
            [terms.design_index(term, self.seen) for term in terms.design_terms],
            len(self.seen),
        )
        self.context_matrix = OneHotMatrix(
            [term.coding for term in terms.context_terms],
            [terms.context_index(term, self.row_variant, self.row_context) for term in terms.context_terms],
            len(self.row_variant),
        )
        self.blocks = Blocks(self.period_coding.shape[1], terms)

    def predictor(self, coefficients: FloatArray, residual: FloatArray) -> FloatArray:
        """eta per cell, (N,), for coefficients in block order and residuals of the seen variants (V,)."""
        by_row = (self.design_matrix.dot(coefficients[self.blocks.design]) + residual)[self.row_seen]
        if self.context_matrix.columns:
            by_row = by_row + self.context_matrix.dot(coefficients[self.blocks.context])
        by_period = self.period_coding @ coefficients[self.blocks.period]
        result: FloatArray = by_row[self.row] + by_period[self.period]
        return result

    def by_seen(self, values: FloatArray) -> FloatArray:
        """Sums of a per-cell column over the cells of each seen variant, (V,)."""
        return sums(self.seen_of_cell, values, len(self.seen))

    def by_row(self, values: FloatArray) -> FloatArray:
        return sums(self.row, values, len(self.row_variant))

    def by_period(self, values: FloatArray) -> FloatArray:
        return sums(self.period, values, len(self.periods))

    def transposed_dot(self, values: FloatArray) -> FloatArray:
        """X' g for a per-cell g, in block order."""
        result = np.empty(self.blocks.size)
        result[self.blocks.period] = self.by_period(values) @ self.period_coding
        if self.context_matrix.columns:
            result[self.blocks.context] = self.context_matrix.transposed_dot(self.by_row(values))
        result[self.blocks.design] = self.design_matrix.transposed_dot(self.by_seen(values))
        return result

    def environment_sums(self, weights: FloatArray) -> FloatArray:
        """E_v = sum over a variant's cells of w_i x (environment part of row i), (V, environment columns)."""
        by_period = two_way(self.seen_of_cell, self.period, weights, len(self.seen), len(self.periods))
        result: FloatArray = by_period @ self.period_coding
        if self.context_matrix.columns:
            by_context = self.context_matrix.grouped(self.by_row(weights), self.row_seen, len(self.seen))
            result = np.concatenate([result, by_context], axis=1)
        return result

    def variant_gram(self, weight: FloatArray, environment: FloatArray, scale: FloatArray) -> FloatArray:
        """sum over seen variants of scale_v B_v B_v', with B_v = weight_v (design row) + environment_v; scale >= 0."""
        blocks, design = self.blocks, self.design_matrix
        if design.dense is not None:
            root = np.sqrt(scale)
            B = np.empty((blocks.size, len(scale)))
            np.multiply(environment.T, root, out=B[blocks.environment])
            np.multiply(design.dense, weight * root, out=B[blocks.design])
            product: FloatArray = B @ B.T
            return product
        gram = np.empty((blocks.size, blocks.size))
        gram[blocks.design, blocks.design] = design.gram(scale * weight**2)
        gram[blocks.design, blocks.environment] = cross = design.cross(scale * weight, environment)
        gram[blocks.environment, blocks.design] = cross.T
        gram[blocks.environment, blocks.environment] = (environment * scale[:, None]).T @ environment
        return gram

    def environment_gram(self, weights: FloatArray) -> FloatArray:
        """sum of w_i x x' over the environment part of the rows."""
        coding = self.period_coding
        periods = (coding * self.by_period(weights)[:, None]).T @ coding
        if not self.context_matrix.columns:
            return periods
        contexts = self.context_matrix.gram(self.by_row(weights))
        tables = [
            two_way(self.period, index[self.row], weights, len(self.periods), len(block)) @ block
            for block, index in zip(self.context_matrix.codings, self.context_matrix.indices, strict=True)
        ]
        cross = coding.T @ np.concatenate(tables, axis=1)
        return np.block([[periods, cross], [cross.T, contexts]])


@dataclass(frozen=True)
class Blocks:
    """Where the blocks of coefficients lie."""

    n_period: int
    terms: Terms

    @property
    def n_environment(self) -> int:
        return self.n_period + self.terms.n_context

    @property
    def size(self) -> int:
        return self.n_environment + self.terms.n_design

    @property
    def period(self) -> slice:
        return slice(0, self.n_period)

    @property
    def context(self) -> slice:
        return slice(self.n_period, self.n_environment)

    @property
    def environment(self) -> slice:
        return slice(0, self.n_environment)

    @property
    def design(self) -> slice:
        return slice(self.n_environment, self.size)
