"""The case of a fraud report: transactions with what was known of each, alike for a bank's tables and a flat table."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pandas as pd

from bankmine.bank.flat import Flat, is_flat, open_flat
from bankmine.bank.flat_transactions import transactions_of
from bankmine.bank.snapshot import Snapshot, open_source
from bankmine.errors import BankmineError
from bankmine.topics.fraud.history import KINDS, history, judged
from bankmine.topics.fraud.payments import FraudSample, fraud_sample
from bankmine.topics.fraud.spec import DELAY, SPECIFICATION

FEWEST = 20
"""Known frauds from which on something can be learnt from them."""


@dataclass(frozen=True)
class FraudCase:
    """What a report of fraud stands on.

    Attributes
    ----------
    source : Snapshot or Flat
        What was read; shows itself.
    event : str
        What is looked for, in words.
    found : FraudSample
        Transactions, what was known of each at its moment, and which are known as fraud.
    lacking : str
        Why nothing can be learnt from them; empty where it can.
    remarks : tuple of str
        What was left out of a flat table.
    """

    source: Snapshot | Flat
    event: str
    found: FraudSample
    lacking: str = ""
    remarks: tuple[str, ...] = ()

    @property
    def funnel(self) -> pd.DataFrame:
        """Count transactions from all of the history to those known as fraud: what -> `transactions`, `amount`."""
        target, amount = self.found.sample.target, self.found.beside["amount"]
        parts = {
            "in the days looked at": target.notna() | True, "old enough for their label": target.notna(),
            "known as fraud": target == 1,
        }  # fmt: skip
        rows = {what: (int(part.sum()), float(amount[part].sum())) for what, part in parts.items()}
        return pd.DataFrame.from_dict(rows, orient="index", columns=["transactions", "amount"])


def open_case(
    source: str, as_of: str | datetime.date, target: str = "", positive: str = "", id: str = "", time: str = "",
    amount: str = "", merchant: str = "", delay: int = DELAY, days: int | None = None, kinds: Sequence[str] = KINDS,
) -> FraudCase:  # fmt: skip
    """Open a source and make the case of it.

    Parameters
    ----------
    source : str
        Name or path of a bank, or of a flat table of transactions.
    as_of : str or date
        Last day to know.
    target, positive, id, time : str
        As for `open_flat`, for a flat table: `id` is the customer, `time` the moment.
    amount, merchant : str
        Columns of a flat table.
    delay : int
        Days after which a transaction of which nobody complained counts as genuine.
    days : int, optional
        Days up to the as-of day whose transactions are looked at; all if not given.
    kinds : sequence of str
        Kinds of transactions of a bank that are looked at.

    Raises
    ------
    BankmineError
        If the source cannot be used. Where there is nothing to learn from, the case says so: `lacking`.
    """
    if is_flat(source):
        return of_table(open_flat(source, target, positive, id, time, as_of), amount, merchant, delay, days)
    return of_bank(open_source(source).as_of(as_of), delay, days, kinds)


def of_bank(snapshot: Snapshot, delay: int = DELAY, days: int | None = None, kinds: Sequence[str] = KINDS) -> FraudCase:
    """Make the case of a bank: the transactions that move money out and that customers start."""
    found = fraud_sample(history(judged(snapshot, kinds)), snapshot.as_of, _delayed(delay), days)
    lacking = snapshot.lacking("transactions.is_fraud", "transactions.fraud_known_on")
    told = f"Source {snapshot.source.name} lacks {', '.join(lacking)}: no fraud is labelled." if lacking else ""
    return FraudCase(snapshot, "confirmed fraud", found, told or _too_few(found))


def of_table(flat: Flat, amount: str, merchant: str = "", delay: int = DELAY, days: int | None = None) -> FraudCase:
    """Make the case of a flat table of transactions; columns that are nothing else are predictors as they are."""
    read = transactions_of(flat, amount, merchant, delay)
    if not len(read.target):
        raise BankmineError(f"No row of {flat.title} is a transaction. {' '.join(f'{r}.' for r in read.remarks)}")
    found = fraud_sample(history(read.rows), flat.as_of, _delayed(delay), days)
    names = found.beside["transaction_id"]
    others = read.others.rename(columns={c: f"{c}_" for c in read.others if c in found.sample.predictors})
    predictors = pd.concat([found.sample.predictors, others.loc[names].set_axis(names.index)], axis=1)
    never_told = read.target.loc[names].isna().to_numpy()
    target = found.sample.target.mask(never_told)
    found = replace(found, sample=replace(found.sample, predictors=predictors, target=target))
    return FraudCase(flat, flat.event, found, _too_few(found), read.remarks)


def _delayed(delay: int):
    if delay < 0:
        raise BankmineError(
            f"Labels cannot be known before their transactions: {delay} days of delay must be 0 or more."
        )
    return replace(SPECIFICATION, delay=delay)


def _too_few(found: FraudSample) -> str:
    """Say why nothing can be learnt, or nothing."""
    target = found.sample.target
    if not target.notna().any():
        delay = found.specification.delay
        return f"No transaction is {delay} days old, and labels are as late: take a longer history or a shorter delay."
    frauds = int((target == 1).sum())
    if frauds >= FEWEST:
        return ""
    return (
        f"{frauds} of {target.notna().sum():,} transactions are known as fraud, and {FEWEST} are needed to learn from: "
        "look at more days, or take a later as-of day."
    )
