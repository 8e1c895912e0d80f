"""Checks of a fit that nobody waits for: how well the model's noise describes the cells."""

from dataclasses import dataclass

import numpy as np

from bandits.cells import Cells, PeriodCoding
from bandits.likelihood import expit
from bandits.observations import Observations
from bandits.posterior import Posterior

OVERDISPERSED = 1.5
MIN_EXPECTED = 1.0  # expected successes and failures of a cell that takes part


@dataclass(frozen=True, slots=True)
class Dispersion:
    """Pearson's chi^2 over its degrees of freedom; about 1 where the model's noise is right. None: too few cells."""

    ratio: float | None
    cells: int

    @property
    def overdispersed(self) -> bool:
        """Whether repeated exposures of the same users, or bots, are likely: then n and s should be divided by it."""
        return self.ratio is not None and self.ratio > OVERDISPERSED


def pearson_dispersion(posterior: Posterior, observations: Observations) -> Dispersion:
    """Pearson dispersion of the cells around their posterior means (McCullagh and Nelder 1989, section 4.5).

    Args:
        observations: those the posterior was fitted to.

    Raises:
        ValueError: a posterior of numeric rewards, whose noise variance is estimated from the same cells.
    """
    if posterior.reward != "bool":
        raise ValueError("posterior: dispersion is defined for bool rewards only")
    coding: PeriodCoding = posterior.period_kind
    cells = Cells(posterior.design, observations, coding)
    p = expit(cells.predictor(posterior.coefficients, posterior.residual))
    used = cells.n * np.minimum(p, 1 - p) >= MIN_EXPECTED
    n, p, total = cells.n[used], p[used], cells.total[used]
    effective = float(np.sum(_effective_parameters(posterior)))
    freedom = len(n) - effective
    if freedom < 10:
        return Dispersion(None, len(n))
    return Dispersion(float(np.sum((total - n * p) ** 2 / (n * p * (1 - p)))) / freedom, len(n))


def _effective_parameters(posterior: Posterior) -> float:
    """Coefficients that the data determine, sum of 1 - posterior variance / prior variance, and the intercept."""
    groups = posterior.groups
    kept = groups.of_coefficient >= 0
    marginal = np.einsum("ij,ij->j", posterior.root, posterior.root)[kept]
    return float(np.sum(1.0 - marginal / posterior.variances[groups.of_coefficient[kept]])) + 1.0
