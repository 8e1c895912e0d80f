"""What `column_mapping` says about the columns of a metric and of an assignment source."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeGuard

from levered_site.errors import InvalidRequest, Issue

RewardType = Literal["bool", "numeric"]
FAILURE = "failure"  # the outcome of an exposure without any: no outcome may take its name
# of a value or a weight that counts: one much larger could make every sum infinite, and end all training
LARGEST_VALUE = 1e15
SMALLEST_VALUE = 1e-100  # smaller ones are 0: PostgreSQL refuses to square what then is none
IN_BOUNDS = "from -1e15 to 1e15"


@dataclass(frozen=True)
class Outcome:
    """One of several weighted outcomes: a reward row whose name or value is `equals` counts `weight`."""

    key: str
    weight: float
    by: Literal["name", "value"]
    equals: str | float


@dataclass(frozen=True)
class MetricMapping:
    anonymous_id: str
    timestamp: str
    reward_type: RewardType = "bool"
    value: str | None = None
    name: str | None = None
    outcomes: tuple[Outcome, ...] = ()

    def columns(self) -> dict[str, str]:
        """Field to column, for every column that the SQL must return."""
        named = {"anonymous_id": self.anonymous_id, "timestamp": self.timestamp, "value": self.value, "name": self.name}
        return {field: column for field, column in named.items() if column is not None}


@dataclass(frozen=True)
class SourceMapping:
    anonymous_id: str
    timestamp: str
    variant: str | None = None
    context: str | None = None
    factors: tuple[tuple[str, str], ...] = ()

    def columns(self) -> dict[str, str]:
        """Field to column, for every column that the SQL must return."""
        named = {
            "anonymous_id": self.anonymous_id, "timestamp": self.timestamp,
            "variant": self.variant, "context": self.context,
        }  # fmt: skip
        named |= {f"factors.{factor}": column for factor, column in self.factors}
        return {field: column for field, column in named.items() if column is not None}


def read_metric_mapping(raw: Mapping[str, Any]) -> MetricMapping:
    """InvalidRequest lists everything that is wrong with `raw`."""
    issues = _unknown(raw, {"anonymous_id", "timestamp", "reward_type", "value", "name", "outcomes"})
    issues += _columns(raw, required=("anonymous_id", "timestamp"), optional=("value", "name"))
    reward_type = raw.get("reward_type") or "bool"
    if reward_type not in ("bool", "numeric"):
        issues.append(Issue("column_mapping.reward_type", "The reward type is 'bool' or 'numeric'."))
    elif reward_type == "numeric" and not raw.get("value"):
        issues.append(Issue("column_mapping.value", "A numeric metric needs the column that holds its value."))
    outcomes, wrong = _outcomes(raw, reward_type)
    if issues := issues + wrong:
        raise InvalidRequest.of(issues)
    return MetricMapping(
        anonymous_id=raw["anonymous_id"],
        timestamp=raw["timestamp"],
        reward_type="numeric" if reward_type == "numeric" else "bool",
        value=raw.get("value"),
        name=raw.get("name"),
        outcomes=outcomes,
    )


def read_source_mapping(raw: Mapping[str, Any]) -> SourceMapping:
    """InvalidRequest lists everything that is wrong with `raw`."""
    issues = _unknown(raw, {"anonymous_id", "timestamp", "variant", "context", "factors"})
    issues += _columns(raw, required=("anonymous_id", "timestamp"), optional=("variant", "context"))
    factors = raw.get("factors") or {}
    if not isinstance(factors, Mapping):
        issues.append(Issue("column_mapping.factors", "This must be an object of factor to column."))
        factors = {}
    for factor, column in factors.items():
        if not isinstance(column, str) or not column.strip():
            issues.append(Issue(f"column_mapping.factors.{factor}", "This must be the name of a column."))
    if issues:
        raise InvalidRequest.of(issues)
    return SourceMapping(
        anonymous_id=raw["anonymous_id"],
        timestamp=raw["timestamp"],
        variant=raw.get("variant"),
        context=raw.get("context"),
        factors=tuple(factors.items()),
    )


def _unknown(raw: Mapping[str, Any], known: set[str]) -> list[Issue]:
    message = f"Unknown field. Known fields: {', '.join(sorted(known))}."
    return [Issue(f"column_mapping.{key}", message) for key in raw if key not in known]


def _columns(raw: Mapping[str, Any], *, required: tuple[str, ...], optional: tuple[str, ...]) -> list[Issue]:
    issues = []
    for field in (*required, *optional):
        column = raw.get(field)
        if column is None and field in optional:
            continue
        if column is None:
            issues.append(Issue(f"column_mapping.{field}", "This field is required."))
        elif not isinstance(column, str) or not column.strip():
            issues.append(Issue(f"column_mapping.{field}", "This must be the name of a column."))
    return issues


def _outcomes(raw: Mapping[str, Any], reward_type: str) -> tuple[tuple[Outcome, ...], list[Issue]]:
    given, path = raw.get("outcomes"), "column_mapping.outcomes"
    if given is None:
        return (), []
    if not isinstance(given, list) or len(given) < 2:
        return (), [Issue(path, "At least two outcomes are needed.")]
    issues, outcomes = [], []
    if reward_type != "bool":
        issues.append(Issue("column_mapping.reward_type", "With outcomes the reward type is 'bool'."))
    seen: set[str] = set()
    for i, item in enumerate(given):
        outcome, wrong = _outcome(item, f"{path}[{i}]", raw)
        issues += wrong
        if outcome is None:
            continue
        if outcome.key in seen:
            issues.append(Issue(f"{path}[{i}].key", f"The key '{outcome.key}' is used twice."))
        seen.add(outcome.key)
        outcomes.append(outcome)
    return tuple(outcomes), issues


def _outcome(item: object, path: str, raw: Mapping[str, Any]) -> tuple[Outcome | None, list[Issue]]:
    if not isinstance(item, Mapping):
        return None, [Issue(path, "This must be an object of key, weight and match.")]
    issues = [Issue(f"{path}.{k}", "Unknown field.") for k in item if k not in {"key", "weight", "match"}]
    key, weight, match = item.get("key"), item.get("weight"), item.get("match")
    if not isinstance(key, str) or not key.strip():
        issues.append(Issue(f"{path}.key", "An outcome needs a key."))
    elif key == FAILURE:
        issues.append(Issue(f"{path}.key", f"'{FAILURE}' is reserved for exposures without an outcome."))
    if not _is_number(weight) or 0 < abs(weight) < SMALLEST_VALUE:
        issues.append(Issue(f"{path}.weight", f"The weight must be 0 or a number {IN_BOUNDS}, from 1e-100 in size."))
    if not isinstance(match, Mapping) or set(match) != {"by", "value"} or match["by"] not in ("name", "value"):
        issues.append(Issue(f"{path}.match", "A match is {'by': 'name' or 'value', 'value': what it equals}."))
        return None, issues
    by, equals = match["by"], match["value"]
    if not raw.get(by):
        issues.append(Issue(f"column_mapping.{by}", f"Outcomes that match by {by} need the column that holds it."))
    if by == "name" and not isinstance(equals, str):
        issues.append(Issue(f"{path}.match.value", "A name is text."))
    if by == "value" and not _is_number(equals):
        issues.append(Issue(f"{path}.match.value", f"A value is a number {IN_BOUNDS}."))
    if issues:
        return None, issues
    return Outcome(str(key), float(str(weight)), by, equals if by == "name" else float(equals)), []


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= LARGEST_VALUE
