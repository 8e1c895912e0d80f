"""Read-outs of a posterior on the reward scale: means, the best variant, the policy's value and lift.

Everything comes from unscaled posterior draws. mu_v = sum over contexts and periods, with their traffic, of the
expected reward.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bandits.arrays import FloatArray
from bandits.draws import Draws, posterior_draws
from bandits.effects import Importances, InteractionEffects, importances, interaction_effects, level_effects
from bandits.posterior import Posterior
from bandits.reward_scale import KEPT_ENTRIES, Context, RewardScale, weighted_cells

Shares = Mapping[Context, npt.ArrayLike] | Callable[[Context], npt.ArrayLike]

WINNER = 0.99  # P(beats the baseline) that a "winner" needs: the selected best's own interval is too optimistic


@dataclass(frozen=True, slots=True)
class Interval:
    """Posterior mean (median for ratios, which are skewed) and 95 % interval."""

    mean: float
    lo: float
    hi: float


@dataclass(frozen=True, slots=True)
class LevelEffect:
    """A level's main effect on the link scale, and the mean reward of the servable variants that have it.

    The variants count equally, whatever traffic they got. `reward` is None where no servable variant has the level.
    """

    level: int
    effect: Interval
    reward: Interval | None


@dataclass(frozen=True, slots=True)
class ContextReadout:
    """The best variant of one context cell; `regret` is what serving the overall best there would cost."""

    context: Context
    weight: float
    best: int
    mean: Interval
    prob_best: float
    lift: Interval | None
    regret: Interval


@dataclass(frozen=True)
class Readout:
    """All read-outs. Lifts are fractions: 0.05 is +5 %. Arrays are (n_variants,).

    Attributes:
        mean, lo, hi: expected reward and its 95 % interval.
        prob_best: share of draws in which the variant is the best servable one. Over `draws` draws its standard error
            is sqrt(p (1 - p) / draws), at most 0.016 with 1,000.
        prob_beats_baseline: P(mu_v > mu_0).
        best: servable variant with the highest mean.
        weight: share of all traffic under the served policy, holdout included; None without `shares`.
        policy: expected reward of the served policy outside the holdout; policy_lift: against the baseline.
        best_lift, best_difference: best variant against the baseline, relative and absolute.
        reason: why lifts are None.
        confidence: P(policy beats the baseline); without `shares`, P(best variant beats it).
        personalization: gain from serving each context its own best variant instead of the overall best.
        ranges: per factor, difference between the best and the worst level's mean reward.
        context_coverage: share of the traffic in the context cells looked at (the 500 heaviest).
    """

    mean: FloatArray
    lo: FloatArray
    hi: FloatArray
    prob_best: FloatArray
    prob_beats_baseline: FloatArray
    best: int
    weight: FloatArray | None
    policy: Interval | None
    policy_lift: Interval | None
    best_lift: Interval | None
    best_difference: Interval
    reason: str | None
    confidence: float
    historic_reward: float | None
    importances: Importances
    interactions: list[InteractionEffects]
    levels: list[list[LevelEffect]]
    ranges: list[Interval]
    contexts: list[ContextReadout]
    personalization: Interval
    context_coverage: float
    draws: int

    @property
    def factor_importance(self) -> list[tuple[int, float, float, float]]:
        """(factor, mean, q1, q3) of each factor's share of the variance between variants."""
        return [(row.members[0], row.mean, row.q1, row.q3) for row in self.importances.factors]

    @property
    def interaction_importance(self) -> tuple[float, float, float] | None:
        """(mean, q1, q3) of the share of all pairwise interactions together."""
        pooled = self.importances.interactions
        return None if pooled is None else (pooled.mean, pooled.q1, pooled.q3)

    @property
    def pair_importance(self) -> list[tuple[tuple[int, ...], float, float, float]]:
        """((factor, factor), mean, q1, q3) of each pair's share."""
        return [(row.members, row.mean, row.q1, row.q3) for row in self.importances.pairs]

    @property
    def context_importance(self) -> list[tuple[int, float, float, float]]:
        """(context factor, mean, lo, hi) of each context factor's share."""
        return [(row.members[0], row.mean, row.lo, row.hi) for row in self.importances.contexts]

    @property
    def has_winner(self) -> bool:
        """Whether the best variant beats the baseline with probability at least 0.99."""
        return self.best != 0 and bool(self.prob_beats_baseline[self.best] >= WINNER)


def readout(
    posterior: Posterior,
    *,
    context_weights: Mapping[Context, float] | None = None,
    shares: Shares | None = None,
    holdout: float = 0.0,
    draws: int = 1000,
    last_periods: int | None = None,
    rng: np.random.Generator,
) -> Readout:
    """Read a posterior out; use one fitted with random-walk periods on uncapped rewards.

    Args:
        context_weights: traffic per context cell; the observed mix by default.
        shares: the served policy's share of each variant per context cell: a mapping, or `SlotTable.shares`.
        holdout: share of the traffic held out, 0..1.
        draws: posterior draws S.
        last_periods: average over the traffic of that many last periods only.

    Raises:
        ValueError: bad weights, holdout or draws, or a context cell that `shares` lacks.
    """
    if draws < 2 or not 0 <= holdout <= 1:
        raise ValueError("draws: must be at least 2; holdout: must lie in 0..1")
    cells, coverage = weighted_cells(posterior, context_weights)
    drawn = posterior_draws(posterior, draws, rng)
    scale = RewardScale(drawn, last_periods)
    allowed, n_variants = posterior.design.allowed, posterior.design.n_variants
    mu = np.zeros((n_variants, draws))
    served = None if shares is None else np.zeros(draws)
    weight = None if shares is None else np.zeros(n_variants)
    per_context: list[_OwnBest] = []
    keep = len(cells) * mu.size <= KEPT_ENTRIES
    for context, share in cells:
        rewards = scale.rewards(context)
        mu += share * rewards
        if shares is not None and served is not None and weight is not None:
            policy = _policy_shares(shares, context, n_variants)
            served += share * (policy @ rewards)
            weight += share * policy
        own = int(np.argmax(np.where(allowed, rewards.mean(axis=1), -np.inf)))
        prob = float(_prob_best(rewards, allowed)[own])
        own_best = _OwnBest(
            context, share, own, prob, rewards[own].copy(), rewards[0].copy(), rewards if keep else None
        )
        per_context.append(own_best)
    mean = mu.mean(axis=1)
    best = int(np.argmax(np.where(allowed, mean, -np.inf)))
    lo, hi = np.quantile(mu, [0.025, 0.975], axis=1)
    reason = _no_lift(posterior, mu[0])
    contexts, gain = [], np.zeros(draws)
    for at in per_context:
        overall = (scale.rewards(at.context) if at.rewards is None else at.rewards)[best]
        gain += at.weight * (at.draws - overall)
        lift = _lift(at.draws, at.baseline) if reason is None and _is_not_zero(at.baseline) else None
        regret = _interval(at.draws - overall)
        contexts.append(ContextReadout(at.context, at.weight, at.best, _interval(at.draws), at.prob_best, lift, regret))
    beats = np.mean(mu > mu[0], axis=1)
    if weight is not None:
        weight *= 1.0 - holdout
        weight[0] += holdout
    levels, ranges = _levels(drawn, mu)
    return Readout(
        mean=mean,
        lo=lo,
        hi=hi,
        prob_best=_prob_best(mu, allowed),
        prob_beats_baseline=beats,
        best=best,
        weight=weight,
        policy=None if served is None else _interval(served),
        policy_lift=None if served is None or reason else _lift(served, mu[0]),
        best_lift=None if reason else _lift(mu[best], mu[0]),
        best_difference=_interval(mu[best] - mu[0]),
        reason=reason,
        confidence=float(beats[best] if served is None else np.mean(served > mu[0])),
        historic_reward=posterior.historic_reward,
        importances=importances(drawn),
        interactions=interaction_effects(drawn, mu),
        levels=levels,
        ranges=ranges,
        contexts=contexts,
        personalization=_interval(gain),
        context_coverage=coverage,
        draws=draws,
    )


class _OwnBest(NamedTuple):
    """A context cell's own best variant with its draws; `rewards` of all variants where they fit in memory."""

    context: Context
    weight: float
    best: int
    prob_best: float
    draws: FloatArray
    baseline: FloatArray
    rewards: FloatArray | None


def _policy_shares(shares: Shares, context: Context, n_variants: int) -> FloatArray:
    if not callable(shares) and context not in shares:
        raise ValueError(f"shares: lacks the context cell {context}")
    values = np.asarray(shares(context) if callable(shares) else shares[context], np.float64)
    if values.shape != (n_variants,):
        raise ValueError(f"shares: needs {n_variants} entries per cell, got shape {values.shape}")
    return values


def _prob_best(rewards: FloatArray, allowed: npt.NDArray[np.bool_]) -> FloatArray:
    servable = np.flatnonzero(allowed)
    best = servable[np.argmax(rewards[servable] if len(servable) < len(allowed) else rewards, axis=0)]
    counts: FloatArray = np.bincount(best, minlength=len(allowed)) / rewards.shape[1]
    return counts


def _no_lift(posterior: Posterior, baseline: FloatArray) -> str | None:
    """Why nothing can be told relative to the baseline, given draws of its mean."""
    if posterior.reward == "bool" and baseline.mean() * posterior.variant_n[0] < 1.0:
        return "the baseline has less than one expected conversion"
    return None if _is_not_zero(baseline) else "the baseline's mean cannot be told from zero"


def _is_not_zero(baseline: FloatArray) -> bool:
    """Whether draws of a baseline's mean can be divided by; a rate of one context may be as small as to round to 0."""
    lo, hi = np.quantile(baseline, [0.025, 0.975])
    return bool((lo > 0.0 or hi < 0.0) and baseline.all())


def _interval(values: FloatArray) -> Interval:
    lo, hi = np.quantile(values, [0.025, 0.975])
    return Interval(float(values.mean()), float(lo), float(hi))


def _lift(values: FloatArray, baseline: FloatArray) -> Interval:
    """Median and interval of the ratio; relative to the baseline's size where that is negative."""
    lo, median, hi = np.quantile((values - baseline) / np.abs(baseline), [0.025, 0.5, 0.975])
    return Interval(float(median), float(lo), float(hi))


def _levels(draws: Draws, mu: FloatArray) -> tuple[list[list[LevelEffect]], list[Interval]]:
    design = draws.posterior.design
    levels, ranges = [], []
    for factor, size in enumerate(design.factors):
        effects = level_effects(draws, factor)
        rows, rewards = [], []
        for level in range(size):
            having = (design.levels[:, factor] == level) & design.allowed
            if having.any():
                rewards.append(mu[having].mean(axis=0))
            rows.append(LevelEffect(level, _interval(effects[level]), _interval(rewards[-1]) if having.any() else None))
        levels.append(rows)
        ranges.append(_interval(np.ptp(rewards, axis=0)))
    return levels, ranges
