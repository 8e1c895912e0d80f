"""Whether users were assigned as the policy says: a wrong sample ratio means lost or doubled events."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import erfc, exp, isfinite, log, pi, sqrt

MISMATCH = 0.001  # p-value below which a sample ratio counts as wrong
LEAST = 10.0  # expected users of a cell among many strata, whose small errors of approximation add up


@dataclass(frozen=True, slots=True)
class SampleRatio:
    """Pearson's test of observed against expected counts; `mismatch` when p < 0.001."""

    statistic: float
    freedom: int
    p_value: float | None
    mismatch: bool


def sample_ratio(observed: Sequence[float], expected: Sequence[float], *, least: float = 5.0) -> SampleRatio:
    """Whether users were assigned as the policy says.

    Args:
        observed: users per cell (variant within version and context).
        expected: their expected number, e.g. sums of propensities; scaled to the observed total. Cells that expect
            fewer than `least` are pooled; where the pool itself expects fewer, it is left out.

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
    kept = [pair for pair in pairs if pair[1] >= least]
    rest = [pair for pair in pairs if pair[1] < least]
    pool = (sum(seen for seen, _ in rest), sum(plan for _, plan in rest))
    if pool[1] >= least:
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


def strata_ratio(strata: Iterable[tuple[str, Mapping[int, int], Mapping[int, float]]]) -> SampleRatio:
    """Whether users got the variants that each policy gives out: the sum of Pearson's statistics over strata.

    Args:
        strata: (group, users per variant, share per variant), e.g. one per model version and context. Within a stratum
            as in `sample_ratio`; strata too small to be tested alone are added up per group.
    """
    statistic, freedom = 0.0, 0
    groups: dict[str, tuple[Counter[int], Counter[int]]] = {}
    for group, users, shares in strata:
        variants, total = users.keys() | shares.keys(), sum(users.values())
        expected = {v: total * shares.get(v, 0.0) for v in variants}
        found = _pearson(users, expected)
        if found is None:
            seen, planned = groups.setdefault(group, (Counter(), Counter()))
            seen.update(users)
            planned.update(expected)
        else:
            statistic, freedom = statistic + found[0], freedom + found[1]
    for seen, planned in groups.values():
        found = _pearson(seen, planned)
        if found is not None:
            statistic, freedom = statistic + found[0], freedom + found[1]
    if not freedom:
        return SampleRatio(0.0, 0, None, False)
    p = chi_square_tail(statistic, freedom)
    return SampleRatio(statistic, freedom, p, p < MISMATCH)


def _pearson(observed: Mapping[int, float], expected: Mapping[int, float]) -> tuple[float, int] | None:
    """Statistic and degrees of freedom; None where fewer than two cells are large enough."""
    cells = sorted(expected)
    found = sample_ratio([observed.get(c, 0) for c in cells], [expected[c] for c in cells], least=LEAST)
    return (found.statistic, found.freedom) if found.freedom else None


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
