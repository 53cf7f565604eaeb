"""What is measured of each transaction for fraud detection: each measure is named and defined once, here.

`fraud_windows` computes the measures of millions of transactions at once, `fraud_state` those of one transaction
as it arrives; both read this list, and `fraud_features` derives from either what models learn from. The measures are
those of the Fraud Detection Handbook (Le Borgne, Siblini, Lebichot, Bontempi 2022, chapter 3: windows of 1, 7 and 30
days over customers and terminals, risk delayed by the labels), for every key that a bank may have, and against habits.

Of a transaction at the moment s only what happened strictly before s counts: of two at the same moment neither sees the
other. A window of w days holds the moments from s - w days up to, but not at, s. What is added up are whole numbers
(`UNITS`), so that no order of adding changes a total: batch and real time agree to the last digit.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

DAY = 86_400_000_000
"""Microseconds of a day: moments are microseconds since 1970 in the bank's local time, as whole numbers."""
SECOND = 1_000_000
UNITS = 10_000
"""Amounts and their natural logarithms are added up in whole ten-thousandths: floor(value * UNITS + 1/2)."""
NIGHT_FROM, NIGHT_TO = 23, 6
"""Hours of the night; a moment at midnight sharp has no known time of day, and is no night."""
DELAY = 7
"""Days after which the label of a transaction counts as known, unless it is told."""
WINDOWS = (1, 7, 30)
KEYS = ("customer", "account", "device", "merchant", "counterparty")
"""By what transactions are grouped; columns of `fraud_history.history`. Only the customer is always there."""
PHYSICAL = ("pos", "atm")
"""Channels in which the customer stands at the place."""


@dataclass(frozen=True)
class Measure:
    """What is made of the transactions of a window.

    Attributes
    ----------
    adds : str
        What each transaction adds: `one` 1; `amount` and `log_amount` in whole ten-thousandths; `log_amount_squared`
        the square of that whole number; `night` 1 at night, else 0; `fraud` 1 for each fraud, not at its own moment but
        at that at which it became known.
    total : str
        `sum` (0 where there is nothing) or `max` (missing where there is nothing).
    scale : int
        By what the total is divided, as a floating-point number.
    delayed : bool
        Whether the window ends not at the transaction but as many days earlier as labels are late.
    """

    adds: str
    total: str = "sum"
    scale: int = 1
    delayed: bool = False


MEASURES = {
    "count": Measure("one"),
    "amount": Measure("amount", scale=UNITS),
    "log_amount": Measure("log_amount", scale=UNITS),
    "log_amount_squared": Measure("log_amount_squared", scale=UNITS**2),
    "largest": Measure("amount", total="max", scale=UNITS),
    "night_count": Measure("night"),
    "judged": Measure("one", delayed=True),
    "frauds_known": Measure("fraud"),
}


@dataclass(frozen=True)
class Window:
    """A measure over the transactions at the same key (customer, merchant, …) within some days; missing without key."""

    key: str
    measure: str
    days: int

    @property
    def name(self) -> str:
        """Name of its column: `merchant_frauds_known_30d`."""
        return f"{self.key}_{self.measure}_{self.days}d"

    @property
    def needs(self) -> set[str]:
        """Columns without which it cannot be measured."""
        return {self.key, "label_at"} if MEASURES[self.measure].adds == "fraud" else {self.key}

    def span(self, delay: int) -> tuple[int, int]:
        """Return the longest and shortest age, in microseconds, of what counts: shortest < age <= longest."""
        lag = delay * DAY if MEASURES[self.measure].delayed else 0
        return lag + self.days * DAY, lag


@dataclass(frozen=True)
class First:
    """Seconds since the first transaction with the same values of some columns; 0 if this is it, missing without."""

    keys: tuple[str, ...]

    @property
    def name(self) -> str:
        """Name of its column: `first_customer_device_seconds`."""
        return f"first_{'_'.join(self.keys)}_seconds"


@dataclass(frozen=True)
class Previous:
    """Seconds since the last earlier transaction at the same key; missing where there is none."""

    key: str

    @property
    def name(self) -> str:
        """Name of its column: `previous_account_seconds`."""
        return f"previous_{self.key}_seconds"


PREVIOUS_PHYSICAL = ("previous_physical_seconds", "previous_physical_country")
"""Seconds since the customer last stood somewhere (`PHYSICAL`), and where; the last country of the alphabet where two
are of the same moment. Missing where there was none."""


@dataclass(frozen=True)
class Specification:
    """The measures to take of each transaction.

    Attributes
    ----------
    windows, firsts, previous : tuple
        What to measure.
    physical : bool
        Whether to tell the previous place (`PREVIOUS_PHYSICAL`).
    delay : int
        Days by which labels are late.
    """

    windows: tuple[Window, ...]
    firsts: tuple[First, ...] = ()
    previous: tuple[Previous, ...] = ()
    physical: bool = False
    delay: int = DELAY

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all columns."""
        told = PREVIOUS_PHYSICAL if self.physical else ()
        return (*(m.name for m in (*self.windows, *self.firsts, *self.previous)), *told)

    @property
    def reach(self) -> int:
        """Days that the longest window reaches back."""
        return max((w.span(self.delay)[0] // DAY for w in self.windows), default=0)

    def possible(self, columns: Collection[str]) -> Specification:
        """Return what can be measured where only some columns are there: others are simply not among the measures."""
        return replace(
            self,
            windows=tuple(w for w in self.windows if w.needs <= set(columns)),
            firsts=tuple(f for f in self.firsts if set(f.keys) <= set(columns)),
            previous=tuple(p for p in self.previous if p.key in columns),
            physical=self.physical and {"physical", "country"} <= set(columns),
        )


def _windows(keys: str, measures: str, days: tuple[int, ...] = WINDOWS) -> list[Window]:
    return [Window(key, measure, d) for key in keys.split() for measure in measures.split() for d in days]


SPECIFICATION = Specification(
    windows=(
        *_windows(" ".join(KEYS), "count amount"),
        *_windows("customer", "log_amount log_amount_squared largest night_count", (30,)),
        *_windows("merchant counterparty", "judged frauds_known"),
        *_windows("account", "frauds_known", (30,)),
    ),
    firsts=(
        First(("customer",)),
        *(First(("customer", key)) for key in ("device", "merchant", "counterparty", "country")),
        First(("device",)),
        First(("counterparty",)),
    ),
    previous=(Previous("customer"), Previous("account")),
    physical=True,
)
"""All measures of a transaction."""
