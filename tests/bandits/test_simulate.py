import numpy as np
import pytest

from bandits.environments import ENVIRONMENTS, make
from bandits.simulate import LeveredPolicy, batches, run_all, simulate, summarize, table


@pytest.mark.parametrize("name", sorted(ENVIRONMENTS))
def test_a_world_is_a_function_of_its_name_and_seed(name):
    first, second, other = make(name, 0), make(name, 0), make(name, 1)
    assert np.array_equal(first.mean(100.0), second.mean(100.0))
    assert not np.array_equal(first.mean(100.0), other.mean(100.0))
    assert first.mean(100.0).shape == (first.design.n_context_cells, first.design.n_variants)
    assert np.isclose(first.context_shares.sum(), 1)


@pytest.mark.parametrize("name", ["hill48", "revenue36", "context24"])
def test_rewards_have_the_stated_mean(name, rng):
    world = make(name, 3)
    variant, context = np.full(200_000, 5), np.full(200_000, len(world.eta) - 1)
    reward = world.draw(variant, context, 10.0, rng)
    assert reward.mean() == pytest.approx(world.mean(10.0)[-1, 5], rel=0.06)


def test_an_unknown_world_is_refused_with_the_names_there_are():
    with pytest.raises(KeyError, match="hill48"):
        make("utopia", 0)


def test_the_policy_starts_uniform_and_learns():
    policy = LeveredPolicy([2, 2], [2], "bool", seed=0)
    rng = np.random.default_rng(0)
    contexts = rng.integers(0, 2, 4000)
    assert np.bincount(policy.assign(contexts, rng), minlength=4).min() > 800
    variant, context = np.tile(np.arange(4), 2), np.repeat([0, 1], 4)
    n = np.full(8, 5000.0)
    total = n * np.array([0.05, 0.05, 0.05, 0.1, 0.1, 0.05, 0.05, 0.05])
    policy.fit(variant=variant, context=context, period=np.zeros(8), n=n, total=total, total_squares=total)
    assigned = policy.assign(contexts, rng)
    assert np.mean(assigned[contexts == 0] == 3) > 0.9
    assert np.mean(assigned[contexts == 1] == 0) > 0.9


def test_the_policy_never_serves_excluded_variants():
    policy = LeveredPolicy([2, 2], [], "bool", seed=0, allowed=[True, True, True, False])
    rng = np.random.default_rng(0)
    assert 3 not in policy.assign(np.zeros(1000, int), rng)
    n = np.full(3, 100.0)
    policy.fit(variant=[0, 1, 2], context=np.zeros(3), period=np.zeros(3), n=n, total=n / 10, total_squares=n / 10)
    assert 3 not in policy.assign(np.zeros(1000, int), rng)


def test_a_run_is_reproducible_and_reports_progress():
    world = make("hill48", 0)

    def steps():
        return list(simulate(world, LeveredPolicy(world.factors, [], "bool", 1), seed=2, batch=5_000))

    first, second = steps(), steps()
    assert first == second
    assert len(first) == batches(world, 5_000) == 10
    assert [step.exposures for step in first] == list(range(5_000, 50_001, 5_000))
    run = summarize("hill48", 2, first)
    assert 0 < run.ratio < 1
    assert run.late < run.ratio


def test_delayed_rewards_are_learned_from_later():
    world = make("hill48", 0)
    known = []
    policy = LeveredPolicy(world.factors, [], "bool", 1)
    steps = simulate(world, policy, seed=2, batch=10_000, delay=2, observer=lambda *rows: known.append(len(rows[0])))
    for number, _ in enumerate(steps, start=1):
        assert len(known) == max(number - 2, 0)


def test_rows_of_the_summary_table_average_over_seeds():
    world = make("hill48", 0)
    runs = [
        summarize(
            "hill48", seed, list(simulate(world, LeveredPolicy([4, 4, 3], [], "bool", 0), seed=seed, batch=25_000))
        )
        for seed in (0, 1)
    ]
    (row,) = table(runs)
    assert row["environment"] == "hill48"
    assert row["seeds"] == 2
    assert row["ratio"] == pytest.approx(np.mean([run.ratio for run in runs]))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "reach"), [("hill48", 0.26), ("additive180", 0.30), ("context24", 0.27), ("drift48", 0.31)]
)
def test_regret_stays_within_reach(name, reach):
    """Means over a few seeds scatter by about 0.03: this notices breakage; benchmarks/regret.py measures."""
    rows = table(run_all([name], range(900, 906)))
    assert rows[0]["ratio"] < reach + 0.06


@pytest.mark.slow
def test_without_differences_no_variant_takes_over():
    shares = []
    for seed in range(900, 908):
        world = make("null48", seed)
        policy = LeveredPolicy(world.factors, [], "bool", seed)
        list(simulate(world, policy, seed=seed))
        shares.append(policy.table.shares(()))
    assert np.mean(shares, axis=0).max() < 0.3
