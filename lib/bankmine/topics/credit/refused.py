"""Reject inference: how far results hang on what is assumed of applicants who were refused.

Nobody knows what the refused would have done, so this is a study of sensitivity and no correction: it can help where
the old decisions followed the same data as the model, and it cannot tell where they followed something else (Hand and
Henley, IMA Journal of Mathematics Applied in Business and Industry 5, 1993; Crook and Banasik, Journal of Banking and
Finance 28, 2004). Only granting credit to a few of the refused at random would tell.

Assumptions: `none` learns from accepted ones alone. `parcelling` puts the refused into score bands and calls as many of
each band bad as among its accepted ones, times a factor for what the old decision saw. `fuzzy` lets each refused
applicant count twice, as bad with its probability times the factor and as good with the rest (both: Siddiqi, Credit
Risk Scorecards, 2006, chapter 6).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, clone
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import has_fit_parameter

from bankmine.deciding.costs import Costs
from bankmine.errors import BankmineError
from bankmine.judging.ranking import against, of, performance
from bankmine.learning.models import learnable
from bankmine.learning.sample import Sample
from bankmine.topics.credit.lending import cut_off, granting

NONE, PARCELLING, FUZZY = "none", "parcelling", "fuzzy"
FACTORS = (1.0, 1.5, 2.0)
"""How many times as often the refused are taken to go bad as accepted ones of the same score."""
_BANDS = 10


@dataclass(frozen=True)
class Study:
    """What each assumption about the refused leads to."""

    table: pd.DataFrame
    """One row an assumption."""
    probabilities: pd.DataFrame
    """Of all applicants, one column an assumption."""
    refused: pd.DataFrame
    """Probability of the refused that was learnt from, as assumed: what a model was told, one column an assumption."""


def study(
    estimator: BaseEstimator, learnt: Sample, refused: pd.DataFrame, tested: Sample, applicants: pd.DataFrame,
    costs: Costs, factors: Sequence[float] = FACTORS, seed: int = 0,
) -> Study:  # fmt: skip
    """Fit a model anew under each assumption about the refused, and compare what follows.

    The estimator takes weights, and stays unfitted; cut-offs are only as good as its chances. `learnt` are accepted
    applications, `refused` those of the same time, `tested` accepted ones that came later. By assumption, `table` has
    the bad rate `assumed` and `predicted` of the refused, `auc` and its `gain` over none with intervals of 95 % by
    customer, and the shares of all applicants that expected profit approves and decides otherwise (`changed`).
    """
    if not len(refused):
        raise BankmineError("Nobody was refused, so that there is nothing to infer.")
    learnt, tested = learnable(learnt), learnable(tested, "test on")
    first = _fit(estimator, learnt.predictors, learnt.target, np.ones(len(learnt)))
    told = {(NONE, 1.0): _chance(first, refused)}
    told |= {(PARCELLING, f): _parcelled(first, learnt, refused, f, seed) for f in factors}
    told |= {(FUZZY, f): np.minimum(told[NONE, 1.0] * f, 1.0) for f in factors}
    fitted = {
        key: first if key[0] == NONE else _with_refused(estimator, learnt, refused, bad) for key, bad in told.items()
    }
    names = {key: NONE if key[0] == NONE else f"{key[0]} × {key[1]:g}" for key in told}
    chances = {names[key]: _chance(model, applicants) for key, model in fitted.items()}
    scores = pd.DataFrame(
        {names[key]: _chance(model, tested.predictors) for key, model in fitted.items()}, tested.target.index
    )
    probabilities = pd.DataFrame(chances, applicants.index)
    table = _table(told, names, scores, tested, probabilities, costs)
    table["predicted"] = [_chance(model, refused).mean() for model in fitted.values()]
    return Study(table, probabilities, pd.DataFrame({names[k]: v for k, v in told.items()}, refused.index))


def _table(
    told: dict, names: dict, scores: pd.DataFrame, tested: Sample, probabilities: pd.DataFrame, costs: Costs
) -> pd.DataFrame:
    level = performance(tested.target, scores, tested.entity, rounds=200)
    gained = against(tested.target, scores, NONE, tested.entity, rounds=200)
    usual, rows = granting(probabilities[NONE], costs) > 0, []
    for (assumption, factor), name in names.items():
        auc = of(level, name).loc["auc"].to_numpy()
        more = of(gained, name).loc["auc"].to_numpy() if assumption != NONE else (0.0, 0.0, 0.0)
        hoped = granting(probabilities[name], costs)
        rows.append((
            assumption, factor, told[assumption, factor].mean(), *auc, *more, cut_off(probabilities[name], costs),
            (hoped > 0).mean(), ((hoped > 0) != usual).mean(), hoped.clip(lower=0).sum(),
        ))  # fmt: skip
    columns = ["assumption", "factor", "assumed", "auc", "auc_low", "auc_high", "gain", "gain_low", "gain_high"]
    columns += ["cut_off", "approval", "changed", "expected_profit"]
    return pd.DataFrame(rows, columns=columns, index=pd.Index(names.values(), name="name"))


def _with_refused(estimator: BaseEstimator, learnt: Sample, refused: pd.DataFrame, bad: np.ndarray) -> BaseEstimator:
    """Fit on accepted ones and on the refused, each of them as bad and as good with the weights assumed."""
    predictors = pd.concat([learnt.predictors, refused, refused], ignore_index=True)
    target = np.concatenate([learnt.target, np.ones(len(refused)), np.zeros(len(refused))])
    weight = np.concatenate([np.ones(len(learnt)), bad, 1 - bad])
    used = weight > 0
    return _fit(estimator, predictors[used], pd.Series(target[used]), weight[used])


def _parcelled(model: BaseEstimator, learnt: Sample, refused: pd.DataFrame, factor: float, seed: int) -> np.ndarray:
    """Draw which refused applicants count as bad, by the bad rate of accepted ones of the same band, times a factor."""
    accepted, asked = _chance(model, learnt.predictors), _chance(model, refused)
    edges = np.unique(np.quantile(np.concatenate([accepted, asked]), np.arange(1, _BANDS) / _BANDS))
    band, of_refused = (pd.Series(np.searchsorted(edges, p, side="right")) for p in (accepted, asked))
    rate = learnt.target.set_axis(band.index).groupby(band).mean()
    share = of_refused.map(rate).fillna(pd.Series(asked)) * factor
    return (np.random.default_rng(seed).random(len(asked)) < share.clip(upper=1)).to_numpy(float)


def _fit(estimator: BaseEstimator, predictors: pd.DataFrame, target: pd.Series, weight: np.ndarray) -> BaseEstimator:
    model = clone(estimator)
    last, name = (
        (model[-1], f"{model.steps[-1][0]}__sample_weight") if isinstance(model, Pipeline) else (model, "sample_weight")
    )
    if not has_fit_parameter(last, "sample_weight"):
        raise BankmineError(f"{type(last).__name__} takes no weights: study reject inference with another model.")
    return model.fit(predictors, target.to_numpy(int), **{name: weight})


def _chance(model: BaseEstimator, predictors: pd.DataFrame) -> np.ndarray:
    return model.predict_proba(predictors)[:, 1].astype(float)
