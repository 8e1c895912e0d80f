"""Intervals and p-values that hold at every look: asymptotic confidence sequences.

Waudby-Smith et al., arXiv 2103.06476, theorem 2.2: after information V (1 / squared standard error) an estimate lies
within sqrt((V r + 1) / (V r) log((V r + 1) / alpha^2)) standard errors of the truth, at all V at once, with
r = (-2 log alpha + log(1 - 2 log alpha)) / V* tuned to be tightest at V* (their appendix B.2). Time is information, not
users: a change of the holdout changes how much a user tells. V* must be fixed in advance.
"""

from math import exp, log, sqrt

ALPHA = 0.05


def sequence_factor(information: float, planned: float, alpha: float = ALPHA) -> float:
    """Standard errors on each side of the confidence sequence.

    Raises:
        ValueError: not above zero.
    """
    time = _time(information, planned, alpha)
    return sqrt((time + 1.0) / time * log((time + 1.0) / alpha**2))


def always_valid_p(z: float, information: float, planned: float, alpha: float = ALPHA) -> float:
    """The smallest level whose sequence, tuned at `alpha`, leaves zero out. Two-sided; may be read at every look."""
    time = _time(information, planned, alpha)
    return min(1.0, exp(0.5 * (log(time + 1.0) - z**2 * time / (time + 1.0))))


def _time(information: float, planned: float, alpha: float) -> float:
    if not (information > 0 and planned > 0):
        raise ValueError("information, planned: must be above zero")
    return information * (-2.0 * log(alpha) + log(1.0 - 2.0 * log(alpha))) / planned
