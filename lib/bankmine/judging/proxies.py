"""Proxies: predictors that tell who a person is, and carry it into decisions although the attribute is left out.

Leaving gender out of a model does not keep it out: a predictor that differs between women and men can stand in for it
(Kusner and others, Counterfactual fairness, NeurIPS 2017). A proxy is a predictor that tells the attribute and carries
it into the score. Whether that is unfair depends on a third thing: whether it foretells what the score is about, as
income does. One that does not has no business in the score.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype
from scipy.stats import rankdata

from bankmine.errors import BankmineError
from bankmine.judging.intervals import around, clustered_error
from bankmine.judging.ranking import against, of
from bankmine.learning.encoding import edges_of, level
from bankmine.learning.sample import Sample, thinned
from bankmine.learning.splits import FEWEST

TELLS = 0.55
"""An attribute is told by a predictor whose AUC alone is above this with its whole interval."""
CARRIES = 0.1
"""A predictor carries an attribute that moves the score between groups by this part of the whole gap, or more."""
PROXY, SILENT, HARMLESS = "proxy in use", "tells it, but does not move the score", ""
_ROWS = 10_000
_PARTS = 10


def proxies(sample: Sample, attribute: pd.Series, pushes: pd.DataFrame) -> pd.DataFrame:
    """Say of every predictor whether it tells the attribute, carries it into the score, and foretells the outcome.

    `attribute` is 1 for the group, 0 for the others; the sum of the `pushes` is the score. `tells` and `foretells` are
    the AUC alone for attribute and target, `gap` is the mean push of the group less that of the others, `lost`, of
    proxies in use, the AUC that the score loses without the push (rows learnt from flatter it). Intervals 95 %, by
    customer.
    """
    asked, judged = _as_target(sample, attribute), _some(sample.at(sample.known))
    table = _gaps(pushes, attribute, sample.entity)
    for name, rows in (("tells", asked), ("foretells", judged)):
        found = {c: _auc_alone(rows.predictors[c], rows.target, rows.entity) for c in table.index}
        table[[name, f"{name}_low", f"{name}_high"]] = pd.DataFrame(found).T.reindex(table.index).to_numpy()
    tells = table["tells_low"] > TELLS
    moved = (table["gap_low"] * table["gap_high"] > 0) & (table["share"] >= CARRIES)
    table["verdict"] = np.select([tells & moved, tells], [PROXY, SILENT], HARMLESS)
    table[["lost", "lost_low", "lost_high"]] = np.nan
    for name in table.index[table["verdict"] == PROXY] if judged.target.nunique() == 2 else []:
        table.loc[name, ["lost", "lost_low", "lost_high"]] = _lost(judged, pushes, name)
    return table.sort_values("share", ascending=False, kind="stable").rename_axis("predictor")


def _as_target(sample: Sample, attribute: pd.Series) -> Sample:
    """Put the attribute in place of the outcome; only customers of whom it is known, and of many some."""
    asked = replace(sample, target=attribute.astype(float).reindex(sample.target.index))
    asked = _some(asked.at(asked.known))
    people = asked.target.groupby(asked.entity.to_numpy()).max()
    if (fewer := min((people == 1).sum(), (people == 0).sum())) < FEWEST:
        raise BankmineError(
            f"Only {fewer} customers are in the smaller group, and {FEWEST} are needed to look for proxies."
        )
    return asked


def _some(sample: Sample) -> Sample:
    return sample.at(thinned(sample, np.ones(len(sample), dtype=bool), _ROWS))


def _lost(judged: Sample, pushes: pd.DataFrame, name: Hashable) -> tuple[float, float, float]:
    """Return how much of its AUC the score loses without what one predictor adds to it."""
    rows = pushes.loc[judged.target.index]
    whole = rows.sum(axis=1)
    scores = pd.DataFrame({"without": whole - rows[name], "whole": whole})
    found = of(against(judged.target, scores, "without", judged.entity, rounds=200), "whole").loc["auc"]
    return found["difference"], found["low"], found["high"]


def _gaps(pushes: pd.DataFrame, attribute: pd.Series, entity: pd.Series) -> pd.DataFrame:
    """Take the mean push of one group from that of the other, with an interval by customer."""
    group, values = attribute.reindex(pushes.index), pushes.to_numpy(float)
    one, other = (group == 1).to_numpy(), (group == 0).to_numpy()
    means = values[one].mean(axis=0), values[other].mean(axis=0)
    pull = (values - means[0]) * (one / one.sum())[:, None] - (values - means[1]) * (other / other.sum())[:, None]
    gap = means[0] - means[1]
    low, high = around(gap, clustered_error(pull, entity.loc[pushes.index]))
    table = pd.DataFrame({"gap": gap, "gap_low": low, "gap_high": high}, index=pushes.columns)
    return table.assign(share=np.abs(gap) / (np.abs(gap).sum() or 1.0))


def _auc_alone(values: pd.Series, target: pd.Series, entity: pd.Series) -> tuple[float, float, float]:
    """Return the AUC of one predictor for an outcome, with its interval by customer.

    Each half of the customers is scored by the rates that the other half had at the same tenth or category, so that
    a predictor that is U-shaped counts, and one that only tells customers apart does not. Interval: DeLong and others,
    Biometrics 44 (1988), for rows in clusters Obuchowski, Biometrics 53 (1997).
    """
    if target.nunique() < 2:
        return (np.nan,) * 3
    half = pd.factorize(entity)[0] % 2 == 0
    edges = edges_of(values, _PARTS) if is_numeric_dtype(values.dtype) else None
    place = pd.Series(level(values, edges), values.index)
    rates = [place.map(target[part].groupby(place[part]).mean()).fillna(target[part].mean()) for part in (~half, half)]
    score, event = np.where(half, *rates), target.to_numpy() == 1
    # within a half only: the rates of the two halves are of different customers, and differ a little throughout
    ranks = pd.Series(score).groupby(half).rank().to_numpy()
    parts = [_structure(ranks, event, rows) for rows in (half, ~half)]
    auc = float(np.mean([a for a, _ in parts]))
    return auc, *around(auc, clustered_error(np.mean([pull for _, pull in parts], axis=0), entity))


def _structure(ranks: np.ndarray, event: np.ndarray, rows: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the AUC among some rows, and what each of them pulls it by."""
    yes, no = rows & event, rows & ~event
    pull = np.zeros(len(rows))
    if not yes.any() or not no.any():
        return 0.5, pull
    beaten = (ranks[yes] - rankdata(ranks[yes])) / no.sum()
    lost = 1 - (ranks[no] - rankdata(ranks[no])) / yes.sum()
    auc = float(beaten.mean())
    pull[yes], pull[no] = (beaten - auc) / yes.sum(), (lost - auc) / no.sum()
    return auc, pull
