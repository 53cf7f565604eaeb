"""Trials: whether a group was held back at random, what contacts did to those on the list, and what could be seen.

What is estimated is the effect of the intention to treat, of being on the list to be contacted, whether the contact
reached anybody or not. Rows are customers, each with the contacts of either arm, `treated` and `held` back: one contact
in all where a campaign runs on one day, more where it runs on. Customers are drawn, not contacts.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from bankmine.errors import BankmineError
from bankmine.judging.intervals import around, clustered_error
from bankmine.learning.encoding import Encode, SignedLog

POWER = 0.8
SURELY = 0.001
"""Chance of a false alarm of the tests by which a campaign is refused as evidence."""
FEWEST = 20
"""Customers of an arm below which no effect is told."""
_Z = stats.norm.ppf(0.975) + stats.norm.ppf(POWER)
_FOLDS, _ALPHAS, _RANK = 5, np.logspace(1, 5, 5), 1e-6


def sample_ratio(rows: pd.DataFrame) -> dict[str, float]:
    """Test whether as many contacts were `treated` as `planned`: `share`, `plan`, `p` and whether they are `off`.

    Exact where the plan is one share, else by the normal law of a sum of draws, each by its own.
    Source: Fabijan and others, Diagnosing Sample Ratio Mismatch, KDD (2019).
    """
    contacts = rows["treated"] + rows["held"]
    if rows["planned"].isna().any():
        raise BankmineError("contacts do not tell which share the plan treats")
    n, hits, expected = contacts.sum(), rows["treated"].sum(), rows["planned"].sum()
    chance = rows["planned"] / contacts
    if np.ptp(chance) < 1e-9:
        p = stats.binomtest(int(hits), int(n), float(min(chance.mean(), 1.0))).pvalue
    else:
        p = 2 * stats.norm.sf(abs(hits - expected) / np.sqrt((rows["planned"] * (1 - chance)).sum()))
    return {"share": hits / n, "plan": expected / n, "p": float(p), "off": bool(p < SURELY)}


def prepared(known: pd.DataFrame) -> pd.DataFrame:
    """Return what was known before, as numbers on one scale: words as columns, missing values filled and flagged."""
    steps = make_pipeline(Encode(), SignedLog(), StandardScaler())
    matrix = steps.fit_transform(known)
    encode, unskew = steps["encode"], steps["signedlog"]
    origin = np.concatenate([encode.origin_, encode.origin_[unskew.flagged_]])
    return pd.DataFrame(matrix, known.index, [encode.columns_[i] for i in origin])


def balance(rows: pd.DataFrame, known: pd.DataFrame) -> tuple[pd.DataFrame, float]:
    """Compare what was known of the treated and of those held back, before: standardised differences, and p of all.

    `known` is of `prepared`. All at once by the law of the differences under randomisation (Hansen and Bowers,
    Statistical Science 23, 2008). Returns a row a column, the largest first: `difference`, and `p` of all together.
    """
    weight = (rows["treated"] / rows["treated"].sum() - rows["held"] / rows["held"].sum()).to_numpy(float)
    (difference, p), spread = _alike(weight, known), known.to_numpy(float).std(axis=0)
    table = pd.DataFrame({"known before": known.columns, "difference": difference / np.where(spread > 0, spread, 1.0)})
    return table.loc[table["difference"].abs().sort_values(ascending=False, kind="stable").index], p


def foretold_before(outcomes: pd.DataFrame, known: pd.DataFrame, entity: pd.Series) -> pd.DataFrame:
    """Foretell outcomes by what was known before, each row by a model of other customers, whichever arm they are in."""
    folds = GroupKFold(min(_FOLDS, entity.nunique()), shuffle=True, random_state=0)
    model = RidgeCV(_ALPHAS, alpha_per_target=True)
    values, matrix = outcomes.to_numpy(float), known.to_numpy(float)
    found = cross_val_predict(model, matrix, values, groups=entity, cv=folds)
    return pd.DataFrame(found.reshape(values.shape), outcomes.index, outcomes.columns)


def effect(rows: pd.DataFrame, of: str, before: pd.Series | None = None) -> dict[str, float]:
    """Estimate by how much contacts raise an outcome, a contact: `value`, `low`, `high`, and `p` of none.

    `rows` has the contacts of either arm, `treated` and `held`, and the outcome summed up over each, `treated_<of>` and
    `held_<of>`; `with_` and `without` are their means. `seen` is the effect that would have been found with `POWER`.
    `before` is what was foretold of each contact by what was known before: the part of the outcome that goes with it is
    taken out, which narrows the interval and moves nothing (Deng and others, CUPED, WSDM 2013).
    """
    arms = {arm: rows[arm].to_numpy(float) for arm in ("treated", "held")}
    refuse_small(rows)
    total = {arm: rows[f"{arm}_{of}"].to_numpy(float) for arm in arms}
    means = {arm: total[arm].sum() / n.sum() for arm, n in arms.items()}
    if before is not None:
        ahead = before.to_numpy(float) - np.average(before, weights=arms["treated"] + arms["held"])
        pulls = sum(ahead @ (total[arm] - means[arm] * n) for arm, n in arms.items())
        size = sum((n * ahead**2).sum() for n in arms.values())
        total = {arm: total[arm] - (pulls / size if size else 0.0) * ahead * n for arm, n in arms.items()}
    own = {arm: total[arm].sum() / n.sum() for arm, n in arms.items()}
    pull = {arm: (total[arm] - own[arm] * n) / n.sum() for arm, n in arms.items()}
    value, error = own["treated"] - own["held"], clustered_error(pull["treated"] - pull["held"], np.arange(len(rows)))
    if not error:
        raise BankmineError("all had the same outcome, treated or not")
    low, high = around(value, error)
    return {
        "value": value, "low": float(low), "high": float(high), "p": float(2 * stats.norm.sf(abs(value) / error)),
        "with_": means["treated"], "without": means["held"],
        "seen": float(_Z * error),
    }  # fmt: skip


def refuse_small(rows: pd.DataFrame) -> None:
    """Raise a BankmineError where an arm has so few customers that nothing can be told."""
    treated, held = (int((rows[arm] > 0).sum()) for arm in ("treated", "held"))
    if not held:
        raise BankmineError("nobody was held back: what customers would have done without the contact is not known")
    if not treated:
        raise BankmineError("nobody was contacted: all were held back")
    if min(treated, held) < FEWEST:
        arm = "contacted" if treated < held else "held back"
        raise BankmineError(
            f"{min(treated, held)} customers were {arm}: at least {FEWEST} are needed to tell an effect"
        )


def seen(without: float, treated: int, held: int) -> float:
    """Return the effect on a rate that so many customers of either arm show with `POWER`."""
    return float(_Z * np.sqrt(without * (1 - without) * (1 / treated + 1 / held)))


def unrelated(drawn: pd.Series, known: pd.DataFrame) -> float:
    """Return p of a number that was drawn for each row, as a price, having nothing to do with what was known before."""
    return _alike((drawn - drawn.mean()).to_numpy(float), known)[1]


def _alike(weight: np.ndarray, known: pd.DataFrame) -> tuple[np.ndarray, float]:
    """Return what each column differs by under a weight that the draw gave, and p of all of them being chance."""
    values = known.to_numpy(float)
    values = values - values.mean(axis=0)
    difference = weight @ values
    root, axes = np.linalg.eigh((values.T @ values / len(values)) * (weight**2).sum())
    kept = root > _RANK * root.max()
    return difference, float(stats.chi2.sf((((difference @ axes[:, kept]) ** 2) / root[kept]).sum(), kept.sum()))
