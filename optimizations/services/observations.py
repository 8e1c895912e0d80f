"""What the warehouse says about one optimization, in the codes of its design."""

import datetime as dt
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bandits.assignment import holdout_limit
from bandits.likelihood import Reward
from bandits.maturity import DelayCurve
from bandits.observations import Observations
from optimizations.config import UNKNOWN, Config, read_config
from optimizations.models import Optimization
from optimizations.services.regimes import regimes_of
from warehouse.models import Metric
from warehouse.services.increments import read_arm_days, read_learned
from warehouse.services.observations import ArmDay, Cell, ReadSpec
from warehouse.services.sources import source_in_use


@dataclass(frozen=True)
class Table:
    """N cells as equal-length columns: `n` exposures and the sums of their rewards, as reported (never capped)."""

    variant: NDArray[np.int32]
    context: NDArray[np.int32]  # (N, context factors)
    day: NDArray[np.int32]  # proleptic ordinals
    n: NDArray[np.float64]
    total: NDArray[np.float64]
    total_squares: NDArray[np.float64]

    def to_bytes(self) -> bytes:
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **{f.name: getattr(self, f.name) for f in fields(self)})
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, blob: bytes) -> "Table":
        with np.load(io.BytesIO(blob), allow_pickle=False) as columns:
            return cls(**{f.name: columns[f.name] for f in fields(cls)})

    def within(self, start: dt.date | None, end: dt.date | None) -> "Table":
        """The days from `start` to `end`, both included."""
        keep = np.ones(len(self.day), dtype=bool)
        if start:
            keep &= self.day >= start.toordinal()
        if end:
            keep &= self.day <= end.toordinal()
        return Table(**{f.name: getattr(self, f.name)[keep] for f in fields(self)})


@dataclass(frozen=True)
class Evidence:
    """Everything a training reads.

    Attributes:
        table: reported cells.
        learnable: the same cells as the serving fit reads them: numeric rewards capped (Learning, "heavy tails"),
            young exposures counted by the share of their conversions that has had time to happen.
        reported: uncapped cells with young exposures weighted likewise, for the read-outs.
        arms: per day and arm, users by their first exposure.
        unknown: exposures whose levels are not in the design.
        reward: how a single value varies.
    """

    table: Table
    learnable: Observations
    reported: Observations
    arms: list[ArmDay]
    unknown: int
    reward: Reward


def config_of(optimization: Optimization) -> Config:
    return read_config(
        optimization.training_data_config, optimization.excluded_combinations, model_type=optimization.model_type
    )


def reward_of(metric: Metric, reward_type: str) -> Reward:
    """How values vary: weighted outcomes are numbers, whatever the configured type says."""
    return "numeric" if reward_type == "numeric" or metric.column_mapping.get("outcomes") else "bool"


def spec_of(optimization: Optimization, config: Config) -> ReadSpec:
    first, *later = regimes_of(optimization)
    return ReadSpec(
        optimization_id=optimization.pk,
        design=tuple(f.name for f in config.design),
        context=tuple(f.name for f in config.context),
        reward_type="numeric" if config.reward_type == "numeric" else "bool",
        window_seconds=round(config.window_hours * 3600),
        holdout_limit=holdout_limit(first.percentage),
        holdout_changes=tuple((regime.started_at, holdout_limit(regime.percentage)) for regime in later),
    )


def read_evidence(optimization: Optimization, config: Config, *, now: dt.datetime, reread: bool = False) -> Evidence:
    """Reads the warehouse: the days that are still open, and everything with `reread`.

    Raises:
        InvalidRequest: the SQL does not run in the warehouse that is connected now.
        Conflict: the assignment source was deleted.
        Unavailable: the warehouse does not answer.
    """
    source = source_in_use(optimization.organization, optimization.assignment_source)
    spec = spec_of(optimization, config)
    read = (source, optimization.reward_metric, spec)
    learned = read_learned(*read, now=now, reread=reread)
    curve = DelayCurve.of(learned.delays)
    known, unknown = _decode(config, learned.cells)
    reward = reward_of(optimization.reward_metric, config.reward_type)
    return Evidence(
        table=_table(config, known),
        learnable=_observations(config, known, curve, reward, capped=True),
        reported=_observations(config, known, curve, reward, capped=False),
        arms=read_arm_days(*read, now=now, reread=reread),
        unknown=unknown,
        reward=reward,
    )


def design_code(config: Config, levels: Sequence[object]) -> int:
    """The variant's code from raw levels in the design's order; `UNKNOWN` when one is not of the design."""
    variant = 0
    for factor, raw in zip(config.design, levels, strict=True):
        code = factor.decode(raw)
        if code == UNKNOWN:
            return UNKNOWN
        variant = variant * len(factor.levels) + code
    return variant


_Known = tuple[int, tuple[int, ...], Cell]


def _decode(config: Config, cells: Iterable[Cell]) -> tuple[list[_Known], int]:
    known: list[_Known] = []
    unknown = 0
    for cell in cells:
        variant = design_code(config, cell.design)
        if variant == UNKNOWN:
            unknown += cell.n
            continue
        context = tuple(f.decode(raw) for f, raw in zip(config.context, cell.context, strict=True))
        known.append((variant, context, cell))
    return known, unknown


def _merged(config: Config, rows: Iterable[tuple[int, tuple[int, ...], int, float, float, float]]) -> dict[str, Any]:
    """Columns of the cells, equal ones added up."""
    sums: dict[tuple[int, tuple[int, ...], int], list[float]] = {}
    for variant, context, day, *values in rows:
        cell = sums.setdefault((variant, context, day), [0.0, 0.0, 0.0])
        for i, value in enumerate(values):
            cell[i] += value
    keys = sorted(sums)
    columns = np.array([sums[k] for k in keys], dtype=float).reshape(len(keys), 3)
    return {
        "variant": np.array([k[0] for k in keys], dtype=np.int32),
        "context": np.array([k[1] for k in keys], dtype=np.int32).reshape(len(keys), len(config.context)),
        "day": np.array([k[2] for k in keys], dtype=np.int32),
        "n": columns[:, 0],
        "total": columns[:, 1],
        "total_squares": columns[:, 2],
    }


def _table(config: Config, known: list[_Known]) -> Table:
    rows = ((v, x, c.day.toordinal(), float(c.n), c.total, c.total_squares) for v, x, c in known)
    return Table(**_merged(config, rows))


def _observations(
    config: Config, known: list[_Known], curve: DelayCurve, reward: Reward, *, capped: bool
) -> Observations:
    def row(
        variant: int, context: tuple[int, ...], cell: Cell
    ) -> tuple[int, tuple[int, ...], int, float, float, float]:
        total = cell.capped_total if capped else cell.total
        squares = cell.capped_total_squares if capped else cell.total_squares
        n = cell.n * _matured(curve, cell.age_hours)
        if reward == "bool":
            n = max(n, total)  # more early conversions than expected are still at most one per exposure
        return variant, context, cell.day.toordinal(), n, total, squares

    columns = _merged(config, (row(*k) for k in known))
    columns["period"] = columns.pop("day")
    return Observations(**columns)


def _matured(curve: DelayCurve, age_hours: int | None) -> float:
    """The share of its conversions that an exposure has had time for; ages are spread over their hour."""
    return 1.0 if age_hours is None else float(curve.matured(age_hours + 0.5))
