"""Whether users were shown what was served: first exposures against the slot shares of the model that served them.

The decision log (`PosteriorVersion.shares`) has the exact propensities of every version and context. Held-out users are
left out: their arm is checked against its own share. Each user counts once, by the first exposure, under the version
that was served at that moment; the slot is a hash of the user, so users are independent of each other.
"""

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np
import structlog

from bandits.sample_ratio import strata_ratio
from bandits.thompson import UniformTable
from levered_site.errors import DomainError
from optimizations.config import UNKNOWN, Config
from optimizations.models import Optimization, PosteriorVersion
from optimizations.services.observations import design_code, spec_of
from warehouse.services.data_health import Shown, read_shown
from warehouse.services.sources import source_in_use

log = structlog.get_logger("levered.assignment")

LATEST = 128  # policies that are checked: the statement names the beginning of each
LISTED = 5  # of the cells that deviate most

_Shares = Mapping[int, float]  # of the variants that have any
_Context = tuple[int, ...]


@dataclass(frozen=True)
class ServedPolicy:
    """What was served from `began` on. `shares` per context; None: the same in every context."""

    began: dt.datetime
    version: int
    shares: Mapping[_Context, _Shares]
    everywhere: _Shares | None = None

    def of(self, context: _Context) -> _Shares | None:
        """None where the decision log lacks the context."""
        return self.everywhere if self.everywhere is not None else self.shares.get(context)


def check_assignment(optimization: Optimization, config: Config, *, now: dt.datetime) -> dict[str, Any]:
    """The sample ratio of the variants over the latest policies; nulls have a reason.

    Returns:
        users: compared ones. unlogged_users: in contexts that the decision log lacks. held_out_users, and
        `held_out_elsewhere`: those of them who were shown another variant than the baseline. `largest`: the cells that
        deviate most.
    """
    policies = served_policies(optimization, config)
    spec = spec_of(optimization, config)
    try:
        source = source_in_use(optimization.organization, optimization.assignment_source)
        began = [policy.began for policy in policies]
        rows = read_shown(source, optimization.reward_metric, spec, began=began, now=now)
    except DomainError as error:  # a training does not fail over a check
        log.warning("assignment_unreadable", optimization=str(optimization.pk), error=error.message)
        return _compared(config, policies, []) | {"reason": f"It could not be read: {error.message}"}
    return _compared(config, policies, rows)


def served_policies(optimization: Optimization, config: Config) -> list[ServedPolicy]:
    """The latest policies in the order of time: each model's uniform beginning, and its versions."""
    shares = UniformTable(config.bandit_design).shares(())
    uniform = {int(v): float(shares[v]) for v in np.flatnonzero(shares)}
    found = [ServedPolicy(began, 0, {}, uniform) for began in optimization.models.values_list("created_at", flat=True)]
    versions = PosteriorVersion.objects.filter(model__optimization=optimization).order_by("-created_at")
    for began, version, logged in versions.values_list("created_at", "version", "shares")[:LATEST]:
        found.append(ServedPolicy(began, version, {tuple(codes): _as_shares(slots) for codes, slots in logged}))
    return sorted(found, key=lambda policy: policy.began)[-LATEST:]


def _as_shares(slots: list[list[int]]) -> _Shares:
    total = sum(count for _, count in slots)
    return {variant: count / total for variant, count in slots}


def _compared(config: Config, policies: list[ServedPolicy], rows: list[Shown]) -> dict[str, Any]:
    cells: dict[tuple[int, _Context], Counter[int]] = defaultdict(Counter)
    held = elsewhere = unlogged = 0
    for row in rows:
        variant = design_code(config, row.design)
        if variant == UNKNOWN:
            continue
        if row.holdout:
            held += row.users
            elsewhere += row.users if variant else 0
            continue
        context = tuple(f.decode(raw) for f, raw in zip(config.context, row.context, strict=True))
        if policies[row.policy].of(context) is None:
            unlogged += row.users
        else:
            cells[row.policy, context][variant] += row.users
    strata = [(policies[at], context, users, policies[at].of(context) or {}) for (at, context), users in cells.items()]
    found = strata_ratio((str(context), users, shares) for _, context, users, shares in strata)
    return {
        "p_value": found.p_value,
        "mismatch": found.mismatch,
        "users": sum(users.total() for users in cells.values()),
        "unlogged_users": unlogged,
        "held_out_users": held,
        "held_out_elsewhere": elsewhere,
        "versions": len({at for at, _ in cells}),
        "largest": _largest(config, strata) if found.mismatch else [],
        "reason": None if found.p_value is not None else "Too few users to compare with what was served.",
    }


def _largest(
    config: Config, strata: list[tuple[ServedPolicy, _Context, Counter[int], _Shares]]
) -> list[dict[str, Any]]:
    """Over versions, the (variant, context) cells that are furthest from what was served, in standard errors."""
    seen: Counter[tuple[_Context, int]] = Counter()
    planned: dict[tuple[_Context, int], float] = defaultdict(float)
    for _, context, users, shares in strata:
        for variant in users.keys() | shares.keys():
            seen[context, variant] += users[variant]
            planned[context, variant] += users.total() * shares.get(variant, 0.0)
    ranked = sorted(planned, key=lambda cell: -abs(seen[cell] - planned[cell]) / sqrt(max(planned[cell], 1.0)))
    return [
        {
            "variant_number": variant + 1,
            "variant_key": config.key(variant),
            "context": {
                factor.name: factor.levels[code] if code >= 0 else None
                for factor, code in zip(config.context, context, strict=True)
            },
            "users": seen[context, variant],
            "expected_users": round(planned[context, variant], 1),
        }
        for context, variant in ranked[:LISTED]
    ]
