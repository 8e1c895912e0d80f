"""Interactions on the reward scale: what two levels bring together, against what they add up to on their own."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from bandits.arrays import BoolArray, FloatArray
from bandits.design import Design
from bandits.gram import two_way

Kind = Literal["synergy", "saturation", "conflict"]
SURE = 0.975  # share of the draws that must agree before a pair of levels is given a kind


@dataclass(frozen=True, slots=True)
class IntervalTable:
    """Posterior mean and 95 % interval per pair of levels, (levels, levels); NaN where no servable variant has both."""

    mean: FloatArray
    lo: FloatArray
    hi: FloatArray


@dataclass(frozen=True, slots=True)
class PairRewards:
    """Mean rewards of the servable variants that have both levels, all variants counting equally.

    Attributes:
        together: the mean reward of a pair of levels.
        additive: overall mean + what each level brings on its own.
        extra: together - additive.
        kinds: per pair of levels, None where nothing is sure. `synergy`: more than the sum, and better than either
            level on average. `saturation`: both levels help on their own, and less than the sum together.
            `conflict`: less than the sum, and worse than either level on average, where not both harm anyway.
    """

    together: IntervalTable
    additive: IntervalTable
    extra: IntervalTable
    kinds: list[list[Kind | None]]


def pair_rewards(design: Design, pair: tuple[int, int], rewards: FloatArray) -> PairRewards:
    """Args: rewards: draws of the mean reward of the servable variants, (servable, S), in the order of the design."""
    levels = design.levels[design.allowed][:, list(pair)]
    shape = (design.factors[pair[0]], design.factors[pair[1]])
    counts = two_way(levels[:, 0], levels[:, 1], np.ones(len(levels)), *shape)
    known = counts > 0
    member = (levels[:, 0] * shape[1] + levels[:, 1] == np.arange(counts.size)[:, None]).astype(float)
    cells = (member @ rewards).reshape(*shape, -1) / np.maximum(counts, 1.0)[:, :, None]

    def mean(axis: tuple[int, ...]) -> FloatArray:
        average: FloatArray = cells.sum(axis=axis, keepdims=True)
        average /= np.maximum(known.sum(axis=axis), 1.0).reshape(*average.shape[:2], 1)
        return average

    row, column, overall = mean((1,)), mean((0,)), mean((0, 1))
    additive = row + column - overall
    return PairRewards(
        together=_table(cells, known),
        additive=_table(additive, known),
        extra=_table(cells - additive, known),
        kinds=_kinds(cells, row, column, overall, known),
    )


def _kinds(
    cells: FloatArray, row: FloatArray, column: FloatArray, overall: FloatArray, known: BoolArray
) -> list[list[Kind | None]]:
    extra = cells - row - column + overall
    one, two = row - overall, column - overall

    def sure(event: BoolArray) -> BoolArray:
        likely: BoolArray = (event.mean(axis=2) >= SURE) & known
        return likely

    less = sure(extra < 0)
    kinds = np.full(known.shape, None, dtype=object)
    kinds[less & sure(cells < np.minimum(row, column)) & ~sure((one < 0) & (two < 0))] = "conflict"
    kinds[less & sure((one > 0) & (two > 0))] = "saturation"
    kinds[sure(extra > 0) & sure(cells > np.maximum(row, column))] = "synergy"
    found: list[list[Kind | None]] = kinds.tolist()
    return found


def _table(draws: FloatArray, known: BoolArray) -> IntervalTable:
    lo, hi = np.quantile(draws, [0.025, 0.975], axis=2)
    return IntervalTable(*(np.where(known, values, np.nan) for values in (draws.mean(axis=2), lo, hi)))
