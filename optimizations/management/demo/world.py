"""The truth that the demo's optimization has to find: who signs up, and why."""

import datetime as dt
import math
import random
from dataclasses import dataclass
from typing import Any

BASE_RATE = 0.11  # signup rate of an average visitor who sees the baseline
DELAY_MINUTES = 25  # mean time from seeing the page to signing up
RETURNING_SHARE = 0.1
PRICING_RATE = 0.35  # of the visitors look at the prices, whatever the page shows: what the guardrail watches

# Effects on the log-odds of a signup; the first level of every factor is the baseline.
DESIGN: dict[str, dict[str, float]] = {
    "headline": {
        "Grow without guesswork": 0.0,
        "Every visitor, their best page": 0.15,
        "Stop A/B testing. Start learning.": 0.06,
        "The page that improves itself": -0.10,
    },
    "cta": {"Sign up": 0.0, "Start free": 0.12, "Book a demo": -0.20},
    "layout": {"classic": 0.0, "focused": 0.04},
}
CONTEXT: dict[str, dict[str, float]] = {
    "device": {"desktop": 0.15, "mobile": -0.15},
    "source": {"search": 0.1, "social": -0.1},
}
INTERACTIONS: dict[tuple[str, str], float] = {
    ("Every visitor, their best page", "Start free"): 0.08,
    ("mobile", "focused"): 0.20,
    ("desktop", "focused"): -0.14,
    ("social", "Stop A/B testing. Start learning."): 0.14,
}
DEVICE_SHARES = {"desktop": 0.45, "mobile": 0.55}
SOURCE_SHARES = {"search": 0.6, "social": 0.4}

OPTIMIZATION: dict[str, Any] = {
    "name": "Landing page hero",
    "description": "Which headline, call to action and layout turn visitors into signups, on which device.",
    "model_type": "cmab",
    "holdout_percentage": 10,
    "training_data_config": {
        "reward": {"name": "signup", "type": "bool"},
        "design_factors": [{"name": n, "dtype": "str", "levels": list(ls)} for n, ls in DESIGN.items()],
        "context_factors": [{"name": n, "dtype": "str", "levels": list(ls)} for n, ls in CONTEXT.items()],
        "attribution": {"type": "last_touch", "conversion_window_hours": 24},
    },
}


def _metric(name: str, event: str) -> dict[str, Any]:
    return {
        "name": name,
        "sql": f"SELECT anonymous_id, timestamp, optimization_id FROM rewards WHERE name = '{event}'",  # noqa: S608
        "column_mapping": {"anonymous_id": "anonymous_id", "timestamp": "timestamp", "reward_type": "bool"},
    }


METRIC = _metric("Signup", "signup")
GUARDED = _metric("Pricing viewed", "pricing_viewed")
GUARDRAIL: dict[str, Any] = {"direction": "increase", "margin_percent": 10, "on_violation": "notify"}


@dataclass(frozen=True)
class Visit:
    anonymous_id: str
    address: str
    context: dict[str, str]
    at: dt.datetime


class World:
    """Visitors and what they do. The same seed brings the same visitors."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311
        self._known: list[Visit] = []

    def visits(self, day: dt.datetime, count: int, *, until: dt.datetime) -> list[Visit]:
        """`count` visits of the day that begins at `day`, in order, none after `until`; afternoons are busier."""
        seconds = min(86_400.0, (until - day).total_seconds())
        moments = sorted(seconds * self._random.betavariate(2.2, 1.8) for _ in range(count))
        return [self.visit(day + dt.timedelta(seconds=s)) for s in moments]

    def visit(self, at: dt.datetime) -> Visit:
        if self._known and self._random.random() < RETURNING_SHARE:
            seen = self._random.choice(self._known)
            return Visit(seen.anonymous_id, seen.address, seen.context, at)
        visit = Visit(
            anonymous_id=f"visitor-{self._random.getrandbits(48):012x}",
            address=f"10.{self._random.randrange(256)}.{self._random.randrange(256)}.{self._random.randrange(1, 255)}",
            context={"device": self._pick(DEVICE_SHARES), "source": self._pick(SOURCE_SHARES)},
            at=at,
        )
        self._known.append(visit)
        del self._known[:-5000]
        return visit

    def events(self, visit: Visit, variant: dict[str, str]) -> list[tuple[dt.datetime, str]]:
        """What this visitor does after seeing this variant, and when."""
        happens = []
        if self._random.random() < signup_rate(variant, visit.context):
            happens.append((DELAY_MINUTES, "signup"))
        if self._random.random() < PRICING_RATE:
            happens.append((1, "pricing_viewed"))
        return [(visit.at + dt.timedelta(minutes=self._random.expovariate(1 / mean)), name) for mean, name in happens]

    def _pick(self, shares: dict[str, float]) -> str:
        return self._random.choices(list(shares), list(shares.values()))[0]


def signup_rate(variant: dict[str, str], context: dict[str, str]) -> float:
    """The true probability that a visitor in this context signs up after seeing this variant."""
    seen = {*variant.values(), *context.values()}
    logit = math.log(BASE_RATE / (1 - BASE_RATE))
    logit += sum(DESIGN[f][level] for f, level in variant.items())
    logit += sum(CONTEXT[f][level] for f, level in context.items())
    logit += sum(effect for pair, effect in INTERACTIONS.items() if seen.issuperset(pair))
    return 1 / (1 + math.exp(-logit))
