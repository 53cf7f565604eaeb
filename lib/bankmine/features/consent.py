"""Consent: whom the bank may contact, as far as the source tells."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import reduce
from operator import and_

import ibis.expr.types as ir
import pandas as pd

ALLOWED, NOT_ALLOWED = "allowed", "no contact allowed"
_PERSONALLY = "profiling_consent"
_CONSENTS = {"marketing_consent": "offers", _PERSONALLY: "personal treatment"}


def contact_allowed(customers: pd.DataFrame, unseen: Collection[str]) -> pd.Series:
    """Say of each customer whether the bank may call, as far as the source tells.

    Both consents are needed, to be contacted with offers and to be treated personally, as who is chosen by a model or
    by a rule is (Personal Information Protection Law of China, article 24); one that is not recorded counts as not
    given. Where one is among the columns `unseen` by who looks (`Snapshot.unseen`), nobody may be contacted. Where the
    source has no such column, it cannot be told and is `ALLOWED`.
    """
    if hidden := [what for name, what in _CONSENTS.items() if f"customers.{name}" in unseen]:
        said = f"{NOT_ALLOWED}: who agreed to {' and '.join(hidden)} is hidden here"
        return pd.Series(said, index=customers.index, name="contact", dtype=object)
    there = [name for name in _CONSENTS if name in customers.columns]
    given = pd.DataFrame(
        {name: customers[name].astype("boolean").fillna(False) for name in there}, index=customers.index
    )
    lacking = [
        " and ".join(_CONSENTS[n] for n, yes in zip(there, row, strict=True) if not yes) for row in given.to_numpy()
    ]
    said = [f"{NOT_ALLOWED}: no consent to {what}" if what else ALLOWED for what in lacking]
    return pd.Series(said, index=customers.index, name="contact", dtype=object)


def agreed(customers: ir.Table, consents: Iterable[str]) -> ir.Table:
    """Return keys of customers who gave all of some consents, in each of their rows; one not recorded is not given."""
    gave = reduce(and_, (customers[name].cast("boolean").fill_null(False) for name in consents))
    return customers.group_by("customer_id").having(gave.all()).agg(rows=customers.count()).select("customer_id")


def agreed_to_be_treated_personally(customers: pd.DataFrame, unseen: Collection[str]) -> pd.Series:
    """Say of each customer whether to look at this one singly, by the rules of `contact_allowed`."""
    if f"customers.{_PERSONALLY}" in unseen:
        return pd.Series(False, customers.index)
    told = customers.get(_PERSONALLY, pd.Series(True, customers.index))
    return told.astype("boolean").fillna(False).astype(bool)


def may_contact(listed: pd.DataFrame) -> pd.DataFrame:
    """Keep of a list, whose `contact` is as of `contact_allowed`, whom the bank may contact: nobody else is on it."""
    return listed[listed["contact"].eq(ALLOWED)]
