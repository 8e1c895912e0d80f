"""What the model found about factors, pairs of factors and contexts: plain JSON in the words of the design."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bandits.effects import InteractionEffects
from bandits.readout import ContextReadout, Interval, Readout
from bandits.synergy import IntervalTable
from optimizations.config import Config
from optimizations.services.observations import Table

THIN_CELL = 100  # exposures of a pair of levels below which its numbers are masked
PAIR_FIGURES = (
    "effect", "observed_reward", "expected_reward", "additive_reward", "beyond_additive", "reward_beyond_additive",
    "kind",
)  # fmt: skip


def insights(config: Config, read: Readout, table: Table) -> dict[str, Any]:
    """Effects on the link scale (log odds, or the reward for numeric), rewards on the reward scale, lifts in percent.

    Returns:
        levels: per factor and level its effect and mean reward, and the range between the best and the worst level.
        interactions: per pair of factors its share of the variance and its levels' cells, in C order.
        contexts: per context cell its own best variant; `regret` is what the overall best one would cost there.
        personalization: gain in reward from serving each context its own best variant.
        context_coverage: share of the traffic in the listed contexts.
    """
    seen = [
        np.bincount(table.variant, column, len(config.allowed)).reshape(config.shape)
        for column in (table.n, table.total, table.total_squares)
    ]
    shares = {
        members: {"mean": number(mean), "q1": number(q1), "q3": number(q3)}
        for members, mean, q1, q3 in read.pair_importance
    }
    return {
        "levels": [
            {
                "factor": factor.name,
                "range": interval(spread),
                "levels": [
                    {
                        "level": factor.levels[row.level],
                        "effect": interval(row.effect),
                        "expected_reward": interval(row.reward),
                    }
                    for row in rows
                ],
            }
            for factor, rows, spread in zip(config.design, read.levels, read.ranges, strict=True)
        ],
        "interactions": [
            _interaction(config, pair, seen) | {"share": shares.get(pair.factors)} for pair in read.interactions
        ],
        "contexts": [_context(config, row) for row in read.contexts],
        "personalization": interval(read.personalization),
        "context_coverage": number(read.context_coverage),
    }


def _interaction(config: Config, pair: InteractionEffects, seen: Sequence[NDArray[Any]]) -> dict[str, Any]:
    """`seen`: exposures, rewards and squared rewards per variant, each in the shape of the design."""
    first, second = (config.design[f] for f in pair.factors)
    others = tuple(f for f in range(len(config.design)) if f not in pair.factors)
    sums = [column.sum(axis=others) for column in seen]
    cells = [
        {"levels": [one, two]} | _pair_cell(pair, (i, j), *(float(column[i, j]) for column in sums))
        for i, one in enumerate(first.levels)
        for j, two in enumerate(second.levels)
    ]
    return {"factors": [first.name, second.name], "typical_effect": number(pair.tau), "cells": cells}


def _pair_cell(
    pair: InteractionEffects, at: tuple[int, int], exposures: float, total: float, squares: float
) -> dict[str, Any]:
    """Numbers of thin cells are withheld."""
    cell: dict[str, Any] = {"exposures": int(exposures), "masked": exposures < THIN_CELL}
    if cell["masked"]:
        return cell | dict.fromkeys(PAIR_FIGURES)
    mean, sd = float(pair.mean[at]), float(pair.sd[at])
    rewards = pair.rewards
    return cell | {
        "effect": interval(Interval(mean, mean - 1.96 * sd, mean + 1.96 * sd)),
        "observed_reward": interval(_observed(exposures, total, squares)),
        "expected_reward": _at(rewards.together, at),
        "additive_reward": _at(rewards.additive, at),
        "beyond_additive": _at(rewards.extra, at),
        "reward_beyond_additive": number(float(rewards.extra.mean[at])),
        "kind": rewards.kinds[at[0]][at[1]],
    }


def _observed(exposures: float, total: float, squares: float) -> Interval:
    """The mean of a cell's rewards as they came in."""
    mean = total / exposures
    error = math.sqrt(max(squares / exposures - mean**2, 0.0) / (exposures - 1))
    return Interval(mean, mean - 1.96 * error, mean + 1.96 * error)


def _at(table: IntervalTable, at: tuple[int, int]) -> dict[str, float | None] | None:
    """None where no servable variant has both levels."""
    values = [float(column[at]) for column in (table.mean, table.lo, table.hi)]
    return interval(Interval(*values)) if math.isfinite(values[0]) else None


def _context(config: Config, row: ContextReadout) -> dict[str, Any]:
    codes = zip(config.context, row.context, strict=True)
    return {
        "context": {factor.name: factor.levels[code] if code >= 0 else None for factor, code in codes},
        "traffic_share": number(row.weight),
        "best_variant": named_variant(config, row.best),
        "expected_reward": interval(row.mean),
        "prob_best": number(row.prob_best),
        "lift_percent": interval(row.lift, 100),
        "regret": interval(row.regret),
    }


def named_variant(config: Config, variant: int) -> dict[str, Any]:
    return {"number": variant + 1, "variant_key": config.key(variant), "variant": config.props(variant)}


def interval(value: Interval | None, scale: float = 1.0) -> dict[str, float | None] | None:
    if value is None:
        return None
    return {
        "mean": number(value.mean * scale),
        "ci_lower": number(value.lo * scale),
        "ci_upper": number(value.hi * scale),
    }


def number(value: float) -> float | None:
    """Six significant digits; JSON has no NaN."""
    return float(f"{value:.6g}") if math.isfinite(value) else None
