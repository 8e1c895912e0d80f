"""Verdicts that hold at every look; the figures that the product promises, with fixed seeds."""

import numpy as np
import pytest

from bandits.lift import ArmStatistics, measured_lift, stratified_lift
from bandits.sample_ratio import split_ratio
from bandits.verdict import verdict_of

DAYS = 28


def arms(users, conversions):
    return [ArmStatistics(int(n), float(s), float(s)) for n, s in zip(users, conversions, strict=True)]


def total(part):
    return ArmStatistics(sum(a.users for a in part), sum(a.total for a in part), sum(a.total for a in part))


def judged(holdout, model):
    lift = stratified_lift(list(zip(holdout, model, strict=True)), reward="bool")
    return verdict_of(lift, total(holdout).users, total(model).users)


def drawn(rng, users, rates):
    return arms(users, rng.binomial(users, rates))


def looks(holdout, model):
    """Whether the verdict of any day, and the published p-value of any day, called out a change."""
    verdicts = [judged(holdout[:d], model[:d])[0] for d in range(1, len(holdout) + 1)]
    p = [measured_lift(total(holdout[:d]), total(model[:d]), reward="bool").p_value for d in range(1, len(holdout) + 1)]
    return "better" in verdicts or "worse" in verdicts, any(x is not None and x < 0.05 for x in p)


@pytest.mark.parametrize(
    ("holdout", "model", "expected", "words"),
    [
        ((1000, 100), (9000, 2000), "better", "above zero"),
        ((1000, 200), (9000, 1000), "worse", "below zero"),
        ((50000, 5000), (450000, 45000), "no_detectable_change", "20 %"),
        ((1000, 100), (9000, 950), "too_early", "too early"),
        ((99, 50), (9000, 950), "too_early", "99 held out"),
        ((1000, 0), (9000, 950), "too_early", "no conversions"),
        ((0, 0), (0, 0), "too_early", "100 users"),
    ],
)
def test_verdicts(holdout, model, expected, words):
    verdict, reason = judged(arms(*([x] for x in holdout)), arms(*([x] for x in model)))
    assert verdict == expected
    assert words in reason


@pytest.mark.slow
@pytest.mark.parametrize(("per_day", "rate"), [(1000, 0.05), (5000, 0.02), (400, 0.3)])
def test_an_a_a_test_looked_at_every_day_gives_few_false_verdicts(per_day, rate):
    rng = np.random.default_rng(5)
    false = np.array(
        [
            looks(
                drawn(rng, np.full(DAYS, per_day // 10), np.full(DAYS, rate)),
                drawn(rng, np.full(DAYS, per_day * 9 // 10), np.full(DAYS, rate)),
            )
            for _ in range(600)
        ]
    )
    assert false[:, 0].mean() <= 0.05
    assert false[:, 1].mean() > 0.15  # what peeking at the published p-value does


@pytest.mark.slow
def test_a_changed_holdout_with_a_drifting_base_is_no_effect():
    """Fourteen days at 50 %, fourteen at 10 %, while the base rate grows by half; looked at every day."""
    rng = np.random.default_rng(6)
    share = np.repeat([0.5, 0.1], DAYS // 2)
    rates = np.linspace(0.04, 0.06, DAYS)
    robust = pooled = 0
    for _ in range(600):
        held = np.round(700 * share).astype(int)
        holdout, model = drawn(rng, held, rates), drawn(rng, 700 - held, rates)
        robust += looks(holdout, model)[0]
        pooled += measured_lift(total(holdout), total(model), reward="bool").p_value < 0.05
    assert robust / 600 <= 0.06
    assert pooled / 600 > 0.2


@pytest.mark.slow
@pytest.mark.parametrize("days", [1, 5])
def test_a_small_holdout_is_covered(days):
    """100 held-out users at a base rate of 2 %: of the intervals that are given, at least 93 % hold the truth."""
    rng = np.random.default_rng(7)
    given = covered = published = 0
    for _ in range(10_000):
        holdout = drawn(rng, np.full(days, 100 // days), 0.02)
        model = drawn(rng, np.full(days, 900 // days), 0.02)
        interval = stratified_lift(list(zip(holdout, model, strict=True)), reward="bool").lift_ci
        if interval:
            given += 1
            covered += interval[0] <= 0 <= interval[1]
            low, high = measured_lift(total(holdout), total(model), reward="bool").lift_ci
            published += low <= 0 <= high
    assert given > 8000
    assert covered / given >= 0.93
    assert published / given < 0.9


@pytest.mark.slow
def test_the_sample_ratio_alarm():
    rng = np.random.default_rng(8)
    healthy = rng.binomial(50_000, 0.1, 20_000)
    alarms = sum(split_ratio([(int(h), 50_000 - int(h), 0.1)]).mismatch for h in healthy)
    assert alarms / 20_000 <= 0.002
    lossy = rng.binomial(50_000, 0.08, 2_000)  # two of the holdout's ten points are lost
    caught = sum(split_ratio([(int(h), 50_000 - int(h), 0.1)]).mismatch for h in lossy)
    assert caught / 2_000 >= 0.99
