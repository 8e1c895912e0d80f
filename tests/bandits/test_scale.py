"""Large problems: what they cost in memory and, roughly, in time."""

import time
import tracemalloc

import numpy as np
import pytest

from bandits.design import Design
from bandits.observations import Observations
from bandits.posterior import Posterior, fit


def full_days(factors, periods, rng, exposures=20):
    design = Design(factors)
    variant = np.tile(np.arange(design.n_variants), periods)
    period = np.repeat(np.arange(periods), design.n_variants)
    n = rng.poisson(exposures, len(variant)) + 1.0
    total = rng.binomial(n.astype(int), 0.05 + 0.03 * (design.levels[variant, 0] == 1)).astype(float)
    return design, Observations(variant, np.zeros((len(variant), 0)), period, n, total, total)


def test_12_000_cells_with_300_coefficients_stay_small(rng):
    design, rows = full_days((10, 10, 10), 12, rng)
    tracemalloc.start()
    posterior = fit(design, rows, reward="bool")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(rows) == 12_000
    assert len(posterior.coefficients) > 280
    assert peak < 200e6


@pytest.mark.parametrize("contexts", [(), (3, 2)])
def test_10_000_variants(rng, contexts):
    design = Design((10, 10, 10, 10), contexts)
    users = 20_000
    variant = rng.integers(0, 10_000, users)
    context = np.stack([rng.integers(-1, size, users) for size in contexts], 1) if contexts else np.zeros((users, 0))
    value = (rng.random(users) < 0.05 + 0.05 * (design.levels[variant, 2] == 3)).astype(float)
    rows = Observations(variant, context, np.zeros(users), np.ones(users), value, value)
    posterior = fit(design, rows, reward="bool", max_iterations=4)
    main = next(term for term in posterior.terms.design_terms if term.members == (2,))
    effects = main.coding @ posterior.coefficients[posterior.blocks.design][main.columns]
    assert np.argmax(effects) == 3
    assert Posterior.from_bytes(posterior.to_bytes()).to_bytes() == posterior.to_bytes()


@pytest.mark.slow
def test_time_grows_slower_than_the_cells(rng):
    small, large = full_days((5, 4, 4, 3), 5, rng), full_days((5, 4, 4, 3), 50, rng)

    def seconds(problem):
        started = time.perf_counter()
        fit(*problem, reward="bool", max_iterations=8, variance_tolerance=0.0)
        return time.perf_counter() - started

    pairs = [(seconds(small), seconds(large)) for _ in range(9)]
    first, second = np.median(pairs, axis=0)
    assert second / first < 12
