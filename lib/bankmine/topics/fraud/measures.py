"""Measures of each transaction for fraud detection: named and defined once, and a history as arrays to take them of.

`batch` computes the measures of millions of transactions at once, `stream_state` those of one transaction as it
arrives; both read this list, and `features` derives from either what models learn from. The measures are those of the
Fraud Detection Handbook (Le Borgne, Siblini, Lebichot, Bontempi 2022, chapter 3: windows of 1, 7 and 30 days over
customers and terminals, risk delayed by the labels), for every key that a bank may have, and against habits.

Of a transaction at the moment s only what happened strictly before s counts: of two at the same moment neither sees the
other. A window of w days holds the moments from s - w days up to, but not at, s. What is added up are whole numbers
(`UNITS`), so that no order of adding changes a total: batch and real time agree to the last digit.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:  # measures are also taken where no engine is loaded
    import ibis.expr.types as ir


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
"""By what transactions are grouped; columns of `batch.history`. Only the customer is always there."""
KINDS = ("card", "transfer", "cash")
"""Kinds of transactions that the customer starts, and that somebody else could start instead."""
PHYSICAL = ("pos", "atm")
"""Channels in which the customer stands at the place."""


@dataclass(frozen=True)
class Measure:
    """What is made of the transactions of a window."""

    adds: str
    """What each transaction adds: `one` 1; `amount` and `log_amount` whole ten-thousandths; `log_amount_squared` the
    square of that; `night` 1 at night, else 0; `fraud` 1 for each fraud, at the moment at which it became known."""
    total: str = "sum"
    """`sum` (0 where there is nothing) or `max` (missing where there is nothing)."""
    scale: int = 1
    """By what the total is divided, as a floating-point number."""
    delayed: bool = False
    """Whether the window ends as many days before the transaction as labels are late."""


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
    """The measures to take of each transaction."""

    windows: tuple[Window, ...]
    firsts: tuple[First, ...] = ()
    previous: tuple[Previous, ...] = ()
    physical: bool = False
    """Whether to tell the previous place (`PREVIOUS_PHYSICAL`)."""
    delay: int = DELAY
    """Days by which labels are late."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all columns."""
        told = PREVIOUS_PHYSICAL if self.physical else ()
        return (*(m.name for m in (*self.windows, *self.firsts, *self.previous)), *told)

    @property
    def columns(self) -> set[str]:
        """Columns of a history that it takes, as far as they are there."""
        adds = {MEASURES[w.measure].adds for w in self.windows}
        needed = set().union(*(w.needs for w in self.windows), *(f.keys for f in self.firsts))
        needed |= {p.key for p in self.previous} | ({"customer", "country", "physical"} if self.physical else set())
        return needed | {"row", "at", "measured"} | ({"amount"} if adds - {"one", "fraud", "night"} else set())

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

    def of(self, keys: Collection[str]) -> Specification:
        """Return the measures that need no transactions but those at the same one of these keys."""
        return replace(
            self,
            windows=tuple(w for w in self.windows if w.key in keys),
            firsts=tuple(f for f in self.firsts if f.keys[0] in keys),
            previous=tuple(p for p in self.previous if p.key in keys),
            physical=self.physical and "customer" in keys,
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


NONE = -1
"""Code of a transaction without a key."""


@dataclass(frozen=True)
class Moments:
    """Transactions in the order of time; arrays have a value for each, but for `known`, `countries` and the late."""

    row: np.ndarray
    moment: np.ndarray
    known: np.ndarray
    """All moments at which something happened or became known, each once, in order."""
    rank: np.ndarray
    """Place of each transaction's moment among those."""
    measured: np.ndarray
    """Transactions that are measured, in order; others are their past only."""
    place: np.ndarray
    """Place of each transaction among those, `NONE` of others."""
    codes: dict[str, np.ndarray]
    """Number of each transaction's key (`customer`, …, `country`), `NONE` where it has none."""
    countries: np.ndarray
    """Names of the countries by their codes, in the order of the alphabet."""
    added: dict[str, np.ndarray]
    """What each transaction adds to totals, whole numbers."""
    late: np.ndarray
    """Transactions that became known as frauds."""
    late_rank: np.ndarray
    """Places of the moments at which they did."""
    physical: np.ndarray
    """Whether the customer stood at the place."""

    def places(self, code: np.ndarray, rank: np.ndarray) -> np.ndarray:
        """Return numbers by which keys are sorted, and by moment within a key."""
        return code.astype(np.int64) * (len(self.known) + 1) + rank


def in_time(history: ir.Table, specification: Specification) -> Moments:
    """Fetch of a history, as `batch.raw_measures` takes it, what is needed, in the order of time; keys become numbers.

    Of additions (`Measure.adds`) only those that are needed are computed.
    """
    table = history.select([c for c in history.columns if c in specification.columns]).to_pyarrow()
    order = np.argsort(table["at"].to_numpy(), kind="stable")
    at = table["at"].to_numpy()[order]
    label = _whole(table, "label_at", order)
    late = np.flatnonzero(label > np.iinfo(np.int64).min)
    known = np.sort(
        np.concatenate([at, label[late]]), kind="stable"
    )  # nearly in order: np.unique takes 100 times as long
    known = known[np.concatenate([[True], known[1:] > known[:-1]])[: len(known)]]
    coded = {key: _coded(table[key]) for key in (*KEYS, "country") if key in table.column_names}
    physical = table["physical"].to_numpy()[order] if "physical" in table.column_names else np.zeros(len(at), bool)
    asked = table["measured"].to_numpy()[order] if "measured" in table.column_names else np.ones(len(at), bool)
    measured = np.flatnonzero(asked)
    place = np.full(len(at), NONE)
    place[measured] = np.arange(len(measured))
    adds = {MEASURES[w.measure].adds for w in specification.windows}
    return Moments(
        table["row"].to_numpy()[order], at, known, np.searchsorted(known, at), measured, place,
        {key: code[order] for key, (code, _) in coded.items()},
        coded["country"][1] if "country" in coded else np.array([], object),
        _added(table["amount"].to_numpy()[order] if "amount" in table.column_names else at, at, adds),
        late, np.searchsorted(known, label[late]), physical.astype(bool),
    )  # fmt: skip


def _whole(table: pa.Table, name: str, order: np.ndarray) -> np.ndarray:
    """Return moments; where one is missing the least number there is."""
    least = np.iinfo(np.int64).min
    if name not in table.column_names:
        return np.full(len(order), least)
    return table[name].cast(pa.int64()).fill_null(least).to_numpy()[order]


def _coded(values: pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
    """Give the values of a column numbers in the order of the alphabet; return numbers and names."""
    encoded = values.combine_chunks().dictionary_encode()
    names = encoded.dictionary.to_numpy(zero_copy_only=False)
    alphabetical = np.argsort(names)
    number = np.empty(len(names), np.int64)
    number[alphabetical] = np.arange(len(names))
    given = encoded.indices.fill_null(NONE).to_numpy()
    return np.where(given == NONE, NONE, number[given] if len(names) else NONE), names[alphabetical]


def _added(amount: np.ndarray, at: np.ndarray, needed: set[str]) -> dict[str, np.ndarray]:
    """Compute what each transaction adds to the totals of windows, as whole numbers."""
    found = {"one": np.ones(len(at), np.int64)}
    if "amount" in needed:
        found["amount"] = np.floor(amount * UNITS + 0.5).astype(np.int64)
    if needed & {"log_amount", "log_amount_squared"}:
        found["log_amount"] = np.floor(np.log(amount) * UNITS + 0.5).astype(np.int64)
        found["log_amount_squared"] = found["log_amount"] ** 2
    if "night" in needed:
        into_day = at % DAY
        hour = into_day // (DAY // 24)
        found["night"] = (into_day != 0) & ((hour >= NIGHT_FROM) | (hour < NIGHT_TO))
    return found
