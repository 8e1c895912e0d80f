"""The two likelihoods on aggregated cells: binomial with a logit link, Gaussian with an identity link."""

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from bandits.arrays import FloatArray
from bandits.cells import Cells

Reward = Literal["bool", "numeric"]

# Least error of the mean reward, in units of the prior: more could not be told beside the prior in 64 bits.
_PRECISE = 1e-6
_SPREAD = 0.3  # of the variants' means around their own, relative to it: about what the prior guesses


class Likelihood(Protocol):
    """What the Newton iteration needs to know; `center` and `scale` set the prior's location and unit.

    `reach` is the largest change of eta for which the quadratic expansion is believed.
    """

    center: float
    scale: float
    intercept_variance: float
    reach: float

    def curvature(self, eta: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Weights w_i and gradient g_i of the log likelihood per cell."""

    def log_likelihood(self, eta: FloatArray) -> float: ...


def expit(eta: FloatArray) -> FloatArray:
    """Inverse logit, without overflow."""
    return 0.5 * (1.0 + np.tanh(0.5 * eta))


@dataclass
class Binomial:
    """s_i successes of n_i trials with probability expit(eta_i); n_i may be fractional."""

    n: FloatArray
    total: FloatArray
    center: float
    intercept_variance: float
    scale: float = 1.0
    reach: float = 5.0  # from where a rate is nearly 0 or 1, full steps overshoot to where all weights are 0

    @classmethod
    def of(cls, cells: Cells, intercept_variance: float) -> "Binomial":
        successes = float(cells.total.sum())
        # exposures that count in part may bring more successes than trials into a small sum
        trials = max(float(cells.n.sum()), successes)
        center = float(np.log((successes + 0.5) / (trials - successes + 0.5)))
        return cls(cells.n, cells.total, center, intercept_variance)

    def curvature(self, eta: FloatArray) -> tuple[FloatArray, FloatArray]:
        p = expit(eta)
        expected = self.n * p
        return expected * (1.0 - p), self.total - expected

    def log_likelihood(self, eta: FloatArray) -> float:
        return float(np.sum(self.total * eta - self.n * np.logaddexp(0.0, eta)))


@dataclass
class Gaussian:
    """Cell means with variance sigma^2 / n_i (central limit theorem), sigma^2 pooled within cells and known."""

    n: FloatArray
    total: FloatArray
    center: float
    intercept_variance: float
    scale: float
    noise_variance: float
    reach: float = float("inf")  # the expansion is exact

    @classmethod
    def of(cls, cells: Cells) -> "Gaussian":
        exposures = float(cells.n.sum())
        if exposures <= 0:
            return cls(cells.n, cells.total, 0.0, 101.0, 1.0, 1.0)
        mean = float(cells.total.sum()) / exposures
        noise = _noise_variance(cells, mean, exposures)
        # effects are judged relative to a mean, or to its error where the mean is lost in noise
        scale = max(abs(_typical_mean(cells, mean, noise)), 2.0 * float(np.sqrt(noise / exposures)), 1e-12)
        noise = max(noise, _PRECISE**2 * exposures * scale**2)
        return cls(cells.n, cells.total, mean, (10.0 * scale) ** 2, scale, noise)

    def curvature(self, eta: FloatArray) -> tuple[FloatArray, FloatArray]:
        return self.n / self.noise_variance, (self.total - self.n * eta) / self.noise_variance

    def log_likelihood(self, eta: FloatArray) -> float:
        return float(-0.5 * np.sum(eta * (self.n * eta - 2.0 * self.total))) / self.noise_variance


def _noise_variance(cells: Cells, mean: float, exposures: float) -> float:
    """Pooled within-cell variance; total variance, mean square or a tiny number where that is not to be had."""
    counted = cells.n > 0
    n, total, squares = cells.n[counted], cells.total[counted], cells.total_squares[counted]
    mean_square = float(squares.sum()) / exposures
    spread = max(mean_square - mean**2, 0.0)
    freedom = float(np.sum(n - 1.0))
    within = float(np.sum(squares - total**2 / n)) / freedom if freedom > 10 else spread
    negligible = 1e-12 * mean_square
    if within <= negligible:
        within = spread if spread > negligible else max(mean_square, 1e-12)
    return within


def _typical_mean(cells: Cells, mean: float, noise: float) -> float:
    """The mean over variants, each weighing what is known of it (DerSimonian and Laird 1986).

    The mean over exposures is that of the variants that are served most, and grows as the policy learns: effects would
    be guessed larger and larger.
    """
    n, total = cells.by_seen(cells.n), cells.by_seen(cells.total)
    spread = (_SPREAD * mean) ** 2
    weights = spread / (spread * n + noise)
    weight = float(np.sum(weights * n))
    return float(np.sum(weights * total)) / weight if weight > 0 else mean
