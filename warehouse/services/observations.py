import datetime as dt
from dataclasses import dataclass
from typing import Any
from uuid import UUID


@dataclass(frozen=True)
class ReadSpec:
    optimization_id: UUID
    design: tuple[str, ...]
    context: tuple[str, ...]
    reward_type: str
    window_seconds: int
    holdout_limit: int


@dataclass(frozen=True)
class Cell:
    design: tuple[object, ...]
    context: tuple[object, ...]
    day: dt.date
    age_hours: int | None
    n: int
    total: float
    total_squares: float
    capped_total: float
    capped_total_squares: float


@dataclass(frozen=True)
class ArmDay:
    day: dt.date
    holdout: bool
    users: int
    total: float
    total_squares: float


def read_cells(*a: Any, **k: Any) -> list[Cell]:
    return []


def read_delays(*a: Any, **k: Any) -> list[int]:
    return []


def read_arms(*a: Any, **k: Any) -> list[ArmDay]:
    return []


def newest_event(*a: Any, **k: Any) -> dt.datetime | None:
    return None
