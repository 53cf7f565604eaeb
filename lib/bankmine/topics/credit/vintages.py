"""Vintages: of which applications the outcome is known, and how many went bad, by when they were made.

Bad credits show before the good ones are over. So of a young vintage only bad ones are known: counting those alone
would call all of it bad, and counting the rest as good would call it better than it is. A month counts as closed when
the outcomes of nearly all its approved applications are known; younger vintages are compared at the same age.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from bankmine.judging.intervals import wilson_clustered
from bankmine.learning.sample import Sample
from bankmine.study.validation import funnel

OPEN = 0.05
"""Part of a month's approved applications that may still be open when it counts as closed."""


def closed_by(beside: pd.DataFrame, applied: pd.Series, day: pd.Timestamp) -> np.ndarray:
    """Say which applications could be learnt from on a day: approved, outcome known, and their month closed.

    Parameters
    ----------
    beside : pd.DataFrame
        `approved`, `defaulted` and `outcome_on`, one row an application.
    applied : pd.Series
        Day of each application, same index.
    day : pd.Timestamp
        On which one wants to learn.

    Returns
    -------
    np.ndarray
        Mask.
    """
    approved = _approved(beside)
    known = approved & beside["defaulted"].notna().to_numpy() & (beside["outcome_on"] <= day).to_numpy()
    return known & _closed_months(approved, known, applied)


def application_funnel(sample: Sample, beside: pd.DataFrame) -> pd.DataFrame:
    """Say how many applications are left on the way to those that a model can learn from.

    Returns
    -------
    pd.DataFrame
        As of `validation.funnel`: `step`, `rows`, `left_out`, `share`.
    """
    approved = _approved(beside)
    month = approved & sample.day.dt.to_period("M").isin(sample.day[sample.known].dt.to_period("M")).to_numpy()
    return funnel(
        {
            "applications": len(sample), "decided": int(beside["approved"].notna().sum()),
            "approved": int(approved.sum()), "of a month whose outcomes are known": int(month.sum()),
            "outcome known": int(sample.known.sum()),
        }
    )  # fmt: skip


def vintages(sample: Sample, beside: pd.DataFrame, period: str = "Q") -> pd.DataFrame:
    """Count applications, approvals and bad credits by when the application was made.

    Parameters
    ----------
    sample : Sample
        Of `credit_sample.applications`.
    beside : pd.DataFrame
        Likewise.
    period : {'M', 'Q', 'Y'}
        Length of a vintage.

    Returns
    -------
    pd.DataFrame
        Indexed by `vintage`: `applications`, `approved`, `known` outcomes, `open` ones, `bad`, whether all of it is
        `closed`, and `rate` with `low` and `high` (95 %, Wilson, by customer): of known outcomes where the vintage is
        closed, else of all approved ones, and then a floor, which rises until it is closed.
    """
    frame = pd.DataFrame({
        "vintage": sample.day.dt.to_period(period).astype(str), "approved": _approved(beside),
        "known": beside["defaulted"].notna(), "bad": beside["defaulted"].eq(1), "usable": sample.known,
        "entity": sample.entity,
    })  # fmt: skip
    rows = {name: _vintage(part) for name, part in frame.groupby("vintage")}
    return pd.DataFrame.from_dict(rows, "index").rename_axis("vintage")


def by_age(
    sample: Sample, beside: pd.DataFrame, as_of: pd.Timestamp, months: int = 12, period: str = "Q"
) -> pd.DataFrame:
    """Follow the bad credits of each vintage by age, so that young vintages are compared with old ones of that age.

    Parameters
    ----------
    sample, beside, period
        As for `vintages`.
    as_of : pd.Timestamp
        Last day known.
    months : int
        Oldest age.

    Returns
    -------
    pd.DataFrame
        `vintage`, `months` since the application, `approved`, `bad` by then, `rate`, `low`, `high` (95 %); only ages
        that the whole vintage has reached.
    """
    approved = _approved(beside)
    day, bad_on = sample.day[approved], beside["outcome_on"].where(beside["defaulted"].eq(1))[approved]
    rows = []
    for vintage, days in day.groupby(day.dt.to_period(period)):
        for age in range(1, months + 1):
            if days.max() + pd.DateOffset(months=age) > pd.Timestamp(as_of):
                break
            bad = bad_on[days.index] <= days + pd.DateOffset(months=age)
            low, high = wilson_clustered(bad, sample.entity[days.index])
            rows.append((str(vintage), age, len(bad), int(bad.sum()), float(bad.mean()), low, high))
    return pd.DataFrame(rows, columns=["vintage", "months", "approved", "bad", "rate", "low", "high"])


def _approved(beside: pd.DataFrame) -> np.ndarray:
    return beside["approved"].eq(True).fillna(False).to_numpy(bool)


def _closed_months(approved: np.ndarray, known: np.ndarray, applied: pd.Series) -> np.ndarray:
    month = applied.dt.to_period("M")
    there = pd.Series(known, applied.index)[approved].groupby(month[approved]).mean()
    return month.isin(there.index[there >= 1 - OPEN]).to_numpy()


def _vintage(rows: pd.DataFrame) -> dict[str, object]:
    granted = rows[rows["approved"]]
    closed = bool(len(granted)) and granted["usable"].mean() >= 1 - OPEN
    counted = granted[granted["known"]] if closed else granted
    low, high = wilson_clustered(counted["bad"], counted["entity"])
    return {
        "applications": len(rows), "approved": len(granted), "known": int(granted["known"].sum()),
        "open": int((~granted["known"]).sum()), "bad": int(granted["bad"].sum()), "closed": closed,
        "rate": counted["bad"].mean(), "low": low, "high": high,
    }  # fmt: skip
