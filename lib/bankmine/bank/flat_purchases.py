"""Flat purchases: a flat table whose rows are purchases of customers, each with its day, and its amount or item."""

from __future__ import annotations

from dataclasses import dataclass

import ibis.expr.types as ir
import pandas as pd
import pyarrow as pa
from ibis.util import gen_name

from bankmine.bank.flat import Flat
from bankmine.bank.flat_predictors import fetch
from bankmine.bank.flat_rows import refuse_unknown
from bankmine.bank.form_kinds import NUMBER
from bankmine.errors import BankmineError


@dataclass(frozen=True)
class FlatPurchases:
    """Purchases of a flat table."""

    rows: ir.Table
    """`customer_id`, `date` and `amount`, from 0 on."""
    remarks: tuple[str, ...]
    """What was left out, for the reader."""


def purchases_of(flat: Flat, amount: str) -> FlatPurchases:
    """Read the rows of a table without an outcome as purchases.

    What was given away, for 0, is a purchase: the customer came. What was given back, below 0, is none.

    Raises
    ------
    BankmineError
        If `amount` is not told, no column, no number, or no purchase is left.
    """
    rows = flat.rows
    if not amount:
        raise BankmineError(f"Say which column of {flat.title} holds the amounts: amount=….")
    refuse_unknown([amount], rows.columns, "amount")
    form = rows.forms.get(amount)
    if form is None or form.kind != NUMBER or form.why:
        why = (form and form.why) or "nobody can tell which numbers these are: write them like 1234.56"
        raise BankmineError(f"amount={amount}: {why}.")
    values = fetch(rows.con, [form.sql])[0].to_pandas().set_axis(flat.entity.index).astype(float)
    there = values >= 0
    remarks = []
    for out, why in ((values.isna(), "without"), (values < 0, "of less than nothing, as what is given back, in")):
        if out.any():
            remarks.append(f"{int(out.sum()):,} rows {why} {amount} left out")
    if not there.any():
        raise BankmineError(f"No row of {flat.title} is a purchase. {' '.join(f'{r}.' for r in remarks)}")
    table = pa.table({
        "customer_id": pa.array(flat.entity[there].astype(str)), "amount": pa.array(values[there]),
        "date": pa.array(flat.day[there].dt.date, pa.date32()),
    })  # fmt: skip
    return FlatPurchases(rows.con.create_table(gen_name("purchases"), table), tuple(remarks))


@dataclass(frozen=True)
class FlatItems:
    """Items that customers of a flat table took."""

    rows: pd.DataFrame
    """`customer_id`, `item` and `day`, in the order of the table; items as it writes them."""
    remarks: tuple[str, ...]
    """What was left out, for the reader."""


def items_of(flat: Flat, item: str) -> FlatItems:
    """Read the rows of a table without an outcome as items that were taken.

    Raises
    ------
    BankmineError
        If `item` is not told, no column of its own, or no two items are told.
    """
    rows = flat.rows
    if not item:
        raise BankmineError(f"Say which column of {flat.title} tells what was bought: item=….")
    refuse_unknown([item], rows.columns, "item")
    if role := next((role for role in ("id", "time") if rows.roles[role] == item), ""):
        raise BankmineError(f"item={item}: that is the column of {role}: say which one tells what was bought.")
    told = rows.texts(item).set_axis(flat.entity.index)
    there = told.notna() & flat.day.notna()
    if told[there].nunique() < 2:
        raise BankmineError(f"item={item}: fewer than two items are told, so there is nothing to choose from.")
    found = pd.DataFrame({"customer_id": flat.entity.astype(str), "item": told, "day": flat.day.dt.normalize()})[there]
    left_out = int((~there).sum())
    return FlatItems(found, (f"{left_out:,} rows without {item} left out",) if left_out else ())
