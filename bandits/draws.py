"""Draws from a posterior: the linear predictor of every variant, many draws at a time.

Arrays are laid out (variants, draws): the draws are contiguous, so that adding up effect tables by broadcasting stays
fast for 10 variants and for 10,000.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from bandits.arrays import FloatArray
from bandits.coding import Terms
from bandits.posterior import Posterior


def surface(terms: Terms, coefficients: FloatArray) -> FloatArray:
    """The design part of eta for every variant: (design coefficients, S) -> (n_variants, S).

    The grid grows factor by factor; an effect is added where its last factor joins, so that only the effects of the
    last factor are added at full size.
    """
    by_members = {term.members: term for term in terms.design_terms}
    draws = coefficients.shape[1]
    grid = coefficients[by_members[()].columns].reshape(draws)
    for factor, size in enumerate(terms.design.factors):
        grid = np.repeat(grid[..., None, :], size, axis=-2)
        shape = [1] * factor + [size, draws]
        if (factor,) in by_members:
            grid += _table(by_members[(factor,)].coding, coefficients[by_members[(factor,)].columns], shape)
        for earlier in range(factor):
            if (earlier, factor) in by_members:
                term = by_members[(earlier, factor)]
                shape = [1] * factor + [size, draws]
                shape[earlier] = terms.design.factors[earlier]
                grid += _table(term.coding, coefficients[term.columns], shape)
    return grid.reshape(terms.design.n_variants, draws)


def main_effects(terms: Terms, effects: Mapping[int, FloatArray]) -> FloatArray | float:
    """Sum over factors of effects[factor][level], each (levels, S), for every variant: (n_variants, S)."""
    sizes = terms.design.factors
    if not effects:
        return 0.0
    draws = next(iter(effects.values())).shape[1]
    grid = np.zeros((*sizes, draws))
    for factor, values in effects.items():
        shape = [1] * len(sizes) + [draws]
        shape[factor] = sizes[factor]
        grid += values.reshape(shape)
    return grid.reshape(terms.design.n_variants, draws)


def _table(coding: FloatArray, coefficients: FloatArray, shape: Sequence[int]) -> FloatArray:
    return (coding @ coefficients).reshape(tuple(shape))


class Draws:
    """S draws of the deviation from the posterior mean, and the predictor they give in any context.

    Args:
        environment: deviations of the environment coefficients, (environment columns, S).
        design: deviations of the design coefficients, (design coefficients, S).
        residual: gives the deviations of the residuals from their conditional mean for a slice of draws,
            (n_variants, draws); None for none.
        bias: extra deviations of main effects, factor -> (levels, S).
    """

    def __init__(
        self,
        posterior: Posterior,
        environment: FloatArray,
        design: FloatArray,
        residual: Callable[[slice], FloatArray] | None = None,
        bias: Mapping[int, FloatArray] | None = None,
    ) -> None:
        self.posterior = posterior
        self.environment, self.design = environment, design
        self.residual, self.bias = residual, dict(bias or {})
        self.mean_surface = mean_surface(posterior)
        variants = posterior.design.n_variants
        h = posterior.residual_precision
        self._kept = np.ones(variants)  # 1 - W_v / h_v: the part of a deviation its residual does not take back
        self._kept[posterior.seen] = np.where(np.isfinite(h), 1.0 - posterior.weight / h, 1.0)
        self._taken = np.where(np.isfinite(h), 1.0 / h, 0.0)[:, None] * posterior.environment

    @property
    def count(self) -> int:
        return int(self.design.shape[1])

    def deviation(self, draws: slice) -> FloatArray:
        """Deviation of the context-free part of eta (design + residual), (n_variants, draws)."""
        posterior = self.posterior
        result = surface(posterior.terms, self.design[:, draws])
        result *= self._kept[:, None]
        if self.environment.shape[0]:
            result[posterior.seen] -= self._taken @ self.environment[:, draws]
        if self.residual is not None:
            result += self.residual(draws)
        if self.bias:
            result += main_effects(posterior.terms, {k: values[:, draws] for k, values in self.bias.items()})
        return result

    def context_part(self, context: Sequence[int], draws: slice) -> FloatArray | float:
        """The context's main effects and its interactions with the design factors, (n_variants, draws)."""
        block = self.posterior.blocks.context
        means = self.posterior.coefficients[block]
        deviations = self.environment[block, draws]
        return context_part(self.posterior.terms, context, means[:, None] + deviations)

    def predictor(self, context: Sequence[int], draws: slice, deviation: FloatArray | None = None) -> FloatArray:
        """eta in a context without period effects, (n_variants, draws)."""
        base = self.deviation(draws) if deviation is None else deviation
        result: FloatArray = base + self.mean_surface[:, None]
        if self.posterior.terms.n_context:
            result += self.context_part(context, draws)
        return result

    def period_effects(self) -> FloatArray:
        """Effects of the observed periods, (P, S); zeros where the fit has none."""
        block = self.posterior.blocks.period
        draws = self.posterior.coefficients[block][:, None] + self.environment[block]
        return self.posterior.period_coding @ draws


def mean_surface(posterior: Posterior) -> FloatArray:
    """Posterior mean of the context-free part of eta, (n_variants,)."""
    result = surface(posterior.terms, posterior.coefficients[posterior.blocks.design][:, None])[:, 0]
    result[posterior.seen] += posterior.residual
    return result


def context_part(terms: Terms, context: Sequence[int], coefficients: FloatArray) -> FloatArray | float:
    """Context terms of eta for every variant: (context coefficients, S) -> (n_variants, S).

    Within one context, context x design interactions are main effects of the design factors.
    """
    constant: FloatArray | float = 0.0
    effects: dict[int, FloatArray] = {}
    for term in terms.context_terms:
        values = coefficients[term.columns]
        level = context[term.members[0]]
        if term.kind == "context":
            constant = constant + term.coding[level] @ values
        elif term.kind == "context_pair":
            size = terms.design.contexts[term.members[1]] + 1
            rows = term.coding.reshape(-1, size, term.width)[level, context[term.members[1]]]
            constant = constant + rows @ values
        else:
            size = terms.design.factors[term.members[1]]
            rows = term.coding.reshape(-1, size, term.width)[level]
            effects[term.members[1]] = effects.get(term.members[1], 0.0) + rows @ values
    return main_effects(terms, effects) + constant


def posterior_draws(posterior: Posterior, draws: int, rng: np.random.Generator, *, residuals: bool = True) -> Draws:
    """Unscaled posterior draws, as read-outs need them."""
    blocks = posterior.blocks
    deviation = posterior.root.T @ rng.standard_normal((blocks.size, draws))
    if not residuals:
        return Draws(posterior, deviation[blocks.environment], deviation[blocks.design])
    noise = rng.standard_normal((posterior.design.n_variants, draws))
    noise *= residual_deviation(posterior)[:, None]
    return Draws(posterior, deviation[blocks.environment], deviation[blocks.design], lambda at: noise[:, at])


def residual_deviation(posterior: Posterior) -> FloatArray:
    """Standard deviation of u_v given the coefficients, (n_variants,)."""
    result = np.full(posterior.design.n_variants, np.sqrt(posterior.residual_variance))
    h = posterior.residual_precision
    result[posterior.seen] = np.where(np.isfinite(h), 1.0 / np.sqrt(h), 0.0)
    return result
