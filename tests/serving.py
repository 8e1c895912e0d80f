"""Optimizations with really fitted posteriors, for tests of what is served."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from django.db import transaction
from django.utils import timezone

from bandits.observations import Observations
from bandits.posterior import Posterior, fit
from levered_site.organizations.models import Organization
from optimizations.config import Config, context_cells, read_config
from optimizations.models import BanditModel, Optimization, PosteriorVersion
from optimizations.services.policy import slot_policy
from optimizations.services.publication import publish
from optimizations.states import ModelStatus, Status
from warehouse.models import Metric

HEADLINES = ["Ship faster", "Save time", "Build better"]
CALLS = ["Start free", "Try it now"]
DEVICES = ["mobile", "desktop"]
NAMES = ["headline", "cta_text"]


def factor(name: str, levels: Sequence[Any], dtype: str = "str") -> dict[str, Any]:
    return {"name": name, "dtype": dtype, "levels": list(levels)}


def make_optimization(
    organization: Organization,
    *,
    design: Sequence[dict[str, Any]] | None = None,
    context: Sequence[dict[str, Any]] | None = None,
    model_type: str = "cmab",
    holdout: int = 10,
    excluded: Sequence[dict[str, Any]] = (),
    name: str = "Landing page",
) -> Optimization:
    """A live, untrained optimization: three headlines by two calls to action, by default."""
    now = timezone.now()
    metric, _ = Metric.objects.get_or_create(
        organization=organization, name="signup", defaults={"sql": "SELECT 1", "column_mapping": {}}
    )
    with transaction.atomic():
        optimization = Optimization.objects.create(
            organization=organization,
            name=name,
            model_type=model_type,
            holdout_percentage=holdout,
            excluded_combinations=list(excluded),
            reward_metric=metric,
            updated_at=now,
            training_data_config={
                "reward": {"name": "signup", "type": "bool"},
                "design_factors": list(design or [factor("headline", HEADLINES), factor("cta_text", CALLS)]),
                "context_factors": list([factor("device", DEVICES)] if context is None else context),
                "attribution": {"type": "last_touch", "conversion_window_hours": 24},
            },
        )
        BanditModel.objects.create(organization=organization, optimization=optimization, updated_at=now)
        publish(optimization)
    return optimization


def config_of(optimization: Optimization) -> Config:
    return read_config(
        optimization.training_data_config, optimization.excluded_combinations, model_type=optimization.model_type
    )


def fitted(config: Config, *, best: int = 0, exposures: int = 400, seed: int = 0) -> Posterior:
    """A posterior after `exposures` per variant and context in which `best` converts four times as often."""
    rng = np.random.default_rng(seed)
    known = context_cells(config)
    cells = np.array(known, np.int64).reshape(len(known), len(config.context))
    n_variants = len(config.allowed)
    variant = np.tile(np.arange(n_variants), len(cells))
    context = np.repeat(cells, n_variants, axis=0)
    rate = np.where(variant == best, 0.2, 0.05)
    n = np.full(len(variant), exposures)
    total = rng.binomial(n, rate).astype(float)
    observed = Observations(
        variant=variant, context=context, period=np.zeros(len(variant)), n=n, total=total, total_squares=total
    )
    return fit(config.bandit_design, observed, reward="bool")


def publish_version(
    optimization: Optimization,
    *,
    posterior: Posterior | None = None,
    blob: bytes | None = None,
    bias: Mapping[str, float] | None = None,
    **fit_options: Any,
) -> PosteriorVersion:
    """Stores the next version as training does, and publishes it. `blob` stores other bytes in its place."""
    config = config_of(optimization)
    posterior = posterior or fitted(config, **fit_options)
    policy = slot_policy(config, posterior, optimization_id=optimization.pk, bias=bias)
    shares = []
    for cell in context_cells(config):
        slots = np.bincount(policy.winners(cell), minlength=len(config.allowed))
        shares.append([list(cell), [[int(v), int(slots[v])] for v in np.flatnonzero(slots)]])
    with transaction.atomic():
        model = (
            BanditModel.objects.select_for_update().exclude(status=ModelStatus.ARCHIVED).get(optimization=optimization)
        )
        model.version += 1
        model.status = ModelStatus.TRAINED
        model.trained_at = model.updated_at = timezone.now()
        model.save()
        version = PosteriorVersion.objects.create(
            model=model,
            version=model.version,
            blob=posterior.to_bytes() if blob is None else blob,
            bias=dict(bias or {}),
            shares=shares,
        )
        publish(optimization)
    return version


def move(optimization: Optimization, status: Status) -> None:
    with transaction.atomic():
        Optimization.objects.filter(pk=optimization.pk).update(status=status)
        publish(optimization)


def delete_model(optimization: Optimization) -> None:
    with transaction.atomic():
        BanditModel.objects.filter(optimization=optimization).update(status=ModelStatus.ARCHIVED)
        publish(optimization)


def serve_url(optimization: Optimization | str) -> str:
    return f"/api/v2/optimizations/{getattr(optimization, 'pk', optimization)}/serve"


BEST_VARIANT = "/api/v2/optimizations/best-variant"
