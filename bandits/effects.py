"""What the effects themselves say: importance of factors, level effects, interactions. All on the link scale."""

from dataclasses import dataclass

import numpy as np

from bandits.arrays import BoolArray, FloatArray
from bandits.coding import Term
from bandits.draws import Draws
from bandits.synergy import PairRewards, pair_rewards


@dataclass(frozen=True, slots=True)
class Importance:
    """A share of variance: `members` are factor numbers; posterior mean, median, quartiles and 95 % interval."""

    members: tuple[int, ...]
    mean: float
    median: float
    q1: float
    q3: float
    lo: float
    hi: float
    prob_largest: float


@dataclass(frozen=True, slots=True)
class InteractionEffects:
    """Effects of a pair of factors beyond their main effects, (levels, levels).

    `mean` and `sd` are on the link scale, `flagged` where |mean| > 2 sd, tau the standard deviation of such effects;
    `rewards` has the same on the reward scale.
    """

    factors: tuple[int, int]
    mean: FloatArray
    sd: FloatArray
    flagged: BoolArray
    tau: float
    rewards: PairRewards


@dataclass(frozen=True, slots=True)
class Importances:
    """Shares of the variance over the uniform grid of variants.

    Factors, pairs and `interactions` (all pairs together) are shares of the variance that the design makes: main
    effects, pairs, residuals. `contexts` are a context factor's main effect and its interactions with the design, as
    shares of the variance of design and contexts together. What is particular to a pair of contexts counts in the
    whole only.
    """

    factors: list[Importance]
    pairs: list[Importance]
    interactions: Importance | None
    contexts: list[Importance]


def importances(draws: Draws) -> Importances:
    """V_g = sum of squares of a group's coefficients / its columns: the variance of its effects over a uniform grid."""
    posterior = draws.posterior
    terms = posterior.terms
    design = posterior.coefficients[posterior.blocks.design][:, None] + draws.design
    context = posterior.coefficients[posterior.blocks.context][:, None] + draws.environment[posterior.blocks.context]
    mains = [term for term in terms.design_terms if term.kind == "main"]
    pairs = [term for term in terms.design_terms if term.kind == "pair"]
    by_main = _variances(mains, design)
    by_pair = _variances(pairs, design)
    within = by_main.sum(axis=0) + by_pair.sum(axis=0) + _residual_variance(draws)
    by_context = np.zeros((len(posterior.design.contexts), draws.count))
    whole = within.copy()
    for term, values in zip(terms.context_terms, _variances(list(terms.context_terms), context), strict=True):
        whole += values
        if term.kind != "context_pair":
            by_context[term.members[0]] += values
    used = [position for position, size in enumerate(posterior.design.contexts) if size > 1]
    pooled = _shares([()], by_pair.sum(axis=0)[None], within) if pairs else [None]
    return Importances(
        factors=_shares([term.members for term in mains], by_main, within),
        pairs=_shares([term.members for term in pairs], by_pair, within),
        interactions=pooled[0],
        contexts=_shares([(position,) for position in used], by_context[used], whole),
    )


def _variances(terms: list[Term], coefficients: FloatArray) -> FloatArray:
    if not terms:
        return np.zeros((0, coefficients.shape[1]))
    return np.stack([np.sum(coefficients[term.columns] ** 2, axis=0) / term.width for term in terms])


def _residual_variance(draws: Draws) -> FloatArray:
    """Variance over variants of the residual's posterior mean: the part of the surface no term explains, (S,)."""
    posterior = draws.posterior
    residual = np.zeros(posterior.design.n_variants)
    residual[posterior.seen] = posterior.residual
    return np.full(draws.count, float(residual.var()))


def _shares(members: list[tuple[int, ...]], parts: FloatArray, whole: FloatArray) -> list[Importance]:
    share = parts / np.maximum(whole, np.finfo(float).tiny)
    largest = np.bincount(np.argmax(share, axis=0), minlength=len(share)) / share.shape[1] if len(share) else []
    result = []
    for who, values, first in zip(members, share, largest, strict=True):
        q1, median, q3, lo, hi = np.quantile(values, [0.25, 0.5, 0.75, 0.025, 0.975]).tolist()
        result.append(Importance(who, float(values.mean()), median, q1, q3, lo, hi, float(first)))
    return result


def interaction_effects(draws: Draws, rewards: FloatArray) -> list[InteractionEffects]:
    """The table C_f b_fg C_g' of every pair with its posterior standard deviation.

    Args:
        rewards: the same draws' mean reward per variant, (n_variants, S).
    """
    posterior = draws.posterior
    sizes = posterior.design.factors
    means = posterior.coefficients[posterior.blocks.design]
    variances = dict(
        zip(zip(posterior.groups.order, posterior.groups.members, strict=True), posterior.variances, strict=True)
    )
    servable = rewards[posterior.design.allowed]
    result = []
    for term in posterior.terms.design_terms:
        if term.kind != "pair":
            continue
        first, second = term.members
        shape = (sizes[first], sizes[second])
        mean = (term.coding @ means[term.columns]).reshape(shape)
        sd = (term.coding @ draws.design[term.columns]).std(axis=1).reshape(shape)
        tau = float(np.sqrt(variances[("pair", term.members)]))
        pair = pair_rewards(posterior.design, (first, second), servable)
        result.append(InteractionEffects((first, second), mean, sd, np.abs(mean) > 2 * sd, tau, pair))
    return result


def level_effects(draws: Draws, factor: int) -> FloatArray:
    """Draws of a factor's main effects, (levels, S)."""
    posterior = draws.posterior
    for term in posterior.terms.design_terms:
        if term.members == (factor,):
            means = posterior.coefficients[posterior.blocks.design][term.columns, None]
            return term.coding @ (means + draws.design[term.columns])
    return np.zeros((posterior.design.factors[factor], draws.count))
