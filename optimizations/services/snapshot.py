"""One optimization as it is served: immutable, complete, in memory."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from threading import Lock
from typing import Any
from uuid import UUID

import numpy as np
import orjson

from bandits.assignment import holdout_limit
from bandits.cache import LruCache
from bandits.posterior import Posterior
from optimizations.config import Config
from optimizations.services.policy import Policy
from optimizations.states import Status

Codes = tuple[int, ...]
CACHED_CONTEXTS = 1024
HOLDOUT = "holdout"


@dataclass(frozen=True)
class Learned:
    """What a model version has learned. `observed` are the context cells it has seen, as context codes."""

    model_id: UUID
    version: int
    posterior: Posterior
    bias: Mapping[str, float]
    observed: tuple[Codes, ...]


class Fragments:
    """A variant's design factor values as JSON, rendered once; all versions of a model share them."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._props: dict[int, bytes] = {}

    def props(self, variant: int) -> bytes:
        found = self._props.get(variant)
        if found is None:
            found = self._props[variant] = orjson.dumps(self._config.props(variant))
        return found


class Cell:
    """Everything that is served in one context: the winner of every slot, and the answers as bytes.

    Attributes:
        winners: the variant of every slot, indexable as plain integers.
    """

    def __init__(self, snapshot: "Snapshot", codes: Codes) -> None:
        policy = snapshot.policy
        self._snapshot, self._codes = snapshot, codes
        # a memoryview yields plain ints three times faster than an array yields its scalars
        self.winners = memoryview(policy.winners(codes).tobytes()).cast("i")
        holdout = snapshot.holdout_share
        self.propensities = policy.shares(codes) * (1.0 - holdout)
        self.propensities[0] += holdout
        # before the first training nothing is known: the documented number is then 0.0
        self.expected = np.nan_to_num(policy.expected_reward(codes), nan=0.0, posinf=0.0, neginf=0.0)
        self._answers: dict[int, bytes] = {}
        self._variants: dict[int, bytes] = {}

    def answer(self, variant: int) -> bytes:
        """The answer that serves this one variant, up to the request id."""
        found = self._answers.get(variant)
        if found is None:
            found = self._answers[variant] = self._snapshot.wrap(self.variant(variant))
        return found

    def answer_ranked(self, slot: int, count: int) -> bytes:
        """The answer with the `count` best variants of a slot, best first, up to the request id."""
        ranked = self._snapshot.policy.ranked(self._codes, slot, count)
        return self._snapshot.wrap(b",".join(self.variant(int(variant)) for variant in ranked))

    def variant(self, variant: int) -> bytes:
        """One entry of `variants`."""
        found = self._variants.get(variant)
        if found is None:
            parts = (
                b'{"props":',
                self._snapshot.fragments.props(variant),
                b',"expected_reward":',
                orjson.dumps(float(self.expected[variant])),
                b',"variant_number":%d,"propensity":' % (variant + 1),
                orjson.dumps(float(self.propensities[variant])),
                b"}",
            )
            found = self._variants[variant] = b"".join(parts)
        return found


@dataclass(frozen=True, eq=False, repr=False)
class Snapshot:
    """Built by the loader, read by any number of threads.

    Attributes:
        id: the optimization's UUID as text; part of every assignment's hash.
        holdout_limit: a user whose holdout hash lies below it gets the baseline; 0 for none.
        design: what the configuration was read from; as long as it is the same, a reload keeps the configuration.
        learned: None before the first training.
        policy: the table from slots to variants.
        available: False while the optimization has no model: then it cannot be served.
    """

    uuid: UUID
    organization_id: str
    publishable_key: str
    status: str
    model_type: str
    created_at: datetime
    revision: int
    holdout_percentage: int
    design: bytes
    config: Config
    learned: Learned | None
    policy: Policy
    available: bool
    fragments: Fragments
    id: str = field(init=False)
    version: int = field(init=False)
    holdout_limit: int = field(init=False)
    holdout_share: float = field(init=False)
    _cells: "LruCache[Codes, Cell]" = field(init=False)
    _building: tuple[Lock, ...] = field(init=False)
    _tail: bytes = field(init=False)
    _holdout_tail: bytes = field(init=False)

    def __post_init__(self) -> None:
        # once completed, everyone gets the winner
        percentage = 0 if self.status == Status.COMPLETED else self.holdout_percentage
        values: dict[str, Any] = {
            "id": str(self.uuid),
            "version": self.learned.version if self.learned else 0,
            "holdout_limit": holdout_limit(percentage),
            "holdout_share": percentage / 100,
            "_cells": LruCache(CACHED_CONTEXTS),
            "_building": tuple(Lock() for _ in range(8)),
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)
        object.__setattr__(self, "_tail", self._render_tail(self.model_type))
        object.__setattr__(self, "_holdout_tail", self._render_tail(HOLDOUT))

    @property
    def ready(self) -> bool:
        """Whether a trained model decides."""
        return self.learned is not None

    def cell(self, codes: Codes) -> Cell:
        """What is served in a context; built when first asked for, by one thread while others wait for it."""
        return self._cells.get(codes, lambda: self._build(codes))

    def _build(self, codes: Codes) -> Cell:
        with self._building[hash(codes) % len(self._building)]:
            return self._cells.get(codes, lambda: Cell(self, codes))

    def codes(self, context: Mapping[str, Any] | None) -> Codes:
        """Context codes of a request. A missing or unknown level is the average level, not an error."""
        return self.config.context_codes(context or {})

    def wrap(self, variants: bytes) -> bytes:
        return b'{"variants":[' + variants + self._tail

    def answer_held_out(self, cell: Cell) -> bytes:
        """The baseline as the only variant, up to the request id."""
        return b'{"variants":[' + cell.variant(0) + self._holdout_tail

    def worth_building(self) -> list[Codes]:
        """Contexts to build ahead of their first request: the average one, then those observed in training."""
        average = (-1,) * len(self.config.context)
        observed = self.learned.observed if self.learned else ()
        return list(dict.fromkeys([average, *observed]))[:CACHED_CONTEXTS]

    def _render_tail(self, model_type: str) -> bytes:
        fields = {
            "optimization_id": self.id,
            "model_type": model_type,
            "ready": self.ready,
            "model_version": self.version,
            "meta": {"organization_id": self.organization_id},
        }
        # `],` closes the variants; the open `meta` object takes the request id last
        return b"]," + orjson.dumps(fields)[1:-2] + b',"request_id":"'
