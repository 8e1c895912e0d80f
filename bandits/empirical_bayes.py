"""The variances of the prior's groups, learned from the Laplace posterior on the way to it."""

import numpy as np

from bandits.arrays import FloatArray
from bandits.gram import sums
from bandits.prior import Groups, Prior

_FURTHER_STEPS = 2  # of the fixed point, on a posterior only foretold: more would trust that further than it reaches


class EmpiricalBayes:
    """Steps towards variances that make the log of (Laplace marginal likelihood x hyperpriors) stationary in log tau^2.

    The fixed point is MacKay's (1992, "Bayesian interpolation", eq. 4.8) with the pseudo-observations 2a of the
    inverse-gamma hyperpriors added: for an order of groups, pooled T = (sum q + 2 a_0 s^2) / (sum gamma + 2 a_0), and
    for each of its groups tau^2 = (q + 2 a_1 T) / (gamma + 2 a_1), with q the sum of squared posterior means and gamma
    the effective number of parameters. The variants' residuals are one more group, an order of their own.

    Args:
        groups: the G groups of coefficients.
        guesses: s^2 per group, (G,).
        residuals: how many residuals have the variance that is learned, and its s^2; None for a model without.
    """

    def __init__(self, groups: Groups, prior: Prior, guesses: FloatArray, residuals: tuple[int, float] | None) -> None:
        orders = list(dict.fromkeys(groups.order))
        order = [orders.index(name) for name in groups.order]
        size = groups.size.astype(np.float64)
        if residuals is not None:
            count, guess = residuals
            order, size, guesses = [*order, len(orders)], np.append(size, count), np.append(guesses, guess)
        self._size = size
        self._order = np.array(order, np.int64)
        self._groups = np.bincount(self._order)
        self._alone = self._groups[self._order] == 1
        self._order_shape, self._term_shape = 2 * prior.order_shape, 2 * prior.term_shape
        # every group of an order has the same guess, so their mean is that guess
        self._guess = self._order_shape * sums(self._order, guesses, len(self._groups)) / self._groups
        self._earlier: FloatArray | None = None

    def step(self, variances: FloatArray, squares: FloatArray, spread: FloatArray) -> tuple[FloatArray, float]:
        """The next variances, and the largest change of a log variance by one step of the fixed point.

        A posterior is good for more than one such step. With S the mean posterior variance of a group's coefficients,
        their data's information is about 1 / S - 1 / tau^2; if it were that for each of them, a new tau^2 would shrink
        all their means and variances by one known factor. Two more steps are taken as if it were so. Where groups
        compete for the same effect all of them go too far: one that turns back goes only to where the line through its
        last two moves is 0.

        Args:
            variances: tau^2, with which the posterior was made.
            squares: q per group.
            spread: sum of the posterior variances per group.
        """
        doubt = np.minimum(spread / np.maximum(self._size, 1.0), variances)
        known = 1.0 - doubt / variances
        updated = first = self._fixed_point(squares, self._size * known)
        for _ in range(_FURTHER_STEPS):
            shrunk = known + doubt / updated
            updated = self._fixed_point(squares / shrunk**2, self._size * (known / shrunk))
        move, earlier = np.log(updated / variances), self._earlier
        if earlier is not None:
            back = move * earlier < 0
            move[back] *= earlier[back] / (earlier[back] - move[back])
        self._earlier = move
        return variances * np.exp(move), float(np.max(np.abs(np.log(first / variances)), initial=0.0))

    def _fixed_point(self, squares: FloatArray, effective: FloatArray) -> FloatArray:
        orders, shape = len(self._groups), self._term_shape
        pooled = (sums(self._order, squares, orders) + self._guess) / (
            sums(self._order, effective, orders) + self._order_shape
        )
        around = pooled[self._order]
        own: FloatArray = (squares + shape * around) / (effective + shape)
        return np.where(self._alone, around, own)
