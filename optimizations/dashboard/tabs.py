"""The tabs of one optimization's page, each with an address of its own."""

from dataclasses import dataclass

from django.urls import reverse

from optimizations.config import Config
from optimizations.models import Optimization
from optimizations.states import Status


@dataclass(frozen=True)
class Tab:
    label: str
    url: str
    current: bool


def tabs_of(optimization: Optimization, config: Config, *, current: str, can_edit: bool) -> list[Tab]:
    """Those that this optimization has and this caller may open."""
    served = optimization.status != Status.ARCHIVED
    tabs = [
        ("overview", "Overview", "optimization", True),
        ("variants", "Variants", "optimization-variants", True),
        ("factors", "Factors", "optimization-factors", True),
        ("contexts", "Contexts", "optimization-contexts", bool(config.context)),
        ("guardrails", "Guardrails", "optimization-guardrails", True),
        ("health", "Data health", "optimization-health", True),
        ("runs", "Training", "optimization-runs", True),
        ("sql", "SQL", "optimization-sql", True),
        ("playground", "Playground", "optimization-playground", served),
        ("integrate", "Integrate", "optimization-integrate", served),
        ("settings", "Settings", "optimization-settings", can_edit),
    ]
    return [
        Tab(label, reverse(f"dashboard:{name}", args=[optimization.pk]), key == current)
        for key, label, name, shown in tabs
        if shown or key == current
    ]
