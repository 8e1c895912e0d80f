"""Whether the model's baseline follows what the baseline's users did lately: a modeled lift is only as good as that."""

from dataclasses import dataclass
from math import sqrt

import numpy as np

from bandits.cells import Cells
from bandits.likelihood import expit
from bandits.observations import Observations
from bandits.posterior import Posterior

RECENT_PERIODS = 7
MIN_EXPOSURES = 100
MAX_DEVIATION = 3.0  # standard errors


@dataclass(frozen=True, slots=True)
class BaselineCheck:
    """Mean rewards of the baseline's exposures in the latest periods, as observed and as the model has them.

    `tracking` is None where there are too few exposures to tell.
    """

    observed: float | None
    modeled: float | None
    exposures: float
    periods: int
    tracking: bool | None


def check_baseline(posterior: Posterior, observations: Observations) -> BaselineCheck:
    """Compares over the same cells (contexts and periods), so that a moved mix cannot pass for a deviation.

    Args:
        observations: those the posterior was fitted to.
    """
    cells = Cells(posterior.design, observations, posterior.period_kind)
    periods = min(RECENT_PERIODS, len(cells.periods))
    recent = (cells.row_variant[cells.row] == 0) & (cells.period >= len(cells.periods) - periods)
    n, total = cells.n[recent], cells.total[recent]
    exposures = float(n.sum())
    if exposures < MIN_EXPOSURES:
        return BaselineCheck(None, None, exposures, periods, None)
    mean = cells.predictor(posterior.coefficients, posterior.residual)[recent]
    if posterior.reward == "bool":
        mean = expit(mean)
        variance = float(np.sum(n * mean * (1.0 - mean)))
    else:
        within = np.sum(cells.total_squares[recent] - total**2 / np.maximum(n, 1e-12))
        variance = exposures * max(float(within), 0.0) / max(exposures - len(n), 1.0)
    deviation = float(total.sum() - np.sum(n * mean))
    return BaselineCheck(
        observed=float(total.sum()) / exposures,
        modeled=float(np.sum(n * mean)) / exposures,
        exposures=exposures,
        periods=periods,
        tracking=abs(deviation) <= MAX_DEVIATION * sqrt(variance) + 1e-9 * abs(float(total.sum())),
    )
