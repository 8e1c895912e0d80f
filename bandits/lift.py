"""Measured lift: what the holdout and the served users really did, from sufficient statistics per arm."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import erfc, exp, hypot, isfinite, log, sqrt

from bandits.likelihood import Reward
from bandits.sequences import always_valid_p, sequence_factor

Z_PUBLISHED = 1.96  # the published interval says 1.96, rounded
Z95 = 1.959963984540054
MIN_USERS = 100  # per arm, for an interval and a p-value
NEGLIGIBLE = 1e-50  # a ratio of at least its inverse says nothing, and the squares of such ratios overflow
PLANNED_ERROR = 0.1  # relative standard error at which sequences are tightest: lifts of 30 % show there


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
    """Lift in percent, pooled within strata; None where it cannot be had, `reason` says why.

    `sequence` and `sequence_p` may be looked at any number of times; `lift_ci` and `p_value` once, at a planned end.
    `error` is the standard error of the log of the ratio (`is_log`) or of the ratio itself.
    """

    lift_percent: float | None
    lift_ci: tuple[float, float] | None
    p_value: float | None
    sequence: tuple[float, float] | None
    sequence_p: float | None
    strata: int
    reason: str | None
    error: float | None = None
    is_log: bool = False


def measured_lift(holdout: ArmStatistics, model: ArmStatistics, *, reward: Reward) -> MeasuredLift:
    """lift% = 100 (p_model - p_hold) / p_hold with a delta-method interval and a two-sided p-value.

    se = 100 sqrt(var_model / p_hold^2 + p_model^2 var_hold / p_hold^4), 95 % interval lift% +- 1.96 se.
    A numeric holdout mean below zero turns the sign of the ratio; the lift is then relative to its size.
    """
    rates = (holdout.mean if holdout.users else None, model.mean if model.users else None)
    if not holdout.users or not model.users:
        return MeasuredLift(*rates, None, None, None, None, "an arm has no users")
    base, served = holdout.mean, model.mean
    error = 100.0 * _ratio_error(served, base, model.mean_variance(reward), holdout.mean_variance(reward))
    if not isfinite(error):
        return MeasuredLift(*rates, None, None, None, None, "the holdout's rate is zero")
    lift = 100.0 * (served - base) / abs(base)
    if min(holdout.users, model.users) < MIN_USERS:
        reason = f"an interval needs at least {MIN_USERS} users in each arm"
        return MeasuredLift(*rates, lift, None, None, None, reason)
    if error < NEGLIGIBLE:
        return MeasuredLift(*rates, lift, None, None, None, "there is no variation within the arms")
    interval = (lift - Z_PUBLISHED * error, lift + Z_PUBLISHED * error)
    return MeasuredLift(*rates, lift, interval, two_sided_p(lift / error), error, None)


def stratified_lift(
    strata: Sequence[tuple[ArmStatistics, ArmStatistics]], *, reward: Reward, planned_error: float = PLANNED_ERROR
) -> StratifiedLift:
    """Lift compared within strata (days, regimes), so that drift between them cannot pass for an effect.

    bool: Mantel-Haenszel ratio R / Q with R = sum a n0 / N, Q = sum b n1 / N (a, b successes and n1, n0 users of model
    and holdout), and the Greenland-Robins (1985) variance of its log. numeric: difference of means with the weights
    n1 n0 / N and Welch variances, divided by the equally weighted holdout mean, delta method.

    The sequence is the one of `bandits.sequences` around the same estimate, on the same scale.

    Args:
        strata: (holdout, model) per stratum; a stratum without users in both arms tells nothing and is left out.
        planned_error: the relative standard error at which the sequence is tightest; fixed in advance.
    """
    both = [(hold, model) for hold, model in strata if hold.users > 0 and model.users > 0]
    if not both:
        return _without(0, "no day has users in both arms")
    estimate = _ratio_of_rates(both) if reward == "bool" else _ratio_of_means(both)
    if isinstance(estimate, str):
        return _without(len(both), estimate)
    center, error = estimate
    percent = _log_percent if reward == "bool" else _linear_percent
    if min(sum(hold.users for hold, _ in both), sum(model.users for _, model in both)) < MIN_USERS:
        return _without(len(both), f"an interval needs at least {MIN_USERS} users in each arm", percent(center))
    if error < NEGLIGIBLE:
        return _without(len(both), "there is no variation within the arms", percent(center))
    information, planned = error**-2, planned_error**-2

    def interval(width: float) -> tuple[float, float]:
        return percent(center - width * error), percent(center + width * error)

    return StratifiedLift(
        lift_percent=percent(center),
        lift_ci=interval(Z95),
        p_value=two_sided_p(center / error),
        sequence=interval(sequence_factor(information, planned)),
        sequence_p=always_valid_p(center / error, information, planned),
        strata=len(both),
        reason=None,
        error=error,
        is_log=reward == "bool",
    )


def _without(strata: int, reason: str, lift: float | None = None) -> StratifiedLift:
    return StratifiedLift(lift, None, None, None, None, strata, reason)


def _ratio_of_rates(strata: Sequence[tuple[ArmStatistics, ArmStatistics]]) -> tuple[float, float] | str:
    """log(R / Q) and its standard error, or why there is none."""
    R = Q = variance = 0.0
    for hold, model in strata:
        n1, n0, a, b = model.users, hold.users, model.total, hold.total
        users = n1 + n0
        R += a * n0 / users
        Q += b * n1 / users
        variance += ((a + b) * n1 * n0 - a * b * users) / users**2
    if R <= 0 or Q <= 0:
        return "an arm has no conversions"
    return log(R / Q), sqrt(max(variance, 0.0) / (R * Q))


def _ratio_of_means(strata: Sequence[tuple[ArmStatistics, ArmStatistics]]) -> tuple[float, float] | str:
    """(served - base) / |base| and its standard error, or why there is none."""
    weight = served = base = served_variance = base_variance = 0.0
    lonely = [_pooled_variance([pair[arm] for pair in strata]) for arm in (0, 1)]
    if None in lonely:
        return "no day has two users in one arm"
    for hold, model in strata:
        share = model.users * hold.users / (model.users + hold.users)
        weight += share
        served += share * model.mean
        base += share * hold.mean
        base_variance += share**2 * (hold.mean_variance("numeric") if hold.users > 1 else lonely[0] or 0.0)
        served_variance += share**2 * (model.mean_variance("numeric") if model.users > 1 else lonely[1] or 0.0)
    served, base = served / weight, base / weight
    error = _ratio_error(served, base, served_variance, base_variance) / weight
    if abs(base) <= Z95 * sqrt(base_variance) / weight or not isfinite(error):
        return "the holdout's mean cannot be told from zero"
    return (served - base) / abs(base), error


def _ratio_error(served: float, base: float, served_variance: float, base_variance: float) -> float:
    """Standard error of served / base by the delta method; infinite where the base is as good as zero."""
    errors = sqrt(served_variance), sqrt(base_variance)
    if abs(base) <= NEGLIGIBLE * max(abs(served), *errors):
        return float("inf")
    return hypot(errors[0] / base, served / base * (errors[1] / base))


def _pooled_variance(arms: Sequence[ArmStatistics]) -> float | None:
    """Variance of a user within the strata: for strata of a single user, which have none of their own."""
    freedom = sum(arm.users - 1 for arm in arms)
    if freedom == 0:
        return None
    return sum(max(arm.total_squares - arm.total**2 / arm.users, 0.0) for arm in arms) / freedom


def _log_percent(log_ratio: float) -> float:
    return 100.0 * (exp(min(log_ratio, 700.0)) - 1.0)


def _linear_percent(ratio: float) -> float:
    return 100.0 * ratio


def two_sided_p(z: float) -> float:
    """2 (1 - Phi(|z|))."""
    return erfc(abs(z) / sqrt(2.0))
