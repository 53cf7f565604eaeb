"""Twins of a fraud model that make mistakes common in public work, for the leak lab.

Each twin splits the payments of the honest model's training window at random or by a resampled copy, or knows labels
before they are known; it claims what its own test tells and delivers what the next block tells (`leak_lab`).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from imblearn.over_sampling import SMOTE, SMOTENC
from sklearn.preprocessing import StandardScaler

from bankmine.judging import leaks as leak_lab
from bankmine.judging.leaks import Twin
from bankmine.learning.blocks import Block
from bankmine.learning.encoding import medians
from bankmine.learning.sample import Sample
from bankmine.topics.fraud.backtest import some

GENUINE, JUDGED = 12_000, 20_000
"""Genuine payments that twins learn from, and about as many that they are judged by, so that a lab takes seconds. Of
each test so many are taken that the rates of fraud are alike, on which average precision depends; it is therefore
higher than that of all payments. Only SMOTE makes its own rate, which is part of the mistake."""
NEIGHBOURS = 5
BALANCE = 0.5
"""Made-up frauds there are beside each genuine payment, with the real ones, after SMOTE."""
UNDELAYED_DAYS = 30
_DAY = 86_400_000_000


def twins(sample: Sample, block: Block, at: pd.Series, keys: pd.DataFrame) -> list[Twin]:
    """Make all twins of one block, the honest one first: with its training window and its test.

    `at` is the moment of each payment; `keys` may have `merchant` or `counterparty`, whose risk is taken without delay.
    """
    rng = np.random.default_rng(0)
    settled = block.test[sample.known[block.test]]
    target = _labels(sample, block)
    share = min(1.0, JUDGED / max((target[settled] == 0).sum(), 1))
    alike = share * _odds(target, block.train) / max(_odds(target, settled), 1e-9)
    window, test = (_thinned(target, rows, part, rng) for rows, part in ((block.train, alike), (settled, share)))
    few = _thinned(target, window, GENUINE / max(len(window), 1), rng)
    labelled = pd.Series(target, sample.target.index, name=sample.target.name)
    used = np.sort(np.concatenate([window, test]))  # in the order of time
    known = replace(sample, target=labelled).at(used)
    window, test, few = (np.isin(used, rows) for rows in (window, test, few))
    found = [leak_lab.honest(known, few, test), random_split(known, window, test)]
    found.append(smote_first(known, few, test))
    if there := [key for key in ("merchant", "counterparty") if key in keys]:
        counts = {key: earlier_frauds(at, keys[key], target == 1, UNDELAYED_DAYS)[used] for key in there}
        found.append(undelayed(known, few, test, counts))
    return found


def random_split(sample: Sample, train: np.ndarray, test: np.ndarray) -> Twin:
    """Make the twin that is tested on payments of the same days, cards and attacks as it learnt from."""
    twin, rng = leak_lab.random_rows(sample, train, test), np.random.default_rng(0)
    labels, rows = twin.learns.target.to_numpy(), np.arange(len(twin.learns))
    kept = _thinned(labels, rows, GENUINE / max(len(rows), 1), rng)
    told = "payments split at random: the same attacks on both sides"
    return replace(twin, mistake=told, learns=twin.learns.at(kept))


def smote_first(sample: Sample, train: np.ndarray, test: np.ndarray) -> Twin:
    """Make the twin that makes up frauds between real ones before it splits at random, and is tested on them too.

    Made-up frauds lie on lines between neighbours, so that those of the test lie between frauds that were learnt from;
    and in the test half of the payments are frauds (SMOTE: Chawla, Bowyer, Hall and Kegelmeyer, Journal of Artificial
    Intelligence Research 16, 2002; the mistake: Santos and others, IEEE Computational Intelligence Magazine 13, 2018).
    """
    good = leak_lab.honest(sample, train, test)
    grown = oversampled(good.learns)
    everything = np.ones(len(grown), bool)
    twin = leak_lab.random_rows(grown, everything, ~everything)
    told = "frauds made up between real ones (SMOTE) before the split"
    in_use = replace(good.delivers, predictors=without_gaps(good.learns, good.delivers.predictors))
    return Twin("SMOTE before the split", told, twin.learns, twin.claims, in_use)


def undelayed(sample: Sample, train: np.ndarray, test: np.ndarray, counts: dict[str, np.ndarray]) -> Twin:
    """Make the twin that counts frauds at a merchant or payee when they happened, not when they became known.

    In its own test the `counts`, of `earlier_frauds` by key, know labels that nobody had; in use they are what was
    known at the time.
    """
    names = {key: f"{key}_frauds_{UNDELAYED_DAYS}d" for key in counts}
    leaky = replace(sample, predictors=sample.predictors.assign(**{names[key]: counts[key] for key in counts}))
    told = f"frauds at {' and '.join(counts)} counted before they were known"
    good = leak_lab.honest(leaky, train, test)
    met = good.delivers.predictors
    in_use = {name: _known(met, key) for key, name in names.items()}
    unknown = replace(good.delivers, predictors=met.assign(**in_use))
    return Twin("risk without delay", told, good.learns, good.claims, unknown)


def oversampled(sample: Sample) -> Sample:
    """Return a sample with frauds made up between real ones, until there are `BALANCE` of the genuine ones (SMOTE).

    Each lies between a fraud and one of its nearest neighbours among frauds, in standardised numbers; its words are
    those of most of the neighbours. Missing numbers are taken for medians, since nothing lies between what is not
    there; real rows have them, too, or a model would tell the made-up ones by it. Nothing is made up of fewer than two
    frauds.
    """
    frauds = int((sample.target == 1).sum())
    if frauds < 2 or int(BALANCE * (sample.target == 0).sum()) <= frauds:
        return sample
    filled = without_gaps(sample, sample.predictors)
    words = filled.select_dtypes("category").astype(object).fillna("")
    numbers = filled.drop(columns=words.columns)
    scale = StandardScaler().fit(numbers)
    rows = pd.DataFrame(scale.transform(numbers), numbers.index, numbers.columns).join(words)
    how = {"sampling_strategy": BALANCE, "k_neighbors": min(NEIGHBOURS, frauds - 1), "random_state": 0}
    smote = SMOTENC(list(words), **how) if len(words.columns) else SMOTE(**how)
    grown, target = smote.fit_resample(rows, sample.target)
    said = grown[list(words)].astype(object)
    predictors = pd.DataFrame(scale.inverse_transform(grown[list(numbers)]), columns=numbers.columns)
    predictors = predictors.join(said.where(said != "").astype("category"))[list(filled)]
    # nobody's payments: a made-up one is a customer of its own
    nobody = pd.Series([f"made up {i}" for i in range(len(grown) - len(sample))], dtype=object)
    return Sample(predictors, target.reset_index(drop=True), pd.concat([sample.entity, nobody], ignore_index=True))


def without_gaps(learnt: Sample, predictors: pd.DataFrame) -> pd.DataFrame:
    """Return predictors as numbers without gaps, in whose place are medians of the rows learnt from, and words."""
    numbers = learnt.predictors.select_dtypes(["number", "bool"]).astype(float)
    middle = pd.Series(medians(numbers.to_numpy()), numbers.columns)
    return predictors.assign(**predictors[list(numbers)].astype(float).fillna(middle))


def earlier_frauds(at: pd.Series, key: pd.Series, fraud: np.ndarray, days: int) -> np.ndarray:
    """Count the frauds at the same key in the days strictly before each payment, as if labels came at once."""
    moment = at.to_numpy().astype("datetime64[us]").astype(np.int64)
    code = pd.factorize(key)[0]
    span = moment.max() - moment.min() + 1 + days * _DAY
    # one number line: each key has a stretch of its own, longer than all time and a window
    place = code * span + (moment - moment.min())
    there = np.sort(place[fraud & (code >= 0)])
    count = np.searchsorted(there, place) - np.searchsorted(there, place - days * _DAY)
    return np.where(code >= 0, count, np.nan).astype(float)


def _thinned(target: np.ndarray, rows: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Return of some positions all frauds and a share of the rest, in order."""
    fraud = target[rows] == 1
    others = rows[~fraud]
    return np.sort(np.concatenate([rows[fraud], some(others, int(np.ceil(min(share, 1.0) * len(others))), rng)]))


def _odds(target: np.ndarray, rows: np.ndarray) -> float:
    """Return frauds for each other payment among some positions."""
    frauds = int((target[rows] == 1).sum())
    return frauds / max(len(rows) - frauds, 1)


def _labels(sample: Sample, block: Block) -> np.ndarray:
    """Return targets, in the training window as they were known when the block began."""
    target = sample.target.to_numpy(float).copy()
    target[block.train] = block.known
    return target


def _known(predictors: pd.DataFrame, key: str) -> pd.Series | float:
    """Return the count of frauds that were known at the time; none where the features do not tell."""
    return predictors.get(f"{key}_frauds_known_{UNDELAYED_DAYS}d", 0.0)
