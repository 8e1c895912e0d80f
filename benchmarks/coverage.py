"""Coverage of the 95 % intervals at the end of a run, against the truth averaged over the run.

    python benchmarks/coverage.py                    # the documented table
    python benchmarks/coverage.py --environments drift48 --seeds 0:40

Adaptive data, served policy, 10 % holdout; read-outs from a second fit with random-walk periods on uncapped rewards.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bandits.environments import make
from bandits.lift import ArmStatistics, stratified_lift
from bandits.observations import Observations
from bandits.posterior import fit
from bandits.readout import readout
from bandits.simulate import batches, simulate, summarize
from benchmarks.regret import RowCapped
from benchmarks.worlds import register

ENVIRONMENTS = (
    "hill48",
    "additive180",
    "indep48",
    "three48",
    "context24",
    "drift48",
    "revenue36",
    "null48",
    "ordered100",
)
COLUMNS = ("means", "best mean", "baseline", "best lift", "policy lift", "served policy", "false winner", "false lift")


class Recorder(RowCapped):
    """The served policy, keeping the uncapped cells of its last training."""

    cells = None

    def fit(self, **cells) -> None:
        self.cells = cells
        super().fit(**cells)


def covers(interval, truth: float) -> float:
    return float(interval.lo <= truth <= interval.hi) if interval else np.nan


def measure(name: str, seed: int) -> dict[str, float]:
    env = make(name, seed)
    player = Recorder(env, seed)
    arms, expected = [], []
    steps = []
    for number, step in enumerate(simulate(env, player, seed=seed, observer=player.observe)):
        steps.append(step)
        mean = env.mean((number + 0.5) * (env.exposures / batches(env)))
        best = env.context_shares @ mean.max(axis=1)
        served = best - step.regret / step.served[0]
        expected.append((served, env.context_shares @ mean[:, 0]))
        arms.append((arm(*step.held_out), arm(*step.served)))
    cells = player.cells
    codes = np.array(env.design.context_cells, int).reshape(len(env.eta), -1)[cells["context"]]
    rows = Observations(cells["variant"], codes, cells["period"], cells["n"], cells["total"], cells["total_squares"])
    posterior = fit(env.design, rows, reward=env.reward, periods="random_walk")
    table = player.policy.table
    result = readout(posterior, shares=table.shares, rng=np.random.default_rng(seed))
    times = (np.arange(batches(env)) + 0.5) * env.exposures / batches(env)
    by_context = np.mean([env.mean(t) for t in times], axis=0)
    truth = env.context_shares @ by_context
    shares = np.stack([table.shares(cell) for cell in env.design.context_cells])
    policy_truth = float(env.context_shares @ np.sum(shares * by_context, axis=1))
    covered = (result.lo <= truth) & (truth <= result.hi)
    best = result.best
    true_lift = truth[best] / truth[0] - 1
    measured = np.nan
    if env.reward == "bool":
        weights = np.array([h.users * m.users / (h.users + m.users) for h, m in arms])
        served, base = (weights @ np.array(column) for column in zip(*expected, strict=True))
        interval = stratified_lift(arms, reward="bool").lift_ci
        measured = float(interval[0] <= 100 * (served / base - 1) <= interval[1]) if interval else np.nan
    better = truth[best] > truth[0] * (1 + 1e-12)
    return {
        "means": float(covered.mean()),
        "best mean": float(covered[best]),
        "baseline": float(covered[0]),
        "best lift": covers(result.best_lift, true_lift) if best else np.nan,
        "policy lift": measured,
        "served policy": covers(result.policy, policy_truth),
        "false winner": float(result.has_winner and not better),
        "false lift": float(bool(result.best_lift and result.best_lift.lo > 0) and not better),
        "ratio": summarize(name, seed, steps).ratio,
    }


def arm(users: int, conversions: float) -> ArmStatistics:
    return ArmStatistics(users, conversions, abs(conversions))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--environments", default=",".join(ENVIRONMENTS))
    parser.add_argument("--seeds", default="0:20", help="first:last, the last not included")
    arguments = parser.parse_args()
    register()
    print(f"{'':14}" + "".join(f"{name:>15}" for name in COLUMNS))
    for name in arguments.environments.split(","):
        rows = [measure(name, seed) for seed in range(*map(int, arguments.seeds.split(":")))]
        values = []
        for column in COLUMNS:
            known = [row[column] for row in rows if not np.isnan(row[column])]
            values.append(f"{np.mean(known):15.3f}" if known else f"{'-':>15}")
        print(f"{name:14}" + "".join(values), flush=True)


if __name__ == "__main__":
    main()
