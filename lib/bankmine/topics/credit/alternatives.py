"""Alternatives: what other policies and cut-offs, and the challenger, would have granted and earned."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from bankmine.deciding.costs import Costs
from bankmine.judging import disclosure
from bankmine.judging.intervals import with_interval
from bankmine.study import charts
from bankmine.topics.credit import lending
from bankmine.topics.credit.scorecard import CHALLENGER, SCORECARD

if TYPE_CHECKING:
    from bankmine.topics.credit.granting import CreditStudy

CUT_OFF, EACH, DECIDED, ALL = "cut-off", "each by its expected profit", "as decided", "everybody"
"""Policies: the one that is used, and what it is compared with."""


def beside_others(study: CreditStudy) -> dict[str, object]:
    """Say how far the policy that is used is ahead of the one in force: `profit`, `low`, `high`, and its `loans`."""
    row = study.earned.loc[study.acted.columns[-1]]
    ahead = {"ahead": row["behind"], "low": row["behind_low"], "high": row["behind_high"]}
    return ahead | {"loans": round(row["actions"]), "profit": row["profit"], "currency": study.currency}


def forgone(study: CreditStudy) -> dict[str, object] | None:
    """Say what deciding each by its expected profit earned `more`, with its interval; None where chance explains it.

    A policy is chosen by applicants before those it is judged by: what it earned more `before` with its interval,
    `as_before` whether it did so there, and `so` what follows.
    """
    names = ["behind", "behind_high", "behind_low"]
    now, then = (-found.loc[EACH, names].astype(float) for found in (study.earned, study.earned_before))
    if now["behind_high"] <= 0:
        return None
    as_before, so = "but not", "keep the cut-off until both agree"
    if then["behind"] > 0:
        as_before = "but not beyond chance"
    if then["behind_high"] > 0:
        as_before, so = "as", "change to it"
    told = {"more": now["behind"], "low": now["behind_high"], "high": now["behind_low"]}
    told |= {"as_before": as_before, "so": so}
    before = {"before": then["behind"], "before_low": then["behind_high"], "before_high": then["behind_low"]}
    return told | before | {"currency": study.currency}


def trade_off(study: CreditStudy) -> pd.DataFrame:
    """Say how approvals, bad credits and money go together: `lending.trade_off`."""
    rows = study.fitted[0].rows
    return lending.trade_off(rows.target, study.fitted[0].probability[SCORECARD], study.costs(rows), rows.entity)


def profit_chart(study: CreditStudy) -> Axes:
    """Draw the expected profit against the share granted, with the cut-off."""
    axis = sns.lineplot(study.trade_off, x="approval", y="expected_profit", marker="o")
    axis.yaxis.set_major_formatter("{x:,.0f}")
    title = "Expected profit by share of applicants whose risk is accepted; the line is the cut-off"
    return _by_share(study, axis, title, f"expected profit{study.asked}, {study.currency}", percent="x")


def risk_chart(study: CreditStudy) -> Axes:
    """Draw the bad rate of those granted against their share, with the cut-off."""
    beside = {"expected_bad_rate": "foretold for all"}
    axis = charts.line(study.trade_off, "approval", "bad_rate", "bad rate where known", **beside)
    title = "Bad rate of those whose risk is accepted; the line is the cut-off"
    return _by_share(study, axis, title, "bad rate", percent="xy")


def _by_share(study: CreditStudy, axis: Axes, title: str, unit: str, percent: str) -> Axes:
    axis.axvline((study.fitted[0].probability[SCORECARD] <= study.cut_off).mean(), color="0.5", linewidth=0.8)
    return charts.titled(axis, title, "share of applicants whose risk is accepted", unit, percent)


def profit_metrics(study: CreditStudy) -> pd.DataFrame:
    """Compute the profit metrics of the literature, by model."""
    rows = study.judged.rows
    return lending.credit_metrics(rows.target, study.judged.probability, study.costs(rows))


def _exchange(study: CreditStudy) -> tuple[pd.Series, pd.DataFrame, Costs, pd.Series, float]:
    """Return scorecard and challenger as `lending` takes them, at as many approvals."""
    rows, chances = study.fitted[0].rows, study.fitted[0].probability[[SCORECARD, CHALLENGER]]
    return rows.target, chances, study.costs(rows), rows.entity, study.share_granted


def swapped(study: CreditStudy) -> pd.DataFrame:
    """Say who is granted credit by the scorecard and by the challenger, at as many approvals."""
    found = lending.swap_set(*_exchange(study))
    found = disclosure.rows_told(found, "applicants", study.smallest_group, added_up=True)
    table = found[["applicants", "known", "bad"]].copy()
    table["bad rate"] = with_interval(found, "bad_rate", ".1%")
    table["profit"] = with_interval(found, "profit", ",.0f")
    return table


def swap(study: CreditStudy) -> dict[str, object]:
    """Say what the challenger would have earned `more` than the scorecard at as many approvals."""
    found = lending.gain(*_exchange(study)).loc[CHALLENGER]
    more = (-found[["behind", "behind_high", "behind_low"]]).set_axis(["more", "low", "high"])
    return {**more, "share": study.share_granted, "currency": study.currency}
