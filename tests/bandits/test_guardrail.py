"""One-sided non-inferiority at every look."""

import numpy as np
import pytest

from bandits.guardrail import harm_p_value, judge
from bandits.lift import ArmStatistics, stratified_lift


def lift_of(holdout, model):
    return stratified_lift([(ArmStatistics(*holdout), ArmStatistics(*model))], reward="bool")


@pytest.mark.parametrize(
    ("model", "direction", "margin", "status"),
    [
        (4000, "increase", 5, "violated"),
        (4000, "increase", 30, "ok"),
        (4000, "increase", 20, "pending"),
        (5000, "increase", 5, "pending"),
        (5000, "increase", 10, "ok"),
        (6000, "decrease", 5, "violated"),
        (6000, "increase", 0, "ok"),
        (4000, "decrease", 0, "ok"),
        (0, "increase", 5, "pending"),
        (10, "increase", 100, "ok"),
    ],
)
def test_the_sequence_and_the_p_value_agree(model, direction, margin, status):
    lift = lift_of((50_000, 5_000, 5_000), (50_000, model, model))
    assert judge(lift, direction=direction, margin_percent=margin) == status
    p = harm_p_value(lift, direction=direction, margin_percent=margin)
    assert (p is not None and p <= 0.025) is (status == "violated")


@pytest.mark.slow
def test_a_metric_at_its_margin_is_rarely_called_violated():
    """The true change is exactly the margin: of 600 experiments looked at on 28 days at most 5 % raise an alarm."""
    rng = np.random.default_rng(9)
    alarms = 0
    for _ in range(600):
        held, served = rng.binomial(200, 0.2, 28), rng.binomial(1800, 0.19, 28)
        days = [
            (ArmStatistics(200, int(b), int(b)), ArmStatistics(1800, int(a), int(a)))
            for b, a in zip(held, served, strict=True)
        ]
        looks = (stratified_lift(days[:d], reward="bool") for d in range(1, 29))
        alarms += any(judge(look, direction="increase", margin_percent=5.0) == "violated" for look in looks)
    assert alarms / 600 <= 0.05
