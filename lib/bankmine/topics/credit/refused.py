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

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import expit, logit
from sklearn.base import BaseEstimator, clone
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import has_fit_parameter

from bankmine.errors import BankmineError
from bankmine.learning.models import learnable
from bankmine.learning.sample import Sample
from bankmine.topics.credit.lending import GRANT

NONE, PARCELLING, FUZZY = "none", "parcelling", "fuzzy"
FACTORS = (1.0, 1.5, 2.0)
"""How many times as often the refused are taken to go bad as accepted ones of the same score."""
_BANDS = 10


@dataclass(frozen=True)
class Study:
    """What each assumption about the refused leads to."""

    table: pd.DataFrame
    """By assumption the bad rate of the refused, `assumed` and `predicted`, and `auc` and its `gain` over none."""
    probabilities: pd.DataFrame
    """Of all applicants, one column an assumption."""
    refused: pd.DataFrame
    """Probability of the refused that was learnt from, as assumed: what a model was told, one column an assumption."""

    def decided(self, own: pd.Series, offers: Callable[[pd.Series], pd.DataFrame]) -> pd.DataFrame:
        """Say by assumption whom a policy grants credit, where the `own` chances of a scorecard decide.

        `offers` is what is offered at such chances, as of `lending.offers`. As far as log-odds of the model change by
        an assumption, those of the scorecard are moved. With none, they are the scorecard's own.
        """
        told = self.probabilities.clip(1e-9, 1 - 1e-9)
        by = told.apply(logit).sub(logit(told[NONE]), axis=0)
        # what is not moved stays as it is to the last bit: many stand at the cut-off
        moved = by.apply(lambda b: own.where(b == 0, expit(logit(own) + b)))
        made = {name: offers(chance) for name, chance in moved.items()}
        granted = pd.DataFrame({name: found["decision"] == GRANT for name, found in made.items()})
        return self.table.assign(**{
            "share granted": granted.mean(),
            "decided otherwise": granted.ne(granted[NONE], axis=0).mean(),
            "expected profit as offered": pd.Series({n: found["expected_profit"].sum() for n, found in made.items()}),
        })  # fmt: skip


def study(
    estimator: BaseEstimator, learnt: Sample, refused: pd.DataFrame, tested: Sample, applicants: pd.DataFrame,
    factors: Sequence[float] = FACTORS, seed: int = 0,
) -> Study:  # fmt: skip
    """Fit a model anew under each assumption about the refused, and compare what follows.

    The estimator takes weights, and stays unfitted. `learnt` are accepted applications, `refused` those of the same
    time, `tested` accepted ones that came later.
    """
    if not len(refused):
        raise BankmineError("Nobody was refused, so that there is nothing to infer.")
    learnt, tested = learnable(learnt), learnable(tested, "test on")
    first = _fit(estimator, learnt.predictors, learnt.target, np.ones(len(learnt)))
    told = {NONE: _chance(first, refused)}
    told |= {f"{PARCELLING} × {f:g}": _parcelled(first, learnt, refused, f, seed) for f in factors}
    told |= {f"{FUZZY} × {f:g}": np.minimum(told[NONE] * f, 1.0) for f in factors}
    fitted = {
        name: first if name == NONE else _with_refused(estimator, learnt, refused, bad) for name, bad in told.items()
    }
    assumed = pd.DataFrame(told, refused.index)
    auc = {name: roc_auc_score(tested.target, _chance(model, tested.predictors)) for name, model in fitted.items()}
    table = pd.DataFrame({"assumed": assumed.mean(), "auc": pd.Series(auc)}).rename_axis("name")
    table["gain"] = table["auc"] - table.loc[NONE, "auc"]
    table["predicted"] = [_chance(model, refused).mean() for model in fitted.values()]
    chances = {name: _chance(model, applicants) for name, model in fitted.items()}
    return Study(table, pd.DataFrame(chances, applicants.index), assumed)


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
