"""How long learning will take, before there is anything to learn from."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

from bandits.power import holdout_users_needed, rate_effect
from bandits.sequences import sequence_factor

Z95 = NormalDist().inv_cdf(0.975)


@dataclass(frozen=True)
class LearningTime:
    """Whole days, each enough in four of five cases.

    `lift`: until the always-valid interval of the measured lift leaves zero out; None without a holdout.
    `levels`: until two levels of the largest factor are told apart, when all are served evenly. Every visitor tells
    about every factor at once, so this does not grow with the number of factors.
    `variants`: the same for two variants, each tested on its own: what the factors save.
    """

    lift: int | None
    levels: int
    variants: int


def learning_time(
    sizes: Sequence[int],
    *,
    holdout_percentage: int,
    visitors_per_day: float,
    baseline_rate: float,
    lift_percent: float,
) -> LearningTime:
    """For a conversion that happens to `baseline_rate` (0..1) of the visitors and a relative lift worth finding.

    Args:
        sizes: the number of levels of each design factor.
        visitors_per_day: new ones; whoever comes again tells nothing new.
    """
    held = holdout_percentage / 100
    effect = rate_effect(baseline_rate * (1 + lift_percent / 100), baseline_rate)
    per_group = holdout_users_needed(effect, served_per_held=1.0, z=Z95)

    def days(users: float, share: float) -> int:
        return max(math.ceil(users / (visitors_per_day * share)), 1)

    lift = None
    if held:
        z = sequence_factor(1.0, 1.0)  # where the sequence is tightest
        lift = days(holdout_users_needed(effect, served_per_held=(1 - held) / held, z=z), held)
    return LearningTime(
        lift=lift,
        levels=days(per_group * max(sizes), 1 - held),
        variants=days(per_group * math.prod(sizes), 1 - held),
    )
