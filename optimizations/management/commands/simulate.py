"""`manage.py simulate`: the served policy on seeded worlds, with its regret."""

from math import isnan
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from bandits.environments import ENVIRONMENTS, make
from bandits.simulate import batches, run_all, table


class Command(BaseCommand):
    help = "Runs the served policy on seeded worlds: regret relative to serving every variant alike (0 is perfect)."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("environments", nargs="*", help=f"Default: hill48. There are {', '.join(ENVIRONMENTS)}.")
        parser.add_argument("--seeds", type=int, default=3, help="How many runs of each. Default: 3.")
        parser.add_argument("--first-seed", type=int, default=1)

    def handle(self, *args: Any, **options: Any) -> None:
        names = options["environments"] or ["hill48"]
        if unknown := [name for name in names if name not in ENVIRONMENTS]:
            raise CommandError(f"No environment {', '.join(unknown)}; there are {', '.join(ENVIRONMENTS)}.")
        if options["seeds"] < 1:
            raise CommandError("--seeds must be at least 1.")
        seeds = range(options["first_seed"], options["first_seed"] + options["seeds"])
        total = sum(batches(make(name, seeds[0])) for name in names) * len(seeds)
        with tqdm(total=total, unit=" batches", disable=None) as bar:
            runs = list(run_all(names, seeds, progress=lambda _: bar.update()))
        row = "{:<14}{:>6}{:>12}{:>12}{:>8}{:>14}{:>12}"
        self.stdout.write(row.format("environment", "runs", "regret", "± s.e.", "late", "best served", "top share"))
        for found in table(runs):
            self.stdout.write(
                row.format(
                    found["environment"],
                    f"{found['seeds']:.0f}",
                    _decimals(found["ratio"]),
                    _decimals(found["standard_error"]),
                    _decimals(found["late"]),
                    f"{100 * float(found['best_share']):.0f} %",
                    f"{100 * float(found['top_share']):.0f} %",
                )
            )


def _decimals(value: float | str) -> str:
    """One run has no error, and a world without differences no regret."""
    return "–" if isnan(float(value)) else f"{float(value):.3f}"
