"""Which policy an optimization is served by: one function for whoever serves it, logs its shares or shows it."""

from collections.abc import Mapping
from typing import Protocol
from uuid import UUID

import numpy as np
import numpy.typing as npt

from bandits.arrays import FloatArray, IntArray
from bandits.posterior import Posterior
from bandits.thompson import SlotTable, UniformTable, WinnerTable
from optimizations.config import Config
from optimizations.states import Status


class Policy(Protocol):
    """A table from slots to variants per context; see `bandits.thompson`."""

    slots: int

    def winners(self, context: tuple[int, ...]) -> npt.NDArray[np.int32]: ...

    def ranked(self, context: tuple[int, ...], slot: int, k: int) -> IntArray: ...

    def shares(self, context: tuple[int, ...]) -> FloatArray: ...

    def expected_reward(self, context: tuple[int, ...]) -> FloatArray: ...


def slot_seed(optimization_id: UUID) -> int:
    """The seed of the slots' standard normals: one per optimization, for all its model versions."""
    return optimization_id.int


def slot_policy(
    config: Config, posterior: Posterior, *, optimization_id: UUID, bias: Mapping[str, float] | None = None
) -> SlotTable:
    """The policy of a live, trained optimization. `bias` names design factors.

    Raises:
        ValueError: the posterior is of another design, or `bias` is not one of this design.
    """
    if posterior.design != config.bandit_design:
        raise ValueError(f"the posterior is of {posterior.design}, the configuration of {config.bandit_design}")
    positions = {factor.name: position for position, factor in enumerate(config.design)}
    unknown = [name for name in bias or {} if name not in positions]
    if unknown:
        raise ValueError(f"bias names no design factor: {', '.join(unknown)}")
    by_position = {positions[name]: amount for name, amount in (bias or {}).items()}
    return SlotTable(posterior, seed=slot_seed(optimization_id), bias=by_position)


def policy_of(
    config: Config,
    posterior: Posterior | None,
    *,
    optimization_id: UUID,
    status: str,
    bias: Mapping[str, float] | None = None,
) -> Policy:
    """Uniform before the first training, slots while live, the winner once completed.

    An optimization that was completed without ever having been trained has no winner: everyone gets the baseline.
    """
    if posterior is None:
        return UniformTable(config.bandit_design, slots=1 if status == Status.COMPLETED else 4096)
    if status == Status.COMPLETED:
        if posterior.design != config.bandit_design:
            raise ValueError(f"the posterior is of {posterior.design}, the configuration of {config.bandit_design}")
        return WinnerTable(posterior)
    return slot_policy(config, posterior, optimization_id=optimization_id, bias=bias)
