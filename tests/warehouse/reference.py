"""Last touch, written for people: what the statements must agree with, event by event."""

import datetime as dt
import hashlib
import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True)
class Seen:
    """An exposure."""

    uid: str
    at: dt.datetime
    variant: str
    context: str | None


@dataclass(frozen=True)
class Won:
    """A reward row that counts."""

    uid: str
    at: dt.datetime
    value: float


def tie(seen: Seen) -> tuple[str, bool, str]:
    return (seen.variant, seen.context is not None, seen.context or "")


def credited(
    exposures: Sequence[Seen], rewards: Sequence[Won], window: dt.timedelta, *, sums: bool
) -> list[tuple[Seen, float, list[Won]]]:
    """Each exposure with its reward and the reward rows that made it."""
    by_user: dict[str, list[Seen]] = defaultdict(list)
    for seen in exposures:
        by_user[seen.uid].append(seen)
    touches: dict[int, list[Won]] = defaultdict(list)
    for won in sorted(rewards, key=lambda w: w.at):
        before = [s for s in by_user[won.uid] if s.at <= won.at]
        if before:
            latest = max(before, key=lambda s: (s.at, tie(s)))
            if won.at < latest.at + window:
                touches[id(latest)].append(won)
    out = []
    for seen in exposures:
        rows = touches[id(seen)] if sums else touches[id(seen)][:1]
        out.append((seen, math.fsum(w.value for w in rows), rows))
    return out


def cells(
    exposures: Sequence[Seen], rewards: Sequence[Won], window: dt.timedelta, now: dt.datetime, *, sums: bool
) -> dict[tuple[object, ...], tuple[int, float, float]]:
    """(variant, context, day, age in hours) -> n, total, total of squares."""
    exposures = [s for s in exposures if s.at <= now]
    rewards = [w for w in rewards if w.at <= now]
    out: dict[tuple[object, ...], list[float]] = defaultdict(list)
    for seen, y, _ in credited(exposures, rewards, window, sums=sums):
        age = None if seen.at + window <= now else (now - seen.at) // dt.timedelta(hours=1)
        out[seen.variant, seen.context, seen.at.astimezone(dt.UTC).date(), age].append(y)
    return {key: (len(ys), math.fsum(ys), math.fsum(y * y for y in ys)) for key, ys in out.items()}


def held_out(optimization_id: UUID, uid: str, limit: int) -> bool:
    return int(hashlib.md5(f"{optimization_id}:holdout:{uid}".encode()).hexdigest()[:8], 16) < limit


def arms(
    exposures: Sequence[Seen],
    rewards: Sequence[Won],
    window: dt.timedelta,
    now: dt.datetime,
    *,
    sums: bool,
    optimization_id: UUID,
    limit: int,
) -> dict[tuple[dt.date, bool], tuple[int, float, float]]:
    """(day, held out) -> users, total, total of squares."""
    limits = [(dt.datetime.min.replace(tzinfo=dt.UTC), limit)]
    found = regimes(exposures, rewards, window, now, sums=sums, optimization_id=optimization_id, limits=limits)
    return {(day, holdout): sums for (day, _, holdout), sums in found.items()}


def regimes(
    exposures: Sequence[Seen],
    rewards: Sequence[Won],
    window: dt.timedelta,
    now: dt.datetime,
    *,
    sums: bool,
    optimization_id: UUID,
    limits: Sequence[tuple[dt.datetime, int]],
) -> dict[tuple[dt.date, int, bool], tuple[int, float, float]]:
    """(day, regime, held out) -> users, total, total of squares; `limits` says from when on which limit was in force."""
    first: dict[str, dt.datetime] = {}
    for seen in exposures:
        if seen.at <= now:
            first[seen.uid] = min(seen.at, first.get(seen.uid, seen.at))
    out: dict[tuple[dt.date, int, bool], list[float]] = defaultdict(list)
    for uid, at in first.items():
        if at + window > now:
            continue
        rows = sorted((w for w in rewards if w.uid == uid and at <= w.at < at + window), key=lambda w: w.at)
        y = math.fsum(w.value for w in (rows if sums else rows[:1]))
        regime = max(i for i, (since, _) in enumerate(limits) if since <= at)
        holdout = held_out(optimization_id, uid, limits[regime][1])
        out[at.astimezone(dt.UTC).date(), regime, holdout].append(y)
    return {key: (len(ys), math.fsum(ys), math.fsum(y * y for y in ys)) for key, ys in out.items()}


def delays(
    exposures: Sequence[Seen], rewards: Sequence[Won], window: dt.timedelta, now: dt.datetime, *, sums: bool
) -> list[int]:
    """Rewards of matured exposures by the whole hours since."""
    counts = [0] * math.ceil(window / dt.timedelta(hours=1))
    exposures = [s for s in exposures if s.at <= now]
    for touch, _, rows in credited(exposures, [w for w in rewards if w.at <= now], window, sums=sums):
        for won in rows:
            if touch.at + window <= now:
                counts[(won.at - touch.at) // dt.timedelta(hours=1)] += 1
    return counts
