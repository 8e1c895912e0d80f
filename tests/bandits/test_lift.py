"""Golden values computed by hand and with scipy; see also the oracles in test_oracles.py."""

import numpy as np
import pytest

from bandits.lift import (
    ArmStatistics,
    measured_lift,
    stratified_lift,
)
from bandits.sample_ratio import chi_square_tail, sample_ratio, split_ratio
from bandits.sequences import always_valid_p, sequence_factor


def arm(users, successes):
    return ArmStatistics(users, successes, successes)


def numeric_of(values):
    return ArmStatistics(len(values), float(np.sum(values)), float(np.sum(values**2)))


def numeric_arm(users, mean, sd):
    return ArmStatistics(users, users * mean, sd**2 * (users - 1) + users * mean**2)


@pytest.mark.parametrize(
    ("holdout", "model", "reward", "lift", "error", "interval", "p"),
    [
        (arm(10000, 1000), arm(90000, 9450), "bool", 5.0, 3.31160, (-1.49073, 11.49073), 0.131083),
        (arm(1000, 100), arm(9000, 1080), "bool", 20.0, 11.88837, (-3.301205, 43.301205), 0.092507),
        (arm(1000, 679), arm(9000, 6200), "bool", 1.456390, 2.320078, (-3.090962, 6.003743), 0.530179),
        (
            numeric_arm(500, 4.0, 9.0),
            numeric_arm(4500, 4.6, 9.5),
            "numeric",
            15.0,
            12.101151,
            (-8.718255, 38.718255),
            0.215141,
        ),
    ],
)
def test_the_published_estimate(holdout, model, reward, lift, error, interval, p):
    result = measured_lift(holdout, model, reward=reward)
    assert result.lift_percent == pytest.approx(lift, abs=5e-7)
    assert result.standard_error == pytest.approx(error, abs=5e-6)
    assert result.lift_ci == pytest.approx(interval, abs=5e-6)
    assert result.p_value == pytest.approx(p, abs=5e-7)
    assert result.reason is None


def test_the_log_ratio_of_a_single_stratum():
    result = stratified_lift([(arm(10000, 1000), arm(90000, 9450))], reward="bool")
    assert result.lift_ci == pytest.approx((-1.2941, 11.6954), abs=5.1e-5)
    assert result.p_value == pytest.approx(0.121868, abs=5e-7)
    low, high = result.sequence
    assert low < result.lift_ci[0] < result.lift_ci[1] < high


def test_small_arms_have_a_lift_without_an_interval():
    result = measured_lift(arm(99, 10), arm(900, 100), reward="bool")
    assert result.lift_percent is not None
    assert result.lift_ci is None
    assert result.p_value is None
    assert "100" in result.reason


@pytest.mark.parametrize(
    ("holdout", "model"), [(arm(0, 0), arm(10, 1)), (arm(10, 1), arm(0, 0)), (arm(500, 0), arm(500, 5))]
)
def test_no_users_or_no_conversions_give_no_lift(holdout, model):
    result = measured_lift(holdout, model, reward="bool")
    assert result.lift_percent is None
    assert result.lift_ci is None
    assert result.reason


def test_a_negative_baseline_keeps_the_direction():
    worse, better = numeric_arm(500, -4.0, 1.0), numeric_arm(500, -3.0, 1.0)
    assert measured_lift(worse, better, reward="numeric").lift_percent == pytest.approx(25.0)


def test_stratifying_removes_drift_that_pooling_takes_for_an_effect():
    strata = [(arm(5000, 250), arm(5000, 250)), (arm(1000, 150), arm(9000, 1350))]
    pooled = measured_lift(arm(6000, 400), arm(14000, 1600), reward="bool")
    stratified = stratified_lift(strata, reward="bool")
    assert pooled.lift_percent > 50
    assert stratified.lift_percent == pytest.approx(0.0, abs=1e-9)
    means = [
        (numeric_arm(5000, 1.0, 1.0), numeric_arm(5000, 1.0, 1.0)),
        (numeric_arm(100, 3.0, 1), numeric_arm(900, 3.0, 1)),
    ]
    assert stratified_lift(means, reward="numeric").lift_percent == pytest.approx(0.0, abs=1e-9)


def test_empty_strata_are_left_out():
    strata = [(arm(1000, 50), arm(9000, 500)), (arm(0, 0), arm(500, 100))]
    assert stratified_lift(strata, reward="bool") == stratified_lift(strata[:1], reward="bool")
    assert stratified_lift(strata[1:], reward="bool").reason


def test_a_numeric_baseline_around_zero_has_no_relative_lift():
    result = stratified_lift([(numeric_arm(500, 0.01, 5.0), numeric_arm(500, 1.0, 5.0))], reward="numeric")
    assert result.lift_percent is None
    assert "zero" in result.reason


@pytest.mark.slow
def test_the_sequence_covers_at_every_look(rng):
    missed = 0
    for _ in range(400):
        running = np.cumsum(rng.normal(size=2000))
        looks = np.arange(50, 2001, 10)
        z = np.abs(running[looks - 1]) / np.sqrt(looks)
        missed += any(value > sequence_factor(int(t), 2000) for t, value in zip(looks, z, strict=True))
    assert missed / 400 < 0.05


def test_the_sequence_is_tightest_near_the_plan():
    widths = {t: sequence_factor(t, 10000) / np.sqrt(t) for t in (100, 1000, 10000)}
    assert sequence_factor(10000, 10000) < sequence_factor(10000, 1000)
    assert sequence_factor(10000, 10000) < sequence_factor(10000, 1000000)
    assert widths[100] > widths[1000] > widths[10000]


def test_the_always_valid_p_value_agrees_with_the_sequence():
    for information in (1.0, 44.0, 100.0, 5000.0):
        edge = sequence_factor(information, 100.0)
        assert always_valid_p(edge, information, 100.0) == pytest.approx(0.05)
        assert always_valid_p(0.9 * edge, information, 100.0) > 0.05 > always_valid_p(1.1 * edge, information, 100.0)
    assert always_valid_p(0.0, 44.0, 100.0) == 1.0
    assert always_valid_p(40.0, 44.0, 100.0) >= 0.0


def test_numeric_strata_of_a_single_user_borrow_the_variance_of_the_others(rng):
    values = rng.normal(10, 3, (140, 3))
    days = [(numeric_of(v[:1]), numeric_of(v[1:])) for v in values[:70]]
    days += [(numeric_of(v[:2]), numeric_of(v[2:])) for v in values[70:]]
    low, high = stratified_lift(days, reward="numeric").lift_ci
    assert -20 < low < 0 < high < 20
    assert "100 users" in stratified_lift(days[:20] + days[-20:], reward="numeric").reason
    assert stratified_lift([(numeric_of(v[:1]), numeric_of(v[1:2])) for v in values], reward="numeric").reason


def test_sample_ratio_golden_values():
    assert sample_ratio([90400, 9600], [90, 10]).p_value == pytest.approx(2.4827e-05, rel=1e-4)
    assert sample_ratio([90400, 9600], [90, 10]).mismatch
    result = sample_ratio([5050, 4950], [1, 1])
    assert result.p_value == pytest.approx(0.317311, abs=5e-7)
    assert not result.mismatch


def test_splits_add_up():
    one, two = split_ratio([(9600, 90400, 0.1)]), split_ratio([(5050, 4950, 0.5)])
    assert one.p_value == pytest.approx(2.4827e-05, rel=1e-4)
    assert two.p_value == pytest.approx(0.317311, abs=5e-7)
    both = split_ratio([(9600, 90400, 0.1), (5050, 4950, 0.5), (3, 1, 0.1), (7, 0, 1.0)])
    assert (both.statistic, both.freedom) == (pytest.approx(one.statistic + two.statistic), 2)
    assert split_ratio([(0, 0, 0.1)]).p_value is None


def test_the_golden_log_ratio():
    result = stratified_lift([(arm(10000, 1000), arm(90000, 9450))], reward="bool")
    low, high = (1 + bound / 100 for bound in result.lift_ci)
    assert (low, high) == pytest.approx((0.987059, 1.116954), abs=5e-7)
    assert result.p_value == pytest.approx(0.121868, abs=5e-7)


def test_rare_cells_are_pooled_or_left_out():
    assert sample_ratio([100, 100, 1], [100, 100, 1]).freedom == 1
    assert sample_ratio([100, 100, 4, 4], [100, 100, 4, 4]).freedom == 2
    assert sample_ratio([], []).p_value is None
    with pytest.raises(ValueError, match="lengths"):
        sample_ratio([1], [1, 2])


def test_the_chi_square_tail_matches_scipy():
    from scipy.stats import chi2

    for freedom in (1, 2, 3, 10, 37):
        for statistic in (0.1, 1.0, 9.0, 60.0):
            assert chi_square_tail(statistic, freedom) == pytest.approx(chi2.sf(statistic, freedom), rel=1e-9)


@pytest.mark.parametrize("bad", [(-1, 0, 0), (1, float("nan"), 0), (1, 0, -1)])
def test_impossible_arms_are_refused(bad):
    with pytest.raises(ValueError, match=r"users|total"):
        ArmStatistics(*bad)


def test_any_arms_give_finite_numbers_or_a_reason(rng):
    """Values as small as a float can be are acknowledged, so squares of rates and of ratios may be 0 or overflow."""
    magnitudes = [5e-324, 1e-300, 1e-170, 1e-100, 1e-60, 1e-9, 1.0, 1e15]

    def arm(magnitude):
        users, mean, deviation = (
            int(rng.choice([0, 1, 2, 99, 1000, 10**9])),
            rng.normal(),
            rng.choice([0.0, 1e-3, 10.0]),
        )
        total = magnitude * (users * mean + np.sqrt(users) * deviation * rng.normal())
        return ArmStatistics(users, float(total), float(users * magnitude**2 * (mean**2 + deviation**2)))

    for _ in range(3000):
        held, served = rng.choice(magnitudes, 2)
        strata = [(arm(held), arm(served)) for _ in range(rng.integers(1, 4))]
        for lift in (measured_lift(*strata[0], reward="numeric"), stratified_lift(strata, reward="numeric")):
            numbers = [lift.lift_percent, lift.p_value, *(lift.lift_ci or ())]
            assert lift.reason or None not in numbers
            assert all(np.isfinite(number) for number in numbers if number is not None)
