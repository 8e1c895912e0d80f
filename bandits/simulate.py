"""Try a policy on a seeded world: a batch of users is assigned, rewarded, and the policy is trained on all so far.

from bandits.simulate import LeveredPolicy, simulate
for batch in simulate(make("hill48", 1), LeveredPolicy([4, 4, 3], [], "bool", seed=1), seed=1): ...
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from bandits.arrays import FloatArray, IntArray
from bandits.cell_capping import capped_cells
from bandits.design import Design
from bandits.environments import Environment, make
from bandits.likelihood import Reward
from bandits.observations import Observations
from bandits.posterior import Posterior, fit
from bandits.thompson import SlotTable, Table, UniformTable

BATCH = 1000
HOLDOUT = 0.1


class Policy(Protocol):
    """What a run needs; variants and contexts are C-order ravels of level codes, variant 0 the baseline."""

    def fit(
        self,
        *,
        variant: IntArray,
        context: IntArray,
        period: IntArray,
        n: FloatArray,
        total: FloatArray,
        total_squares: FloatArray,
    ) -> None:
        """Learn from all cells so far."""

    def assign(self, contexts: IntArray, rng: np.random.Generator) -> IntArray:
        """A variant for every user."""


class LeveredPolicy:
    """The served policy: hierarchical model, warm-started at every fit, one random slot per user.

    Args:
        factors, contexts: levels per design factor and per context factor.
        seed: of the slots' draws.
        allowed: mask of servable variants.
        cap: for numeric rewards, cap the cells' outliers before training (`capped_cells`).
    """

    def __init__(
        self,
        factors: Sequence[int],
        contexts: Sequence[int],
        reward: Reward,
        seed: int,
        *,
        allowed: npt.ArrayLike | None = None,
        cap: bool = True,
    ) -> None:
        self.design = Design(factors, contexts, allowed)
        self.reward: Reward = reward
        self.seed = seed
        self.cap = cap
        self.posterior: Posterior | None = None
        self.table: Table = UniformTable(self.design)
        self._cells = np.array(self.design.context_cells, np.int64).reshape(self.design.n_context_cells, -1)

    def fit(
        self,
        *,
        variant: npt.ArrayLike,
        context: npt.ArrayLike,
        period: npt.ArrayLike,
        n: npt.ArrayLike,
        total: npt.ArrayLike,
        total_squares: npt.ArrayLike,
    ) -> None:
        """Train on cumulative cells, equal-length arrays."""
        codes = self._cells[np.asarray(context, np.int64)]
        observations = Observations(variant, codes, period, n, total, total_squares)
        if self.reward == "numeric" and self.cap:
            observations = capped_cells(observations)
        self.posterior = fit(self.design, observations, reward=self.reward, warm_start=self.posterior)
        self.table = SlotTable(self.posterior, seed=self.seed)

    def assign(self, contexts: npt.ArrayLike, rng: np.random.Generator) -> IntArray:
        """A random slot per row decides its variant, (rows,)."""
        cells = np.asarray(contexts, np.int64)
        slots = rng.integers(0, self.table.slots, len(cells))
        variants = np.empty(len(cells), np.int64)
        for cell in np.unique(cells):
            rows = cells == cell
            variants[rows] = self.table.winners(tuple(self._cells[cell].tolist()))[slots[rows]]
        return variants


@dataclass(frozen=True, slots=True)
class Batch:
    """One batch of a run. Regrets are sums over its served users of expected reward missed.

    Attributes:
        exposures: served and held out so far.
        regret, uniform_regret: of the policy, and of serving all variants alike.
        best_share: share of the served users who got the best variant of their context.
        served, held_out: (users, sum of rewards) of the arms.
        shares: of the served users, by variant.
    """

    exposures: int
    regret: float
    uniform_regret: float
    best_share: float
    served: tuple[int, float]
    held_out: tuple[int, float]
    shares: tuple[float, ...]


def batches(environment: Environment, batch: int = BATCH) -> int:
    """How many batches a run has: the total of a progress bar."""
    return environment.exposures // batch


def simulate(
    environment: Environment,
    policy: Policy,
    *,
    seed: int,
    batch: int = BATCH,
    holdout: float = HOLDOUT,
    delay: int = 0,
    observer: Callable[[IntArray, IntArray, FloatArray], None] | None = None,
) -> Iterator[Batch]:
    """Run a policy, yielding after every batch.

    Args:
        seed: of users, rewards and slots; not of the environment.
        holdout: share of the users who get the baseline and are trained on, too.
        delay: batches after which rewards become known.
        observer: called with variant, context and reward rows as they become known, before the fit.
    """
    rng = np.random.default_rng([seed, 4242, *environment.name.encode()])
    cells = _CumulativeCells(environment)
    pending: list[tuple[int, IntArray, IntArray, FloatArray]] = []
    for number in range(batches(environment, batch)):
        at = (number + 0.5) * batch
        mean = environment.mean(at)
        context = rng.choice(len(mean), batch, p=environment.context_shares)
        held = rng.random(batch) < holdout
        variant = np.zeros(batch, np.int64)
        variant[~held] = policy.assign(context[~held], rng)
        reward = environment.draw(variant, context, at, rng)
        shown, where = variant[~held], context[~held]
        best = mean.max(axis=1)[where]
        yield_value = Batch(
            exposures=(number + 1) * batch,
            regret=float(np.sum(best - mean[where, shown])),
            uniform_regret=float(np.sum(best - mean.mean(axis=1)[where])),
            best_share=float(np.mean(shown == mean.argmax(axis=1)[where])),
            served=(len(shown), float(reward[~held].sum())),
            held_out=(int(held.sum()), float(reward[held].sum())),
            shares=tuple((np.bincount(shown, minlength=mean.shape[1]) / len(shown)).tolist()),
        )
        pending.append((number, variant, context, reward))
        while len(pending) > delay:
            known = pending.pop(0)
            cells.add(*known)
            if observer:
                observer(*known[1:])
        if len(cells.n):
            variants, contexts = np.divmod(cells.key, len(environment.eta))
            policy.fit(
                variant=variants,
                context=contexts,
                period=cells.period,
                n=cells.n,
                total=cells.total,
                total_squares=cells.total_squares,
            )
        yield yield_value


class _CumulativeCells:
    """All cells of a run so far. A batch is a period, so a batch only ever appends."""

    def __init__(self, environment: Environment) -> None:
        self.shape = environment.eta.shape
        self.n, self.total, self.total_squares = np.zeros(0), np.zeros(0), np.zeros(0)
        self.key, self.period = np.zeros(0, np.int64), np.zeros(0, np.int64)

    def add(self, period: int, variant: IntArray, context: IntArray, reward: FloatArray) -> None:
        key, cell = np.unique(variant * self.shape[0] + context, return_inverse=True)
        self.key = np.concatenate([self.key, key])
        self.period = np.concatenate([self.period, np.full(len(key), period)])
        self.n = np.concatenate([self.n, np.bincount(cell)])
        self.total = np.concatenate([self.total, np.bincount(cell, reward)])
        self.total_squares = np.concatenate([self.total_squares, np.bincount(cell, reward**2)])


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run. `ratio`: cumulative regret divided by that of uniform serving; 0 is an oracle's, 1 uniform's.

    `late` is the same over the last five batches; `best_share` and `shares` are of the last batch. Ratios are NaN in
    a world without differences.
    """

    environment: str
    seed: int
    ratio: float
    late: float
    best_share: float
    shares: tuple[float, ...]
    reward: float
    baseline_reward: float

    @property
    def top_share(self) -> float:
        """The largest share of one variant."""
        return max(self.shares)


def summarize(environment: str, seed: int, steps: Sequence[Batch]) -> Run:
    """The run that these batches make."""
    last = steps[-1]

    def ratio(part: Iterable[Batch]) -> float:
        part = list(part)
        uniform = sum(step.uniform_regret for step in part)
        return sum(step.regret for step in part) / uniform if uniform > 1e-9 else float("nan")

    def rate(arms: Iterable[tuple[int, float]]) -> float:
        users, total = (sum(column) for column in zip(*arms, strict=True))
        return total / users if users else float("nan")

    return Run(
        environment,
        seed,
        ratio(steps),
        ratio(steps[-5:]),
        last.best_share,
        last.shares,
        rate(step.served for step in steps),
        rate(step.held_out for step in steps),
    )


def run_all(
    names: Sequence[str], seeds: Sequence[int], *, progress: Callable[[Batch], None] | None = None
) -> Iterator[Run]:
    """Run the served policy on every environment and seed; `progress` is called after every batch.

    The total of a progress bar is sum(batches(make(name, 0)) for name in names) * len(seeds).
    """
    for name in names:
        for seed in seeds:
            environment = make(name, seed)
            policy = LeveredPolicy(environment.factors, environment.contexts, environment.reward, seed)
            steps = []
            for step in simulate(environment, policy, seed=seed):
                steps.append(step)
                if progress:
                    progress(step)
            yield summarize(name, seed, steps)


def table(runs: Iterable[Run]) -> list[dict[str, float | str]]:
    """Mean over the seeds per environment, with the standard error of the ratio: rows of a summary table."""
    grouped: dict[str, list[Run]] = {}
    for run in runs:
        grouped.setdefault(run.environment, []).append(run)
    rows: list[dict[str, float | str]] = []
    for name, group in grouped.items():
        ratios = np.array([run.ratio for run in group])
        rows.append(
            {
                "environment": name,
                "seeds": float(len(group)),
                "ratio": float(ratios.mean()),
                "standard_error": float(ratios.std(ddof=1) / np.sqrt(len(group))) if len(group) > 1 else float("nan"),
                "late": float(np.mean([run.late for run in group])),
                "best_share": float(np.mean([run.best_share for run in group])),
                "top_share": float(np.mean([run.top_share for run in group])),
            }
        )
    return rows
