"""What a measured lift allows to say, safely at every look."""

from typing import Literal

from bandits.lift import MIN_USERS, StratifiedLift

Verdict = Literal["better", "worse", "no_detectable_change", "too_early"]
DETECTABLE_PERCENT = 20.0  # once lifts beyond this are ruled out on both sides, an unproven lift is "no change"


def verdict_of(lift: StratifiedLift, holdout_users: int, model_users: int) -> tuple[Verdict, str]:
    """The verdict and its reason in words, from the always-valid sequence.

    The users are those of the strata that are compared.
    """
    if min(holdout_users, model_users) < MIN_USERS:
        return "too_early", (
            f"A verdict needs at least {MIN_USERS} users in each arm whose conversion window has closed; "
            f"there are {holdout_users:,} held out and {model_users:,} optimized."
        )
    if lift.sequence is None or lift.lift_percent is None:
        return "too_early", f"No interval can be computed: {lift.reason}."
    low, high = lift.sequence
    between = f"the interval that holds at every look runs from {low:+.1f} % to {high:+.1f} %"
    if low > 0:
        return "better", f"The optimized experience is better: {between}, all of it above zero."
    if high < 0:
        return "worse", f"The optimized experience is worse: {between}, all of it below zero."
    if low > -DETECTABLE_PERCENT and high < DETECTABLE_PERCENT:
        return "no_detectable_change", (
            f"No change can be told from chance: {between}, which includes zero and rules out a change of "
            f"{DETECTABLE_PERCENT:.0f} % or more."
        )
    return "too_early", f"It is too early to tell: {between}, which includes zero and large changes alike."
