"""Whether users were assigned as the policy says: a wrong sample ratio means lost or doubled events."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import erfc, exp, isfinite, log, pi, sqrt

MISMATCH = 0.001  # p-value below which a sample ratio counts as wrong


@dataclass(frozen=True, slots=True)
class SampleRatio:
    """Pearson's test of observed against expected counts; `mismatch` when p < 0.001."""

    statistic: float
    freedom: int
    p_value: float | None
    mismatch: bool


def sample_ratio(observed: Sequence[float], expected: Sequence[float]) -> SampleRatio:
    """Whether users were assigned as the policy says.

    Args:
        observed: users per cell (variant within version and context).
        expected: their expected number, e.g. sums of propensities; scaled to the observed total. Cells that expect
            fewer than 5 are pooled; where the pool itself expects fewer than 5, it is left out.

    Raises:
        ValueError: lengths differ, or counts are negative or not finite.
    """
    if len(observed) != len(expected):
        raise ValueError("observed, expected: lengths differ")
    if any(not isfinite(x) or x < 0 for x in (*observed, *expected)):
        raise ValueError("observed, expected: must be finite and not negative")
    users, planned = sum(observed), sum(expected)
    if users <= 0 or planned <= 0:
        return SampleRatio(0.0, 0, None, False)
    pairs = [(seen, plan * users / planned) for seen, plan in zip(observed, expected, strict=True)]
    kept = [pair for pair in pairs if pair[1] >= 5]
    rest = [pair for pair in pairs if pair[1] < 5]
    pool = (sum(seen for seen, _ in rest), sum(plan for _, plan in rest))
    if pool[1] >= 5:
        kept.append(pool)
    freedom = len(kept) - 1
    if freedom < 1:
        return SampleRatio(0.0, 0, None, False)
    statistic = sum((seen - plan) ** 2 / plan for seen, plan in kept)
    p = chi_square_tail(statistic, freedom)
    return SampleRatio(statistic, freedom, p, p < MISMATCH)


def split_ratio(splits: Sequence[tuple[int, int, float]]) -> SampleRatio:
    """Whether users were split in two as planned, over several splits: the sum of their Pearson statistics.

    Args:
        splits: (users in the first part, users in the second, planned share of the first). A split that expects fewer
            than 5 users in either part is left out.
    """
    statistic, freedom = 0.0, 0
    for first, second, share in splits:
        users = first + second
        if users * min(share, 1.0 - share) < 5:
            continue
        statistic += (first - users * share) ** 2 / (users * share * (1.0 - share))
        freedom += 1
    if not freedom:
        return SampleRatio(0.0, 0, None, False)
    p = chi_square_tail(statistic, freedom)
    return SampleRatio(statistic, freedom, p, p < MISMATCH)


def chi_square_tail(statistic: float, freedom: int) -> float:
    """P(chi^2 > statistic) for whole degrees of freedom: a finite sum (Abramowitz and Stegun 26.4.4, 26.4.5)."""
    if statistic <= 0:
        return 1.0
    half = statistic / 2.0
    if freedom % 2:
        total, power, log_term = erfc(sqrt(half)), 0.5, -half + 0.5 * log(half) - log(sqrt(pi) / 2.0)
    else:
        total, power, log_term = 0.0, 0.0, -half
    while power <= freedom / 2.0 - 1.0:
        total += exp(log_term)
        power += 1.0
        log_term += log(half) - log(power)
    return min(total, 1.0)
