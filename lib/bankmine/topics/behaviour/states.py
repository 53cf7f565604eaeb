"""States: what sessions in app and web are for, which nobody records, by a hidden Markov model of the pages they show.

Emissions are Poisson counts by page, the chain runs from session to session of a customer (Rabiner, Proceedings of the
IEEE 77, 1989). Counts are capped, and pages that only changed their name are one, so that neither makes a state.
"""

from __future__ import annotations

import datetime
import re

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd
from hmmlearn.hmm import PoissonHMM
from scipy.optimize import linear_sum_assignment
from scipy.special import gammaln, logsumexp, softmax
from sklearn.metrics import adjusted_rand_score

from bankmine.bank.snapshot import Snapshot
from bankmine.errors import BankmineError
from bankmine.judging.intervals import draws, interval

PURPOSES = {
    "applying": r"appl(y|ication)|sign_?up|open_account",
    "comparing products": r"product|offer|rate_|rates|calculator|quote",
    "getting help": r"help|chat|error|support|faq|contact|complain",
    "everyday banking": r"balance|statement|transfer|payment|bill|account|card",
}
"""What pages are for, by words in their names; the first that fits."""
SILENCE, CAP, PAGES, SAMPLE, DECODED = 1800, 20, 40, 400, 10_000
"""Seconds that end a session, views of a page that count in one, pages told apart, customers fitted on and decoded."""
STATES, SEEDS, _SHORT, _LONG = (2, 3, 4, 5, 6), 10, 10, 60
"""Numbers of states and seeds tried; iterations of each, and of the best seed of each number."""
_FEWEST, _RENAMED_DAYS, _LEAST, _KEYS = 30, 14, -600.0, ["customer_id", "session", "at"]


def events_of(snapshot: Snapshot, since: datetime.date) -> ir.Table:
    """Return the page views since a day with their session: the bank's own, or else cut by half an hour of silence."""
    snapshot.require("events.page")
    rows = snapshot.events
    rows = rows.filter(rows.at >= ibis.literal(since).cast("timestamp"), rows.page.notnull())
    if snapshot.has("events.session_id"):
        return rows.filter(rows.session_id.notnull()).mutate(session=rows.session_id.cast("string"))
    mine = ibis.window(group_by="customer_id", order_by="at")
    rows = rows.mutate(second=rows.at.epoch_seconds())
    rows = rows.mutate(fresh=(rows.second - rows.second.lag().over(mine) > SILENCE).fill_null(True).cast("int64"))
    number = rows.fresh.sum().over(ibis.cumulative_window(group_by="customer_id", order_by="at"))
    return rows.mutate(session=number.cast("string"))


def renamed(events: ir.Table) -> pd.DataFrame:
    """Find pages that took another's place: on one channel, first seen within days of when that was last seen."""
    channel = events.channel if "channel" in events.columns else ibis.literal("all")
    seen = events.group_by(events.page, channel=channel).agg(
        first=events.at.min(), last=events.at.max(), views=events.count()
    )
    seen = seen.filter(seen.views >= _FEWEST).to_pandas()
    near = pd.Timedelta(days=_RENAMED_DAYS)
    start, end = seen["first"].min() + near, seen["last"].max() - near
    pairs = seen[seen["last"] < end].merge(seen[seen["first"] > start], on="channel", suffixes=("", "_new"))
    pairs = pairs[(pairs["first_new"] - pairs["last"]).abs() <= near].sort_values(["views_new", "page"])
    return pairs.drop_duplicates(["page_new", "channel"], keep="last")[["channel", "page", "page_new", "first_new"]]


def counted(snapshot: Snapshot, since: datetime.date) -> pd.DataFrame:
    """Count the views of each page in each session, at most `CAP`, of at most `DECODED` customers, in order of time."""
    events = events_of(snapshot, since)
    for new, old in renamed(events).set_index("page_new")["page"].items():
        events = events.mutate(page=(events.page == new).ifelse(old, events.page))
    views = events.group_by("page").agg(views=events.count()).order_by(ibis.desc("views"), "page")
    pages = views.limit(PAGES).to_pandas()["page"]
    if len(pages) < 2:
        raise BankmineError("sessions show fewer than two pages, by which they could be told apart")
    who = events.select("customer_id").distinct().order_by("customer_id").to_pandas()
    if len(who) < _FEWEST:
        raise BankmineError(f"{len(who)} customers came in two years, too few to learn from: {_FEWEST} are needed")
    if len(who) > DECODED:
        events = events.semi_join(ibis.memtable(who.sample(DECODED, random_state=0)), "customer_id")
    measures = {f"p{i}": (events.page == page).sum().clip(upper=CAP).cast("int8") for i, page in enumerate(pages)}
    rows = events.group_by("customer_id", "session").agg(at=events.at.min(), **measures)
    found = rows.order_by("customer_id", "at", "session").to_pandas()
    return found.rename(columns={f"p{i}": page for i, page in enumerate(pages)})


class Chain(PoissonHMM):
    """hmmlearn's model, whose likelihoods are one product of matrices, without what all states share: much faster."""

    def _compute_log_likelihood(self, X: np.ndarray) -> np.ndarray:  # noqa: N803 - hmmlearn's name
        return np.maximum(_poisson(X, self.lambdas_), _LEAST)

    def _compute_likelihood(self, X: np.ndarray) -> np.ndarray:  # noqa: N803 - hmmlearn's name
        return np.exp(self._compute_log_likelihood(X))

    def by_sequence(self, x: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the log-likelihood of each customer, and the transitions expected of each."""
        found = [self._do_estep(part, [len(part)]) for part in np.split(x, np.cumsum(lengths)[:-1])]
        return np.array([told[1] for told in found]), np.array([told[0]["trans"] for told in found])


def _poisson(x: np.ndarray, rates: np.ndarray) -> np.ndarray:
    """Return the log-likelihood of counts at rates, without the factorials of the counts, the same at all rates."""
    return x @ np.log(rates).T - rates.sum(axis=1)


def _factorials(x: np.ndarray) -> np.ndarray:
    return gammaln(x + 1.0).sum(axis=1)


def arrays(rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return counts by session and page, and how many sessions each customer has."""
    return rows.drop(columns=_KEYS).to_numpy(np.int64), rows.groupby("customer_id", sort=False).size().to_numpy()


def sampled(rows: pd.DataFrame, which: int) -> pd.DataFrame:
    """Return the sessions of a sample of customers: 0 to fit, 1 to fit again, 2 held out; no customer is in two."""
    who = rows["customer_id"].drop_duplicates().sample(frac=1, random_state=0).to_numpy()
    size = min(SAMPLE, len(who) // 3)
    return rows[rows["customer_id"].isin(who[which * size : (which + 1) * size])]


def fit(rows: pd.DataFrame, states: int, seed: int, rounds: int) -> Chain:
    """Fit a model from a random start: rates of some sessions of each state, mixed with those of all."""
    x, lengths = arrays(rows)
    rng = np.random.default_rng(seed)
    mean = x.mean(axis=0) + 1e-3
    model = Chain(states, n_iter=rounds, tol=0.5, init_params="", implementation="scaling")
    model.startprob_, model.transmat_ = np.full(states, 1 / states), np.full((states, states), 1 / states)
    model.lambdas_ = mean * rng.gamma(2.0, 0.5, (states, len(mean))) + 1e-3
    return _climbed(model, x, lengths)


def polished(model: Chain, rows: pd.DataFrame, rounds: int = _LONG) -> Chain:
    """Iterate further from where a model stands."""
    model.n_iter = rounds
    return _climbed(model, *arrays(rows))


def _climbed(model: Chain, x: np.ndarray, lengths: np.ndarray) -> Chain:
    model.fit(x, lengths)
    model.lambdas_ = np.maximum(model.lambdas_, 1e-4)
    return model


def tried(rows: pd.DataFrame) -> tuple[pd.DataFrame, list[Chain]]:
    """Fit each number of states from each seed, the best seed of each further: log-likelihood and BIC, and the best."""
    x, lengths = arrays(rows)
    found, best = [], []
    for states in STATES:
        models = [fit(rows, states, seed, _SHORT) for seed in range(SEEDS)]
        scores = [model.score(x, lengths) for model in models]
        model = max((polished(models[i], rows) for i in np.argsort(scores)[-2:]), key=lambda m: m.score(x, lengths))
        parameters = states * (states - 1) + states - 1 + model.lambdas_.size
        likelihood = model.score(x, lengths) - _factorials(x).sum()
        near = sum(score >= max(scores) - 0.001 * abs(max(scores)) for score in scores)
        bic = parameters * np.log(len(x)) - 2 * likelihood
        told = {"log_likelihood": likelihood, "bic": bic, "near": near}
        found.append({"states": states, "parameters": parameters} | told)
        best.append(model)
    return pd.DataFrame(found), best


def purpose_of(page: str) -> str:
    """Say what a page is for by its name; nothing in particular where no words fit."""
    return next((name for name, words in PURPOSES.items() if re.search(words, page)), "")


def named(rates: pd.DataFrame, weights: np.ndarray) -> pd.DataFrame:
    """Name states by the purpose, of a twentieth of their views at least, that is most over-represented in them.

    `rates` are views by state (rows) and page, `weights` the shares of states. States of one purpose are told apart by
    their most over-represented page. Returns `name`, `lift` of the purpose or page, and the three leading `pages`.
    """
    shares = rates.div(rates.sum(axis=1), axis=0)
    whole = (rates.mul(weights, axis=0)).sum() / (rates.mul(weights, axis=0)).sum().sum()
    over = (shares / whole).where(shares >= 0.02, 0)
    purposes = pd.Index(rates.columns).map(purpose_of)
    grouped, all_ = shares.T.groupby(purposes).sum().T, whole.groupby(purposes).sum()
    lifts = (grouped / all_).where(grouped >= 0.05, 0).drop(columns="", errors="ignore")
    lifts = lifts if len(lifts.columns) else over
    told = pd.DataFrame({"name": lifts.idxmax(axis=1), "lift": lifts.max(axis=1)})
    told["pages"] = [", ".join(row.nlargest(3).index) for _, row in over.iterrows()]
    twice = told["name"].duplicated(keep=False)
    told.loc[twice, "name"] += ", most " + over.idxmax(axis=1)[twice]
    twice = told["name"].duplicated()
    told.loc[twice, "name"] += " (" + told.index[twice].astype(str) + ")"
    return told


def matched(own: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """Return the states of one fit in the numbers of another: pairs that share most sessions (Kuhn, 1955)."""
    ours, other = linear_sum_assignment(pd.crosstab(own, theirs), maximize=True)
    return pd.Series(theirs).map(dict(zip(other, ours, strict=True))).to_numpy()


def agreement(rows: pd.DataFrame, models: dict[str, Chain], chosen: Chain) -> pd.DataFrame:
    """Compare the states that other fits decode with those of the chosen one: adjusted Rand, share in the same."""
    x, lengths = arrays(rows)
    own = chosen.predict(x, lengths)
    found = []
    for name, model in models.items():
        theirs = model.predict(x, lengths)
        same = float((matched(own, theirs) == own).mean())
        found.append({"fit": name, "adjusted_rand": adjusted_rand_score(own, theirs), "same_state": same})
    return pd.DataFrame(found)


def held_out(train: pd.DataFrame, test: pd.DataFrame, chain: Chain) -> pd.DataFrame:
    """Compare log-likelihoods a session of held-out customers: the chain against a mixture and an observed chain.

    The mixture has as many states and no memory; in the observed chain their weights depend on what the session before
    was seen to be for. `ahead` is by how much the hidden chain is better, with its interval by customers.
    """
    x, lengths = arrays(test)
    by_customer = np.repeat(np.arange(len(lengths)), lengths)
    before = {name: _before(rows) for name, rows in (("train", train), ("test", test))}
    alone = np.zeros(len(train), int), np.zeros(len(test), int)
    flat = _poisson(x, arrays(train)[0].mean(axis=0, keepdims=True) + 1e-6)[:, 0]
    found = {
        "hidden Markov chain": chain.by_sequence(x, lengths)[0],
        "observed chain": np.bincount(by_customer, _mixture(train, before["train"], x, before["test"], chain.lambdas_)),
        "mixture without memory": np.bincount(by_customer, _mixture(train, alone[0], x, alone[1], chain.lambdas_)),
        "one kind of session": np.bincount(by_customer, flat),
    }
    drawn, same = draws(len(lengths), 500).T.astype(float), np.bincount(by_customer, _factorials(x))
    rows = []
    for name, sums in found.items():
        best = found["hidden Markov chain"]
        value, ahead = (drawn @ told / (drawn @ lengths) for told in (sums - same, best - sums))
        low, high = map(float, interval(ahead))
        rows.append({"model": name, "log_likelihood": value[0], "ahead": ahead[0], "low": low, "high": high})
    return pd.DataFrame(rows)


def _before(rows: pd.DataFrame) -> np.ndarray:
    """Say what the session before was seen to be for, as a number: the purpose of most of its pages; 0 for none."""
    purposes = pd.Index(rows.columns[len(_KEYS) :]).map(purpose_of)
    sums = rows.drop(columns=_KEYS).T.groupby(purposes).sum().T.reindex(columns=list(PURPOSES), fill_value=0)
    seen = np.where(sums.max(axis=1) > 0, sums.to_numpy().argmax(axis=1) + 1, 0)
    return pd.Series(seen, rows.index).groupby(rows["customer_id"]).shift(fill_value=0).to_numpy()


def _mixture(train: pd.DataFrame, group: np.ndarray, x: np.ndarray, test: np.ndarray, rates: np.ndarray) -> np.ndarray:
    """Fit a mixture whose weights depend on a group, and return the log-likelihood of other sessions."""
    counts = arrays(train)[0]
    weights = np.full((len(PURPOSES) + 1, len(rates)), 1 / len(rates))
    for _ in range(_LONG // 2):
        share = softmax(_poisson(counts, rates) + np.log(weights[group]), axis=1)
        rates = share.T @ counts / share.sum(axis=0)[:, None] + 1e-6
        sums = np.array([share[group == g].sum(axis=0) for g in range(len(weights))]) + 0.5
        weights = sums / sums.sum(axis=1, keepdims=True)
    return logsumexp(_poisson(x, rates) + np.log(weights[test]), axis=1)


def packed(model: Chain) -> bytes:
    """Return the numbers of a model, to be kept."""
    return np.concatenate([model.startprob_, model.transmat_.ravel(), model.lambdas_.ravel()]).tobytes()


def unpacked(numbers: bytes, states: int) -> Chain:
    """Return the model that was packed."""
    model = Chain(states, n_iter=_LONG, tol=0.5, init_params="", implementation="scaling")
    start, moves, rates = np.split(np.frombuffer(numbers), [states, states + states**2])
    model.startprob_, model.transmat_ = start, moves.reshape(states, states)
    model.lambdas_ = rates.reshape(states, -1)
    model.n_features = model.lambdas_.shape[1]
    return model


def copied(model: Chain) -> Chain:
    """Return a model of its own with the same numbers."""
    return unpacked(packed(model), model.n_components)
