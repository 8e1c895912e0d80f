"""Measured lift: what the holdout and the served users really did, from sufficient statistics per arm."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import erfc, exp, isfinite, log, pi, sqrt

from bandits.likelihood import Reward

Z_PUBLISHED = 1.96  # the published interval says 1.96, rounded
Z95 = 1.959963984540054
MIN_USERS = 100  # per arm, for an interval and a p-value
ALPHA = 0.05
MISMATCH = 0.001  # p-value below which a sample ratio counts as wrong


@dataclass(frozen=True, slots=True)
class ArmStatistics:
    """One arm: users, sum of their values, sum of the squared values.

    Raises:
        ValueError: names the field and the problem.
    """

    users: int
    total: float
    total_squares: float

    def __post_init__(self) -> None:
        for name in ("users", "total", "total_squares"):
            if not isfinite(getattr(self, name)):
                raise ValueError(f"{name}: must be finite")
        if self.users < 0 or self.total_squares < 0:
            raise ValueError("users, total_squares: must not be negative")

    @property
    def mean(self) -> float:
        return self.total / self.users if self.users else 0.0

    def mean_variance(self, reward: Reward) -> float:
        """Squared standard error of the mean: p (1 - p) / n for bool, s^2 / n for numeric."""
        if self.users == 0:
            return 0.0
        if reward == "bool":
            return max(self.mean * (1.0 - self.mean), 0.0) / self.users
        if self.users < 2:
            return 0.0
        sample = (self.total_squares - self.total**2 / self.users) / (self.users - 1)
        return max(sample, 0.0) / self.users


@dataclass(frozen=True, slots=True)
class MeasuredLift:
    """The published estimate. None where it cannot be had; `reason` says why."""

    holdout_rate: float | None
    model_rate: float | None
    lift_percent: float | None
    lift_ci: tuple[float, float] | None
    p_value: float | None
    standard_error: float | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class StratifiedLift:
    """Lift in percent, pooled within strata; `sequence` is an interval that may be looked at any number of times."""

    lift_percent: float | None
    lift_ci: tuple[float, float] | None
    p_value: float | None
    sequence: tuple[float, float] | None
    strata: int
    reason: str | None


def measured_lift(holdout: ArmStatistics, model: ArmStatistics, *, reward: Reward) -> MeasuredLift:
    """lift% = 100 (p_model - p_hold) / p_hold with a delta-method interval and a two-sided p-value.

    se = 100 sqrt(var_model / p_hold^2 + p_model^2 var_hold / p_hold^4), 95 % interval lift% +- 1.96 se.
    A numeric holdout mean below zero turns the sign of the ratio; the lift is then relative to its size.
    """
    rates = (holdout.mean if holdout.users else None, model.mean if model.users else None)
    if not holdout.users or not model.users:
        return MeasuredLift(*rates, None, None, None, None, "an arm has no users")
    base, served = holdout.mean, model.mean
    if base == 0:
        return MeasuredLift(*rates, None, None, None, None, "the holdout's rate is zero")
    lift = 100.0 * (served - base) / abs(base)
    if min(holdout.users, model.users) < MIN_USERS:
        reason = f"an interval needs at least {MIN_USERS} users in each arm"
        return MeasuredLift(*rates, lift, None, None, None, reason)
    variance = model.mean_variance(reward) / base**2 + served**2 * holdout.mean_variance(reward) / base**4
    error = 100.0 * sqrt(variance)
    if error == 0:
        return MeasuredLift(*rates, lift, None, None, None, "there is no variation within the arms")
    interval = (lift - Z_PUBLISHED * error, lift + Z_PUBLISHED * error)
    return MeasuredLift(*rates, lift, interval, two_sided_p(lift / error), error, None)


def stratified_lift(
    strata: Sequence[tuple[ArmStatistics, ArmStatistics]], *, reward: Reward, planned_users: int | None = None
) -> StratifiedLift:
    """Lift compared within strata (days, versions), so that drift between them cannot pass for an effect.

    bool: Mantel-Haenszel ratio R / Q with R = sum a n0 / N, Q = sum b n1 / N (a, b successes and n1, n0 users of model
    and holdout), and the Greenland-Robins (1985) variance of its log. numeric: difference of means with the weights
    n1 n0 / N and Welch variances, divided by the equally weighted holdout mean, delta method.

    The sequence is the asymptotic confidence sequence of Waudby-Smith et al., arXiv 2103.06476, around the same
    estimate, tightest at `planned_users` (default: the users so far).

    Args:
        strata: (holdout, model) per stratum; a stratum without users in both arms tells nothing and is left out.
    """
    both = [(hold, model) for hold, model in strata if hold.users > 0 and model.users > 0]
    if not both:
        return StratifiedLift(None, None, None, None, 0, "no stratum has users in both arms")
    users = sum(hold.users + model.users for hold, model in both)
    wide = sequence_factor(users, planned_users or users)
    if reward == "bool":
        return _ratio_of_rates(both, wide)
    return _ratio_of_means(both, wide)


def _ratio_of_rates(strata: Sequence[tuple[ArmStatistics, ArmStatistics]], wide: float) -> StratifiedLift:
    R = Q = variance = 0.0
    for hold, model in strata:
        n1, n0, a, b = model.users, hold.users, model.total, hold.total
        users = n1 + n0
        R += a * n0 / users
        Q += b * n1 / users
        variance += ((a + b) * n1 * n0 - a * b * users) / users**2
    if R <= 0 or Q <= 0:
        return StratifiedLift(None, None, None, None, len(strata), "an arm has no conversions")
    center, error = log(R / Q), sqrt(max(variance, 0.0) / (R * Q))
    if error == 0:
        return StratifiedLift(_percent(center), None, None, None, len(strata), "there is no variation within the arms")

    def interval(width: float) -> tuple[float, float]:
        return _percent(center - width * error), _percent(center + width * error)

    return StratifiedLift(
        _percent(center), interval(Z95), two_sided_p(center / error), interval(wide), len(strata), None
    )


def _percent(log_ratio: float) -> float:
    return 100.0 * (exp(min(log_ratio, 700.0)) - 1.0)


def _ratio_of_means(strata: Sequence[tuple[ArmStatistics, ArmStatistics]], wide: float) -> StratifiedLift:
    weight = served = base = served_variance = base_variance = 0.0
    for hold, model in strata:
        share = model.users * hold.users / (model.users + hold.users)
        weight += share
        served += share * model.mean
        base += share * hold.mean
        served_variance += share**2 * model.mean_variance("numeric")
        base_variance += share**2 * hold.mean_variance("numeric")
    served, base = served / weight, base / weight
    base_error = sqrt(base_variance) / weight
    if abs(base) <= Z95 * base_error or base == 0:
        reason = "the holdout's mean cannot be told from zero"
        return StratifiedLift(None, None, None, None, len(strata), reason)
    lift = 100.0 * (served - base) / abs(base)
    error = 100.0 * sqrt(served_variance / base**2 + served**2 * base_variance / base**4) / weight
    if error == 0:
        return StratifiedLift(lift, None, None, None, len(strata), "there is no variation within the arms")
    return StratifiedLift(
        lift,
        (lift - Z95 * error, lift + Z95 * error),
        two_sided_p(lift / error),
        (lift - wide * error, lift + wide * error),
        len(strata),
        None,
    )


def sequence_factor(users: int, planned_users: int, alpha: float = ALPHA) -> float:
    """Standard errors on each side of an asymptotic confidence sequence after `users`, tuned for `planned_users`.

    Waudby-Smith et al., arXiv 2103.06476, theorem 2.2 with rho^2 from their appendix B.2:
    sqrt((t rho^2 + 1) / (t rho^2) log((t rho^2 + 1) / alpha^2)), rho^2 = (-2 log alpha + log(1 - 2 log alpha)) / t*.
    """
    if users < 1 or planned_users < 1:
        raise ValueError("users, planned_users: must be at least 1")
    rho_squared = (-2.0 * log(alpha) + log(1.0 - 2.0 * log(alpha))) / planned_users
    time = users * rho_squared
    return sqrt((time + 1.0) / time * log((time + 1.0) / alpha**2))


def harmed(lift: StratifiedLift, margin_percent: float) -> bool:
    """Guardrail: whether even the upper end of the sequence lies below -margin_percent. One-sided, at every look."""
    return lift.sequence is not None and lift.sequence[1] < -margin_percent


def two_sided_p(z: float) -> float:
    """2 (1 - Phi(|z|))."""
    return erfc(abs(z) / sqrt(2.0))


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
