import numpy as np
import pytest

from bandits.maturity import MIN_CONVERSIONS, DelayCurve


def test_everything_counts_in_full_until_there_is_a_history():
    curve = DelayCurve.of([MIN_CONVERSIONS - 1, 0, 0])
    assert curve.matured([0.0, 0.5, 100.0]).tolist() == [1, 1, 1]


def test_the_curve_is_the_distribution_of_the_delay():
    curve = DelayCurve.of([50, 30, 20])
    assert np.allclose(curve.matured([0, 1, 2, 3, 99]), [0, 0.5, 0.8, 1, 1])
    assert curve.matured(0.5) == pytest.approx(0.25)


def test_counting_in_part_leaves_the_rate_unbiased(rng):
    """Users arrive evenly over two days and convert after an exponential delay."""
    delays = rng.exponential(8.0, 200_000)
    curve = DelayCurve.of(np.bincount(np.minimum(delays, 71).astype(int)))
    age = rng.uniform(0, 48, 400_000)
    converts = rng.random(400_000) < 0.1
    seen = converts & (rng.exponential(8.0, 400_000) < age)
    assert seen.sum() / curve.matured(age).sum() == pytest.approx(0.1, rel=0.02)
    assert seen.mean() < 0.09


@pytest.mark.parametrize("bad", [[-1, 200], [np.nan, 200]])
def test_impossible_counts_are_refused(bad):
    with pytest.raises(ValueError, match="conversions"):
        DelayCurve.of(bad)
