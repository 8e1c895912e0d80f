"""The sample ratio of the variants: what users were shown, against what the model of the moment served."""

import datetime as dt
from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pytest
from django.utils import timezone

from optimizations.models import Optimization, PosteriorVersion
from optimizations.services import assignment
from optimizations.services.lifecycle import active_model
from optimizations.services.observations import config_of
from optimizations.services.results import results
from optimizations.services.serving import explain, find_served
from optimizations.services.snapshots import store
from optimizations.services.training import train
from tests.conftest import Tenant
from tests.factories import CONTROL, add_arms, make_optimization
from warehouse.models import Exposure

pytestmark = pytest.mark.django_db


def serve(
    optimization: Optimization,
    users: int,
    *,
    prefix: str,
    lose_leader: bool = False,
    instead: Mapping[bool, Mapping[str, str]] = MappingProxyType({}),
) -> int:
    """Exposures as the policy of this moment gives them out; returns the variant that most users are served.

    Args:
        lose_leader: every other exposure of that variant is lost.
        instead: what is shown and reported for (held out or not), whatever was served.
    """
    store.refresh()
    snapshot, config, at = find_served(str(optimization.pk)), config_of(optimization), timezone.now()
    people = [(f"{prefix}-{i}", {"device": "mobile" if i % 3 else "desktop"}) for i in range(users)]
    served = [explain(snapshot, anonymous_id=person, context=context) for person, context in people]
    leader = Counter(found.variant for found in served if not found.held_out).most_common(1)[0][0]
    events = [
        (person, context, instead.get(found.held_out, config.props(found.variant)))
        for i, ((person, context), found) in enumerate(zip(people, served, strict=True))
        if not (lose_leader and not found.held_out and found.variant == leader and i % 2)
    ]
    Exposure.objects.bulk_create(
        Exposure(
            organization=optimization.organization,
            optimization_id=optimization.pk,
            anonymous_id=person,
            variant=variant,
            context=context,
            timestamp=at,
        )
        for person, context, variant in events
    )
    return leader


def trained(optimization: Optimization) -> dict[str, Any]:
    model = active_model(optimization)
    assert model is not None
    train(model, trigger="command")
    found: dict[str, Any] = results(optimization)["sample_ratio"]["variants"]
    return found


def with_versions(tenant: Tenant, **changes: Any) -> Optimization:
    """1,500 users of the cold start and 1,500 of each of two versions; older traffic came before the optimization."""
    optimization = make_optimization(tenant.organization, **changes)
    old = timezone.now() - dt.timedelta(days=3)
    add_arms(optimization, 400, held_rate=0.1, served_rate=0.2, at=old, prefix="old")
    for name in ("cold", "one", "two"):
        serve(optimization, 1500, prefix=name)
        if name != "two":
            trained(optimization)
    return optimization


def test_healthy_traffic_over_versions_raises_no_alarm(acme: Tenant) -> None:
    optimization = with_versions(acme)
    serve(optimization, 1500, prefix="cold")  # the same people again: they count where they were first seen
    found = trained(optimization)
    assert found["p_value"] > 0.001, found
    assert found["mismatch"] is False
    assert found["reason"] is None
    assert found["users"] + found["held_out_users"] == 4500
    assert found["held_out_elsewhere"] == 0
    assert found["unlogged_users"] == 0
    assert found["versions"] == 3
    assert PosteriorVersion.objects.count() == 3


def test_a_lost_variant_is_noticed_and_named(acme: Tenant) -> None:
    optimization = with_versions(acme)
    leader = serve(optimization, 3000, prefix="three", lose_leader=True)
    found = trained(optimization)
    assert found["mismatch"] is True
    assert found["p_value"] < 0.001
    worst = found["largest"][0]
    assert worst["variant_number"] == leader + 1
    assert worst["users"] < worst["expected_users"]
    assert set(worst["context"]) == {"device"}


def test_a_held_out_user_who_sees_a_variant_is_counted(acme: Tenant) -> None:
    optimization = make_optimization(acme.organization, holdout_percentage=20)
    serve(optimization, 500, prefix="a", instead={True: {"headline": "Save time", "cta_text": "Start free"}})
    found = trained(optimization)
    assert found["held_out_elsewhere"] == found["held_out_users"] > 50


def test_everybody_on_the_baseline_is_no_bandit(acme: Tenant) -> None:
    optimization = make_optimization(acme.organization)
    serve(optimization, 500, prefix="a", instead=dict.fromkeys((True, False), CONTROL))
    assert trained(optimization)["mismatch"] is True


def test_contexts_that_the_log_lacks_are_counted_apart(acme: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    optimization = with_versions(acme)
    for posterior in PosteriorVersion.objects.all():
        posterior.shares = posterior.shares[:1]
        posterior.save()
    found = trained(optimization)
    assert found["unlogged_users"] > 0
    monkeypatch.setattr(assignment, "LATEST", 2)
    assert trained(optimization)["versions"] == 1  # the others are older


def test_a_training_does_not_fail_over_the_check(acme: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    from levered_site.errors import Unavailable

    def away(*_: Any, **__: Any) -> Any:
        raise Unavailable("The warehouse is away.")

    monkeypatch.setattr(assignment, "read_shown", away)
    optimization = make_optimization(acme.organization)
    serve(optimization, 100, prefix="a")
    found = trained(optimization)
    assert found["p_value"] is None
    assert "away" in found["reason"]
