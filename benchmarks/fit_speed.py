"""Speed and memory of a fit: against statsmodels' GLM on the same cells, interleaved, and as the problem grows.

OPENBLAS_NUM_THREADS=1 python benchmarks/fit_speed.py
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import sys
import time
import tracemalloc
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bandits.cells import Cells
from bandits.design import Design
from bandits.observations import Observations
from bandits.posterior import fit
from bandits.readout import readout
from bandits.thompson import SlotTable


def problem(factors, periods: int, exposures: float, seed: int = 0):
    """Every variant on every day, with main effects."""
    rng = np.random.default_rng(seed)
    design = Design(factors)
    variant = np.tile(np.arange(design.n_variants), periods)
    period = np.repeat(np.arange(periods), design.n_variants)
    eta = -2.5 + sum(rng.normal(0, 0.2, size)[design.levels[variant, f]] for f, size in enumerate(factors))
    n = rng.poisson(exposures, len(variant)) + 1.0
    total = rng.binomial(n.astype(int), 1 / (1 + np.exp(-eta))).astype(float)
    return design, Observations(variant, np.zeros((len(variant), 0)), period, n, total, total)


def seconds(function, *arguments, **options) -> float:
    started = time.process_time()  # of this process: other work on the machine does not count
    function(*arguments, **options)
    return time.process_time() - started


def against_statsmodels(problems: int = 45) -> tuple[float, float, float]:
    """Median seconds of (cold fit, warm fit, GLM) on 1,200 cells with about 70 coefficients, taken in turns.

    Every turn has data of its own, since they decide how many iterations each takes.
    """
    import statsmodels.api as sm

    def glm(outcome, X):
        sm.GLM(outcome, X, family=sm.families.Binomial()).fit()

    times = []
    for seed in range(problems):
        design, rows = problem((5, 4, 4, 3), 5, 40, seed)
        cells = Cells(design, rows, "iid")
        X = np.hstack([np.eye(5)[:, 1:][cells.period], cells.design_matrix.take(cells.seen_of_cell)])
        outcome = np.column_stack([cells.total, cells.n - cells.total])
        earlier = fit(design, rows, reward="bool")
        times.append(
            (
                seconds(fit, design, rows, reward="bool"),
                seconds(fit, design, rows, reward="bool", warm_start=earlier),
                seconds(glm, outcome, X),
            )
        )
    cold, warm, reference = np.median(times, axis=0)
    print(
        f"{len(cells.n)} cells x {X.shape[1]} coefficients: cold {1e3 * cold:.1f} ms, warm {1e3 * warm:.1f} ms, "
        f"statsmodels GLM {1e3 * reference:.1f} ms; {reference / cold:.1f} x (cold), {reference / warm:.1f} x (warm)"
    )
    return cold, warm, reference


def growth(rounds: int = 9) -> float:
    """Time of 12,000 cells over that of 1,200, iteration for iteration, taken in turns."""
    small, large = problem((5, 4, 4, 3), 5, 40), problem((5, 4, 4, 3), 50, 40)
    options = {"reward": "bool", "max_iterations": 8, "variance_tolerance": 0.0}
    times = [(seconds(fit, *small, **options), seconds(fit, *large, **options)) for _ in range(rounds)]
    first, second = np.median(times, axis=0)
    print(f"1,200 -> 12,000 cells: {1e3 * first:.1f} -> {1e3 * second:.1f} ms, {second / first:.1f} x")
    return second / first


def memory() -> float:
    """Peak MB of a fit of 12,000 cells with 300 coefficients."""
    design, rows = problem((10, 10, 10), 12, 5)
    tracemalloc.start()
    posterior = fit(design, rows, reward="bool")
    peak = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    print(f"{len(rows)} cells x {len(posterior.coefficients)} coefficients: peak {peak:.0f} MB")
    return peak


def serving(factors, contexts=(), users: int = 50_000) -> None:
    """What a version costs to train, to load, and to serve from."""
    design, rng = Design(factors, contexts), np.random.default_rng(0)
    variant = rng.integers(0, design.n_variants, users)
    context = np.stack([rng.integers(0, s, users) for s in contexts], 1) if contexts else np.zeros((users, 0))
    value = (rng.random(users) < 0.05).astype(float)
    rows = Observations(variant, context, np.sort(rng.integers(0, 20, users)), np.ones(users), value, value)
    posterior = fit(design, rows, reward="bool")
    cell = (0,) * len(contexts)
    table = SlotTable(posterior, seed=0)
    costs = {
        "fit": seconds(fit, design, rows, reward="bool"),
        "table": min(seconds(SlotTable, posterior, seed=0) for _ in range(3)),
        "first winners": seconds(table.winners, cell),
        "expected": seconds(table.expected_reward, cell),
        "read-out": seconds(readout, posterior, rng=rng),
    }
    look_up = seconds(lambda: [table.winners(cell)[7] for _ in range(10_000)]) / 10_000
    print(
        f"{design.n_variants} variants, {design.n_context_cells} contexts, {len(posterior.coefficients)} coefficients: "
        + ", ".join(f"{name} {1e3 * cost:.1f} ms" for name, cost in costs.items())
        + f", look-up {1e6 * look_up:.2f} us, stored {len(posterior.to_bytes()) / 1e6:.2f} MB"
    )


if __name__ == "__main__":
    against_statsmodels()
    growth()
    memory()
    serving((4, 4, 3))
    serving((4, 3, 2), (2, 3))
    serving((10, 10, 10))
    serving((10, 10, 10, 10))
