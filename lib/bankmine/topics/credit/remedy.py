"""Remedies: which group is granted credit least often, and what it would cost to grant it as the four-fifths rule asks.

Two ways are shown: credit for the next best of the group, and scorecards that leave out what costs the group most
points (the search for a less discriminatory alternative). Which of them is right, or lawful, is for people to say.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bankmine.deciding import policies
from bankmine.errors import BankmineError
from bankmine.judging import fairness, ranking
from bankmine.judging.intervals import shown, with_interval
from bankmine.judging.reasons import readable
from bankmine.learning.fitting import apply_models
from bankmine.topics.credit import lending
from bankmine.topics.credit.scorecard import SCORECARD

if TYPE_CHECKING:
    from bankmine.topics.credit.granting import CreditStudy

AS_IS, NEXT = "as it is", "the next of the group, too"
_MOST = 3
"""Characteristics that are left out, one at a time."""


def worst(study: CreditStudy) -> dict[str, object]:
    """Return the lowest adverse impact ratio with its interval, `who`, and whether it is `below` four fifths."""
    found = _lowest(study.impact)
    return found | {"below": bool(found["ratio"] < fairness.FOUR_FIFTHS)}


def worst_now(study: CreditStudy) -> dict[str, object]:
    """Return the same of all newest applicants by the cut-off alone, also where a person decides, but for `below`."""
    return _lowest(study.impact_of(study.acted_now, study.today))


def _lowest(impact: dict[str, pd.DataFrame]) -> dict[str, object]:
    attribute, group, ratio = fairness.worst_ratio(impact)
    if not attribute:
        raise BankmineError("no group is large enough to compare")
    ends = impact[attribute].loc[group, ["ratio_low", "ratio_high"]]
    return {"ratio": ratio, **ends, "who": f"{attribute} {group}"}


def remedies(study: CreditStudy) -> pd.DataFrame:
    """Compare ways to grant the group with the lowest impact ratio credit more often, on the rows judged.

    By way: `granted` (share of all), `group` (share of the group), `ratio` with its interval, `auc`, the `profit` of
    known outcomes at the terms agreed, how much more that is than as it is (`change`, with `change_low` and
    `change_high`; below 0 it costs), the change that is `expected` of all who are granted credit, by the chances of the
    card in use and at the terms asked for, `up_to` (chance up to which the group is granted credit, where another one
    holds for it) and `more`: how many are granted that are not now.
    """
    attribute, group, _ = fairness.worst_ratio(study.impact)
    if not attribute:
        raise BankmineError("no group is large enough to compare")
    now = study.impact[attribute]
    reference = now.index[now["verdict"] == fairness.REFERENCE][0]
    applied, groups = study.fitted[0], study.groups()[attribute]
    rows, chance = applied.rows, applied.probability[SCORECARD]
    groups = study.told_group(groups.loc[rows.target.index], rows.entity)
    own, granted = groups.astype(str) == group, ~study.acted.iloc[:, 0].astype(bool)
    ways, models, up_to = {AS_IS: granted}, {AS_IS: chance}, {}
    short = math.ceil(fairness.FOUR_FIFTHS * now.loc[reference, "share"] * own.sum()) - int((granted & own).sum())
    if short > 0:
        following = chance[own & (chance > study.cut_off)].nsmallest(short)
        ways[NEXT], models[NEXT], up_to[NEXT] = granted | granted.index.isin(following.index), chance, following.max()
    for name in _dearest(study, own):
        what = f"a scorecard without {readable(name)}"
        models[what] = _without(study, name)
        ways[what] = lending.approves(models[what].to_frame(), granted.mean()).iloc[:, 0]
    gain = lending.granted(rows.target, study.costs(rows))
    money = policies.profit_of(pd.DataFrame(ways), gain, rows.entity)
    impact = {w: fairness.adverse_impact(yes, groups, rows.entity, reference).loc[group] for w, yes in ways.items()}
    found = pd.DataFrame(impact).T[["share", "ratio", "ratio_low", "ratio_high"]].astype(float)
    found = found.rename(columns={"share": "group"}).join(money[["profit"]])
    hoped, known = lending.granting(chance, study.costs(rows)), rows.target.dropna().index
    auc = ranking.performance(rows.target[known], pd.DataFrame(models).loc[known], rows.entity[known], rounds=0)
    auc = auc[auc["metric"] == "auc"].set_index("model")["value"]
    return found.assign(
        granted=pd.Series({w: yes.mean() for w, yes in ways.items()}), auc=auc, change=-money["behind"],
        change_low=-money["behind_high"], change_high=-money["behind_low"], up_to=pd.Series(up_to, dtype=float),
        more=pd.Series({w: int((yes & ~granted).sum()) for w, yes in ways.items()}),
        expected=pd.Series({w: hoped[yes].sum() - hoped[granted].sum() for w, yes in ways.items()}),
    ).rename_axis("way")  # fmt: skip


def remedies_table(study: CreditStudy) -> pd.DataFrame:
    """Return the same for a page."""
    found = study.remedies
    told = pd.DataFrame({
        "granted": found["granted"], "of the group": found["group"], "group up to": found["up_to"],
        "impact ratio": with_interval(found, "ratio", ".2f"),
        "AUC": found["auc"], "expected profit": found["expected"],
        "known profit": with_interval(found, "change", "+,.0f"),
    })  # fmt: skip
    return shown(
        told, granted=".0%", AUC=".3f", **{"of the group": ".0%", "group up to": ".1%", "expected profit": "+,.0f"}
    )


def remedied(study: CreditStudy) -> dict[str, object] | None:
    """Say what four fifths for the group of `who` would cost; None where it has them.

    `more` credits, up to a chance `up_to`, are expected to `cost` (or earn, says `effect`); `other` is the way of
    those tried that has the highest `ratio` with as many granted.
    """
    if NEXT not in study.remedies.index:
        return None
    found, others = study.remedies.loc[NEXT], study.remedies.drop([AS_IS, NEXT])
    told = {"who": study.worst["who"], "more": int(found["more"]), "up_to": found["up_to"], "asked": study.asked}
    told |= {"amount": abs(found["expected"]), "effect": "earn" if found["expected"] > 0 else "cost"}
    told |= {"currency": study.currency, "other": "no other scorecard", "ratio": np.nan}
    if len(others):
        told |= {"other": others["ratio"].idxmax(), "ratio": others["ratio"].max()}
    return told


def _dearest(study: CreditStudy, own: pd.Series) -> list:
    """Name the characteristics that cost a group most points beside the others."""
    points = study.scorecard.points_of(study.fitted[0].rows.predictors)
    behind = (points[~own].mean() - points[own].mean()).nlargest(_MOST)
    return list(behind.index[behind > 0]) if len(study.scorecard.bins) > 1 else []


def _without(study: CreditStudy, name: object) -> pd.Series:
    """Return the chances by a scorecard that is fitted and calibrated in the same way without a characteristic."""
    left = study.sample.using([c for c in study.sample.predictors if c != name])
    recipe = study.candidates(left.at(study.split.train))[SCORECARD]
    return apply_models({SCORECARD: recipe}, left, study.deciding).probability[SCORECARD]
