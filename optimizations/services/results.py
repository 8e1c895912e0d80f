"""The numbers of one optimization. API, dashboard, MCP and admin all show what these functions return."""

import datetime as dt
from typing import Any

import numpy as np

from optimizations.config import Config
from optimizations.models import Optimization, Readout
from optimizations.services.conclusions import arm_total, lift_of_arms
from optimizations.services.lifecycle import active_model
from optimizations.services.observations import Table, config_of
from warehouse.services.observations import ArmDay


def results(optimization: Optimization, *, start: dt.date | None = None, end: dt.date | None = None) -> dict[str, Any]:
    """Observed and modeled results as of the latest training; nulls and empty lists before the first.

    Args:
        start, end: restrict the observed numbers (not the model's) to these UTC days, both included.
    """
    config = config_of(optimization)
    model = active_model(optimization)
    read = Readout.objects.filter(model=model).first() if model else None
    conclusions: dict[str, Any] = read.conclusions if read else {}
    table = (Table.from_bytes(bytes(read.table)) if read else _empty(config)).within(start, end)
    return {
        "model_version": read.version if read else None,
        "computed_at": read.computed_at if read else None,
        "primary_metric_vs_holdout": _versus_holdout(optimization, config, _arms(read, start, end)),
        "stats": _stats(conclusions),
        "variants": _variants(config, table, conclusions),
        "factor_importance": conclusions.get("factor_importance", []),
        "interaction_importance": conclusions.get("interaction_importance"),
        "context_importance": conclusions.get("context_importance", []),
        "time_series": _time_series(config, table),
    }


def lift_by_day(optimization: Optimization) -> list[dict[str, Any]]:
    """The measured lift as it stood at the end of each day: date, lift_percent, lift_ci."""
    config = config_of(optimization)
    model = active_model(optimization)
    arms = _arms(Readout.objects.filter(model=model).first() if model else None, None, None)
    points = []
    for day in sorted({a.day for a in arms}):
        lift = lift_of_arms([a for a in arms if a.day <= day], reward_type=config.reward_type)
        points.append({"date": day, "lift_percent": lift.lift_percent, "lift_ci": lift.lift_ci})
    return points


def learned(optimization: Optimization) -> dict[str, Any]:
    """What the latest training says about factors and segments; empty lists before the first.

    Rewards are on the reward scale, lifts in percent. `levels` and `interactions` also hold effects on the link scale:
    log-odds of a `bool` reward, the reward itself of a `numeric` one. In a segment's `context`, None stands for a level
    that is unknown or was not sent.
    """
    config = config_of(optimization)
    model = active_model(optimization)
    read = Readout.objects.filter(model=model).only("version", "computed_at", "conclusions").first() if model else None
    conclusions: dict[str, Any] = read.conclusions if read else {}
    best, means = conclusions.get("best"), conclusions.get("mean")
    return {
        "model_version": read.version if read else None,
        "computed_at": read.computed_at if read else None,
        "factor_importance": conclusions.get("factor_importance", []),
        "interaction_importance": conclusions.get("interaction_importance"),
        "context_importance": conclusions.get("context_importance", []),
        "levels": conclusions.get("levels", []),
        "interactions": conclusions.get("interactions", []),
        "best": _named(config, best),
        "best_reward": means[best] if means else None,
        "contexts": [_segment(config, cell) for cell in conclusions.get("contexts", [])] if config.context else [],
        "personalization": conclusions.get("personalization"),
        "context_coverage": conclusions.get("context_coverage"),
    }


def _named(config: Config, variant: int | None) -> dict[str, Any] | None:
    if variant is None:
        return None
    return {"number": variant + 1, "variant_key": config.key(variant), "variant": config.props(variant)}


def _segment(config: Config, cell: dict[str, Any]) -> dict[str, Any]:
    codes = zip(config.context, cell["context"], strict=True)
    context = {factor.name: factor.levels[code] if code >= 0 else None for factor, code in codes}
    return cell | {"context": context, "best": _named(config, cell["best"])}


def _arms(read: Readout | None, start: dt.date | None, end: dt.date | None) -> list[ArmDay]:
    arms = [ArmDay(dt.date.fromisoformat(day), *rest) for day, *rest in (read.arms if read else [])]
    return [a for a in arms if (start is None or a.day >= start) and (end is None or a.day <= end)]


def _versus_holdout(optimization: Optimization, config: Config, arms: list[ArmDay]) -> dict[str, Any]:
    lift = lift_of_arms(arms, reward_type=config.reward_type)
    return {
        "metric_name": optimization.reward_metric.name,
        "holdout_rate": lift.holdout_rate,
        "holdout_users": arm_total(arms, holdout=True).users,
        "optimization_rate": lift.model_rate,
        "optimization_users": arm_total(arms, holdout=False).users,
        "lift_percent": lift.lift_percent,
        "lift_ci": list(lift.lift_ci) if lift.lift_ci else None,
        "p_value": lift.p_value,
        "reason": lift.reason,
    }


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
    keys = {int(v): config.key(int(v)) for v in np.unique(table.variant)}
    return [
        {
            "date": dt.date.fromordinal(first + d),
            "variants": {
                keys[int(v)]: {"exposures": int(exposures[d, v]), "conversions": float(conversions[d, v])}
                for v in np.flatnonzero(exposures[d])
            },
        }
        for d in range(days)
    ]


def _empty(config: Config) -> Table:
    none = np.zeros(0)
    codes = none.astype(np.int32)
    return Table(codes, codes.reshape(0, len(config.context)), codes, none, none, none)
