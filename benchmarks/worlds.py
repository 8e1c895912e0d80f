"""Environments kept aside: structures the model was not tuned on. Added to those of `bandits.environments`."""

import numpy as np

from bandits.design import Design
from bandits.environments import ENVIRONMENTS, Environment, log_odds, random_effects


def sparse96(name, rng):
    """Only two of five factors matter, and one pair of them."""
    factors = (4, 3, 2, 2, 2)
    levels = Design(factors).levels
    first, second = rng.permutation(5)[:2]
    table = 0.3 * rng.normal(size=(factors[first], factors[second]))
    table -= table.mean()
    eta = log_odds(0.05) + table[levels[:, first], levels[:, second]]
    return Environment(name, factors, (), eta[None], np.ones(1))


def jackpot60(name, rng):
    """Everything is alike but for one combination that nobody could have guessed."""
    factors = (5, 4, 3)
    eta = log_odds(0.05) + 0.05 * rng.normal(size=60)
    eta[rng.integers(1, 60)] += 0.8
    return Environment(name, factors, (), eta[None], np.ones(1))


def poison72(name, rng):
    """Good main effects, but a tenth of the combinations clash badly."""
    factors = (4, 3, 3, 2)
    eta = log_odds(0.06) + random_effects(rng, factors, main=0.25)
    eta[rng.permutation(72)[:7]] -= 1.0
    return Environment(name, factors, (), eta[None], np.ones(1))


def ordered100(name, rng):
    """Two long ordered factors (prices, sizes) with a smooth ridge."""
    factors = (10, 10)
    levels = Design(factors).levels / 9.0
    peak = rng.uniform(0, 1, 2)
    distance = levels - peak
    ridge = distance[:, 0] ** 2 + distance[:, 1] ** 2 + 0.8 * distance[:, 0] * distance[:, 1]
    return Environment(name, factors, (), (log_odds(0.07) - 1.2 * ridge)[None], np.ones(1))


def rare24(name, rng):
    """Conversions of one in two hundred."""
    factors = (3, 2, 4)
    eta = log_odds(0.005) + random_effects(rng, factors, main=0.3, pair=0.15)
    return Environment(name, factors, (), eta[None], np.ones(1), exposures=100_000)


def frequent16(name, rng):
    """Every second user converts; four switches."""
    factors = (2, 2, 2, 2)
    eta = random_effects(rng, factors, main=0.12, pair=0.08)
    return Environment(name, factors, (), eta[None], np.ones(1), exposures=30_000)


def segments12(name, rng):
    """One of four segments wants the opposite of the others."""
    factors, contexts = (3, 4), (4,)
    taste = random_effects(rng, factors, main=0.3, pair=0.1)
    eta = np.tile(log_odds(0.05) + taste, (4, 1))
    eta[rng.integers(0, 4)] -= 2 * taste
    eta += 0.2 * rng.normal(size=(4, 1))
    return Environment(name, factors, contexts, eta, rng.dirichlet(np.full(4, 6.0)), exposures=60_000)


def idle24(name, rng):
    """Contexts that shift the rate but never the choice."""
    factors, contexts = (4, 3, 2), (5, 3)
    taste = random_effects(rng, factors, main=0.22, pair=0.1)
    eta = log_odds(0.05) + taste[None] + 0.4 * rng.normal(size=(15, 1))
    return Environment(name, factors, contexts, eta, rng.dirichlet(np.full(15, 3.0)), exposures=60_000)


def spend27(name, rng):
    """Everybody spends something: a gamma-like amount close to log-normal with a small spread."""
    factors = (3, 3, 3)
    value = 20 * np.exp(random_effects(rng, factors, main=0.06, pair=0.04))
    eta = np.full((1, 27), 12.0)
    return Environment(name, factors, (), eta, np.ones(1), exposures=40_000, value=value[None], value_sdlog=0.8)


KEPT_ASIDE = {
    maker.__name__: maker
    for maker in (sparse96, jackpot60, poison72, ordered100, rare24, frequent16, segments12, idle24, spend27)
}


def register() -> None:
    """Make the kept-aside environments available to `bandits.environments.make`."""
    ENVIRONMENTS.update(KEPT_ASIDE)
