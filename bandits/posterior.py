"""The fitted model: a Gaussian posterior over effects and residuals, and `fit`, which makes it."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from bandits import blob
from bandits.arrays import FloatArray, IntArray
from bandits.cells import Blocks, Cells, PeriodCoding, period_columns
from bandits.coding import Terms, terms_of
from bandits.design import Design
from bandits.empirical_bayes import EmpiricalBayes
from bandits.gram import sums
from bandits.inverse import inverse_root
from bandits.laplace import Fitted, Settings, State, laplace
from bandits.likelihood import Binomial, Gaussian, Likelihood, Reward
from bandits.observations import Observations
from bandits.prior import Groups, Prior


@dataclass(frozen=True, eq=False)
class Posterior:
    """beta ~ N(coefficients, root' root);  u_v | beta ~ N(residual_v - B_v'(beta - mean) / h_v, 1 / h_v).

    M coefficients ordered [periods | contexts | design], V variants with observations, P periods, R context cells.

    Attributes:
        design, reward: what was fitted.
        period_kind: "iid" for serving, "random_walk" for read-outs, "none".
        coefficients: (M,); root: L^-1, (M, M), with L L' the precision.
        seen: (V,) variants with observations; residual, residual_precision (h), weight (W): (V,);
            environment: E, (V, M - design coefficients). B_v = W_v (design row) + E_v.
        variances: tau^2 per group of effects; residual_variance: tau_u^2 of a variant never shown.
        scale: unit of the prior on the link scale: 1 for bool, the size of the variants' mean reward for numeric.
        periods: (P,) period labels; period_weights: (P,) their share of the exposures.
        contexts: (R, context factors) observed context cells; context_weights: (R,) their share of the exposures.
        variant_n, variant_total: (n_variants,) exposures and summed rewards.
        iterations, converged: of the fit.
    """

    design: Design
    reward: Reward
    period_kind: PeriodCoding
    coefficients: FloatArray
    root: FloatArray
    seen: IntArray
    residual: FloatArray
    residual_precision: FloatArray
    weight: FloatArray
    environment: FloatArray
    variances: FloatArray
    residual_variance: float
    scale: float
    periods: IntArray
    period_weights: FloatArray
    contexts: IntArray
    context_weights: FloatArray
    variant_n: FloatArray
    variant_total: FloatArray
    iterations: int
    converged: bool

    @property
    def observations_count(self) -> float:
        """Exposures the fit has seen; exposures that count in part are counted in part."""
        return float(self.variant_n.sum())

    @property
    def historic_reward(self) -> float | None:
        """Mean reward of everything observed, None without observations."""
        return float(self.variant_total.sum()) / self.observations_count if self.observations_count > 0 else None

    @cached_property
    def terms(self) -> Terms:
        return terms_of(self.design)

    @cached_property
    def period_coding(self) -> FloatArray:
        return period_columns(self.period_kind, len(self.periods))

    @cached_property
    def blocks(self) -> Blocks:
        return Blocks(self.period_coding.shape[1], self.terms)

    @cached_property
    def groups(self) -> Groups:
        return Groups.of(self.blocks)

    def to_bytes(self) -> bytes:
        """Versioned, checksummed, self-contained bytes (`bandits.blob`)."""
        return blob.pack(self)

    @classmethod
    def from_bytes(cls, data: bytes) -> "Posterior":
        """The posterior, bit for bit.

        Raises:
            bandits.blob.PosteriorFormatError: not such bytes, damaged, or of a version this code does not read.
        """
        return cls(**blob.unpack(data))


def fit(
    design: Design,
    observations: Observations,
    *,
    reward: Reward,
    warm_start: Posterior | None = None,
    periods: PeriodCoding = "iid",
    prior: Prior | None = None,
    residuals: bool = True,
    empirical_bayes: bool = True,
    half_life: float | None = None,
    max_iterations: int | None = None,
    variance_tolerance: float = 0.02,
    predictor_tolerance: float = 1e-3,
) -> Posterior:
    """Fit the hierarchical Bayesian factorial GLM.

    eta = intercept + main effects + pairwise interactions + contexts and their pairs + context x design + residual of
    the variant + period, with a logit link ("bool") or an identity link and known noise variance ("numeric").

    Args:
        observations: cells; duplicates are added up.
        warm_start: an earlier posterior to start from. Ignored where it has other factors, contexts or rewards.
        periods: "iid" (for serving), "random_walk" (for read-outs: an iid prior would hand part of a trend to the
            variants that happened to be served late) or "none".
        prior: prior guesses; the default is meant to be left alone.
        residuals: whether each variant has a residual beside the factorial surface.
        empirical_bayes: False keeps the variances at their prior guesses.
        half_life: periods after which a cell counts half; None never forgets. Below 40 it costs more than it brings
            where effects are stationary.
        max_iterations: default 25, or 80 with random-walk periods.
        variance_tolerance, predictor_tolerance: stop at changes of log tau^2 and of eta below these.

    Raises:
        ValueError: names the argument or the column and the problem.
    """
    if reward not in ("bool", "numeric"):
        raise ValueError(f"reward: must be 'bool' or 'numeric', got {reward!r}")
    if reward == "bool" and np.any(observations.total < 0):
        raise ValueError("total: must not be negative for a bool reward")
    if half_life is not None and not half_life > 0:
        raise ValueError(f"half_life: must be positive, got {half_life}")
    prior = prior or Prior()
    cells = Cells(design, observations, periods, half_life)
    likelihood: Likelihood
    likelihood = Binomial.of(cells, prior.intercept_variance) if reward == "bool" else Gaussian.of(cells)
    random_walk = periods == "random_walk"
    settings = Settings(
        prior=prior,
        residuals=residuals and design.n_variants > 1,
        max_iterations=max_iterations or (80 if random_walk else 25),
        variance_tolerance=variance_tolerance,
        predictor_tolerance=predictor_tolerance,
    )
    groups = Groups.of(cells.blocks)
    state = _start(cells, likelihood, groups.guesses(prior, random_walk=random_walk), settings)
    bayes = _empirical_bayes(cells, groups, state, settings) if empirical_bayes else None
    if warm_start is not None and _same_model(warm_start, design, reward):
        _warm(state, cells, groups, warm_start, likelihood.scale)
    fitted = laplace(cells, likelihood, groups, state, bayes, settings)
    return _posterior(design, reward, periods, cells, likelihood, fitted)


def _same_model(earlier: Posterior, design: Design, reward: Reward) -> bool:
    """Whether the effects are the same ones; what may be served does not matter to them."""
    old = earlier.design
    return old.factors == design.factors and old.contexts == design.contexts and earlier.reward == reward


def _start(cells: Cells, likelihood: Likelihood, guesses: FloatArray, settings: Settings) -> State:
    """Where nothing is known yet: no effects, and the variances as guessed."""
    coefficients = np.zeros(cells.blocks.size)
    coefficients[cells.blocks.design.start] = likelihood.center
    variances = (guesses * likelihood.scale) ** 2
    residual_variance = (settings.prior.residual * likelihood.scale) ** 2 if settings.residuals else 0.0
    return State(coefficients, np.zeros(len(cells.seen)), variances, residual_variance)


def _empirical_bayes(cells: Cells, groups: Groups, start: State, settings: Settings) -> EmpiricalBayes:
    """Learns the variances around those of the start."""
    others = int(np.sum(cells.seen != 0))
    residuals = (others, start.residual_variance) if settings.residuals else None
    return EmpiricalBayes(groups, settings.prior, start.variances, residuals)


def _warm(state: State, cells: Cells, groups: Groups, earlier: Posterior, scale: float) -> None:
    """Carry over what an earlier posterior knows; its periods only where both fits code them alike."""
    old, new = earlier.blocks, cells.blocks
    state.coefficients[new.n_period :] = earlier.coefficients[old.n_period :]
    unit = (scale / earlier.scale) ** 2
    carried = [(kind, members) for kind, members in zip(groups.order, groups.members, strict=True)]
    known = dict(
        zip(zip(earlier.groups.order, earlier.groups.members, strict=True), earlier.variances * unit, strict=True)
    )
    same_coding = old.n_period > 0 and new.n_period > 0 and _kind(earlier.period_coding) == _kind(cells.period_coding)
    for group, key in enumerate(carried):
        if key in known and (key[0] != "period" or same_coding):
            state.variances[group] = known[key]
    if same_coding:
        effects = dict(
            zip(earlier.periods.tolist(), earlier.period_coding @ earlier.coefficients[old.period], strict=True)
        )
        last = 0.0
        wanted = np.zeros(len(cells.periods))
        for position, label in enumerate(cells.periods.tolist()):
            last = wanted[position] = effects.get(label, last if _kind(cells.period_coding) else 0.0)
        state.coefficients[new.period] = np.diff(wanted) if _kind(cells.period_coding) else wanted
    if state.residual_variance > 0 and earlier.residual_variance > 0:
        state.residual_variance = earlier.residual_variance * unit
        residual = np.zeros(cells.design.n_variants)
        residual[earlier.seen] = earlier.residual
        state.residual = residual[cells.seen]


def _kind(coding: FloatArray) -> bool:
    """Whether the columns are random-walk steps."""
    return bool(coding.shape[0] != coding.shape[1])


def _posterior(
    design: Design, reward: Reward, periods: PeriodCoding, cells: Cells, likelihood: Likelihood, fitted: Fitted
) -> Posterior:
    state, curvature = fitted.state, fitted.curvature
    exposures = max(float(cells.n.sum()), np.finfo(float).tiny)
    _, first, of_row = np.unique(cells.row_place, return_index=True, return_inverse=True)
    contexts = cells.row_context[first]
    by_context = sums(of_row, cells.by_row(cells.n), len(contexts))
    by_variant = np.zeros((2, design.n_variants))
    by_variant[:, cells.seen] = cells.by_seen(cells.n), cells.by_seen(cells.total)
    return Posterior(
        design=design,
        reward=reward,
        period_kind=periods,
        coefficients=state.coefficients,
        root=inverse_root(curvature.precision),
        seen=cells.seen,
        residual=state.residual,
        residual_precision=curvature.residual_precision,
        weight=curvature.weight,
        environment=curvature.environment,
        variances=state.variances,
        residual_variance=state.residual_variance,
        scale=likelihood.scale,
        periods=cells.periods,
        period_weights=cells.by_period(cells.n) / exposures,
        contexts=contexts,
        context_weights=by_context / exposures,
        variant_n=by_variant[0],
        variant_total=by_variant[1],
        iterations=fitted.iterations,
        converged=fitted.converged,
    )
