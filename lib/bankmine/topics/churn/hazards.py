"""Hazards: what makes customers leave sooner, by a Cox model, and how well it foretells when, on customers held out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from operator import and_

import numpy as np
import pandas as pd
from lifelines import CoxPHFitter, KaplanMeierFitter
from lifelines.statistics import proportional_hazard_test
from sklearn.model_selection import train_test_split

from bankmine.errors import BankmineError
from bankmine.judging.intervals import CONFIDENCE

FEWEST = 5
"""Leavers for each covariate of a Cox model (Vittinghoff and McCulloch, American Journal of Epidemiology 165, 2007)."""
HELD_OUT, MOST_HELD_OUT = 0.3, 5000
"""Share of customers that are held out, and how many at most."""
_RIDGE = 1e-3
"""Keeps ratios finite where two covariates tell the same."""
_STEP, _FOLLOWED = 7, 0.1
"""Days between two times of the Brier score, and share of customers still followed at the last of them."""
_DRAWS = 200


@dataclass(frozen=True)
class Hazards:
    """A Cox model of leaving and what it is worth.

    Attributes
    ----------
    ratios : pd.DataFrame
        Indexed by covariate: `ratio` of hazards for one standard deviation more (of a number) or for true against
        false, with `low` and `high`, its `p_value`, and `proportional`: the p-value of the test that the ratio is the
        same sooner and later (Grambsch and Therneau, Biometrika 81, 1994), small where it is not.
    scores : pd.DataFrame
        On customers held out, indexed by metric: `value`, `low`, `high`, and `baseline` without covariates.
        `concordance`: how often, of two customers, the one of the higher hazard leaves first (Harrell et al.,
        Statistics in Medicine 15, 1996). `integrated_brier`: mean squared error, over time, of the chance to be there.
        `skill`: by which fraction that is less than with Kaplan and Meier's curve for all.
    brier : pd.DataFrame
        On customers held out, indexed by `day`: squared error of `cox` and of `kaplan_meier`.
    customers, leavers : int
        Among those held out.
    left_out : list of str
        Covariates that do not vary among all customers, or among those who left.
    """

    ratios: pd.DataFrame
    scores: pd.DataFrame
    brier: pd.DataFrame
    customers: int
    leavers: int
    left_out: list[str]


def cox(lives: pd.DataFrame, covariates: pd.DataFrame, seed: int = 0) -> Hazards:
    """Fit a proportional hazards model on what was known on the first day, and score it on customers held out.

    Cox, Journal of the Royal Statistical Society B 34, 1972. Ratios are estimated on all customers; for the scores,
    model and baseline are fitted on those not held out.

    Parameters
    ----------
    lives : pd.DataFrame
        From `departures.followed`.
    covariates : pd.DataFrame
        A few columns of numbers or truth values, same index; amounts best as logarithms. Unknown ones count as
        the median.
    seed : int
        Of the choice of customers held out and of the bootstrap.

    Raises
    ------
    BankmineError
        If a covariate is text, none varies, or too few customers left to estimate as many.
    """
    covariates = covariates.loc[lives.index]
    if text := list(covariates.columns.difference(covariates.select_dtypes(["number", "bool"]).columns)):
        raise BankmineError(f"Covariate {text[0]} is text: compare its groups by curves, or give a truth value.")
    train, test = _split(lives, seed)
    rows = covariates.loc[train]
    varies = reduce(and_, (part.max() > part.min() for part in (rows, rows[lives.left.loc[train]])))
    used = covariates.loc[:, varies]
    _check(lives.loc[train], used)
    fitted, design = _fit(lives, used, used)
    scored, _ = _fit(lives.loc[train], used.loc[train], used.loc[train])
    error, hazard, at = _foretold(scored, lives.loc[train], lives.loc[test], _standard(used.loc[test], used.loc[train]))
    return Hazards(
        _ratios(fitted, design),
        _scores(error, hazard, lives.loc[test], at, seed),
        pd.DataFrame({name: part.mean(axis=0) for name, part in error.items()}, index=pd.Index(at, name="day")),
        len(test),
        int(lives.left.loc[test].sum()),
        list(covariates.columns[~varies]),
    )


def censoring(lives: pd.DataFrame) -> KaplanMeierFitter:
    """Estimate the chance to be followed for longer than a time; who leaves on a day does so before the day's end."""
    return KaplanMeierFitter().fit(lives.days - 0.5 * lives.left, ~lives.left)


def brier_terms(lives: pd.DataFrame, stayed: np.ndarray, at: np.ndarray, followed: KaplanMeierFitter) -> np.ndarray:
    """Compute each customer's part of the Brier score of times of which some are censored.

    Graf, Schmoor, Sauerbrei and Schumacher, Statistics in Medicine 18, 1999: the squared error of those whose state
    at a time is known, weighted by the inverse of the chance to be followed for so long.

    Parameters
    ----------
    lives : pd.DataFrame
        `days` (whole) and whether `left`.
    stayed : np.ndarray
        Foretold chance to be there still, shape (customers, times).
    at : np.ndarray
        Times in days.
    followed : KaplanMeierFitter
        From `censoring` of the customers that the model was fitted on.

    Returns
    -------
    np.ndarray
        Shape (customers, times); the mean over customers is the score.
    """
    days, left = lives.days.to_numpy(), lives.left.to_numpy()[:, None]
    until = followed.survival_function_at_times(days - 1).to_numpy()[:, None]  # followed up to the day of leaving
    beyond = followed.survival_function_at_times(at).to_numpy()[None, :]
    gone, there = left & (days[:, None] <= at), days[:, None] > at
    lost = np.divide(stayed**2, until, out=np.zeros(gone.shape), where=gone)
    return lost + np.divide((1 - stayed) ** 2, beyond, out=np.zeros(gone.shape), where=there)


def concordant_pairs(lives: pd.DataFrame, hazard: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Compare every customer who left with every customer who was there for longer.

    Returns
    -------
    tuple of np.ndarray
        Positions of those who left; whether each pair can be compared, and its concordance (1, or 0.5 for equal
        hazards), both of shape (leavers, customers).
    """
    days, left = lives.days.to_numpy(), lives.left.to_numpy()
    leavers = np.flatnonzero(left)
    later = (days > days[leavers, None]) | ((days == days[leavers, None]) & ~left)
    ahead = (hazard[leavers, None] > hazard) + 0.5 * (hazard[leavers, None] == hazard)
    return leavers, later, ahead * later


def _split(lives: pd.DataFrame, seed: int) -> tuple[pd.Index, pd.Index]:
    """Choose the customers held out, leavers among them in proportion."""
    left, most = int(lives.left.sum()), lives.days.quantile(1 - _FOLLOWED)
    if min(left, len(lives) - left) < 2 * FEWEST or most <= 3 * _STEP:
        raise BankmineError(
            f"Of {len(lives)} customers followed for up to {most:.0f} days {left} left: no model can tell when with "
            f"fewer than {2 * FEWEST} who left or who stayed, or in {3 * _STEP} days. Look at earlier days."
        )
    size = min(HELD_OUT, MOST_HELD_OUT / len(lives))
    return tuple(train_test_split(lives.index, test_size=size, random_state=seed, stratify=lives.left))


def _check(train: pd.DataFrame, used: pd.DataFrame) -> None:
    if used.columns.empty:
        raise BankmineError("No covariate varies among those who left: name others to tell when customers leave.")
    leavers, needed = int(train.left.sum()), FEWEST * used.shape[1]
    if leavers < needed:
        raise BankmineError(
            f"{leavers} of the customers that the model is fitted on left, but {used.shape[1]} covariates need "
            f"{needed}: name fewer, or look at earlier days."
        )


def _standard(rows: pd.DataFrame, known: pd.DataFrame) -> pd.DataFrame:
    """Fill gaps and standardise numbers by what is known; truth values stay 0 and 1."""
    rows, known = (part.astype(float).replace([np.inf, -np.inf], np.nan) for part in (rows, known))
    filled, told = rows.fillna(known.median()), known.fillna(known.median())
    truth = told.isin([0, 1]).all()
    return (filled - told.mean().mask(truth, 0.0)) / told.std().mask(truth, 1.0)


def _fit(lives: pd.DataFrame, used: pd.DataFrame, known: pd.DataFrame) -> tuple[CoxPHFitter, pd.DataFrame]:
    design = _standard(used, known).assign(days=lives.days, left=lives.left)
    return CoxPHFitter(penalizer=_RIDGE, alpha=1 - CONFIDENCE).fit(design, "days", "left"), design


def _ratios(fitted: CoxPHFitter, design: pd.DataFrame) -> pd.DataFrame:
    test = proportional_hazard_test(fitted, design, time_transform="rank")
    bounds = np.exp(fitted.confidence_intervals_)
    table = {"ratio": fitted.hazard_ratios_, "low": bounds.iloc[:, 0], "high": bounds.iloc[:, 1]}
    table |= {"p_value": fitted.summary["p"], "proportional": test.summary["p"]}
    return pd.DataFrame(table).rename_axis("covariate").sort_values("p_value", kind="stable")


def _foretold(
    fitted: CoxPHFitter, train: pd.DataFrame, test: pd.DataFrame, design: pd.DataFrame
) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """Return each held out customer's errors over time by model and baseline, the hazards, and the times."""
    at = np.arange(_STEP, train.days.quantile(1 - _FOLLOWED), _STEP)  # some are followed for longer than the last time
    everyone = KaplanMeierFitter().fit(train.days, train.left).survival_function_at_times(at).to_numpy()
    followed = censoring(train)
    told = {"cox": fitted.predict_survival_function(design, times=at).T.to_numpy(), "kaplan_meier": everyone[None, :]}
    errors = {name: brier_terms(test, stayed, at, followed) for name, stayed in told.items()}
    return errors, fitted.predict_partial_hazard(design).to_numpy(), at


def _scores(
    error: dict[str, np.ndarray], hazard: np.ndarray, test: pd.DataFrame, at: np.ndarray, seed: int
) -> pd.DataFrame:
    """Sum up over time, with intervals by a bootstrap over customers; the first weights are those of the sample."""
    draws = np.random.default_rng(seed).multinomial(len(test), np.full(len(test), 1 / len(test)), _DRAWS)
    weight = np.vstack([np.ones(len(test)), draws])
    model, nobody = (
        weight @ np.trapezoid(error[n], at, axis=1) / (at[-1] - at[0]) / len(test) for n in ("cox", "kaplan_meier")
    )
    leavers, later, ahead = concordant_pairs(test, hazard)
    pairs = [((weight[:, leavers] @ part) * weight).sum(axis=1) for part in (ahead, later)]
    found = {"concordance": (pairs[0] / pairs[1], 0.5), "integrated_brier": (model, nobody[0]),
             "skill": (1 - model / nobody, 0.0)}  # fmt: skip
    tail = (1 - CONFIDENCE) / 2
    rows = {n: (x[0], *np.quantile(x[1:], (tail, 1 - tail)), base) for n, (x, base) in found.items()}
    return pd.DataFrame.from_dict(rows, orient="index", columns=["value", "low", "high", "baseline"]).rename_axis(
        "metric"
    )
