"""How many users it takes until a lift shows: closed forms, so that a page need not load a statistics package."""

from math import asin, sqrt
from statistics import NormalDist

POWER = 0.8


def holdout_users_needed(effect: float, *, served_per_held: float, z: float, power: float = POWER) -> float:
    """Users of the smaller arm for a two-sided z-test of the difference.

    n0 = ((z + z_power) / effect)^2 (1 + r) / r with r served users per held-out one.

    Args:
        effect: in standard deviations, or `rate_effect`; not zero.
        z: standard errors that the test asks for: 1.96, or the factor of a confidence sequence.
    """
    if effect == 0 or served_per_held <= 0:
        raise ValueError("effect, served_per_held: must not be zero")
    return ((z + NormalDist().inv_cdf(power)) / effect) ** 2 * (1.0 + served_per_held) / served_per_held


def rate_effect(served: float, held: float) -> float:
    """Cohen's h: the difference of two rates on the scale where their variance is the same everywhere."""
    return 2.0 * (asin(sqrt(min(max(served, 0.0), 1.0))) - asin(sqrt(min(max(held, 0.0), 1.0))))
