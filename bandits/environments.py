"""Seeded worlds to try policies on: a table of true expected rewards, and draws from it.

The names carry the number of variants. A world is a pure function of (name, seed).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np

from bandits.arrays import FloatArray, IntArray
from bandits.design import Design
from bandits.likelihood import Reward, expit

BASE_RATE = 0.05


@dataclass(frozen=True)
class Environment:
    """What users would do.

    Attributes:
        eta: log-odds of a conversion, (context cells, variants).
        context_shares: traffic per context cell.
        exposures: length of a run.
        drift: log-odds added at exposure t, the same for all.
        shift: (exposure, eta from there on), for worlds that change abruptly.
        value: mean value of a conversion, (context cells, variants), for numeric rewards; values are log-normal with
            standard deviation `value_sdlog` of the log.
    """

    name: str
    factors: tuple[int, ...]
    contexts: tuple[int, ...]
    eta: FloatArray
    context_shares: FloatArray
    exposures: int = 50_000
    drift: Callable[[float], float] | None = None
    shift: tuple[int, FloatArray] | None = None
    value: FloatArray | None = None
    value_sdlog: float = 0.0
    design: Design = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "design", Design(self.factors, self.contexts))

    @property
    def reward(self) -> Reward:
        return "bool" if self.value is None else "numeric"

    def probability(self, exposure: float) -> FloatArray:
        eta = self.eta if self.shift is None or exposure < self.shift[0] else self.shift[1]
        return expit(eta + self.drift(exposure)) if self.drift else expit(eta)

    def mean(self, exposure: float) -> FloatArray:
        """Expected reward at an exposure, (context cells, variants)."""
        p = self.probability(exposure)
        return p if self.value is None else p * self.value

    def draw(self, variant: IntArray, context: IntArray, exposure: float, rng: np.random.Generator) -> FloatArray:
        """Rewards of users with these variants and context cells, (users,)."""
        reward = (rng.random(len(variant)) < self.probability(exposure)[context, variant]).astype(np.float64)
        if self.value is not None:
            sd = self.value_sdlog
            reward *= self.value[context, variant] * np.exp(sd * rng.normal(size=len(variant)) - sd * sd / 2)
        return reward


def make(name: str, seed: int) -> Environment:
    """The world of a name and a seed.

    Raises:
        KeyError: no world of that name.
    """
    if name not in ENVIRONMENTS:
        raise KeyError(f"no environment {name!r}; there are {', '.join(sorted(ENVIRONMENTS))}")
    return ENVIRONMENTS[name](name, np.random.default_rng([_number(name), seed]))


def random_effects(
    rng: np.random.Generator, sizes: Sequence[int], main: float = 0.0, pair: float = 0.0, rest: float = 0.0
) -> FloatArray:
    """Log-odds over the grid in which main effects, pairs and the rest have exactly these standard deviations."""
    levels = Design(sizes).levels
    eta = np.zeros(len(levels))
    if main:
        effect = np.zeros(len(levels))
        for factor, size in enumerate(sizes):
            effect += _centered(rng.normal(size=size))[levels[:, factor]]
        eta += main * _standardized(effect)
    if pair and len(sizes) > 1:
        effect = np.zeros(len(levels))
        for first, second in combinations(range(len(sizes)), 2):
            table = _centered(rng.normal(size=(sizes[first], sizes[second])))
            effect += table[levels[:, first], levels[:, second]]
        eta += pair * _standardized(effect)
    if rest:
        shape = (len(levels),) if len(sizes) < 3 else tuple(sizes)
        noise = rng.normal(size=shape)
        eta += rest * _standardized(noise if len(sizes) < 3 else _centered(noise).ravel())
    return eta


def log_odds(p: float) -> float:
    return float(np.log(p / (1 - p)))


def _centered(table: FloatArray) -> FloatArray:
    """The pure interaction: all margins removed."""
    for axis in range(table.ndim):
        table = table - table.mean(axis=axis, keepdims=True)
    return table


def _standardized(effect: FloatArray) -> FloatArray:
    spread = float(effect.std())
    return effect / spread if spread > 0 else effect


def _number(name: str) -> int:
    number = 0
    for letter in name:
        number = (number * 131 + ord(letter)) % (2**31 - 1)
    return number


Maker = Callable[[str, np.random.Generator], Environment]


def _factorial(factors: Sequence[int], base: float = BASE_RATE, **effects: float) -> Maker:
    def build(name: str, rng: np.random.Generator) -> Environment:
        level = log_odds(base * float(np.exp(rng.uniform(-0.35, 0.35))))
        eta = level + random_effects(rng, factors, **effects)
        return Environment(name, tuple(factors), (), eta[None], np.ones(1))

    return build


def _unstructured(factors: Sequence[int], spread: float = 0.27) -> Maker:
    def build(name: str, rng: np.random.Generator) -> Environment:
        level = log_odds(BASE_RATE * float(np.exp(rng.uniform(-0.35, 0.35))))
        eta = level + spread * rng.normal(size=int(np.prod(factors)))
        return Environment(name, tuple(factors), (), eta[None], np.ones(1))

    return build


def _contextual(name: str, rng: np.random.Generator) -> Environment:
    factors, contexts = (4, 3, 2), (2, 3)
    design = Design(factors, contexts)
    cells = np.array(design.context_cells)
    eta = np.tile(log_odds(BASE_RATE) + random_effects(rng, factors, main=0.15, pair=0.08), (6, 1))
    for context, size in enumerate(contexts):
        eta += 0.3 * _centered(rng.normal(size=size))[cells[:, context]][:, None]
        for factor, levels in enumerate(factors):
            table = _centered(rng.normal(size=(size, levels)))
            eta += 0.16 * table[cells[:, context]][:, design.levels[:, factor]]
    return Environment(name, factors, contexts, eta, rng.dirichlet(np.full(6, 5.0)), exposures=60_000)


def _drifting(name: str, rng: np.random.Generator) -> Environment:
    factors = (4, 4, 3)
    eta = log_odds(BASE_RATE) + random_effects(rng, factors, main=0.22, pair=0.12)
    swing, phase, trend = rng.uniform(0.4, 0.7), rng.uniform(0, 6.28), rng.uniform(-0.6, 0.6)

    def drift(t: float) -> float:
        return float(swing * np.sin(6.2832 * t / 20_000 + phase) + trend * t / 50_000)

    return Environment(name, factors, (), eta[None], np.ones(1), drift=drift)


def _revenue(base: float, value: float, sdlog: float, main: float, pair: float, *spreads: float) -> Maker:
    def build(name: str, rng: np.random.Generator) -> Environment:
        factors = (4, 3, 3)
        eta = log_odds(base) + random_effects(rng, factors, main=main, pair=pair)
        values = value * np.exp(random_effects(rng, factors, *spreads))
        return Environment(
            name, factors, (), eta[None], np.ones(1), exposures=100_000, value=values[None], value_sdlog=sdlog
        )

    return build


def _shifting(name: str, rng: np.random.Generator) -> Environment:
    factors = (4, 3, 3)
    before = random_effects(rng, factors, main=0.22, pair=0.12)
    after = random_effects(rng, factors, main=0.22, pair=0.12)
    level = log_odds(BASE_RATE)
    changed = (level + 0.3 * before + 0.95 * after)[None]
    return Environment(name, factors, (), (level + before)[None], np.ones(1), exposures=60_000, shift=(25_000, changed))


ENVIRONMENTS: dict[str, Maker] = {
    "hill48": _factorial((4, 4, 3), main=0.22, pair=0.16),
    "additive180": _factorial((5, 4, 3, 3), base=0.04, main=0.25),
    "indep48": _unstructured((4, 4, 3)),
    "indep64": _unstructured((2,) * 6),
    "three48": _factorial((4, 4, 3), main=0.1, pair=0.1, rest=0.25),
    "null48": _factorial((4, 4, 3)),
    "context24": _contextual,
    "drift48": _drifting,
    "revenue36": _revenue(0.05, 50.0, 1.2, 0.2, 0.1, 0.12, 0.05),
    "revheavy36": _revenue(0.08, 40.0, 1.7, 0.18, 0.08, 0.1),
    "shift36": _shifting,
    "scale1000": _factorial((10, 10, 10), main=0.25, pair=0.15),
    "scale10000": _factorial((10, 10, 10, 10), main=0.25, pair=0.15),
}
