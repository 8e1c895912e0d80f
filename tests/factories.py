"""What tests need before they can begin: a metric, an optimization, events, a trained model."""

import datetime as dt
from typing import Any

from bandits.assignment import holdout_limit, in_holdout
from levered_site.organizations.models import Organization
from optimizations.models import Optimization
from optimizations.services.lifecycle import create_optimization
from warehouse.models import Exposure, Metric, Reward

CONFIG: dict[str, Any] = {
    "reward": {"name": "signup", "type": "bool"},
    "design_factors": [
        {"name": "headline", "dtype": "str", "levels": ["Ship faster", "Save time", "Build better"]},
        {"name": "cta_text", "dtype": "str", "levels": ["Start free", "Try it now"]},
    ],
    "context_factors": [{"name": "device", "dtype": "str", "levels": ["mobile", "desktop"]}],
    "attribution": {"type": "last_touch", "conversion_window_hours": 24},
}
CONTROL = {"headline": "Ship faster", "cta_text": "Start free"}
BETTER = {"headline": "Save time", "cta_text": "Start free"}
METRIC_SQL = "SELECT anonymous_id, timestamp, value, optimization_id FROM rewards WHERE name = 'signup'"


def make_metric(organization: Organization, *, reward_type: str = "bool", name: str = "Signup") -> Metric:
    mapping = {"anonymous_id": "anonymous_id", "timestamp": "timestamp", "reward_type": reward_type}
    if reward_type == "numeric":
        mapping["value"] = "value"
    return Metric.objects.create(organization=organization, name=name, sql=METRIC_SQL, column_mapping=mapping)


def make_optimization(organization: Organization, **changes: Any) -> Optimization:
    """A live optimization of `CONFIG`; keyword arguments replace those of `create_optimization`."""
    arguments: dict[str, Any] = {"name": "Hero", "training_data_config": CONFIG} | changes
    if "reward_metric_id" not in arguments:
        reward_type = arguments["training_data_config"].get("reward", {}).get("type", "bool")
        arguments["reward_metric_id"] = make_metric(organization, reward_type=reward_type).pk
    return create_optimization(organization, **arguments).optimization


def add_exposures(
    optimization: Optimization, count: int, *, conversions: int, at: dt.datetime, prefix: str, **where: Any
) -> None:
    """`count` users who saw one variant in one context at `at`; the first `conversions` of them signed up."""
    variant = where.get("variant", {"headline": "Ship faster", "cta_text": "Start free"})
    context = where.get("context", {"device": "mobile"})
    people = [f"{prefix}-{i}" for i in range(count)]
    Exposure.objects.bulk_create(
        Exposure(
            organization=optimization.organization,
            optimization_id=optimization.pk,
            anonymous_id=person,
            variant=variant,
            context=context,
            timestamp=at,
        )
        for person in people
    )
    Reward.objects.bulk_create(
        Reward(
            organization=optimization.organization,
            anonymous_id=person,
            name="signup",
            value=where.get("value", 1.0),
            timestamp=at + dt.timedelta(minutes=5),
            optimization_id=None,
        )
        for person in people[:conversions]
    )


def add_arms(
    optimization: Optimization, users: int, *, held_rate: float, served_rate: float, at: dt.datetime, **where: Any
) -> None:
    """Users as the product would have served them: held-out ones see the baseline, the others `BETTER`.

    The first of each arm sign up, in the given shares.
    """
    limit = holdout_limit(optimization.holdout_percentage)
    people = [f"{where.get('prefix', 'user')}-{i}" for i in range(users)]
    for held, rate in ((True, held_rate), (False, served_rate)):
        members = [p for p in people if in_holdout(str(optimization.pk), p, limit) is held]
        variant = CONTROL if held else where.get("variant", BETTER)
        common = {"organization": optimization.organization}
        Exposure.objects.bulk_create(
            Exposure(
                **common,
                optimization_id=optimization.pk,
                anonymous_id=p,
                variant=variant,
                context=where.get("context", {"device": "mobile"}),
                timestamp=at,
            )
            for p in members
        )
        Reward.objects.bulk_create(
            Reward(**common, anonymous_id=p, name=where.get("event", "signup"), timestamp=at + dt.timedelta(minutes=5))
            for p in members[: round(rate * len(members))]
        )
