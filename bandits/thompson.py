"""The served policy: a table from slots (posterior draws) to variants, one per context cell.

`SlotTable` serves a trained model, `UniformTable` a cold start, `WinnerTable` a completed optimization.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from bandits.arrays import FloatArray, IntArray
from bandits.cache import LruCache
from bandits.design import Design
from bandits.draws import Draws, residual_deviation
from bandits.expected import expected_reward
from bandits.noise import SlotNoise
from bandits.posterior import Posterior

Winners = npt.NDArray[np.int32]
Array = TypeVar("Array", bound=npt.NDArray[Any])

SLOTS = 4096
TEMPER = 0.6  # the coefficients' noise in the served draws, times its posterior standard deviation
RESIDUAL_TEMPER = 0.4  # the same for the residuals' noise given the coefficients
FULL_SHARE = 0.03  # share of slots that hold full posterior draws, so that no variant's probability becomes 0
_CHUNK_ENTRIES = 1_000_000  # (variants x draws) scored at a time
_CACHED_CONTEXTS = 256


class Table(Protocol):
    """What serving needs to know of a policy."""

    slots: int

    def winners(self, context: tuple[int, ...]) -> Winners: ...

    def ranked(self, context: tuple[int, ...], slot: int, k: int) -> IntArray: ...

    def shares(self, context: tuple[int, ...]) -> FloatArray: ...

    def expected_reward(self, context: tuple[int, ...]) -> FloatArray: ...


class SlotTable:
    """Thompson sampling with a fixed set of draws: a slot's variant is the best one in its draw.

    Slot j's draw is the posterior mean plus `TEMPER` times the coefficients' noise plus `RESIDUAL_TEMPER` times the
    residuals' own; the first `FULL_SHARE` of the slots are full posterior draws. The standard normals behind the
    draws depend on the seed only (common random numbers): a retrained model moves only those users whose slot's best
    variant has changed.

    A share p of S slots stands for the policy's exact probability with a standard error of sqrt(p (1 - p) / S), at most
    0.008 with 4,096 slots. What is served are the shares themselves, so propensities carry no error at all.

    Args:
        posterior: the trained model.
        seed: one per optimization, for all its versions. 0 is a seed.
        bias: design factor -> x >= 0. Adds x (log-odds; relative to the mean reward for numeric) times N(0, I) to the
            factor's main effect in every draw: its levels count as uncertain by at least x.
        slots: number of draws S.

    Raises:
        ValueError: an unknown factor or a negative or non-finite amount in `bias`; `slots` below 1.
    """

    def __init__(
        self, posterior: Posterior, *, seed: int, bias: Mapping[int, float] | None = None, slots: int = SLOTS
    ) -> None:
        if slots < 1:
            raise ValueError(f"slots: must be at least 1, got {slots}")
        self.posterior, self.design, self.slots = posterior, posterior.design, slots
        self._bias = checked_bias(posterior.design, bias or {})
        self._seed = seed
        self._draws = self._make_draws()
        self._deviation: FloatArray | None = None
        if self.design.n_variants * slots <= _CHUNK_ENTRIES:
            self._deviation = self._draws.deviation(slice(None))
        self._winners: LruCache[tuple[int, ...], Winners] = LruCache(_CACHED_CONTEXTS)
        self._expected: LruCache[tuple[int, ...], FloatArray] = LruCache(_CACHED_CONTEXTS)

    def winners(self, context: tuple[int, ...]) -> Winners:
        """The variant of every slot in a context, int32 (slots,). Read-only; a level code of -1 is unknown."""
        return self._winners.get(context, lambda: self._compute_winners(self.design.context_code(context)))

    def ranked(self, context: tuple[int, ...], slot: int, k: int) -> IntArray:
        """The k best servable variants of one slot's draw, best first; fewer where there are fewer."""
        first = int(self.winners(context)[slot])
        scores = self._scores(self.design.context_code(context), slice(slot, slot + 1))[:, 0]
        # rounding may differ from the table's by the width of the block: the table decides the first place
        scores[first] = np.inf
        return best_first(scores, self.design, k)

    def shares(self, context: tuple[int, ...]) -> FloatArray:
        """Each variant's share of the slots, (n_variants,): its propensity outside the holdout."""
        return np.bincount(self.winners(context), minlength=self.design.n_variants) / self.slots

    def expected_reward(self, context: tuple[int, ...]) -> FloatArray:
        """Posterior mean reward per variant in a context, period effects averaged, (n_variants,). Read-only."""
        return self._expected.get(
            context, lambda: read_only(expected_reward(self.posterior, self.design.context_code(context)))
        )

    def _make_draws(self) -> Draws:
        posterior, blocks = self.posterior, self.posterior.blocks
        noise = SlotNoise(self._seed, self.slots)
        full = np.arange(self.slots) < round(FULL_SHARE * self.slots)
        deviation = posterior.root.T @ noise.coefficients(blocks.n_period, blocks.size - blocks.n_period)
        deviation *= np.where(full, 1.0, TEMPER)
        residual_scale = np.where(full, 1.0, RESIDUAL_TEMPER)
        spread = residual_deviation(posterior)

        def residual(slots: slice) -> FloatArray:
            return noise.residuals(len(spread), slots) * spread[:, None] * residual_scale[slots]

        bias = {}
        for factor, amount in self._bias.items():
            term = next(term for term in posterior.terms.design_terms if term.members == (factor,))
            bias[factor] = amount * posterior.scale * (term.coding @ noise.bias(factor, term.width))
        return Draws(posterior, deviation[blocks.environment], deviation[blocks.design], residual, bias)

    def _scores(self, context: Sequence[int], draws: slice) -> FloatArray:
        deviation = None if self._deviation is None else self._deviation[:, draws]
        return self._draws.predictor(context, draws, deviation)

    def _compute_winners(self, context: Sequence[int]) -> Winners:
        result = np.empty(self.slots, np.int32)
        step = max(1, _CHUNK_ENTRIES // self.design.n_variants)
        excluded = ~self.design.allowed
        for start in range(0, self.slots, step):
            scores = self._scores(context, slice(start, start + step))
            scores[excluded] = -np.inf
            result[start : start + step] = np.argmax(scores, axis=0)
        result.setflags(write=False)
        return result


class UniformTable:
    """Cold start: every servable variant gets the same number of slots (to within one)."""

    def __init__(self, design: Design, slots: int = SLOTS) -> None:
        self.design, self.slots = design, slots
        servable = np.flatnonzero(design.allowed)
        self._servable = servable
        self._winners = servable[np.arange(slots) * len(servable) // slots].astype(np.int32)
        self._winners.setflags(write=False)

    def winners(self, context: tuple[int, ...]) -> Winners:
        return self._winners

    def ranked(self, context: tuple[int, ...], slot: int, k: int) -> IntArray:
        first = slot * len(self._servable) // self.slots
        return np.roll(self._servable, -first)[:k]

    def shares(self, context: tuple[int, ...]) -> FloatArray:
        return np.bincount(self._winners, minlength=self.design.n_variants) / self.slots

    def expected_reward(self, context: tuple[int, ...]) -> FloatArray:
        """Nothing is known yet: NaN for every variant."""
        return np.full(self.design.n_variants, np.nan)


class WinnerTable:
    """Completed: everyone in a context gets the variant with the highest posterior mean there."""

    def __init__(self, posterior: Posterior, slots: int = SLOTS) -> None:
        self.posterior, self.design, self.slots = posterior, posterior.design, slots
        self._expected: LruCache[tuple[int, ...], FloatArray] = LruCache(_CACHED_CONTEXTS)
        self._winners: LruCache[tuple[int, ...], Winners] = LruCache(_CACHED_CONTEXTS)

    def winners(self, context: tuple[int, ...]) -> Winners:
        def compute() -> Winners:
            return read_only(np.full(self.slots, self.ranked(context, 0, 1)[0], np.int32))

        return self._winners.get(context, compute)

    def ranked(self, context: tuple[int, ...], slot: int, k: int) -> IntArray:
        return best_first(self.expected_reward(context).copy(), self.design, k)

    def shares(self, context: tuple[int, ...]) -> FloatArray:
        return np.bincount(self.winners(context)[:1], minlength=self.design.n_variants).astype(np.float64)

    def expected_reward(self, context: tuple[int, ...]) -> FloatArray:
        return self._expected.get(
            context, lambda: read_only(expected_reward(self.posterior, self.design.context_code(context)))
        )


def best_first(scores: FloatArray, design: Design, k: int) -> IntArray:
    """The k servable variants with the highest scores, best first. Changes `scores`."""
    scores[~design.allowed] = -np.inf
    k = min(k, int(design.allowed.sum()))
    return np.argsort(-scores, kind="stable")[:k]


def checked_bias(design: Design, bias: Mapping[int, float]) -> dict[int, float]:
    """The bias without zeros and one-level factors.

    Raises:
        ValueError: an unknown factor, or an amount that is negative or not finite.
    """
    for factor, amount in bias.items():
        if not 0 <= factor < len(design.factors):
            raise ValueError(f"bias: there is no factor {factor}")
        if not (np.isfinite(amount) and amount >= 0):
            raise ValueError(f"bias: must be finite and not negative, got {amount} for factor {factor}")
    return {factor: float(amount) for factor, amount in bias.items() if amount > 0 and design.factors[factor] > 1}


def read_only(array: Array) -> Array:
    array.setflags(write=False)
    return array
