"""Flat transactions: a flat table whose rows are transactions, brought to the columns of the contract."""

from __future__ import annotations

import re
from dataclasses import dataclass

import ibis.expr.types as ir
import pandas as pd
import pyarrow as pa
from ibis.util import gen_name

from bankmine.bank.flat import Flat
from bankmine.bank.flat_columns import column_types, text_of, time_form
from bankmine.bank.flat_predictors import SINCE, fetch
from bankmine.bank.flat_rows import Rows, refuse_unknown
from bankmine.bank.form_kinds import NUMBER
from bankmine.errors import BankmineError

AS_IN_CONTRACT = ("transaction_id", "account_id", "device_id", "counterparty", "country", "channel", "kind", "category")
"""Columns that are what the contract says where the table has them under these names."""
_KNOWN_ON = "fraud_known_on"
_AFTERWARDS = re.compile(
    r"new_?balance|balance_?(after|new)|(after|post)_?balance|closing_?balance|后余额", re.IGNORECASE
)
"""Names of what was on an account once the payment was made."""


@dataclass(frozen=True)
class FlatTransactions:
    """Transactions of a flat table.

    Attributes
    ----------
    rows : ir.Table
        `transaction_id`, `customer_id`, `at`, `amount`, `is_fraud`, `fraud_known_on`, `merchant_id` and what else the
        contract knows; a label that was not known by the table's as-of day is not there.
    others : pd.DataFrame
        All other columns that a model may learn from, indexed by `transaction_id`.
    target : pd.Series
        What the table says in the end, indexed by `transaction_id`: NaN where it says nothing.
    remarks : tuple of str
        What was left out, for the reader.
    dated : bool
        Whether the table tells when each label became known; else a delay stands for it.
    """

    rows: ir.Table
    others: pd.DataFrame
    target: pd.Series
    remarks: tuple[str, ...]
    dated: bool


def transactions_of(flat: Flat, amount: str, merchant: str = "", delay: int = 7) -> FlatTransactions:
    """Read the rows of a flat table as transactions of the customers that its `id` tells, if any, at its `time`.

    Parameters
    ----------
    flat : Flat
        With `time` and `target`.
    amount, merchant : str
        Columns with the amount and the merchant; '' where there is no merchant.
    delay : int
        Days after which a label is known, where the table does not say it in a column `fraud_known_on`.

    Raises
    ------
    BankmineError
        If a column is missing or no number, or no transaction is left.
    """
    rows = flat.rows
    _check(rows, amount, merchant)
    frame = _read(rows, amount, merchant)
    frame["customer_id"] = flat.entity.astype(str).to_numpy()
    frame["target"] = flat.target.to_numpy()
    usual, dated = frame["at"].dt.normalize() + pd.Timedelta(days=delay), _KNOWN_ON in frame
    frame[_KNOWN_ON] = frame[_KNOWN_ON].fillna(usual) if dated else usual
    kept, remarks = _kept(frame.set_axis(flat.target.index), amount)
    if not rows.roles["id"]:
        remarks.append("No column tells whose transactions they are: each is somebody else's, who has no habits")
    told = kept["target"].notna() & (kept[_KNOWN_ON] <= pd.Timestamp(flat.as_of))
    kept = kept.assign(is_fraud=(kept["target"] == 1).astype("boolean").where(told))
    spoken_for = [c for c in flat.predictors if c in (amount, merchant, *AS_IN_CONTRACT, f"{SINCE}{_KNOWN_ON}")]
    later = [c for c in flat.predictors if c not in spoken_for and _AFTERWARDS.search(c)]
    if later:
        remarks.append(f"{', '.join(later)}: a balance after the payment, which nobody knows as it arrives, left out")
    spoken_for += later
    others = flat.predictors.drop(columns=spoken_for).loc[kept.index].set_axis(kept["transaction_id"].to_numpy())
    table = pa.Table.from_pandas(kept.drop(columns="target"), preserve_index=False)
    target = kept.set_index("transaction_id")["target"]
    return FlatTransactions(
        rows.con.create_table(gen_name("transactions"), table), others, target, tuple(remarks), dated
    )


def _check(rows: Rows, amount: str, merchant: str) -> None:
    if not rows.roles["time"]:
        raise BankmineError(f"Say which column of {rows.source.title} tells when a transaction was: time=….")
    if not amount:
        raise BankmineError(f"Say which column of {rows.source.title} holds the amounts: amount=….")
    refuse_unknown([amount], rows.columns, "amount")
    refuse_unknown([merchant] if merchant else [], rows.columns, "merchant")


def _read(rows: Rows, amount: str, merchant: str) -> pd.DataFrame:
    """Read the columns of the contract, in the order of the table."""
    types = column_types(rows.con)
    value = rows.forms[amount]
    if value.kind != NUMBER or value.why:
        why = value.why or "nobody can tell which numbers these are: write them like 1234.56"
        raise BankmineError(f"amount={amount}: {why}.")
    names = {name: name for name in AS_IN_CONTRACT if name in types} | ({"merchant_id": merchant} if merchant else {})
    sql = {name: text_of(column, types[column]) for name, column in names.items()}
    sql |= {"at": f"({rows.time.sql})::TIMESTAMP", "amount": value.sql}
    if _KNOWN_ON in types:
        sql[_KNOWN_ON] = f"({time_form(rows.con, _KNOWN_ON, rows.told).sql})::TIMESTAMP"
    frame = fetch(rows.con, list(sql.values())).rename_columns(list(sql)).to_pandas()
    return frame.astype({n: "datetime64[us]" for n in ("at", _KNOWN_ON) if n in frame})


def _kept(frame: pd.DataFrame, amount: str) -> tuple[pd.DataFrame, list[str]]:
    """Leave out what is no transaction, and those that were there before."""
    remarks = []
    worthless = ~(frame["amount"] > 0)
    if worthless.any():
        remarks.append(f"{worthless.sum():,} rows without an amount above zero in {amount} left out")
    frame = frame[~worthless]
    if "transaction_id" not in frame:
        width = len(str(frame.index.max())) if len(frame) else 1
        return frame.assign(transaction_id=[f"row {i:0{width}}" for i in frame.index]), remarks
    nameless, again = frame["transaction_id"].isna(), frame["transaction_id"].duplicated()
    if nameless.any():
        remarks.append(f"{nameless.sum():,} rows without a transaction_id left out")
    if (again & ~nameless).any():
        remarks.append(f"{(again & ~nameless).sum():,} rows with the transaction_id of an earlier row left out")
    return frame[~nameless & ~again], remarks
