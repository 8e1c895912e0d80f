"""The alarms of the sample ratio: rarely false, and loud when events are lost."""

import numpy as np
import pytest

from bandits.sample_ratio import split_ratio, strata_ratio

USERS = 50_000


def test_the_holdout_alarm_is_rarely_false_and_sees_a_loss_of_two_points(rng):
    """20,000 healthy worlds, and 2,000 in which the holdout's share arrives as 8 % instead of 10 %."""
    healthy = [split_ratio([(held, USERS - held, 0.1)]) for held in rng.binomial(USERS, 0.1, 20_000).tolist()]
    assert np.mean([found.mismatch for found in healthy]) <= 0.002
    lost = [split_ratio([(held, USERS - held, 0.1)]) for held in rng.binomial(USERS, 0.08, 2_000).tolist()]
    assert np.mean([found.mismatch for found in lost]) >= 0.99


def world(rng, users, versions, contexts, variants, *, kept=1.0):
    """What each version gives out per context, and the users seen; of the leader's users a share is kept."""
    strata = []
    for _ in range(versions):
        for context in range(contexts):
            slots = rng.multinomial(4096, rng.dirichlet(np.full(variants, 0.3)))
            seen = rng.multinomial(rng.poisson(users / versions / contexts), slots / 4096)
            leader = int(np.argmax(slots))
            seen[leader] = rng.binomial(seen[leader], kept)
            shares = {int(v): float(slots[v] / 4096) for v in np.flatnonzero(slots)}
            strata.append((str(context), {int(v): int(seen[v]) for v in np.flatnonzero(seen)}, shares))
    return strata


@pytest.mark.slow
@pytest.mark.parametrize(("users", "versions"), [(USERS, 1), (USERS, 12), (5_000, 12)])
def test_the_variants_alarm_is_rarely_false_and_sees_lost_users(rng, users, versions):
    """3,000 healthy worlds each, with 2 contexts and 24 variants; in 100 more a fifth of each leader's users is lost."""
    p = [strata_ratio(world(rng, users, versions, 2, 24)).p_value for _ in range(3_000)]
    assert np.mean([value < 0.001 for value in p]) <= 0.002
    assert np.mean([value < 0.05 for value in p]) <= 0.06
    lost = [strata_ratio(world(rng, USERS, versions, 2, 24, kept=0.8)).mismatch for _ in range(100)]
    assert np.mean(lost) >= 0.99, np.mean(lost)


def test_small_strata_are_added_up_per_group():
    small = ("mobile", {0: 3, 1: 1}, {0: 0.5, 1: 0.5})
    assert strata_ratio([small]).p_value is None
    assert strata_ratio([small] * 5).freedom == 1
    assert strata_ratio([small] * 5 + [("desktop", *small[1:])]).freedom == 1
    large = ("mobile", {0: 60, 1: 40}, {0: 0.5, 1: 0.5})
    assert strata_ratio([large, large]).freedom == 2
    assert strata_ratio([large]).statistic == pytest.approx(4.0)
    assert strata_ratio([]).p_value is None


def test_a_variant_that_was_never_given_out_counts_against_it():
    assert strata_ratio([("", {0: 500, 7: 500}, {0: 0.5, 1: 0.5})]).mismatch
