"""What the model found about factors, pairs of factors and contexts: plain JSON in the words of the design."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bandits.effects import InteractionEffects
from bandits.readout import ContextReadout, Interval, Readout
from optimizations.config import Config
from optimizations.services.observations import Table

THIN_CELL = 100  # exposures of a pair of levels below which its numbers are masked


def insights(config: Config, read: Readout, table: Table) -> dict[str, Any]:
    """Effects on the link scale (log odds, or the reward for numeric), rewards on the reward scale, lifts in percent.

    Returns:
        levels: per factor and level its effect and mean reward, and the range between the best and the worst level.
        interactions: per pair of factors its share of the variance and its levels' cells, in C order.
        contexts: per context cell its own best variant; `regret` is what the overall best one would cost there.
        personalization: gain in reward from serving each context its own best variant.
        context_coverage: share of the traffic in the listed contexts.
    """
    exposures = np.bincount(table.variant, table.n, len(config.allowed)).reshape(config.shape)
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
            _interaction(config, pair, exposures) | {"share": shares.get(pair.factors)} for pair in read.interactions
        ],
        "contexts": [_context(config, row) for row in read.contexts],
        "personalization": interval(read.personalization),
        "context_coverage": number(read.context_coverage),
    }


def _interaction(config: Config, pair: InteractionEffects, exposures: NDArray[Any]) -> dict[str, Any]:
    first, second = (config.design[f] for f in pair.factors)
    others = tuple(f for f in range(len(config.design)) if f not in pair.factors)
    seen = exposures.sum(axis=others)
    cells = []
    for i, one in enumerate(first.levels):
        for j, two in enumerate(second.levels):
            mean, sd = float(pair.mean[i, j]), float(pair.sd[i, j])
            thin = bool(seen[i, j] < THIN_CELL)
            kind = None
            if pair.flagged[i, j] and not thin:
                kind = "synergy" if mean > 0 else "saturation"
            cells.append(
                {
                    "levels": [one, two],
                    "exposures": int(seen[i, j]),
                    "masked": thin,
                    "effect": None if thin else interval(Interval(mean, mean - 1.96 * sd, mean + 1.96 * sd)),
                    "reward_beyond_additive": None if thin else number(float(pair.synergy[i, j])),
                    "kind": kind,
                }
            )
    return {"factors": [first.name, second.name], "typical_effect": number(pair.tau), "cells": cells}


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
