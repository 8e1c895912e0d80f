"""From database rows to snapshots. Only the poller calls this, never a request while the poller runs."""

from collections.abc import Iterable, Iterator
from uuid import UUID

import numpy as np
import orjson
import structlog
from django.db import DatabaseError, InterfaceError

from bandits.posterior import Posterior
from levered_site.organizations.models import Organization
from optimizations.config import UNKNOWN, Config, read_config
from optimizations.models import BanditModel, Optimization, PosteriorVersion, ServingRevision
from optimizations.services.policy import Policy, policy_of
from optimizations.services.regimes import held_out_now
from optimizations.services.snapshot import Fragments, Learned, Snapshot
from optimizations.states import ModelStatus, Status

log = structlog.get_logger("levered.serving")
SERVABLE = (Status.LIVE, Status.COMPLETED)
_EARLIER_VERSIONS = 3  # how far back to look for a readable posterior when there is no good one in memory


def published_revision() -> int:
    """The number of the latest publication."""
    return ServingRevision.objects.filter(pk=1).values_list("number", flat=True).first() or 0


def publishable_keys() -> dict[str, str]:
    """Public organization id by publishable key."""
    return dict(Organization.objects.values_list("publishable_key", "public_id"))


def revisions() -> dict[UUID, int]:
    """The revision of every servable optimization."""
    return dict(Optimization.objects.filter(status__in=SERVABLE).values_list("pk", "serving_revision"))


def changed_since(revision: int) -> list[UUID]:
    """Every optimization, archived ones too, that was published after `revision`."""
    return list(Optimization.objects.filter(serving_revision__gt=revision).values_list("pk", flat=True))


def load(
    ids: Iterable[UUID], previous: dict[UUID, Snapshot], *, chunk: int = 100
) -> Iterator[tuple[UUID, Snapshot | None]]:
    """Each optimization with its new snapshot; None when it is not served any more.

    What cannot be built is logged and left out: its last good snapshot stays.
    """
    wanted = list(ids)
    for start in range(0, len(wanted), chunk):
        part = wanted[start : start + chunk]
        rows = {o.pk: o for o in Optimization.objects.filter(pk__in=part).select_related("organization")}
        active = BanditModel.objects.filter(optimization__in=part).exclude(status=ModelStatus.ARCHIVED)
        models = {model.optimization_id: model for model in active}
        for pk in part:
            row = rows.get(pk)
            if row is None or row.status not in SERVABLE:
                yield pk, None
                continue
            try:
                yield pk, build(row, models.get(pk), previous.get(pk))
            except (DatabaseError, InterfaceError):
                raise
            except Exception:
                log.exception("snapshot_failed", optimization_id=str(pk), revision=row.serving_revision)


def build(row: Optimization, model: BanditModel | None, previous: Snapshot | None) -> Snapshot:
    """The snapshot of one optimization; takes over from the previous one what has not changed."""
    design = orjson.dumps([row.model_type, row.training_data_config, row.excluded_combinations])
    if previous is not None and previous.design != design:
        previous = None
    config = (
        previous.config
        if previous
        else read_config(row.training_data_config, row.excluded_combinations, model_type=row.model_type)
    )
    learned, policy = _served(row, config, model, previous)
    return Snapshot(
        uuid=row.pk,
        organization_id=row.organization.public_id,
        publishable_key=row.organization.publishable_key,
        status=row.status,
        model_type=row.model_type,
        created_at=row.created_at,
        revision=row.serving_revision,
        holdout_percentage=held_out_now(row),
        design=design,
        config=config,
        learned=learned,
        policy=policy,
        available=model is not None,
        fragments=previous.fragments if previous else Fragments(config),
    )


def _served(
    row: Optimization, config: Config, model: BanditModel | None, previous: Snapshot | None
) -> tuple[Learned | None, Policy]:
    """The published posterior and its policy; when it cannot be read, the last good one; else the cold start."""
    same_status = previous is not None and previous.status == row.status
    last_good = previous.learned if previous and model else None
    if last_good and model and (last_good.model_id != model.pk or last_good.version > model.version):
        last_good = None
    if model and model.version and not (last_good and last_good.version == model.version):
        for stored in _stored_versions(model, limit=1 if last_good else _EARLIER_VERSIONS):
            try:
                learned = read_posterior(stored)
                return learned, _policy(row, config, learned)
            except Exception:
                log.exception("posterior_unreadable", optimization_id=str(row.pk), version=stored.version)
    if previous and same_status and previous.learned is last_good:
        return last_good, previous.policy
    return last_good, _policy(row, config, last_good)


def _policy(row: Optimization, config: Config, learned: Learned | None) -> Policy:
    policy = policy_of(
        config,
        learned.posterior if learned else None,
        optimization_id=row.pk,
        status=row.status,
        bias=learned.bias if learned else None,
    )
    if learned:
        average = (UNKNOWN,) * len(config.context)
        if not np.isfinite(policy.expected_reward(average)).all():
            raise ValueError("the posterior predicts rewards that are not finite")
    return policy


def _stored_versions(model: BanditModel, *, limit: int) -> Iterator[PosteriorVersion]:
    """Newest first, one blob in memory at a time."""
    versions = PosteriorVersion.objects.filter(model=model, version__lte=model.version).order_by("-version")
    for position in range(limit):
        stored = versions[position : position + 1].first()
        if stored is None:
            return
        yield stored


def read_posterior(stored: PosteriorVersion) -> Learned:
    """Raises whatever makes the stored bytes or their decision log unreadable."""
    return Learned(
        model_id=stored.model_id,
        version=stored.version,
        posterior=Posterior.from_bytes(bytes(stored.blob)),
        bias=dict(stored.bias),
        observed=tuple(tuple(int(code) for code in codes) for codes, _ in stored.shares),
    )
