"""Stability: how far applicants have moved from those learnt from, and how far a card fitted anew does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from bankmine.errors import BankmineError
from bankmine.judging.drift import psi_by_day, psi_table
from bankmine.judging.reasons import readable
from bankmine.learning.sample import Sample
from bankmine.study import charts
from bankmine.topics.credit.scorecard import SCORECARD, Scorecard

if TYPE_CHECKING:
    from bankmine.topics.credit.granting import CreditStudy

_MOVED = 0.02
"""Share of missing values by which a column has moved so far that a page says so."""


def moved(study: CreditStudy) -> pd.DataFrame:
    """Hold the score and its characteristics now against training, by stability index, most moved first."""
    learnt = study.sample.at(study.split.train)
    found = psi_table(_watched(study, learnt), _watched(study, study.today), learnt.entity, study.today.entity)
    return found.sort_values("psi", ascending=False, ignore_index=True)


def drift(study: CreditStudy) -> dict[str, object]:
    """Say how many of the `columns` have `shifted` by more than chance, and `which`, how far and above which alarm."""
    own = study.moved[study.moved["shifted"]].head(3)
    told = [f"{readable(r.column)} {r.psi:.2f}, above {r.alarm:.2f}" for r in own.itertuples()]
    gone = [f" (missing {r.missing_then:.0%} then, {r.missing_now:.0%} now)" if abs(r.missing_then - r.missing_now)
            > _MOVED else "" for r in own.itertuples()]  # fmt: skip
    which = "; ".join(map("".join, zip(told, gone, strict=True))) or "none"
    return {"shifted": int(study.moved["shifted"].sum()), "columns": len(study.moved), "which": which}


def _watched(study: CreditStudy, rows: Sample) -> pd.DataFrame:
    return rows.predictors[list(study.scorecard.bins)].assign(score=study.scorecard.score(rows.predictors))


def moved_chart(study: CreditStudy) -> Axes:
    """Draw the stability index by month of application as a heat map; ▲ above what chance makes."""
    judged = study.judged.rows
    if judged.day is None:
        raise BankmineError("the table tells no days")
    learnt, later = study.sample.at(study.split.train), study.sample.at(study.sample.day >= judged.day.min())
    month = later.day.dt.to_period("M").dt.to_timestamp()
    found = psi_by_day(_watched(study, learnt), _watched(study, later), month, learnt.entity, later.entity)
    found["told"] = found["psi"].map("{:.2f}".format) + found["shifted"].map({True: "▲", False: ""})
    found["day"], rows = found["day"].dt.strftime("%Y-%m"), ["score", *list(study.scorecard.bins)[:9]]
    psi, told = (found.pivot_table(index="column", columns="day", values=v, aggfunc="first").loc[rows]
                 for v in ("psi", "told"))  # fmt: skip
    figure = plt.figure(figsize=(max(6.4, 0.62 * psi.shape[1]), 1.2 + 0.4 * len(psi)))
    axis = sns.heatmap(psi, annot=told, fmt="", cmap="Blues", vmin=0, vmax=0.5, cbar=False, ax=figure.subplots(),
                       annot_kws={"fontsize": 8}, yticklabels=[readable(c) for c in psi.index])  # fmt: skip
    axis.tick_params(axis="x", rotation=60)
    return charts.titled(axis, "Stability index since training, by month; ▲ above what chance makes", "", "")


def points_changed(study: CreditStudy) -> pd.DataFrame:
    """Return, by characteristic, fewest and most points in the card in use and in the one fitted anew."""
    study.refit  # noqa: B018 - lacking where there is nothing newer
    anew = study.fitted[1].fitted[SCORECARD][-1].card_
    told = pd.DataFrame({"in use": _spans(study.scorecard), "fitted anew": _spans(anew)})
    return told.fillna("not in it")


def changes(study: CreditStudy) -> dict[str, object]:
    """Say what the refit would change: `agreement`, `same` refusals, characteristics `kept`, and in the `anew` card."""
    told = study.points_changed
    mine, anew = ((told[name] != "not in it").sum() for name in told)
    newer = study.sample.at(study.parts.scoring.train)
    return {**study.refit.summary, "kept": mine, "anew": anew, "rows": len(study.split.train), "newer": len(newer)}


def _spans(card: Scorecard) -> pd.Series:
    return pd.Series({name: f"{p.min():d} to {p.max():d}" for name, p in card.points.items()})
