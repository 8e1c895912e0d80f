"""What a user would pick instead: textbook bandits, with the defaults their authors recommend.

Every peer speaks `bandits.simulate.Policy`; those that learn from rows also have `observe`.
"""

from itertools import combinations

import numpy as np

from bandits.design import Design
from bandits.environments import Environment

DRAWS = 400  # Thompson draws per fit from which a batch is served


class Uniform:
    """Serve all variants alike, for ever."""

    def __init__(self, env: Environment, seed: int) -> None:
        self.variants = env.design.n_variants

    def fit(self, **cells) -> None:
        pass

    def assign(self, contexts, rng):
        return rng.integers(0, self.variants, len(contexts))


class TestThenCommit(Uniform):
    """An A/B/n test over the first quarter, then its empirical winner for everyone."""

    __test__ = False

    def __init__(self, env: Environment, seed: int) -> None:
        super().__init__(env, seed)
        self.until, self.winner = 0.25 * env.exposures, None

    def fit(self, *, variant, n, total, **cells) -> None:
        if self.winner is None and n.sum() >= self.until:
            shown, reward = (np.bincount(variant, column, minlength=self.variants) for column in (n, total))
            self.winner = int(np.argmax(reward / np.maximum(shown, 1)))

    def assign(self, contexts, rng):
        return super().assign(contexts, rng) if self.winner is None else np.full(len(contexts), self.winner)


class Greedy(Uniform):
    """Always the variant with the best mean so far (one pseudo-observation of the overall mean each)."""

    scores = None

    def fit(self, *, variant, n, total, **cells) -> None:
        shown, reward = (np.bincount(variant, column, minlength=self.variants) for column in (n, total))
        self.scores = (reward + reward.sum() / shown.sum()) / (shown + 1)

    def assign(self, contexts, rng):
        if self.scores is None:
            return super().assign(contexts, rng)
        best = np.flatnonzero(self.scores == self.scores.max())
        return rng.choice(best, len(contexts))


class VariantBandit:
    """An independent Thompson arm per variant (and context cell): Beta(1, 1), or a normal mean for numeric rewards."""

    def __init__(self, env: Environment, seed: int, contextual: bool = False, variants: int | None = None) -> None:
        self.rng = np.random.default_rng([seed, 3])
        self.bool = env.reward == "bool"
        self.shape = (len(env.eta) if contextual else 1, variants or env.design.n_variants)
        self.winners = None

    def fit(self, *, variant, context, n, total, total_squares, **cells) -> None:
        key = (context if self.shape[0] > 1 else 0) * self.shape[1] + variant
        size = self.shape[0] * self.shape[1]
        shown, reward = (np.bincount(key, column, minlength=size).reshape(self.shape) for column in (n, total))
        if self.bool:
            draws = self.rng.beta(1 + reward, 1 + shown - reward, size=(DRAWS, *self.shape))
        else:
            mean = total.sum() / n.sum()
            spread = np.sqrt(max(total_squares.sum() / n.sum() - mean**2, 1e-12) / (shown + 1))
            draws = (reward + mean) / (shown + 1) + spread * self.rng.normal(size=(DRAWS, *self.shape))
        self.winners = draws.argmax(2)

    def assign(self, contexts, rng):
        if self.winners is None:
            return rng.integers(0, self.shape[1], len(contexts))
        draw = rng.integers(0, DRAWS, len(contexts))
        return self.winners[draw, contexts if self.shape[0] > 1 else 0]


class FactorBandits:
    """One independent bandit per factor; a variant is the combination of their choices."""

    def __init__(self, env: Environment, seed: int) -> None:
        self.design = env.design
        self.bandits = [
            VariantBandit(env, 31 * seed + factor, variants=size) for factor, size in enumerate(env.factors)
        ]

    def fit(self, *, variant, **cells) -> None:
        for factor, bandit in enumerate(self.bandits):
            bandit.fit(variant=self.design.levels[variant, factor], **cells)

    def assign(self, contexts, rng):
        return np.ravel_multi_index([bandit.assign(contexts, rng) for bandit in self.bandits], self.design.factors)


class LogisticThompson:
    """Bayesian regression with dummy coding, a fixed N(0, prior^2) prior, main effects or pairs, and plain Thompson
    sampling from the Laplace approximation; contexts enter with their interactions with the factors. Identity link with
    the pooled variance for numeric rewards."""

    def __init__(self, env: Environment, seed: int, pairs: bool, prior: float = 1.0) -> None:
        self.rng, self.env, self.prior = np.random.default_rng([seed, 7]), env, prior
        design = env.design
        contexts = Design(env.contexts).levels if env.contexts else np.zeros((1, 0), int)
        factors = [np.eye(size)[:, 1:][design.levels[:, factor]] for factor, size in enumerate(env.factors)]
        columns = [np.ones((design.n_variants, 1)), *factors]
        if pairs:
            columns += [_products(first, second) for first, second in combinations(factors, 2)]
        shared = np.concatenate(columns, axis=1)
        rows = []
        for cell in contexts:
            dummies = [np.eye(size)[cell[factor], 1:] for factor, size in enumerate(env.contexts)]
            tiled = [np.tile(dummy, (design.n_variants, 1)) for dummy in dummies]
            crossed = [_products(context, factor) for context in tiled for factor in factors]
            rows.append(np.concatenate([shared, *tiled, *crossed], axis=1))
        self.X = np.stack(rows)  # (context cells, variants, columns)
        self.mean, self.winners = np.zeros(self.X.shape[2]), None

    def fit(self, *, variant, context, n, total, total_squares, **cells) -> None:
        size = self.X.shape[0] * self.X.shape[1]
        key = context * self.X.shape[1] + variant
        n, total, squares = (np.bincount(key, column, minlength=size) for column in (n, total, total_squares))
        X, center = self.X.reshape(size, -1), total.sum() / n.sum()
        precision = np.full(X.shape[1], 1 / self.prior**2)
        if self.env.reward == "bool":
            start = np.log((total.sum() + 0.5) / (n.sum() - total.sum() + 0.5))
            precision[0] = 0.25
            for _ in range(12):
                p = 1 / (1 + np.exp(-start - X @ self.mean))
                A = (X * (n * p * (1 - p))[:, None]).T @ X + np.diag(precision)
                step = np.linalg.solve(A, X.T @ (total - n * p) - precision * self.mean)
                self.mean = self.mean + step
                if np.abs(step).max() < 1e-6:
                    break
        else:
            noise = max(squares.sum() / n.sum() - center**2, 1e-12)
            precision /= center**2
            A = (X * (n / noise)[:, None]).T @ X + np.diag(precision)
            self.mean = np.linalg.solve(A, X.T @ (total - n * center) / noise)
        root = np.linalg.inv(np.linalg.cholesky(A))
        draws = self.mean + self.rng.normal(size=(DRAWS, len(self.mean))) @ root
        self.winners = (self.X @ draws.T).argmax(1).T  # (draws, context cells)

    def assign(self, contexts, rng):
        if self.winners is None:
            return rng.integers(0, self.X.shape[1], len(contexts))
        return self.winners[rng.integers(0, DRAWS, len(contexts)), contexts]


def _products(first, second):
    """Row-wise Kronecker product."""
    return (first[:, :, None] * second[:, None, :]).reshape(len(first), -1)


class MabWiser:
    """A policy of the mabwiser package; those for contexts see the context cell's dummies."""

    def __init__(self, env: Environment, seed: int, policy: str, **options) -> None:
        from mabwiser.mab import MAB, LearningPolicy

        self.variants = env.design.n_variants
        self.contextual = policy.startswith("Lin")
        self.binary = policy == "ThompsonSampling"  # it takes rewards of 0 and 1 only
        levels = Design(env.contexts).levels if env.contexts and self.contextual else np.zeros((1, 0), int)
        dummies = [
            np.eye(size)[levels[:, factor]] for factor, size in enumerate(env.contexts if self.contextual else ())
        ]
        self.features = np.concatenate([np.ones((len(levels), 1)), *dummies], axis=1)
        self.bandit = MAB(list(range(self.variants)), getattr(LearningPolicy, policy)(**options), seed=seed)
        self.draws = 1 if "UCB" in policy else (40 if self.contextual else DRAWS)
        self.started, self.winners = False, None

    def observe(self, variant, context, reward) -> None:
        if self.binary:
            reward = (reward > 0).astype(float)
        rows = (self.features[context if len(self.features) > 1 else np.zeros_like(context)],)
        extra = rows if self.contextual else ()
        (self.bandit.partial_fit if self.started else self.bandit.fit)(variant, reward, *extra)
        self.started = True

    def fit(self, **cells) -> None:
        extra = (self.features,) if self.contextual else ()
        self.winners = np.array([self.bandit.predict(*extra) for _ in range(self.draws)]).reshape(self.draws, -1)

    def assign(self, contexts, rng):
        if self.winners is None:
            return rng.integers(0, self.variants, len(contexts))
        draw = rng.integers(0, self.draws, len(contexts))
        return self.winners[draw, contexts if self.winners.shape[1] > 1 else 0]


class VowpalWabbit:
    """--cb_explore_adf with the factors as action features, contexts shared, and both kinds of interactions."""

    def __init__(self, env: Environment, seed: int, arguments: str) -> None:
        from vowpalwabbit import Workspace

        levels = env.design.levels
        cells = Design(env.contexts).levels if env.contexts else np.zeros((1, 0), int)
        self.actions = ["|a " + " ".join(f"f{i}={level}" for i, level in enumerate(row)) for row in levels]
        self.shared = ["shared |s b " + " ".join(f"c{i}={level}" for i, level in enumerate(row)) for row in cells]
        options = f"--quiet --cb_explore_adf --random_seed {seed + 1} --interactions aa --interactions sa {arguments}"
        self.workspace = Workspace(options)
        self.pi = np.full((len(cells), len(levels)), 1 / len(levels))
        self.unit = 1.0 if env.reward == "bool" else None

    def observe(self, variant, context, reward) -> None:
        if self.unit is None:
            self.unit = max(float(np.mean(reward) + 3 * np.std(reward)), 1e-9)
        propensity = 0.1 * (variant == 0) + 0.9 * self.pi[context, variant]
        for v, c, y, p in zip(variant, context, reward, propensity, strict=True):
            example = [self.shared[c], *self.actions]
            example[1 + v] = f"0:{-y / self.unit:.5f}:{p:.6f} {self.actions[v]}"
            self.workspace.learn(example)

    def fit(self, **cells) -> None:
        for cell, shared in enumerate(self.shared):
            scores = np.array(self.workspace.predict([shared, *self.actions]), float)
            self.pi[cell] = scores / scores.sum()

    def assign(self, contexts, rng):
        variants = np.empty(len(contexts), int)
        for cell in np.unique(contexts):
            rows = contexts == cell
            variants[rows] = rng.choice(self.pi.shape[1], rows.sum(), p=self.pi[cell])
        return variants


PEERS = {
    "uniform": Uniform,
    "test then commit": TestThenCommit,
    "greedy": Greedy,
    "variant bandit": VariantBandit,
    "variant x context bandit": lambda env, seed: VariantBandit(env, seed, contextual=True),
    "factor bandits": FactorBandits,
    "main-effects logistic": lambda env, seed: LogisticThompson(env, seed, pairs=False),
    "pairwise logistic": lambda env, seed: LogisticThompson(env, seed, pairs=True),
}

LIBRARIES = {
    "mabwiser Thompson": lambda env, seed: MabWiser(env, seed, "ThompsonSampling"),
    "mabwiser UCB1": lambda env, seed: MabWiser(env, seed, "UCB1", alpha=1),
    "mabwiser LinUCB": lambda env, seed: MabWiser(env, seed, "LinUCB", alpha=1.0),
    "vw squarecb": lambda env, seed: VowpalWabbit(env, seed, "--squarecb"),
    "vw epsilon": lambda env, seed: VowpalWabbit(env, seed, "--epsilon 0.1"),
    "vw bag": lambda env, seed: VowpalWabbit(env, seed, "--bag 5 --epsilon 0.02"),
}
