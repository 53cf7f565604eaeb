"""Characteristics: which predictors a scorecard is made of, and for each of the others why it is not."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import norm
from sklearn.linear_model import LogisticRegression

from bankmine.judging.intervals import CONFIDENCE
from bankmine.topics.credit.bins import Bins

_STRENGTHS = ((0.02, "none"), (0.1, "weak"), (0.3, "medium"), (0.5, "strong"), (np.inf, "suspicious: known in time?"))
"""What an information value is called below each bound (Siddiqi, Credit Risk Scorecards, 2006, chapter 6)."""


@dataclass(frozen=True)
class Selection:
    """What a characteristic of a scorecard has to be."""

    least: float = 0.02
    """Information value, at least."""
    most: float = 2.0
    """Information value from which a characteristic is taken for one that was not known in time."""
    alike: float = 0.7
    """Correlation of the weights of evidence of two characteristics, in size, from which only the stronger is taken."""
    inflation: float = 5.0
    """Variance inflation factor, at most: 5 says that the others explain 80 % of a characteristic."""
    number: int = 20
    """Characteristics, at most."""


USUAL = Selection()


@dataclass(frozen=True)
class Chosen:
    """Characteristics of a scorecard and their regression."""

    table: pd.DataFrame
    """One row a predictor, strongest first, with those chosen before the others: `kept`, `reason` (why not; empty where
    it is kept), `iv` with its interval `iv_low`, `iv_high`, `iv_by_chance` (what noise reaches in so few rows),
    `strength`, `bins`, `trend`, and of those kept `coefficient`, `coefficient_low`, `coefficient_high` and `vif`."""
    intercept: float
    """Log-odds of the event of a row whose weights of evidence are all 0."""

    @property
    def coefficients(self) -> pd.Series:
        """Log-odds of the event for one more of the weight of evidence, of those kept."""
        return self.table.loc[self.table["kept"], "coefficient"]


def choose(bins: dict[Hashable, Bins], woe: pd.DataFrame, bad: np.ndarray, rules: Selection) -> Chosen:
    """Choose characteristics: by information value, without doubles, with coefficients of the right sign.

    One is always kept, the strongest, so that there is a scorecard; `strength` and `iv_by_chance` say what it is worth.

    Parameters
    ----------
    bins : dict of Bins
        Of each predictor.
    woe : pd.DataFrame
        Weights of evidence of the training rows, one column a predictor.
    bad : np.ndarray
        1 for rows with the event, 0 for others.
    rules : Selection
        What characteristics have to be.
    """
    values = pd.Series({name: found.value for name, found in bins.items()}).sort_values(ascending=False, kind="stable")
    reasons = {name: _by_value(bins[name], rules) for name in values.index}
    if all(reasons.values()):
        reasons[_strongest(values, rules)] = ""
    reasons |= _doubles(woe, [c for c, why in reasons.items() if not why], rules)
    reasons |= _inflated(woe, [c for c, why in reasons.items() if not why], rules.inflation)
    wrong, model = _wrong_way(woe, [c for c, why in reasons.items() if not why], bad)
    reasons |= wrong
    return _told(bins, reasons, woe, model)


def vif(woe: pd.DataFrame) -> pd.Series:
    """Return the variance inflation factor of each column: 1 / (1 − the share that the others explain)."""
    # the pseudo-inverse is that of a matrix of which no column is a sum of others
    return pd.Series(np.diag(np.linalg.pinv(_correlation(woe))), index=woe.columns).clip(lower=1.0)


def _by_value(found: Bins, rules: Selection) -> str:
    if found.missing == 1 and found.value < rules.least:
        return "no two bins of it differ in risk"
    if found.value < rules.least:
        return f"tells too little: information value {found.value:.3f}, below {rules.least:g}"
    if found.value < found.by_chance:
        events = min(found.good.sum(), found.bad.sum())
        return f"may be chance: noise reaches {found.by_chance:.3f} with {events:,.0f} events, and it {found.value:.3f}"
    if found.value >= rules.most:
        return f"tells too much: information value {found.value:.2f}, from {rules.most:g} on; was it known in time?"
    return ""


def _strongest(values: pd.Series, rules: Selection) -> Hashable:
    """Return the name of the strongest characteristic that does not tell too much, if there is one."""
    fair = values[values < rules.most]
    return (fair if len(fair) else values).index[0]


def _doubles(woe: pd.DataFrame, names: list[Hashable], rules: Selection) -> dict[Hashable, str]:
    """Say of each characteristic, strongest first, whether a stronger one says the same, or enough are there."""
    between = pd.DataFrame(np.abs(_correlation(woe[names])), index=names, columns=names)
    kept, reasons = [], {}
    for name in names:
        same = between.loc[kept, name]
        if len(same) and same.max() >= rules.alike:
            reasons[name] = f"says the same as {same.idxmax()}, which tells more: correlation {same.max():.2f}"
        elif len(kept) == rules.number:
            reasons[name] = f"{rules.number} others tell more"
        else:
            kept.append(name)
    return reasons


def _inflated(woe: pd.DataFrame, names: list[Hashable], most: float) -> dict[Hashable, str]:
    """Leave out the characteristic that the others explain best, until they explain none."""
    factors = vif(woe[names])
    if factors.max() <= most:
        return {}
    worst = factors.idxmax()
    why = f"the others say it together: variance inflation {factors.max():.1f}, above {most:g}"
    return {worst: why} | _inflated(woe, [c for c in names if c != worst], most)


def _wrong_way(
    woe: pd.DataFrame, names: list[Hashable], bad: np.ndarray
) -> tuple[dict[Hashable, str], LogisticRegression]:
    """Leave out the characteristic that turns its risk round most, until none does; return the others' model too.

    The log-odds of the event fall with every weight of evidence; where one rises, beside the others, it does not say
    what its bins say, and nobody could explain its points.
    """
    # the penalty is a prior of deviation 1 around 0; coefficients are about −1 where characteristics are unlike
    model = LogisticRegression(C=1.0, max_iter=500).fit(woe[names].to_numpy(), bad)
    worst = int(model.coef_[0].argmax())
    if model.coef_[0, worst] <= 0 or len(names) == 1:
        return {}, model
    why = f"beside the others its risk would turn round: coefficient {model.coef_[0, worst]:+.2f} instead of below 0"
    more, model = _wrong_way(woe, names[:worst] + names[worst + 1 :], bad)
    return {names[worst]: why} | more, model


def _told(
    bins: dict[Hashable, Bins], reasons: dict[Hashable, str], woe: pd.DataFrame, model: LogisticRegression
) -> Chosen:
    kept = [c for c, why in reasons.items() if not why]
    rows = {
        name: (not why, why, found.value, *found.value_interval, found.by_chance, _strength(found.value), found.missing,
               found.trend)
        for name, why in reasons.items() for found in [bins[name]]
    }  # fmt: skip
    columns = ["kept", "reason", "iv", "iv_low", "iv_high", "iv_by_chance", "strength", "bins", "trend"]
    table = pd.DataFrame.from_dict(rows, "index", columns=columns).rename_axis("predictor")
    half = norm.ppf((1 + CONFIDENCE) / 2) * _standard_errors(model, woe[kept].to_numpy())
    told = {"coefficient": model.coef_[0], "coefficient_low": model.coef_[0] - half,
            "coefficient_high": model.coef_[0] + half, "vif": vif(woe[kept]).to_numpy()}  # fmt: skip
    table = table.join(pd.DataFrame(told, index=kept)).sort_values("kept", ascending=False, kind="stable")
    return Chosen(table, float(model.intercept_[0]))


def _standard_errors(model: LogisticRegression, matrix: np.ndarray) -> np.ndarray:
    """Return standard errors of coefficients: of the inverse Hessian of the penalised likelihood."""
    chance = model.predict_proba(matrix)[:, 1]
    with_one = np.column_stack([np.ones(len(matrix)), matrix])
    hessian = (with_one * (chance * (1 - chance))[:, None]).T @ with_one
    hessian[1:, 1:] += np.eye(matrix.shape[1]) / model.C
    return np.sqrt(np.diag(np.linalg.inv(hessian)))[1:]


def _strength(value: float) -> str:
    return next(word for bound, word in _STRENGTHS if value < bound)


def _correlation(woe: pd.DataFrame) -> np.ndarray:
    """Return the correlations of columns, 0 with a column that does not vary."""
    centred = (woe - woe.mean()).to_numpy()
    length = np.linalg.norm(centred, axis=0)
    unit = centred / np.where(length > 0, length, 1.0)
    found = unit.T @ unit
    np.fill_diagonal(found, 1.0)
    return found
