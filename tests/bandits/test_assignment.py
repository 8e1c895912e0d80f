from hashlib import md5

import numpy as np
import pytest

from bandits.assignment import HASHES, holdout_limit, in_holdout, slot_of, unit_hash


def test_the_hash_is_what_sql_computes():
    for optimization, purpose, user in (("opt-1", "slot", "user-1"), ("ö", "holdout", "")):
        text = f"{optimization}:{purpose}:{user}"
        assert unit_hash(optimization, purpose, user) == int(md5(text.encode()).hexdigest()[:8], 16)


@pytest.mark.parametrize("percentage", [0, 0.1, 1, 7.3, 10, 33.333, 50, 99.9, 100])
def test_the_limit_is_the_smallest_that_says_the_same(percentage):
    from fractions import Fraction

    limit = holdout_limit(percentage)
    exact = Fraction(str(percentage)) * HASHES / 100
    assert limit - 1 < exact <= limit


@pytest.mark.parametrize("percentage", [-1, 100.5, float("nan")])
def test_other_percentages_are_refused(percentage):
    with pytest.raises(ValueError, match="holdout"):
        holdout_limit(percentage)


def test_nobody_and_everybody():
    users = [f"user-{i}" for i in range(200)]
    assert not any(in_holdout("opt", user, holdout_limit(0)) for user in users)
    assert all(in_holdout("opt", user, holdout_limit(100)) for user in users)


def test_shares_come_out_and_holdout_and_slot_are_independent():
    users = [f"user-{i}" for i in range(20000)]
    held = np.array([in_holdout("opt", user, holdout_limit(10)) for user in users])
    low = np.array([slot_of("opt", user, 4096) < 2048 for user in users])
    assert abs(held.mean() - 0.1) < 0.01
    assert abs(low.mean() - 0.5) < 0.02
    assert abs(low[held].mean() - low[~held].mean()) < 0.05
