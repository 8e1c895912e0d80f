"""One set of events that every warehouse is filled with: few users, few moments, many ties and boundaries."""

import datetime as dt
import random
from dataclasses import dataclass

NOW = dt.datetime(2026, 3, 10, 12, 0, tzinfo=dt.UTC)
WINDOW = dt.timedelta(hours=2)
CHANGED = dt.datetime(2026, 3, 10, 0, 30, tzinfo=dt.UTC)  # the holdout
MICRO = dt.timedelta(microseconds=1)
USERS = ["ann", "bob", "çelik 'o\"x", "dé%s", *(f"user-{i}" for i in range(40))]
VARIANTS = ["a", "b", "B", "it's 50% off"]
CONTEXTS = [None, "x", "y"]
VALUES = [-0.5, 0.0, 0.25, 1.0, 1.0, 1.0, 3.0, 40.0, 1e16]  # sums are exact, in any order; the last never is in one
NAMES = ["signup", "buy", "refund", "other"]


@dataclass(frozen=True)
class Exposed:
    anonymous_id: str
    at: dt.datetime
    cta: str
    device: str | None


@dataclass(frozen=True)
class Rewarded:
    anonymous_id: str
    at: dt.datetime
    name: str
    value: float


def _moment(rng: random.Random) -> dt.datetime:
    steps, hours, micros = rng.randrange(4), rng.randrange(27), rng.choice([-1, 0, 0, 1])
    return NOW - dt.timedelta(days=1) + steps * WINDOW / 2 + dt.timedelta(hours=hours) + micros * MICRO


def draw(seed: int, n: int = 300) -> tuple[list[Exposed], list[Rewarded]]:
    rng = random.Random(seed)
    seen = {Exposed(rng.choice(USERS), _moment(rng), rng.choice(VARIANTS), rng.choice(CONTEXTS)) for _ in range(n)}
    won = {Rewarded(rng.choice(USERS), _moment(rng), rng.choice(NAMES), rng.choice(VALUES)) for _ in range(n)}
    # at most one reward row per user and moment: which of two at once is "the first" no warehouse can tell
    alone = {(w.anonymous_id, w.at): w for w in sorted(won, key=repr)}
    return sorted(seen, key=repr), sorted(alone.values(), key=repr)
