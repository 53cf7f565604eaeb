"""Flat purchases: a flat table whose rows are purchases of customers, each with its day and amount."""

from __future__ import annotations

from dataclasses import dataclass

import ibis.expr.types as ir
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
