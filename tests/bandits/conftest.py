"""Small problems that the tests of the learning core share."""

from collections.abc import Callable

import numpy as np
import pytest

from bandits.design import Design
from bandits.observations import Observations

Make = Callable[..., Observations]


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20240607)


@pytest.fixture
def observe(rng: np.random.Generator) -> Make:
    """Observations of uniformly assigned users with main effects on every factor and context."""

    def make(design: Design, users: int = 4000, periods: int = 5, reward: str = "bool", base: float = -1.5):
        effects = [rng.normal(0, 0.4, size) for size in design.factors]
        context_effects = [np.append(rng.normal(0, 0.3, size), 0.0) for size in design.contexts]
        variant = rng.choice(np.flatnonzero(design.allowed), users)
        context = np.stack([rng.integers(-1, size, users) for size in design.contexts], 1) if design.contexts else None
        period = rng.integers(0, periods, users)
        eta = np.full(users, base)
        for factor, effect in enumerate(effects):
            eta += effect[design.levels[variant, factor]]
        if context is None:
            context = np.zeros((users, 0), int)
        for factor, effect in enumerate(context_effects):
            eta += effect[context[:, factor]]
        value = (rng.random(users) < 1 / (1 + np.exp(-eta))).astype(float)
        if reward == "numeric":
            value *= rng.lognormal(3.0, 0.5, users)
        return Observations(variant, context, period, np.ones(users), value, value**2)

    return make
