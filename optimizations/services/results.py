"""The numbers of one optimization. API, dashboard, MCP and admin all show what these functions return."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

import numpy as np

from bandits.likelihood import Reward
from optimizations.config import Config
from optimizations.models import HoldoutRegime, Optimization, Readout, TrainingRun
from optimizations.services.insights import named_variant
from optimizations.services.measured import (
    arm_total,
    lift_of_arms,
    pair,
    published_arms,
    robust_lift,
    sample_ratio_of,
)
from optimizations.services.observations import Table, config_of, reward_of
from optimizations.services.regimes import regimes_of
from optimizations.states import ModelStatus
from warehouse.services.observations import ArmDay


def results(optimization: Optimization, *, start: dt.date | None = None, end: dt.date | None = None) -> dict[str, Any]:
    """Observed and modeled results as of the latest training; nulls and empty lists before the first.

    Args:
        start, end: restrict the observed numbers (not the model's) to these UTC days, both included.
    """
    config = config_of(optimization)
    read = latest_readout(optimization)
    conclusions: dict[str, Any] = read.conclusions if read else {}
    table = (Table.from_bytes(bytes(read.table)) if read else _empty(config)).within(start, end)
    arms, regimes = _arms(read, start, end), regimes_of(optimization)
    return {
        "model_version": read.version if read else None,
        "computed_at": read.computed_at if read else None,
        "training_error": _training_error(optimization),
        "primary_metric_vs_holdout": _versus_holdout(
            optimization, reward_of(optimization.reward_metric, config.reward_type), arms
        ),
        "sample_ratio": sample_ratios(arms, regimes, conclusions),
        "holdout_regimes": _regimes(regimes, arms),
        "stats": _stats(conclusions),
        "baseline_check": conclusions.get("baseline_check"),
        "variants": _variants(config, table, conclusions),
        "factor_importance": conclusions.get("factor_importance", []),
        "interaction_importance": conclusions.get("interaction_importance"),
        "context_importance": conclusions.get("context_importance", []),
        "contexts": conclusions.get("insights", {}).get("contexts", []),
        "personalization": conclusions.get("insights", {}).get("personalization"),
        "time_series": _time_series(config, table),
    }


def arms_of(optimization: Optimization, *, start: dt.date | None = None, end: dt.date | None = None) -> list[ArmDay]:
    """Users and their rewards per day, regime and arm, as of the latest training."""
    return _arms(latest_readout(optimization), start, end)


def latest_readout(optimization: Optimization) -> Readout | None:
    """What every number rests on, without the posterior; None before the first training."""
    found = Readout.objects.filter(model__optimization=optimization).exclude(model__status=ModelStatus.ARCHIVED)
    return found.defer("blob").first()


def holdout_history(optimization: Optimization) -> list[dict[str, Any]]:
    """The regimes of the holdout in the order of time, with the users whose windows have closed."""
    return _regimes(regimes_of(optimization), arms_of(optimization))


def sample_ratios(arms: list[ArmDay], regimes: list[HoldoutRegime], conclusions: Mapping[str, Any]) -> dict[str, Any]:
    """Of the holdout over all regimes, and under `variants` that of what was shown; null before a training."""
    return sample_ratio_of(arms, [r.percentage for r in regimes]) | {"variants": conclusions.get("assignment")}


def lift_by_day(optimization: Optimization) -> list[dict[str, Any]]:
    """The robust measured lift as it stood at the end of each day: date, lift_percent, always_valid_ci."""
    reward = reward_of(optimization.reward_metric, config_of(optimization).reward_type)
    arms = arms_of(optimization)
    points = []
    for day in sorted({a.day for a in arms}):
        lift = robust_lift([a for a in arms if a.day <= day], reward=reward)
        points.append({"date": day, "lift_percent": lift["lift_percent"], "always_valid_ci": lift["always_valid_ci"]})
    return points


def read_arms_of(read: Readout) -> list[ArmDay]:
    return [ArmDay(dt.date.fromisoformat(day), *rest) for day, *rest in read.arms]


def learned(optimization: Optimization) -> dict[str, Any]:
    """What the latest training says about factors and segments, see `insights`; empty lists before the first."""
    config = config_of(optimization)
    read = latest_readout(optimization)
    conclusions: dict[str, Any] = read.conclusions if read else {}
    found: dict[str, Any] = conclusions.get("insights", {})
    best, means = conclusions.get("best"), conclusions.get("mean")
    return {
        "model_version": read.version if read else None,
        "computed_at": read.computed_at if read else None,
        "factor_importance": conclusions.get("factor_importance", []),
        "interaction_importance": conclusions.get("interaction_importance"),
        "context_importance": conclusions.get("context_importance", []),
        "levels": found.get("levels", []),
        "interactions": found.get("interactions", []),
        "best_variant": None if best is None else named_variant(config, best),
        "best_reward": means[best] if means else None,
        "contexts": [_in_order(config, row) for row in found.get("contexts", [])] if config.context else [],
        "personalization": found.get("personalization"),
        "context_coverage": found.get("context_coverage"),
    }


def _training_error(optimization: Optimization) -> str | None:
    """Why these numbers are not newer: what the latest training failed of, if it failed."""
    ended = TrainingRun.objects.filter(model__optimization=optimization).exclude(outcome=TrainingRun.Outcome.RUNNING)
    latest = ended.order_by("-started_at").first()
    return latest.error or None if latest else None


def _in_order(config: Config, row: dict[str, Any]) -> dict[str, Any]:
    """A stored context row with its factors in the design's order, which PostgreSQL's jsonb does not keep."""
    return row | {
        "context": {factor.name: row["context"][factor.name] for factor in config.context},
        "best_variant": named_variant(config, row["best_variant"]["number"] - 1),
    }


def _arms(read: Readout | None, start: dt.date | None, end: dt.date | None) -> list[ArmDay]:
    arms = read_arms_of(read) if read else []
    return [a for a in arms if (start is None or a.day >= start) and (end is None or a.day <= end)]


def _versus_holdout(optimization: Optimization, reward: Reward, arms: list[ArmDay]) -> dict[str, Any]:
    """The documented fields are the published estimate, of one regime; `robust` compares within days and regimes."""
    pooled = published_arms(arms)
    lift = lift_of_arms(pooled, reward=reward)
    return {
        "metric_name": optimization.reward_metric.name,
        "holdout_rate": lift.holdout_rate,
        "holdout_users": arm_total(pooled, holdout=True).users,
        "optimization_rate": lift.model_rate,
        "optimization_users": arm_total(pooled, holdout=False).users,
        "lift_percent": lift.lift_percent,
        "lift_ci": pair(lift.lift_ci),
        "p_value": lift.p_value,
        "reason": lift.reason,
        "regime": pooled[0].regime if pooled else None,
        "robust": robust_lift(arms, reward=reward),
    }


def _regimes(regimes: list[HoldoutRegime], arms: list[ArmDay]) -> list[dict[str, Any]]:
    ends = [regime.started_at for regime in regimes[1:]]
    return [
        {
            "regime": position,
            "holdout_percentage": regime.percentage,
            "started_at": regime.started_at,
            "ended_at": end,
            "holdout_users": sum(a.users for a in arms if a.regime == position and a.holdout),
            "optimization_users": sum(a.users for a in arms if a.regime == position and not a.holdout),
        }
        for position, (regime, end) in enumerate(zip(regimes, [*ends, None], strict=True))
    ]


def _stats(conclusions: dict[str, Any]) -> dict[str, Any]:
    def center(key: str) -> float | None:
        return conclusions[key]["mean"] if conclusions.get(key) else None

    def bounds(key: str) -> list[float] | None:
        return [conclusions[key]["ci_lower"], conclusions[key]["ci_upper"]] if conclusions.get(key) else None

    policy, best = center("policy_lift"), center("best_lift")
    return {
        "estimated_improvement_percent": policy,
        "estimated_improvement_interval": bounds("policy_lift"),
        "best_vs_baseline_percent": best,
        "best_vs_baseline_interval": bounds("best_lift"),
        "estimated_progress": min(1.0, max(0.0, policy / best)) if policy is not None and best else None,
        "confidence": conclusions.get("confidence"),
        "reason": conclusions.get("no_lift_reason"),
    }


def _variants(config: Config, table: Table, conclusions: dict[str, Any]) -> list[dict[str, Any]]:
    """Every servable variant, and excluded ones that were seen nevertheless; best expected reward first."""
    size = len(config.allowed)
    exposures = np.bincount(table.variant, table.n, size)
    conversions = np.bincount(table.variant, table.total, size)

    def modeled(key: str, variant: int) -> float | None:
        values = conclusions.get(key)
        return values[variant] if values else None

    rows = [
        {
            "number": v + 1,
            "variant_key": config.key(v),
            "variant": config.props(v),
            "exposures": int(exposures[v]),
            "conversions": float(conversions[v]),
            "rate": float(conversions[v] / exposures[v]) if exposures[v] else None,
            "expected_reward_mean": modeled("mean", v),
            "expected_reward_lo": modeled("lo", v),
            "expected_reward_hi": modeled("hi", v),
            "prob_best": modeled("prob_best", v),
            "weight": modeled("weight", v),
        }
        for v in np.flatnonzero(config.allowed | (exposures > 0)).tolist()
    ]
    return sorted(rows, key=lambda r: -(r["expected_reward_mean"] or 0.0))


def _time_series(config: Config, table: Table) -> list[dict[str, Any]]:
    """Per UTC day, what every variant that was seen did; every day from the first to the last."""
    if not len(table.day):
        return []
    first, last = int(table.day.min()), int(table.day.max())
    days, size = last - first + 1, len(config.allowed)
    cell = (table.day - first) * size + table.variant
    exposures = np.bincount(cell, table.n, days * size).reshape(days, size)
    conversions = np.bincount(cell, table.total, days * size).reshape(days, size)
    keys = {v: config.key(v) for v in np.unique(table.variant).tolist()}

    def of_day(day: int) -> dict[str, dict[str, float]]:
        seen = np.flatnonzero(exposures[day])
        columns = (seen.tolist(), exposures[day, seen].astype(int).tolist(), conversions[day, seen].tolist())
        return {keys[v]: {"exposures": n, "conversions": c} for v, n, c in zip(*columns, strict=True)}

    return [{"date": dt.date.fromordinal(first + day), "variants": of_day(day)} for day in range(days)]


def _empty(config: Config) -> Table:
    none = np.zeros(0)
    codes = none.astype(np.int32)
    return Table(codes, codes.reshape(0, len(config.context)), codes, none, none, none)
