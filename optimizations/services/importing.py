"""Loading a log into the managed warehouse: every row an exposure, every non-zero reward of a row a reward.

A row is known by its optimization, its line and its content. Its events carry idempotency keys made of these, so that
an import that stopped, or that is repeated after some rows were corrected, stores exactly what is missing.
"""

import datetime as dt
import hashlib
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from levered_site.errors import Issue, Unavailable
from optimizations.config import UNKNOWN, Config, Factor, read_config
from optimizations.models import Optimization
from optimizations.services.ingestion import Ingested, ingest_exposures, ingest_rewards
from optimizations.services.log_files import LogRow
from warehouse.services import incoming
from warehouse.services.incoming import NewExposure, NewReward

BATCH = 500
TRIES = 5
REWARD_DELAY = dt.timedelta(milliseconds=1)
_TRUE, _FALSE = {"true", "t", "yes"}, {"false", "f", "no", ""}


@dataclass(frozen=True)
class Columns:
    """Where a row keeps what. `factors` and `context` map names to columns."""

    timestamp: str
    factors: Mapping[str, str]
    context: Mapping[str, str] = field(default_factory=dict)
    anonymous_id: str | None = None  # None: every row is another user
    reward: str | None = None
    reward_name: str = ""
    timezone: dt.tzinfo | None = None  # of times without an offset

    @property
    def named(self) -> list[str]:
        """Every column that must exist."""
        others = [c for c in (self.timestamp, self.anonymous_id, self.reward) if c]
        return [*others, *self.factors.values(), *self.context.values()]


@dataclass(frozen=True)
class RowIssue:
    line: int
    message: str


@dataclass
class Step:
    """What became of some rows. Steps add up to the summary of an import."""

    rows: int = 0
    exposures: int = 0
    known_exposures: int = 0
    rewards: int = 0
    known_rewards: int = 0
    refused: int = 0
    end: int = 0
    issues: list[RowIssue] = field(default_factory=list)

    def __iadd__(self, other: "Step") -> "Step":
        """Adds up the counts. Issues are told as they come: a whole log's may be many."""
        for name in ("rows", "exposures", "known_exposures", "rewards", "known_rewards", "refused"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.end = other.end
        return self


def import_rows(
    optimization: Optimization, rows: Iterable[LogRow], columns: Columns, *, source: str = "", dry_run: bool = False
) -> Iterator[Step]:
    """Stores the rows batch by batch and tells after each what became of it.

    `source` sets apart two files whose rows are the same at the same lines. Raises Unavailable when the database stays
    away; what was told before is stored then, and the same call goes on.
    """
    reader = _RowReader(optimization, columns, source)
    remaining = iter(rows)
    while batch := list(islice(remaining, BATCH)):
        yield _import_batch(optimization, batch, reader, dry_run=dry_run)


def _import_batch(optimization: Optimization, batch: list[LogRow], reader: "_RowReader", *, dry_run: bool) -> Step:
    step = Step(rows=len(batch), end=batch[-1].end)
    read: list[tuple[int, NewExposure, NewReward | None]] = []
    for row in batch:
        issues = [Issue("", row.problem)] if row.problem else []
        events = None if row.problem else reader.read(row, issues)
        if events:
            read.append((row.line, *events))
        step.issues += [RowIssue(row.line, f"{i.field}: {i.message}" if i.field else i.message) for i in issues]
    step.refused = len(batch) - len(read)
    if not read:
        return step
    organization = optimization.organization
    exposures = [exposure for _, exposure, _ in read]
    stored = _patiently(lambda: ingest_exposures(organization, exposures, dry_run=dry_run))
    step.exposures, step.known_exposures = stored.accepted - stored.duplicates, stored.duplicates
    refused = {r.index for r in stored.rejected}
    step.refused += len(refused)
    step.issues += [RowIssue(read[r.index][0], r.message) for r in stored.rejected]
    rewards = [reward for i, (_, _, reward) in enumerate(read) if reward is not None and i not in refused]
    if rewards:
        stored = _patiently(lambda: ingest_rewards(organization, rewards, dry_run=dry_run))
        step.rewards, step.known_rewards = stored.accepted - stored.duplicates, stored.duplicates
    step.issues.sort(key=lambda issue: issue.line)
    return step


def _patiently(store: Callable[[], Ingested]) -> Ingested:
    """A long import outlives a short absence of the database."""
    for attempt in range(TRIES - 1):
        try:
            return store()
        except Unavailable:
            time.sleep(0.2 * 2**attempt)
    return store()


class _RowReader:
    """Rows of one log as events of one optimization."""

    def __init__(self, optimization: Optimization, columns: Columns, source: str) -> None:
        config: Config = read_config(optimization.training_data_config)
        self._optimization_id = str(optimization.pk)
        self._columns = columns
        self._salt = f"{optimization.pk}\n{source}\n"
        self._factors: dict[str, Factor] = {f.name: f for f in (*config.design, *config.context)}

    def read(self, row: LogRow, issues: list[Issue]) -> tuple[NewExposure, NewReward | None] | None:
        """The row's exposure, and its reward if it has one; None when something was added to `issues`."""
        columns, found = self._columns, len(issues)
        digest = hashlib.blake2b(f"{self._salt}{row.line}\n".encode() + row.content, digest_size=16).hexdigest()
        value = self._reward(row, issues)
        event = {
            "optimization_id": self._optimization_id,
            "idempotency_key": f"import:{digest}",
            "anonymous_id": self._anonymous_id(row, digest),
            "timestamp": self._timestamp(row, issues),
            "variant": {name: self._level(name, row.values.get(column)) for name, column in columns.factors.items()},
            "context": {
                name: self._level(name, row.values[column])
                for name, column in columns.context.items()
                if row.values.get(column) not in (None, "")
            },
        }
        exposure = incoming.exposures.read_event(event, "", issues)
        if exposure is None or exposure.timestamp is None or len(issues) > found:
            return None
        if not value:
            return exposure, None
        try:
            timestamp = exposure.timestamp + REWARD_DELAY
        except OverflowError:
            issues.append(Issue(columns.timestamp, "The timestamp is out of range."))
            return None
        reward = NewReward(
            anonymous_id=exposure.anonymous_id,
            timestamp=timestamp,
            idempotency_key=exposure.idempotency_key,
            name=columns.reward_name,
            value=value,
            optimization_id=exposure.optimization_id,
        )
        return exposure, reward

    def _anonymous_id(self, row: LogRow, digest: str) -> Any:
        if self._columns.anonymous_id is None:
            return f"row-{digest}"
        value = row.values.get(self._columns.anonymous_id)
        return str(value) if isinstance(value, int) else value

    def _timestamp(self, row: LogRow, issues: list[Issue]) -> dt.datetime | None:
        column, raw = self._columns.timestamp, row.values.get(self._columns.timestamp)
        try:
            time_ = dt.datetime.fromisoformat(str(raw).strip())
        except ValueError:
            issues.append(Issue(column, f"{raw!r} is not an ISO 8601 time."))
            return None
        if time_.tzinfo is None:
            if self._columns.timezone is None:
                issues.append(Issue(column, f"{raw!r} has no offset; name the log's time zone."))
                return None
            return time_.replace(tzinfo=self._columns.timezone)
        return time_

    def _level(self, name: str, raw: Any) -> Any:
        """A text of the log as the level it means; what is no level stays as it is and is refused by name."""
        factor = self._factors.get(name)
        code = factor.decode(raw) if factor else UNKNOWN
        return factor.levels[code] if factor and code != UNKNOWN else raw

    def _reward(self, row: LogRow, issues: list[Issue]) -> float:
        column = self._columns.reward
        raw = row.values.get(column) if column else None
        if raw is None or column is None:
            return 0.0
        word = str(raw).strip().lower()
        if word in _TRUE | _FALSE:
            return float(word in _TRUE)
        try:
            value = float(word)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            issues.append(Issue(column, f"{raw!r} is not a finite number."))
        return value
