"""Cells for tests: small ones spelled out, and any that may come."""

from typing import Any

import numpy as np

from bandits.design import Design
from bandits.observations import Observations


def cells(variant, n, total, total_squares=None, design=None, context=None, period=None):
    size = len(variant)
    width = len(design.contexts) if design else 0
    return Observations(
        variant,
        np.zeros((size, width), int) if context is None else context,
        np.zeros(size, int) if period is None else period,
        n,
        total,
        total if total_squares is None else total_squares,
    )


def any_problem(rng: np.random.Generator) -> tuple[Design, Observations, dict[str, Any]]:
    """A design, cells and options of `fit`, all of them allowed and few of them sensible."""
    factors = rng.integers(1, 6, rng.integers(1, 5))
    contexts = rng.integers(1, 5, rng.integers(0, 4))
    allowed = rng.random(factors.prod(dtype=int)) < rng.choice([0.7, 1.0])
    allowed[0] = True
    design = Design(factors, contexts, allowed)
    size = int(rng.choice([0, 1, 2, 5, 50, 400, 2000]))
    seen = rng.choice(design.n_variants, rng.integers(1, design.n_variants + 1), replace=False)
    context = rng.integers(-1, contexts, (size, len(contexts)))
    period = rng.choice([0, -5, 739_000, 2**40]) + rng.integers(0, rng.choice([1, 2, 30, 400]), size)
    n = np.exp(rng.uniform(0, rng.choice([0.5, 5.0, 20.7]), size)) * rng.choice([1e-4, 1.0])  # up to 1e9
    n[rng.random(size) < rng.choice([0.0, 0.5])] = 0.0
    options: dict[str, Any] = {
        "reward": str(rng.choice(["bool", "numeric"])),
        "periods": str(rng.choice(["iid", "random_walk", "none"])),
        "half_life": rng.choice([None, 0.5, 40.0, 1e6]),
        "residuals": bool(rng.random() < 0.8),
    }
    if options["reward"] == "bool":
        rate = rng.choice([0.0, 1e-6, 0.05, 0.5, 0.999, 1.0]) * np.exp(rng.normal(0, 0.5, size))
        total = np.where(rng.random(size) < 0.3, 0.0, n * rate.clip(0.0, 1.0))
        squares = total
    else:
        mean, deviation = (
            rng.choice([-1.0, 0.0, 1.0, 1e-170, 1e-9, 1e9, 1e15, -1e15]),
            rng.choice([0.0, 1e-12, 1.0, 1e6, 1e15]),
        )
        total = n * mean + np.sqrt(n) * deviation * rng.normal(size=size)
        squares = n * (mean**2 + deviation**2)
    columns = (rng.choice(seen, size), context, period, n, total, squares)
    return design, Observations(*columns), options
