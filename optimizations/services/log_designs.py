"""The design that a log implies: every value of a factor's column is a level."""

from collections.abc import Iterable
from typing import Any

from django.db import transaction

from levered_site.errors import Conflict, InvalidRequest, Issue
from levered_site.organizations.models import Organization
from optimizations.config import Level, validate_config
from optimizations.models import Optimization
from optimizations.services.importing import Columns
from optimizations.services.lifecycle import create_optimization
from optimizations.services.log_files import LogRow
from optimizations.states import Status
from warehouse.services.catalog import metric_for_event

MAX_LEVELS = 1000


def optimization_of_log(
    organization: Organization, *, name: str, rows: Iterable[LogRow], columns: Columns, window_hours: float = 24
) -> tuple[Optimization, bool]:
    """The organization's optimization of this name and of the log's design, and whether it was made now.

    Levels are ordered; the first, and so the baseline, is the smallest. Raises Conflict when one of this name has
    another design.
    """
    config = design_of_log(rows, columns, window_hours=window_hours)
    for existing in organization.optimizations.filter(name=name).exclude(status=Status.ARCHIVED):
        if existing.training_data_config == config:
            return existing, False
        raise Conflict(f"'{name}' exists with another design; name another one, or import into {existing.pk}.")
    validate_config(config)
    with transaction.atomic():
        reward = config["reward"]
        metric = metric_for_event(organization, name=reward["name"], reward_type=reward["type"])
        created = create_optimization(
            organization,
            name=name,
            training_data_config=config,
            reward_metric_id=metric.pk,
            model_type="cmab" if columns.context else "mab",
            holdout_percentage=0,  # whoever served the log held nobody out by our hash: there is no lift to measure
        )
    return created.optimization, True


def design_of_log(rows: Iterable[LogRow], columns: Columns, *, window_hours: float = 24) -> dict[str, Any]:
    """A `training_data_config` of the values that occur."""
    seen: dict[str, dict[str, None]] = {c: {} for c in (*columns.factors.values(), *columns.context.values())}
    counts = True
    for row in rows:
        for column, values in seen.items():
            value = row.values.get(column)
            if value is not None and value != "":
                values[_text(value)] = None
                if len(values) > MAX_LEVELS:
                    raise InvalidRequest(f"The column {column} has more than {MAX_LEVELS} values; is it a factor?")
        if columns.reward and counts:
            counts = _text(row.values.get(columns.reward, "")) in {"", "0", "1", "0.0", "1.0", "true", "false"}
    if issues := [Issue(c, "The column has fewer than two values.") for c, values in seen.items() if len(values) < 2]:
        raise InvalidRequest.of(issues)
    return {
        "reward": {"name": columns.reward_name or columns.reward or "reward", "type": "bool" if counts else "numeric"},
        "design_factors": [{"name": n, **_levels(seen[c])} for n, c in columns.factors.items()],
        "context_factors": [{"name": n, **_levels(seen[c])} for n, c in columns.context.items()],
        "attribution": {"type": "last_touch", "conversion_window_hours": window_hours},
    }


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value).strip()


def _levels(texts: Iterable[str]) -> dict[str, Any]:
    """The narrowest type that all values have, and the values in order."""
    words = set(texts)
    if words <= {"true", "false"}:
        return {"dtype": "bool", "levels": [False, True]}
    for dtype, read in (("int", int), ("float", float)):
        try:
            levels: set[Level] = {read(word) for word in words}
        except ValueError:
            continue
        if len(levels) == len(words):  # '007' and '7' are two levels: texts then
            return {"dtype": dtype, "levels": sorted(levels)}
    return {"dtype": "str", "levels": sorted(words)}
