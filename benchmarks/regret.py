"""Regret of the served policy and its peers, paired by environment and seed.

    python benchmarks/regret.py                      # the documented table, without the two libraries
    python benchmarks/regret.py --libraries --seeds 0:3
    python benchmarks/regret.py --environments hill48 --peers "factor bandits" --seeds 0:20 --json out.json

Cumulative regret over that of uniform serving: 0 is an oracle, 1 uniform. 10 % holdout, a retrain per 1,000 exposures.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bandits.capping import cap
from bandits.environments import make
from bandits.simulate import LeveredPolicy, simulate, summarize
from benchmarks.peers import LIBRARIES, PEERS
from benchmarks.worlds import KEPT_ASIDE, register

NAMED = ("hill48", "additive180", "indep48", "indep64", "three48", "context24", "drift48", "revenue36", "shift36")
OURS = "levered"


class RowCapped:
    """The served policy behind the product's extraction: numeric rewards capped by row before training."""

    def __init__(self, env, seed: int) -> None:
        self.env = env
        self.policy = LeveredPolicy(env.factors, env.contexts, env.reward, seed, cap=False)
        self.rows: list[tuple] = []

    def observe(self, variant, context, reward) -> None:
        self.rows.append((variant, context, np.full(len(variant), len(self.rows)), reward))

    def fit(self, **cells) -> None:
        if self.env.reward == "numeric":
            variant, context, period, reward = (np.concatenate(column) for column in zip(*self.rows, strict=True))
            capped = np.minimum(reward, cap(reward))
            key = (period * len(self.env.eta) + context) * self.env.design.n_variants + variant
            _, first, cell = np.unique(key, return_index=True, return_inverse=True)
            cells = {
                "variant": variant[first],
                "context": context[first],
                "period": period[first],
                "n": np.bincount(cell).astype(float),
                "total": np.bincount(cell, capped),
                "total_squares": np.bincount(cell, capped**2),
            }
        self.policy.fit(**cells)

    def assign(self, contexts, rng):
        return self.policy.assign(contexts, rng)


POLICIES = {
    OURS: RowCapped,
    "levered cells": lambda env, seed: LeveredPolicy(env.factors, env.contexts, env.reward, seed),
    **PEERS,
    **LIBRARIES,
}


def run(policy: str, environment: str, seed: int):
    env = make(environment, seed)
    player = POLICIES[policy](env, seed)
    steps = list(simulate(env, player, seed=seed, observer=getattr(player, "observe", None)))
    return summarize(environment, seed, steps)


def geometric_mean(values) -> float:
    return float(np.exp(np.mean(np.log(values))))


def report(results: dict[str, dict[str, list]], environments: list[str]) -> None:
    """The ratios of these environments, and where ours is behind."""
    policies = list(results)
    width = max(len(name) for name in environments) + 2
    print("\n" + " " * width + "  ".join(f"{name:>14.14}" for name in policies))
    table = {}
    for name in environments:
        means = [np.mean([run.ratio for run in results[policy][name]]) for policy in policies]
        errors = [
            np.std([run.ratio for run in results[policy][name]], ddof=1) / np.sqrt(len(results[policy][name]))
            if len(results[policy][name]) > 1
            else np.nan
            for policy in policies
        ]
        table[name] = means
        print(f"{name:{width}}" + "  ".join(f"{m:8.3f} ±{e:.3f}" for m, e in zip(means, errors, strict=True)))
    means = np.array(list(table.values()))
    print(f"{'geometric mean':{width}}" + "  ".join(f"{geometric_mean(column):14.3f}" for column in means.T))
    if OURS in policies:
        ours = policies.index(OURS)
        ratios = [geometric_mean(means[:, ours] / column) for column in means.T]
        print(f"{'ours / theirs':{width}}" + "  ".join(f"{value:14.2f}" for value in ratios))
        others = [i for i, name in enumerate(policies) if not name.startswith("levered")]
        for name, row in table.items():
            if others:
                best = min(others, key=lambda i: row[i])
                if row[ours] > 1.05 * row[best]:
                    print(f"behind on {name}: {row[ours]:.3f} against {row[best]:.3f} ({policies[best]})")


def report_shares(results: dict[str, dict[str, list]], environment: str) -> None:
    """Where nothing differs there is no regret; what is to be seen is whether a policy settles for a variant."""
    for policy, runs in results.items():
        average = np.mean([run.shares for run in runs[environment]], axis=0).max()
        largest = np.mean([run.top_share for run in runs[environment]])
        print(f"{environment}, {policy}: last batch, largest share {largest:.2f} of a run, {average:.2f} over the runs")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--environments", default=",".join([*NAMED, "null48", *KEPT_ASIDE]))
    parser.add_argument("--peers", default=",".join(PEERS))
    parser.add_argument("--libraries", action="store_true", help="mabwiser and vowpalwabbit too (slow)")
    parser.add_argument("--seeds", default="0:10", help="first:last, the last not included")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    register()
    policies = [OURS, *filter(None, arguments.peers.split(",")), *(LIBRARIES if arguments.libraries else ())]
    environments = arguments.environments.split(",")
    seeds = range(*map(int, arguments.seeds.split(":")))
    results: dict[str, dict[str, list]] = {}
    for policy in policies:
        started = time.perf_counter()
        results[policy] = {name: [run(policy, name, seed) for seed in seeds] for name in environments}
        print(f"{policy}: {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)
    differing = [name for name in environments if not name.startswith("null")]
    if differing:
        report(results, differing)
    for name in set(environments).difference(differing):
        report_shares(results, name)
    if arguments.json:
        plain = {p: {e: [r.ratio for r in runs] for e, runs in row.items()} for p, row in results.items()}
        arguments.json.write_text(json.dumps(plain, indent=1))


if __name__ == "__main__":
    main()
