"""Hidden states: a hidden Markov model of rows of counts in sequences, of how many states, and put to the test.

Emissions are Poisson counts by column, the chain runs from row to row of a sequence (Rabiner, Proceedings of the
IEEE 77, 1989).
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from hmmlearn.hmm import PoissonHMM
from scipy.optimize import linear_sum_assignment
from scipy.special import gammaln, logsumexp, softmax
from sklearn.metrics import adjusted_rand_score

STATES, SEEDS, _SHORT, _LONG = (2, 3, 4, 5, 6), 10, 10, 60
"""Numbers of states and seeds tried; iterations of each, and of the best seeds of each number."""
_OTHER_SEEDS = (11, 12, 13)
_LEAST = -600.0


@dataclass(frozen=True)
class Sequences:
    """Rows of `counts`, sequence after sequence, each in order, and how many rows each sequence has."""

    counts: np.ndarray
    lengths: np.ndarray


class Chain(PoissonHMM):
    """hmmlearn's model, whose likelihoods are one product of matrices, without what all states share: much faster."""

    def _compute_log_likelihood(self, X: np.ndarray) -> np.ndarray:  # noqa: N803 - hmmlearn's name
        return np.maximum(_poisson(X, self.lambdas_), _LEAST)

    def _compute_likelihood(self, X: np.ndarray) -> np.ndarray:  # noqa: N803 - hmmlearn's name
        return np.exp(self._compute_log_likelihood(X))

    def by_sequence(self, rows: Sequences) -> tuple[np.ndarray, np.ndarray]:
        """Return the log-likelihood of each sequence, and the moves from state to state expected in each."""
        parts = np.split(rows.counts, np.cumsum(rows.lengths)[:-1])
        found = [self._do_estep(part, [len(part)]) for part in parts]
        return np.array([told[1] for told in found]), np.array([told[0]["trans"] for told in found])

    def likeliest(self, rows: Sequences) -> np.ndarray:
        """Return the state that each row most likely has."""
        return self.decode(rows.counts, rows.lengths, algorithm="map")[1]


def _poisson(counts: np.ndarray, rates: np.ndarray) -> np.ndarray:
    """Return the log-likelihood of counts at rates, without the factorials of the counts, the same at all rates."""
    return counts @ np.log(rates).T - rates.sum(axis=1)


def _factorials(counts: np.ndarray) -> np.ndarray:
    return gammaln(counts + 1.0).sum(axis=1)


def fit(rows: Sequences, states: int, seed: int) -> Chain:
    """Fit a model from a random start, a few iterations: the mean rates, each multiplied by chance in each state."""
    rng = np.random.default_rng(seed)
    mean = rows.counts.mean(axis=0) + 1e-3
    rates = mean * rng.gamma(2.0, 0.5, (states, len(mean))) + 1e-3
    return _climbed(_chain(np.full(states, 1 / states), np.full((states, states), 1 / states), rates), rows, _SHORT)


def polished(model: Chain, rows: Sequences) -> Chain:
    """Return a model that has iterated further from where this one stands."""
    return _climbed(copy.deepcopy(model), rows, _LONG)


def _chain(start: np.ndarray, moves: np.ndarray, rates: np.ndarray) -> Chain:
    model = Chain(len(start), tol=0.5, init_params="", implementation="scaling")
    model.startprob_, model.transmat_, model.lambdas_, model.n_features = start, moves, rates, rates.shape[1]
    return model


def _climbed(model: Chain, rows: Sequences, rounds: int) -> Chain:
    model.n_iter = rounds
    model.fit(rows.counts, rows.lengths)
    model.lambdas_ = np.maximum(model.lambdas_, 1e-4)
    return model


def tried(rows: Sequences) -> pd.DataFrame:
    """Fit each number of states from each seed, the best seeds of each further: a row a number.

    `parameters`, `log_likelihood` and `bic` of the best, how many seeds came `near` it at first, and its `model` as
    `best` reads it.
    """
    found = []
    for states in STATES:
        models = [fit(rows, states, seed) for seed in range(SEEDS)]
        scores = np.array([model.score(rows.counts, rows.lengths) for model in models])
        further = [polished(models[i], rows) for i in np.argsort(scores)[-2:]]
        likelihood, model = max(((m.score(rows.counts, rows.lengths), m) for m in further), key=lambda pair: pair[0])
        likelihood -= _factorials(rows.counts).sum()
        parameters = states * (states - 1) + states - 1 + model.lambdas_.size
        numbers = np.concatenate([model.startprob_, model.transmat_.ravel(), model.lambdas_.ravel()])
        found.append({
            "states": states, "parameters": parameters, "log_likelihood": likelihood,
            "bic": parameters * np.log(len(rows.counts)) - 2 * likelihood,
            "near": int((scores >= scores.max() - 0.001 * abs(scores.max())).sum()), "model": numbers.tobytes(),
        })  # fmt: skip
    return pd.DataFrame(found)


def best(tries: pd.DataFrame) -> Chain:
    """Return the model with the least BIC."""
    states, numbers = tries.loc[tries["bic"].idxmin(), ["states", "model"]]
    start, moves, rates = np.split(np.frombuffer(numbers), [states, states + states**2])
    return _chain(start, moves.reshape(states, states), rates.reshape(states, -1))


def named(rates: pd.DataFrame, weights: np.ndarray, group: Callable[[str], str]) -> pd.DataFrame:
    """Name states by the group of columns, of a twentieth of their counts at least, that is over-represented most.

    `rates` are counts by state (rows) and column, `weights` the shares of states; a column of no group tells nothing.
    States of one group are told apart by their most over-represented column. Returns `name`, `lift` of the group or
    column, and the three `leading` columns.
    """
    shares, whole = rates.div(rates.sum(axis=1), axis=0), rates.mul(weights, axis=0).sum()
    whole /= whole.sum()
    over = (shares / whole).where(shares >= 0.02, 0)
    grouped = shares.T.groupby(group).sum().T
    lifts = (grouped / whole.groupby(group).sum()).where(grouped >= 0.05, 0).drop(columns="", errors="ignore")
    lifts = lifts if len(lifts.columns) else over
    told = pd.DataFrame({"name": lifts.idxmax(axis=1), "lift": lifts.max(axis=1)})
    told["leading"] = over.apply(lambda row: ", ".join(row.nlargest(3).index), axis=1)
    twice = told["name"].duplicated(keep=False)
    told.loc[twice, "name"] += ", most " + over.idxmax(axis=1)[twice]
    twice = told["name"].duplicated()
    told.loc[twice, "name"] += " (" + told.index[twice].astype(str) + ")"
    return told


def stability(chosen: Chain, train: Sequences, others: Sequences, asked: Sequences) -> pd.DataFrame:
    """Compare the states that other fits give to rows with those of the chosen one: adjusted Rand, share in the same.

    Other fits are from other seeds, and on other sequences than the chosen one learnt from. States of two fits are
    matched so that they share most rows (Kuhn, Naval Research Logistics Quarterly 2, 1955).
    """
    own, size, found = chosen.likeliest(asked), chosen.n_components, []
    fits = {f"seed {seed}": (fit(train, size, seed), train) for seed in _OTHER_SEEDS}
    fits |= {"others": (chosen, others), "others, other seed": (fit(others, size, _OTHER_SEEDS[-1] + 1), others)}
    for name, start in fits.items():
        theirs = polished(*start).likeliest(asked)
        shared = pd.crosstab(own, theirs).to_numpy()
        same = shared[linear_sum_assignment(shared, maximize=True)].sum() / len(own)
        found.append({"fit": name, "adjusted_rand": adjusted_rand_score(own, theirs), "same_state": same})
    return pd.DataFrame(found)


def held_out(chain: Chain, train: Sequences, test: Sequences, before: tuple[np.ndarray, np.ndarray]) -> pd.DataFrame:
    """Return the log-likelihood of each held-out sequence by the chain and, fitted here, by models that know less.

    The mixture has as many states and no memory; in the observed chain their weights depend on what the row before was
    seen to be: `before`, numbers from 0, of the rows of both parts.
    """
    whose, alone = np.repeat(np.arange(len(test.lengths)), test.lengths), tuple(map(np.zeros_like, before))
    by_row = {
        "observed chain": _mixture(train.counts, test.counts, before, chain.lambdas_),
        "mixture without memory": _mixture(train.counts, test.counts, alone, chain.lambdas_),
        "one state": _poisson(test.counts, train.counts.mean(axis=0, keepdims=True) + 1e-6)[:, 0],
    }
    found = {"hidden Markov chain": chain.by_sequence(test)[0]}
    found |= {name: np.bincount(whose, told) for name, told in by_row.items()}
    return pd.DataFrame(found).sub(np.bincount(whose, _factorials(test.counts)), axis=0)


def _mixture(
    train: np.ndarray, test: np.ndarray, groups: tuple[np.ndarray, np.ndarray], rates: np.ndarray
) -> np.ndarray:
    """Fit a mixture whose weights depend on a group, and return the log-likelihood of other rows."""
    learnt, asked = groups
    weights = np.full((max(learnt.max(), asked.max()) + 1, len(rates)), 1 / len(rates))
    for _ in range(_LONG // 2):
        share = softmax(_poisson(train, rates) + np.log(weights[learnt]), axis=1)
        rates = share.T @ train / share.sum(axis=0)[:, None] + 1e-6
        sums = np.array([share[learnt == g].sum(axis=0) for g in range(len(weights))]) + 0.5
        weights = sums / sums.sum(axis=1, keepdims=True)
    return logsumexp(_poisson(test, rates) + np.log(weights[asked]), axis=1)
