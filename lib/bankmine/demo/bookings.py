"""Bookings while they are made: numbers only, one record each, amounts in whole cents.

Whole cents, because balances must reconcile with flows exactly, and sums of floats do not. Texts are added only when a
table is written. A customer holds at most one account of each product, so (customer, product) names an account.
"""

from __future__ import annotations

import numpy as np

from bankmine.bank.contract import CATEGORIES, CHANNELS, PRODUCTS

KINDS = (
    "salary", "pension", "settlement", "card", "transfer", "cash", "fee", "interest", "loan_payment", "loan_payout",
    "card_repayment", "rent", "direct_debit", "premium", "investment",
)  # fmt: skip
COUNTRIES = ("CN", "HK", "MO", "JP", "TH", "KR", "SG", "US", "GB", "FR")
RULES = ("duplicate_key", "not_positive", "in_future", "before_parent", "unknown_parent")
"""Rules of the checker that a planted booking breaks."""

NONE = -1
"""Stands for no value in every coded column."""
UNKNOWN_ACCOUNT = 9
"""Stands in `product` for an account that the bank does not have."""

CURRENT, SAVINGS, TERM_DEPOSIT, CREDIT_CARD, PERSONAL_LOAN, MORTGAGE, FUND, INSURANCE = range(len(PRODUCTS))

BOOKING = np.dtype(
    [
        ("customer", np.int32),
        ("product", np.int8),
        ("day", np.int32),
        ("second", np.int32),
        ("cents", np.int64),
        ("out", np.bool_),
        ("kind", np.int8),
        ("channel", np.int8),
        ("category", np.int8),
        ("merchant", np.int32),
        ("own", np.int8),  # product of the customer's own account at the other end
        ("payee", np.int32),  # account at another bank at the other end
        ("country", np.int8),
        ("device", np.int8),
        ("number", np.int32),  # counts the customer's bookings
        ("rule", np.int8),  # the rule that a planted defect breaks
    ]
)

_CODES = {"kind": KINDS, "channel": CHANNELS, "category": CATEGORIES}


def code(column: str, value: str) -> int:
    """Return the number that stands for `value` of kind, channel or category."""
    return _CODES[column].index(value)


def book(customer: np.ndarray, **columns: np.ndarray | int | str | bool) -> np.ndarray:
    """Return one booking for each of `customer`, shape (n,); columns may be single values, coded ones also texts."""
    rows = np.zeros(len(customer), dtype=BOOKING)
    rows["customer"] = customer
    for name in ("merchant", "own", "payee", "device", "rule", "number"):
        rows[name] = NONE
    for name, value in columns.items():
        rows[name] = code(name, value) if isinstance(value, str) else value
    return rows


def moment(rows: np.ndarray) -> np.ndarray:
    """Return a number for each booking that orders them by customer and time."""
    seconds = rows["day"].astype(np.int64) * 86_400 + rows["second"]
    return (rows["customer"].astype(np.int64) << 40) + seconds


def signed(rows: np.ndarray) -> np.ndarray:
    """Return cents with their sign: above zero where money arrives."""
    return np.where(rows["out"], -rows["cents"], rows["cents"])


def arrivals(rng: np.random.Generator, rate: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Draw a Poisson process from daily rates, shape (customers, days); return the customer and day of each event."""
    counts = rng.poisson(rate)
    customer, day = np.nonzero(counts)
    times = counts[customer, day]
    return np.repeat(customer, times), np.repeat(day, times)


def to_cents(yuan: np.ndarray) -> np.ndarray:
    """Round yuan to whole cents."""
    return np.rint(np.asarray(yuan) * 100).astype(np.int64)
