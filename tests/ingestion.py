"""Optimizations and events for the tests of ingestion."""

from typing import Any

from django.utils import timezone

from optimizations.models import Optimization
from tests.conftest import Tenant
from warehouse.models import Metric


def optimization(
    tenant: Tenant, *, levels: tuple[Any, ...] = ("sign_up_now", "try_it"), dtype: str = "str"
) -> Optimization:
    """A live optimization with the factors `cta` and `hero`, without the lifecycle's rules."""
    metric = Metric.objects.create(organization=tenant.organization, name="signup", sql="SELECT 1", column_mapping={})
    return Optimization.objects.create(
        organization=tenant.organization,
        name="Landing page",
        reward_metric=metric,
        updated_at=timezone.now(),
        training_data_config={
            "reward": {"name": "signup", "type": "bool"},
            "design_factors": [
                {"name": "cta", "dtype": dtype, "levels": list(levels)},
                {"name": "hero", "dtype": "str", "levels": ["shield", "rocket"]},
            ],
            "context_factors": [{"name": "device", "dtype": "str", "levels": ["mobile", "desktop"]}],
            "attribution": {"type": "last_touch", "conversion_window_hours": 24},
        },
    )


def exposure(to: Optimization, **fields: Any) -> dict[str, Any]:
    return {
        "anonymous_id": "user_123",
        "optimization_id": str(to.pk),
        "variant": {"cta": "sign_up_now", "hero": "shield"},
    } | fields


def reward(**fields: Any) -> dict[str, Any]:
    return {"anonymous_id": "user_123", "name": "signup_completed"} | fields
