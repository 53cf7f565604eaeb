"""Payments: what was known of each at its moment, alike for a bank's tables and a flat table, and which are fraud."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd
import pyarrow as pa

from bankmine.bank import cache
from bankmine.bank.flat import Flat
from bankmine.bank.flat_transactions import transactions_of
from bankmine.bank.kept import kept_frame
from bankmine.bank.readers import spooled
from bankmine.bank.snapshot import Snapshot
from bankmine.errors import BankmineError
from bankmine.features.spine import drawn
from bankmine.learning.encoding import single_precision
from bankmine.learning.sample import Panel, Sample, unbroken
from bankmine.topics.fraud.batch import history, payments_out, raw_measures
from bankmine.topics.fraud.features import derive
from bankmine.topics.fraud.measures import DAY, DELAY, KEYS, KINDS, SPECIFICATION, Specification

WORDS = ("kind", "channel", "category", "country", "product")
"""Predictors that are words; keys (customer, card, device, merchant, payee) are never predictors."""
_BESIDE, _PANEL, _SHARE = "beside:", "panel", "share"
_OWN = ("amount", "at", "country", "physical", "balance")


@dataclass(frozen=True)
class Payments:
    """Payments that are judged; all parts share one index."""

    target: pd.Series
    """1.0 fraud, 0.0 genuine, NaN where the label is not settled, which no figure takes."""
    amount: pd.Series
    day: pd.Series
    """As a timestamp."""
    moment: pd.Series
    account: pd.Series
    """Card or account that would be stopped."""
    entity: pd.Series
    """Customer, by whom intervals are drawn."""
    known_on: pd.Series
    """Day on which the bank found out by itself, NaT where it did not."""

    def __len__(self) -> int:
        return len(self.target)

    def of(self, index: pd.Index) -> Payments:
        """Return some of the payments."""
        rows = unbroken(self.target.index.get_indexer(index))
        return Payments(**{f.name: getattr(self, f.name).iloc[rows] for f in fields(self)})


@dataclass(frozen=True)
class FraudSample:
    """Transactions to learn from or to be judged; all parts share one index, 0, 1, 2, … in the order of time."""

    sample: Sample
    """Target: 1.0 where a transaction is known as fraud by the as-of day, 0.0 where it is not though labels are no
    longer late, NaN where it is too young. Entity: customer."""
    beside: pd.DataFrame
    """Nothing for a model: `transaction_id`, `at`, `amount`, keys as far as they are known, `known_on`."""
    columns: tuple[str, ...]
    """Of the history that was measured."""
    specification: Specification
    """What was measured, and by how many days labels are late."""
    panel: Panel
    """Whose payments are judged; others are frauds to learn from, and young ones to list."""
    remarks: tuple[str, ...] = ()
    """What was left out of a flat table."""
    key: str = ""
    """By which they are found in the cache; "" where what they were measured from has no name."""
    dated: bool = True
    """Whether the source tells when a fraud became known; else the delay stands for it."""

    def __len__(self) -> int:
        return len(self.beside)

    @property
    def funnel(self) -> pd.DataFrame:
        """Count the panel's transactions from all of these days to known frauds: what -> how many, and their amount."""
        target, amount = self.sample.target[self.panel.rows], self.beside["amount"][self.panel.rows]
        parts = {
            "in the days looked at": target.notna() | True, "old enough for their label, or known": target.notna(),
            "known as fraud": target == 1,
        }  # fmt: skip
        rows = {what: (int(part.sum()), float(amount[part].sum())) for what, part in parts.items()}
        return pd.DataFrame.from_dict(rows, orient="index", columns=["transactions", "amount"])

    @property
    def payments(self) -> Payments:
        """The same in the form that is judged; a customer is one account where none is told."""
        beside, sample = self.beside, self.sample
        account = beside.get("account", sample.entity)
        own = {"amount": beside["amount"], "moment": beside["at"], "known_on": beside["known_on"], "account": account}
        return Payments(target=sample.target, day=sample.day, entity=sample.entity, **own)

    def at(self, rows: np.ndarray) -> FraudSample:
        """Return some of the rows, given as a mask or as positions, under their old names."""
        panel = replace(self.panel, rows=self.panel.rows[rows])
        return replace(self, sample=self.sample.at(rows), beside=self.beside.iloc[rows], panel=panel)


def fraud_sample(
    history: ir.Table, as_of: datetime.date, specification: Specification = SPECIFICATION, days: int | None = None,
    key: str = "", settled: int | None = None,
) -> FraudSample:  # fmt: skip
    """Measure transactions up to the as-of day, derive their features, and tell what is known of them.

    Of those before the last `days`, if given, only the past of others is taken. The specification's `delay` tells after
    how many days a transaction of which nobody complained counts as genuine. `key` names the history in the cache.

    Of more than `MOST` only the payments of a panel of customers are measured, all known frauds, and where it is told
    after how many days labels are `settled`, all that are younger: to be listed, not to be judged.
    """
    end = _microseconds(as_of) + DAY
    known = history.filter(history["at"] < end)
    key = key and cache.digest(key, as_of, asdict(specification), days, settled, cache.library("bank", "topics/fraud"))
    what = f"payments measured, as of {as_of}, of {days or 'all'} days"
    both = kept_frame(key, what, lambda: _measured(known, as_of, specification, days, settled))
    # taken out one by one, what is left is not copied
    beside = pd.DataFrame({c.removeprefix(_BESIDE): both.pop(c) for c in list(both) if c.startswith(_BESIDE)})
    target = known_target(beside, end, specification.delay, "label_at" in known.columns)
    whose, day = beside["customer"].rename("entity"), beside["at"].dt.normalize().rename("day")
    rows = beside.pop(_PANEL).to_numpy()
    panel = Panel(rows, float(beside.pop(_SHARE).iloc[0]))
    return FraudSample(Sample(both, target, whose, day), beside, known.columns, specification, panel, key=key)


def _measured(
    known: ir.Table, as_of: datetime.date, specification: Specification, days: int | None, settled: int | None
) -> pd.DataFrame:
    """Return predictors, and what is beside them by marked names."""
    end = _microseconds(as_of) + DAY
    looked = ibis.literal(True) if days is None else known["at"] >= end - days * DAY
    number = known.filter(looked).count().to_pyarrow().as_py()
    if not number:
        raise BankmineError(
            f"No transaction to judge {'' if days is None else f'in the {days} days '}up to {as_of}: give another "
            "as-of day, or more days."
        )
    share = min(1.0, MOST / number)
    panel = drawn(known.customer, share) if share < 1 else ibis.literal(True)
    wanted = panel | known.label_at.notnull() if "label_at" in known.columns else panel
    if settled is not None:
        wanted |= known["at"] >= end - (settled + 1) * DAY
    there = spooled(known.mutate(panel=panel, measured=looked & wanted))
    own = _own(there)
    measures = raw_measures(there, specification)
    place = np.searchsorted(measures["row"], own["row"].to_numpy())
    known_of_it = {n: own[n].to_numpy() for n in _OWN if n in own.column_names}
    numbers = _derived(measures, place, known_of_it)
    words = {n: own[n].dictionary_encode().to_pandas() for n in WORDS if n in own.column_names}
    beside = _beside(own).assign(**{_PANEL: own["panel"].to_numpy(), _SHARE: share}).add_prefix(_BESIDE)
    return pd.DataFrame({**numbers, **words, **dict(beside.items())}, copy=False)


def _derived(measures: dict[str, np.ndarray], place: np.ndarray, own: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Derive features some rows at a time, in single precision as models take them: half as large wherever they lie."""
    parts = []
    for first in range(0, len(place), _AT_ONCE):
        rows = slice(first, first + _AT_ONCE)
        taken = {name: values[place[rows]] for name, values in measures.items()}
        derived = derive(taken | {name: values[rows] for name, values in own.items()})
        parts.append({name: single_precision(values) for name, values in derived.items()})
    return {name: np.concatenate([part.pop(name) for part in parts]) for name in list(parts[0])}


def known_target(beside: pd.DataFrame, moment: int, delay: int, labelled: bool = True) -> pd.Series:
    """Tell what was known of transactions (`at`, `known_on`) at a moment in microseconds: 1.0, 0.0 or NaN.

    After `delay` days one of which nobody complained counts as genuine; where frauds are not `labelled`, none does.
    """
    now = pd.Timestamp(moment, unit="us")
    fraud = beside["known_on"] < now
    settled = (beside["at"] < now - pd.Timedelta(days=delay)) & labelled
    return pd.Series(np.where(fraud, 1.0, np.where(settled, 0.0, np.nan)), beside.index, name="target")


def _own(there: ir.Table) -> pa.Table:
    """Fetch what is known of the transactions that are measured, in the order of time, and of ids at one moment."""
    rows = there.filter(there.measured)
    names = ("row", "transaction_id", "label_at", *_OWN, *KEYS, *WORDS, "panel")
    found = rows.select([n for n in dict.fromkeys(names) if n in there.columns]).to_pyarrow()
    return found.sort_by([("at", "ascending"), ("transaction_id", "ascending")])


def _beside(own: pa.Table) -> pd.DataFrame:
    names = [n for n in ("transaction_id", "amount", *KEYS) if n in own.column_names]
    found = own.select(names).to_pandas()
    found.insert(1, "at", own["at"].to_numpy().astype("datetime64[us]"))
    late = own["label_at"].cast(pa.timestamp("us")).to_pandas() if "label_at" in own.column_names else pd.NaT
    # a label counts from the midnight after the day on which it became known
    return found.assign(known_on=pd.Series(late, found.index, dtype="datetime64[us]") - pd.Timedelta(days=1))


def _microseconds(day: datetime.date) -> int:
    return (day - datetime.date(1970, 1, 1)).days * DAY


MOST = 1_500_000
"""Payments that are learnt from and judged, about: of a larger bank those of some customers."""
_AT_ONCE = 250_000
FEWEST = 20
"""Known frauds from which on something can be learnt from them."""


def payments_of_bank(
    snapshot: Snapshot, delay: int = DELAY, days: int | None = None, kinds: Sequence[str] = KINDS,
    settled: int | None = None,
) -> FraudSample:  # fmt: skip
    """Take from a bank the transactions that move money out and that customers start."""
    specification, key = replace(SPECIFICATION, delay=delay), snapshot.key and cache.digest(snapshot.key, kinds)
    return fraud_sample(history(payments_out(snapshot, kinds)), snapshot.as_of, specification, days, key, settled)


def payments_of_table(
    flat: Flat, amount: str, merchant: str = "", delay: int = DELAY, days: int | None = None,
    settled: int | None = None,
) -> FraudSample:  # fmt: skip
    """Take a flat table of transactions; columns that are nothing else are predictors as they are."""
    read = transactions_of(flat, amount, merchant, delay)
    if not len(read.target):
        raise BankmineError(f"No row of {flat.title} is a transaction. {' '.join(f'{r}.' for r in read.remarks)}")
    specification = replace(SPECIFICATION, delay=delay)
    found = fraud_sample(history(read.rows), flat.as_of, specification, days, settled=settled)
    names = found.beside["transaction_id"]
    measured = found.sample.predictors
    if not flat.rows.roles["id"]:  # nothing is known of the habits of a customer who comes once
        habits = [c for c in measured if c.startswith("customer_") or len(measured[c].drop_duplicates()) == 1]
        measured = measured.drop(columns=habits)
    others = read.others.rename(columns={c: f"{c}_" for c in read.others if c in measured})
    predictors = pd.concat([measured, others.loc[names].set_axis(names.index)], axis=1)
    never_told = read.target.loc[names].isna().to_numpy()
    sample = replace(found.sample, predictors=predictors, target=found.sample.target.mask(never_told))
    return replace(found, sample=sample, remarks=(*read.remarks, *_before(flat, days)), dated=read.dated)


def _before(flat: Flat, days: int | None) -> list[str]:
    """Say how many rows are too old to be looked at."""
    if days is None or flat.day is None:
        return []
    last = pd.Timestamp(flat.as_of) - pd.Timedelta(days=days)
    older = int((flat.day <= last).sum())
    told = f"{older:,} rows up to {last:%Y-%m-%d} are only the past of later ones, as days={days} are looked at"
    return [told] if older else []


def require_frauds(source: Snapshot | Flat, found: FraudSample) -> None:
    """Raise a BankmineError where there is too little to learn from."""
    lacking = (
        source.lacking("transactions.is_fraud", "transactions.fraud_known_on") if isinstance(source, Snapshot) else ()
    )
    if lacking:
        raise BankmineError(f"Source {source.source.name} lacks {', '.join(lacking)}: no fraud is labelled.")
    target, delay = found.sample.target, found.specification.delay
    if not target.notna().any():
        raise BankmineError(
            f"No transaction is {delay} days old, and labels are as late: take a longer history or a shorter delay."
        )
    if (frauds := int((target == 1).sum())) < FEWEST:
        raise BankmineError(
            f"{frauds} of {target.notna().sum():,} transactions are known as fraud, and {FEWEST} are needed to learn "
            "from: look at more days, or take a later as-of day."
        )
