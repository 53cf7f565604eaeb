"""The sample of a fraud analysis: what was known of each transaction at its moment, and whether it was a fraud."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, replace

import ibis.expr.types as ir
import numpy as np
import pandas as pd
import pyarrow as pa

from bankmine.errors import BankmineError
from bankmine.learning.sample import Sample
from bankmine.topics.fraud.batch import raw_measures
from bankmine.topics.fraud.features import derive
from bankmine.topics.fraud.spec import DAY, KEYS, SPECIFICATION, Specification

WORDS = ("kind", "channel", "category", "country", "product")
"""Predictors that are words; keys (customer, card, device, merchant, payee) are never predictors."""
_OWN = ("amount", "at", "country", "physical", "balance")


@dataclass(frozen=True)
class FraudSample:
    """Transactions to learn from or to be judged; all parts share one index, 0, 1, 2, … in the order of time.

    Attributes
    ----------
    sample : Sample
        Target: 1.0 where a transaction is known as fraud by the as-of day, 0.0 where it is not though labels are no
        longer late, NaN where it is too young. Entity: customer. Day: its date.
    beside : pd.DataFrame
        Nothing for a model: `transaction_id`, `at`, `amount`, keys as far as they are known, `known_on` (day on which
        it became known as fraud, NaT where it did not).
    history : ir.Table
        All transactions up to the as-of day as `fraud_windows` measures them, also earlier ones than the sample's.
    specification : Specification
        What was measured, and by how many days labels are late.
    """

    sample: Sample
    beside: pd.DataFrame
    history: ir.Table
    specification: Specification

    def __len__(self) -> int:
        return len(self.beside)

    def at(self, rows: np.ndarray) -> FraudSample:
        """Return some of the rows, given as a mask or as positions, under their old names."""
        return replace(self, sample=self.sample.at(rows), beside=self.beside.iloc[rows])


def fraud_sample(
    history: ir.Table, as_of: datetime.date, specification: Specification = SPECIFICATION, days: int | None = None
) -> FraudSample:
    """Measure transactions, derive their features, and tell what is known of them.

    Parameters
    ----------
    history : ir.Table
        From `fraud_history.history`; nothing later than the as-of day is looked at.
    as_of : datetime.date
        Last day to know.
    specification : Specification
        What to measure; `delay` tells after how many days a transaction of which nobody complained counts as genuine.
    days : int, optional
        Days up to the as-of day whose transactions are taken; earlier ones count as their past only. All if not given.

    Raises
    ------
    BankmineError
        If there is no transaction in these days.
    """
    end = _microseconds(as_of) + DAY
    since = None if days is None else end - days * DAY
    known = history.filter(history["at"] < end)
    own = _own(known, since)
    if not own.num_rows:
        raise BankmineError(
            f"No transaction to judge {'' if days is None else f'in the {days} days '}up to {as_of}: give another "
            "as-of day, or more days."
        )
    measures = raw_measures(known, specification, since)
    numbers = derive(measures | {n: own[n].to_numpy() for n in _OWN if n in own.column_names})
    words = {n: own[n].dictionary_encode().to_pandas() for n in WORDS if n in own.column_names}
    predictors = pd.DataFrame({**numbers, **words}, copy=False)
    beside = _beside(own)
    target = known_target(beside, end, specification.delay, "label_at" in own.column_names)
    sample = Sample(predictors, target, beside["customer"].rename("entity"), beside["at"].dt.normalize().rename("day"))
    return FraudSample(sample, beside, known, specification)


def known_target(beside: pd.DataFrame, moment: int, delay: int, labelled: bool = True) -> pd.Series:
    """Tell what was known of transactions at a moment.

    Parameters
    ----------
    beside : pd.DataFrame
        `at`, `known_on`.
    moment : int
        Microseconds since 1970.
    delay : int
        Days after which a transaction of which nobody complained counts as genuine.
    labelled : bool
        Whether frauds are labelled at all; without labels nothing is known.

    Returns
    -------
    pd.Series
        1.0, 0.0 or NaN.
    """
    now = pd.Timestamp(moment, unit="us")
    fraud = beside["known_on"] < now
    settled = (beside["at"] < now - pd.Timedelta(days=delay)) & labelled
    return pd.Series(np.where(fraud, 1.0, np.where(settled, 0.0, np.nan)), beside.index, name="target")


def _own(known: ir.Table, since: int | None) -> pa.Table:
    """Fetch what is known of the transactions themselves, in the order of `row`."""
    rows = known if since is None else known.filter(known["at"] >= since)
    names = ("row", "transaction_id", "label_at", *_OWN, *KEYS, *WORDS)
    return rows.select([n for n in dict.fromkeys(names) if n in known.columns]).to_pyarrow().sort_by("row")


def _beside(own: pa.Table) -> pd.DataFrame:
    names = [n for n in ("transaction_id", "amount", *KEYS) if n in own.column_names]
    found = own.select(names).to_pandas()
    found.insert(1, "at", own["at"].to_numpy().astype("datetime64[us]"))
    late = own["label_at"].cast(pa.timestamp("us")).to_pandas() if "label_at" in own.column_names else pd.NaT
    # a label counts from the midnight after the day on which it became known
    return found.assign(known_on=pd.Series(late, found.index, dtype="datetime64[us]") - pd.Timedelta(days=1))


def _microseconds(day: datetime.date) -> int:
    return (day - datetime.date(1970, 1, 1)).days * DAY
