"""Draws of the expected reward per context cell."""

from collections.abc import Mapping, Sequence

import numpy as np

from bandits.arrays import FloatArray
from bandits.draws import Draws
from bandits.posterior import Posterior
from bandits.quadrature import gauss_rule, mean_reward

Context = tuple[int, ...]

MAX_CELLS = 500  # context cells looked at one by one
CHUNK_ENTRIES = 1_000_000  # (variants x draws) worked on at a time
KEPT_ENTRIES = 8_000_000  # (variants x draws) worth keeping between context cells


class RewardScale:
    """Draws of the expected reward per context, period effects averaged with their traffic."""

    def __init__(self, draws: Draws, last_periods: int | None) -> None:
        self.draws = draws
        weights = draws.posterior.period_weights.copy()
        if last_periods is not None:
            weights[: max(len(weights) - last_periods, 0)] = 0.0
        effects = draws.period_effects()
        if not weights.sum() > 0:
            weights, effects = np.ones(1), np.zeros((1, draws.count))
        weights = weights / weights.sum()
        self.numeric = draws.posterior.reward == "numeric"
        self.average = weights @ effects
        self.nodes, self.weights = gauss_rule(effects, weights)
        small = draws.posterior.design.n_variants * draws.count <= KEPT_ENTRIES
        self.deviation = draws.deviation(slice(None)) if small else None

    def rewards(self, context: Sequence[int]) -> FloatArray:
        """(n_variants, S)"""
        n_variants = self.draws.posterior.design.n_variants
        result = np.empty((n_variants, self.draws.count))
        step = max(1, CHUNK_ENTRIES // n_variants)
        for start in range(0, self.draws.count, step):
            at = slice(start, start + step)
            known = None if self.deviation is None else self.deviation[:, at]
            eta = self.draws.predictor(context, at, known)
            if self.numeric:
                result[:, at] = eta + self.average[at]
            else:
                result[:, at] = mean_reward(eta, self.nodes[:, at], self.weights[:, at])
        return result


def weighted_cells(
    posterior: Posterior, given: Mapping[Context, float] | None
) -> tuple[list[tuple[Context, float]], float]:
    """The heaviest context cells with their normalized weights, and the share of the traffic they cover.

    Raises:
        ValueError: weights that are negative, not finite or all zero.
    """
    design = posterior.design
    if given is None:
        observed = zip(map(tuple, posterior.contexts.tolist()), posterior.context_weights.tolist(), strict=True)
        given = dict(observed) or {(-1,) * len(design.contexts): 1.0}
    weights: dict[Context, float] = {}
    for context, weight in given.items():
        if not (np.isfinite(weight) and weight >= 0):
            raise ValueError(f"context_weights: must be finite and not negative, got {weight}")
        code = design.context_code(context)
        weights[code] = weights.get(code, 0.0) + float(weight)
    total = sum(weights.values())
    if not total > 0:
        raise ValueError("context_weights: must not all be zero")
    heaviest = sorted(((code, weight) for code, weight in weights.items() if weight > 0), key=lambda row: -row[1])
    kept = heaviest[:MAX_CELLS]
    covered = sum(weight for _, weight in kept)
    return [(code, weight / covered) for code, weight in kept], covered / total
