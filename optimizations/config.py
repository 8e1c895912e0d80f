"""An optimization's design: its factors and levels, which variants may be served, and codes for all of them.

Variants are numbered by the C-order ravel of their level codes: variant 0 is the baseline, the first level of every
factor. In public answers they count from 1.
"""

import itertools
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bandits.design import Design
from levered_site.errors import InvalidRequest, Issue

Level = str | bool | int | float
UNKNOWN = -1
MAX_VARIANTS = 10_000
MAX_GRID = 100_000  # combinations before exclusions: every one has a row in the model's tables
MANY_VARIANTS = 100
MAX_WINDOW_HOURS = 24 * 365
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_TYPES: dict[str, tuple[type, ...]] = {"str": (str,), "bool": (bool,), "int": (int,), "float": (float, int)}


@dataclass(frozen=True)
class Factor:
    name: str
    dtype: str
    levels: tuple[Level, ...]

    @cached_property
    def _codes(self) -> dict[Level, int]:
        return {level: code for code, level in enumerate(self.levels)}

    @cached_property
    def _types(self) -> tuple[type, ...]:
        return _TYPES[self.dtype]

    @cached_property
    def _texts(self) -> dict[str, int]:
        return {_text(level): code for code, level in enumerate(self.levels)}

    def code(self, value: object) -> int:
        """The level's code, or UNKNOWN. Types count: `true` is not `1`, and `"1"` is not `1`."""
        return self._codes.get(value, UNKNOWN) if type(value) in self._types else UNKNOWN  # type: ignore[call-overload]

    def decode(self, raw: object) -> int:
        """The code of a level as a warehouse returns it: some give `1`, `'true'` or `'1.0'` for what was stored."""
        if raw is None:
            return UNKNOWN
        if self.dtype == "str":
            return self._texts.get(str(raw), UNKNOWN)
        word = str(raw).strip().lower()
        if self.dtype == "bool":
            word = {"1": "true", "0": "false", "t": "true", "f": "false"}.get(word, word)
        else:
            try:
                word = _text(float(word))
            except ValueError:
                return UNKNOWN
        return self._texts.get(word, UNKNOWN)

    def as_json(self) -> dict[str, Any]:
        return {"name": self.name, "dtype": self.dtype, "levels": list(self.levels)}


def _text(level: Level) -> str:
    if isinstance(level, bool):
        return str(level).lower()
    if isinstance(level, int | float):
        return str(int(level)) if float(level).is_integer() else repr(float(level))
    return level


@dataclass(frozen=True)
class Config:
    """A validated design. `context` is empty for a `mab`, whatever was configured."""

    reward_name: str
    reward_type: str
    design: tuple[Factor, ...]
    context: tuple[Factor, ...]
    attribution: str
    window_hours: float
    excluded: tuple[Mapping[str, Level], ...] = ()

    @cached_property
    def shape(self) -> tuple[int, ...]:
        return tuple(len(f.levels) for f in self.design)

    @cached_property
    def names(self) -> frozenset[str]:
        return frozenset(f.name for f in self.design)

    @cached_property
    def allowed(self) -> NDArray[np.bool_]:
        """Which variants may be served: shape (n_variants,)."""
        mask = np.ones(self.shape, dtype=bool)
        for combination in self.excluded:
            where = tuple(f.code(combination[f.name]) if f.name in combination else slice(None) for f in self.design)
            mask[where] = False
        return mask.ravel()

    @cached_property
    def bandit_design(self) -> Design:
        return Design(self.shape, tuple(len(f.levels) for f in self.context), allowed=self.allowed)

    @property
    def n_variants(self) -> int:
        """How many variants may be served."""
        return int(self.allowed.sum())

    def props(self, variant: int) -> dict[str, Level]:
        props: dict[str, Level] = {}
        for factor in reversed(self.design):
            variant, code = divmod(variant, len(factor.levels))
            props[factor.name] = factor.levels[code]
        return dict(reversed(props.items()))

    def key(self, variant: int) -> str:
        """A variant's public key, e.g. `headline=Save time|cta=Start free`."""
        return "|".join(f"{name}={_text(level)}" for name, level in self.props(variant).items())

    def variant_of(self, props: Mapping[str, Any]) -> tuple[int, Issue | None]:
        """The variant's number, or UNKNOWN and what is wrong with `props` (a field path below the variant)."""
        variant = 0
        for factor, size in zip(self.design, self.shape, strict=True):
            if factor.name not in props:
                return UNKNOWN, Issue(factor.name, "This design factor is missing.")
            code = factor.code(props[factor.name])
            if code == UNKNOWN:
                return UNKNOWN, Issue(factor.name, f"{props[factor.name]!r} is not a level of this factor.")
            variant = variant * size + code
        if len(props) > len(self.design):
            extra = next(name for name in props if name not in self.names)
            return UNKNOWN, Issue(extra, "This is not a design factor.")
        return variant, None

    def context_codes(self, context: Mapping[str, Any]) -> tuple[int, ...]:
        """One code per context factor; missing and unseen levels are UNKNOWN, which the model reads as average."""
        return tuple(f.code(context.get(f.name)) for f in self.context)

    def as_json(self) -> dict[str, Any]:
        """`training_data_config`, as documented."""
        return {
            "reward": {"name": self.reward_name, "type": self.reward_type},
            "design_factors": [f.as_json() for f in self.design],
            "context_factors": [f.as_json() for f in self.context],
            "attribution": {"type": self.attribution, "conversion_window_hours": self.window_hours},
        }


def read_config(
    stored: Mapping[str, Any], excluded: Sequence[Mapping[str, Level]] = (), *, model_type: str = "cmab"
) -> Config:
    """The Config of a stored, already validated `training_data_config`."""

    def factors(key: str) -> tuple[Factor, ...]:
        return tuple(Factor(f["name"], f["dtype"], tuple(f["levels"])) for f in stored[key])

    return Config(
        reward_name=stored["reward"]["name"],
        reward_type=stored["reward"]["type"],
        design=factors("design_factors"),
        context=() if model_type == "mab" else factors("context_factors"),
        attribution=stored["attribution"]["type"],
        window_hours=stored["attribution"]["conversion_window_hours"],
        excluded=tuple(excluded),
    )


def validate_config(raw: Mapping[str, Any], excluded: Sequence[Mapping[str, Any]] = ()) -> Config:
    """The Config of a well-formed request; InvalidRequest lists everything that is wrong with its meaning."""
    issues: list[Issue] = []
    complete: dict[str, Any] = {
        "reward": {"name": "reward", "type": "bool"} | dict(raw.get("reward") or {}),
        "design_factors": [{"dtype": "str"} | f for f in raw.get("design_factors") or []],
        "context_factors": [{"dtype": "str"} | f for f in raw.get("context_factors") or []],
        "attribution": {"type": "last_touch", "conversion_window_hours": 24} | dict(raw.get("attribution") or {}),
    }
    if not complete["design_factors"]:
        issues.append(Issue("training_data_config.design_factors", "At least one design factor is needed."))
    seen: set[str] = set()
    for group in ("design_factors", "context_factors"):
        for i, factor in enumerate(complete[group]):
            issues += _factor_issues(factor, f"training_data_config.{group}[{i}]", seen)
    window = complete["attribution"]["conversion_window_hours"]
    if not 0 < window <= MAX_WINDOW_HOURS:
        field = "training_data_config.attribution.conversion_window_hours"
        issues.append(Issue(field, f"The window must be above 0 and at most {MAX_WINDOW_HOURS} hours."))
    if not issues:
        config = read_config(complete, excluded)
        issues = _exclusion_issues(config) or _size_issues(config)
    if issues:
        raise InvalidRequest.of(issues)
    return config


def _factor_issues(factor: Mapping[str, Any], path: str, seen: set[str]) -> list[Issue]:
    issues = []
    name, levels = factor["name"], factor["levels"]
    if not _NAME.fullmatch(name):
        issues.append(Issue(f"{path}.name", "A name has 1 to 64 letters, digits, '_', '.' or '-'."))
    if name in seen:
        issues.append(Issue(f"{path}.name", f"The name '{name}' is used twice."))
    seen.add(name)
    types = _TYPES[factor["dtype"]]
    for j, level in enumerate(levels):
        if type(level) not in types or (isinstance(level, float) and not math.isfinite(level)):
            issues.append(Issue(f"{path}.levels[{j}]", f"{level!r} is not of dtype {factor['dtype']}."))
        elif level in levels[:j]:
            issues.append(Issue(f"{path}.levels[{j}]", f"The level {level!r} stands twice."))
    if len(levels) < 2:
        issues.append(Issue(f"{path}.levels", "A factor needs at least two levels."))
    return issues


def _exclusion_issues(config: Config) -> list[Issue]:
    issues = []
    factors = {f.name: f for f in config.design}
    for i, combination in enumerate(config.excluded):
        path = f"excluded_combinations[{i}]"
        if not combination:
            issues.append(Issue(path, "An empty map would exclude every variant."))
        for name, level in combination.items():
            if name not in factors:
                issues.append(Issue(f"{path}.{name}", "This is not a design factor."))
            elif factors[name].code(level) == UNKNOWN:
                issues.append(Issue(f"{path}.{name}", f"{level!r} is not a level of this factor."))
        if combination and all(n in factors and factors[n].code(level) == 0 for n, level in combination.items()):
            issues.append(Issue(path, "The baseline (the first level of every factor) cannot be excluded."))
    return issues


def _size_issues(config: Config) -> list[Issue]:
    field = "training_data_config.design_factors"
    grid = math.prod(config.shape)
    if grid > MAX_GRID:
        return [Issue(field, f"{grid:,} combinations are too many; the limit is {MAX_GRID:,} before exclusions.")]
    if config.n_variants > MAX_VARIANTS:
        return [Issue(field, f"{config.n_variants:,} servable variants are too many; the limit is {MAX_VARIANTS:,}.")]
    if config.n_variants < 2:
        return [Issue("excluded_combinations", "Two variants must remain.")]
    return []


def warnings_of(config: Config) -> list[str]:
    """What is allowed but worth a second thought."""
    if config.n_variants <= MANY_VARIANTS:
        return []
    return [f"{config.n_variants:,} variants need a lot of traffic to tell apart; fewer levels learn sooner."]


def context_cells(config: Config) -> list[tuple[int, ...]]:
    """Every combination of known context levels, in C order."""
    return list(itertools.product(*(range(len(f.levels)) for f in config.context)))
