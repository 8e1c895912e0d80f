"""What training reads: reported numbers as they are, young exposures weighted, strangers left out."""

import datetime as dt

import numpy as np
import pytest
from django.utils import timezone

from optimizations.services.observations import Table, config_of, read_evidence
from tests.conftest import Tenant
from tests.factories import add_exposures, make_optimization

pytestmark = pytest.mark.django_db


def test_young_exposures_count_by_the_share_of_their_chance_that_has_passed(acme: Tenant) -> None:
    optimization = make_optimization(acme.organization)
    now = timezone.now()
    add_exposures(optimization, 400, conversions=200, at=now - dt.timedelta(days=3), prefix="old")
    add_exposures(optimization, 100, conversions=0, at=now - dt.timedelta(minutes=20), prefix="young")
    evidence = read_evidence(optimization, config_of(optimization), now=now)
    assert evidence.table.n.sum() == 500
    # every conversion came within its first hour; on average half of that hour has passed for an age of 0 hours
    assert evidence.learnable.n.sum() == pytest.approx(400 + 100 * 0.5)
    assert evidence.learnable.total.sum() == evidence.table.total.sum() == 200


def test_without_enough_history_everyone_counts_in_full(acme: Tenant) -> None:
    optimization = make_optimization(acme.organization)
    now = timezone.now()
    add_exposures(optimization, 400, conversions=20, at=now - dt.timedelta(days=3), prefix="old")
    add_exposures(optimization, 100, conversions=0, at=now - dt.timedelta(minutes=20), prefix="young")
    evidence = read_evidence(optimization, config_of(optimization), now=now)
    assert evidence.learnable.n.sum() == 500


def test_levels_outside_the_design_are_counted_not_learned(acme: Tenant, globex: Tenant) -> None:
    optimization, theirs = (make_optimization(t.organization) for t in (acme, globex))
    at = timezone.now() - dt.timedelta(days=2)
    add_exposures(optimization, 10, conversions=1, at=at, prefix="ours")
    add_exposures(
        optimization, 7, conversions=1, at=at, prefix="odd", variant={"headline": "Gone", "cta_text": "Start free"}
    )
    add_exposures(optimization, 3, conversions=1, at=at, prefix="elsewhere", context={"device": "fridge"})
    add_exposures(theirs, 50, conversions=50, at=at, prefix="ours")
    evidence = read_evidence(optimization, config_of(optimization), now=timezone.now())
    assert evidence.unknown == 7
    assert evidence.table.n.sum() == 13
    assert sorted(evidence.table.context.ravel()) == [-1, 0]  # an unknown context is the average one
    assert evidence.table.total.sum() == 2


def test_rare_large_rewards_are_capped_for_learning_only(acme: Tenant) -> None:
    config = {
        "reward": {"name": "revenue", "type": "numeric"},
        "design_factors": [{"name": "cta", "levels": ["a", "b"]}],
    }
    optimization = make_optimization(acme.organization, training_data_config=config)
    at = timezone.now() - dt.timedelta(days=2)
    add_exposures(optimization, 997, conversions=997, at=at, prefix="usual", variant={"cta": "a"}, value=10.0)
    add_exposures(optimization, 3, conversions=3, at=at, prefix="whale", variant={"cta": "a"}, value=10_000.0)
    evidence = read_evidence(optimization, config_of(optimization), now=timezone.now())
    assert evidence.reported.total.sum() == evidence.table.total.sum() == pytest.approx(997 * 10 + 3 * 10_000)
    assert evidence.learnable.total.sum() == pytest.approx(1000 * 10)


def test_a_table_survives_its_bytes() -> None:
    made = Table(
        variant=np.array([0, 3], np.int32),
        context=np.array([[0, -1], [1, 2]], np.int32),
        day=np.array([5, 7], np.int32),
        n=np.array([1.0, 2.5]),
        total=np.array([0.1, 2.0]),
        total_squares=np.array([0.01, 4.0]),
    )
    back = Table.from_bytes(made.to_bytes())
    for name in ("variant", "context", "day", "n", "total", "total_squares"):
        np.testing.assert_array_equal(getattr(back, name), getattr(made, name))
    assert back.within(dt.date.fromordinal(6), None).variant.tolist() == [3]
    assert back.within(None, dt.date.fromordinal(5)).variant.tolist() == [0]
