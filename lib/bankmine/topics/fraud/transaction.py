"""One transaction as it arrives: what it is, what it adds to totals, and what is derived of it alone."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

from bankmine.topics.fraud.spec import DAY, NIGHT_FROM, NIGHT_TO, UNITS, First

ADDED = ("amount", "log_amount", "log_amount_squared", "night")
"""What a transaction adds to totals, besides being one."""
OWN = ("country", "physical", "balance", "kind", "channel", "category", "product")
"""What is known of a transaction by itself, where the source tells it."""


@dataclass(frozen=True, slots=True)
class Transaction:
    """One row of a history (`fraud_windows.history`): money that a customer sends out.

    Attributes
    ----------
    at : int
        Microseconds since 1970, local time.
    amount : float
        Above zero.
    physical : bool
        Whether the customer stood at the place.
    balance : float, optional
        Of the account before the transaction.
    product : str, optional
        Of the account.
    """

    transaction_id: str
    at: int
    amount: float
    customer: str
    account: str | None = None
    device: str | None = None
    merchant: str | None = None
    counterparty: str | None = None
    country: str | None = None
    physical: bool = False
    balance: float | None = None
    kind: str | None = None
    channel: str | None = None
    category: str | None = None
    product: str | None = None


def columns_of(t: Transaction, measures: Mapping[str, np.ndarray], known: Collection[str]) -> dict[str, np.ndarray]:
    """Return measures together with what is taken from the transaction itself, as far as it is among the known.

    Returns
    -------
    dict of str to np.ndarray
        Arrays of length 1.
    """
    own = {name: np.array([getattr(t, name)], dtype=object) for name in OWN if name in known}
    if "physical" in own:
        own["physical"] = np.array([t.physical])
    if "balance" in own:
        own["balance"] = np.array([math.nan if t.balance is None else t.balance])
    return dict(measures) | {"at": np.array([t.at]), "amount": np.array([t.amount])} | own


def added(at: int, amount: float) -> tuple[int, int, int, int]:
    """Return what a transaction adds to totals: amount, its logarithm, the square of that, night; as whole numbers."""
    logarithm = math.floor(math.log(amount) * UNITS + 0.5)
    hour = at % DAY // (DAY // 24)
    night = at % DAY != 0 and (hour >= NIGHT_FROM or hour < NIGHT_TO)
    return math.floor(amount * UNITS + 0.5), logarithm, logarithm * logarithm, int(night)


def values_of(t: Transaction, first: First) -> tuple[str, ...] | None:
    """Return what the first moment of a transaction is noted under; None where one of the values is missing."""
    values = tuple(getattr(t, key) for key in first.keys)
    return None if None in values else values
