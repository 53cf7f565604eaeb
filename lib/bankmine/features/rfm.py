"""RFM: how recently, how often and for how much customers move money out themselves.

Quintiles of recency, frequency and monetary value go back to direct mail (Hughes, Strategic Database Marketing, 1994;
Bult and Wansbeek, Optimal selection for direct mail, Marketing Science, 1995). The cells are those of the chart by
which practitioners read them (Putler, RFM Analysis for Customer Segmentation, putler.com/rfm-analysis): ten names over
the scores of recency and frequency.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from bankmine.bank.snapshot import Snapshot
from bankmine.features.bookings import own_outflows
from bankmine.features.spine import KEYS, by_period, kept, spine_of

_LOST, _RISK, _SLEEP, _HOPE, _LOYAL = "Hibernating", "At risk", "About to sleep", "Potential loyalists", "Loyal"
_RECENT = "Recent"  # the chart says "New", which is another word on all pages (data/states.yml)
CELLS = (
    (_LOST, _LOST, _RISK, _RISK, "Can't lose them"),
    (_LOST, _LOST, _RISK, _RISK, "Can't lose them"),
    (_SLEEP, _SLEEP, "Need attention", _LOYAL, _LOYAL),
    ("Promising", _HOPE, _HOPE, _LOYAL, _LOYAL),
    (_RECENT, _HOPE, _HOPE, "Champions", "Champions"),
)
"""Names by the score of recency (1 to 5, rows) and of frequency (columns)."""
CELL_NAMES = (
    "Champions", _LOYAL, _HOPE, _RECENT, "Promising", "Need attention", _SLEEP, "Can't lose them", _RISK, _LOST,
)  # fmt: skip
"""All names, the best first."""
SCORES = 5


def rfm(snapshot: Snapshot, spine: ir.Table, days: int = 365) -> ir.Table:
    """Measure the bookings by which customers moved money out themselves in the days up to each day of a spine.

    `recency` (days since the last one, `days` where there was none), `frequency` (how many) and `monetary` (their sum,
    in the source's currency).
    """
    owners = snapshot.accounts.select("account_id", "customer_id")
    own = own_outflows(snapshot.transactions).inner_join(owners, "account_id")
    sums = {"frequency": ibis._.count(), "monetary": ibis._.amount.sum(), "last": ibis._.date.max()}
    periods = by_period(own, spine, (0, days), sums)
    found = periods.group_by(*KEYS).agg(
        last=periods["last"].max(), frequency=periods.frequency.sum(), monetary=periods.monetary.sum()
    )
    table = spine.select(*KEYS).left_join(found, KEYS).drop(*(f"{k}_right" for k in KEYS))
    return table.select(
        *KEYS,
        recency=table.day.delta(table["last"], unit="day").fill_null(days),
        frequency=table.frequency.fill_null(0),
        monetary=table.monetary.fill_null(0.0),
    )


def fetched(snapshot: Snapshot, days: Sequence[datetime.date]) -> pd.DataFrame:
    """Fetch the measures of all customers on several days: `customer_id`, `day`, and those of `rfm`."""
    return kept(snapshot, "RFM", list(days), lambda: rfm(snapshot, spine_of(snapshot, days)).order_by(KEYS).to_pandas())


def scores(measures: pd.DataFrame) -> pd.DataFrame:
    """Score the customers of one day from 1 to 5 and name their cells.

    `r`, `f`, `m` (5 is most recent, most often, most), `score` (as text, "543") and `cell`, the best first.
    """
    r, f, m = quintile(-measures["recency"]), quintile(measures["frequency"]), quintile(measures["monetary"])
    names = np.array(CELLS)[r - 1, f - 1]
    text = r.astype(str) + f.astype(str) + m.astype(str)
    cells = pd.Categorical(names, CELL_NAMES, ordered=True)
    return pd.DataFrame({"r": r, "f": f, "m": m, "score": text, "cell": cells}, index=measures.index)


def quintile(values: pd.Series) -> pd.Series:
    """Score values from 1 (smallest) to 5 by rank; equal values get the same score, by the middle of their ranks.

    So quintiles differ in size by no more than ties make them, and the order of the rows does not matter.
    """
    middle = values.rank(method="average") - 0.5
    return np.floor(SCORES * middle / max(len(values), 1)).astype(int) + 1
