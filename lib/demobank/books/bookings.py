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
SCHEMES = ("compromised_card", "compromised_merchant", "account_takeover", "push_payment", "dispute")
"""Kinds of fraud; in a dispute the customer was wrong, so that it is none."""
CARD, MERCHANT, TAKEOVER, PUSH, DISPUTE = range(len(SCHEMES))
OUTCOMES = ("confirmed", "cleared", "never", "after_end")
"""What became of a label: fraud confirmed, suspicion cleared, never noticed, known only after the window's end."""
CONFIRMED, CLEARED, UNNOTICED, AFTER_END = range(len(OUTCOMES))
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
        ("own", np.int8),  # product of this bank's account at the other end
        ("peer", np.int32),  # its owner in the block, where that is another customer
        ("payee", np.int32),  # account at another bank at the other end
        ("country", np.int8),
        ("device", np.int32),  # numbered within the block, see `devices`
        ("number", np.int32),  # counts the customer's bookings
        ("rule", np.int8),  # the rule that a planted defect breaks
        ("scheme", np.int8),  # of fraud
        ("outcome", np.int8),  # of its label
        ("known", np.int32),  # day of the label
        ("typology", np.int8),  # of laundering or its look-alikes
        ("role", np.int8),  # of the customer in it
        ("case", np.int32),  # groups the bookings of one fraud, laundering or look-alike
    ]
)

_EMPTY = (
    "merchant", "own", "peer", "payee", "device", "number", "rule", "scheme", "outcome", "known", "typology", "role",
    "case",
)  # fmt: skip
_CODES = {"kind": KINDS, "channel": CHANNELS, "category": CATEGORIES}


def code(column: str, value: str) -> int:
    """Return the number that stands for `value` of kind, channel or category."""
    return _CODES[column].index(value)


def book(customer: np.ndarray, **columns: np.ndarray | int | str | bool) -> np.ndarray:
    """Return one booking for each of `customer`, shape (n,); columns may be single values, coded ones also texts."""
    rows = np.zeros(len(customer), dtype=BOOKING)
    rows["customer"] = customer
    for name in _EMPTY:
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


def scattered(rng: np.random.Generator, expected: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Draw rare events: how many of each customer (customers,), on days by weight (days,), far quicker than a process.

    Returns
    -------
    Customer and day of each event.
    """
    customer = np.repeat(np.arange(len(expected)), rng.poisson(expected))
    passed = weight.cumsum()
    return customer, np.searchsorted(passed, rng.random(len(customer)) * passed[-1], side="right")


def to_cents(yuan: np.ndarray) -> np.ndarray:
    """Round yuan to whole cents."""
    return np.rint(np.asarray(yuan) * 100).astype(np.int64)
