"""Moments: a history of transactions as arrays in the order of time, with numbers for keys, for sliding windows."""

from __future__ import annotations

from dataclasses import dataclass

import ibis.expr.types as ir
import numpy as np
import pyarrow as pa

from bankmine.topics.fraud import spec
from bankmine.topics.fraud.spec import DAY, KEYS

COLUMNS = ("row", "at", "amount", *KEYS, "country", "physical", "label_at")
"""Columns of a history, in order."""
NONE = -1
"""Code of a transaction without a key."""


@dataclass(frozen=True)
class Moments:
    """Transactions in the order of time; all arrays have a value for each.

    Attributes
    ----------
    row, moment : np.ndarray
        Names of the rows, and moments.
    known : np.ndarray
        All moments at which something happened or became known, each once, in order.
    rank : np.ndarray
        Place of each transaction's moment among those.
    start : int
        First transaction that is measured.
    codes : dict of str to np.ndarray
        Number of each transaction's key (`customer`, …, `country`), `NONE` where it has none.
    countries : np.ndarray
        Names of the countries by their codes, in the order of the alphabet.
    added : dict of str to np.ndarray
        What each transaction adds to totals, whole numbers.
    late, late_rank : np.ndarray
        Transactions that became known as frauds, and the places of the moments at which they did.
    physical : np.ndarray
        Whether the customer stood at the place.
    """

    row: np.ndarray
    moment: np.ndarray
    known: np.ndarray
    rank: np.ndarray
    start: int
    codes: dict[str, np.ndarray]
    countries: np.ndarray
    added: dict[str, np.ndarray]
    late: np.ndarray
    late_rank: np.ndarray
    physical: np.ndarray

    def places(self, code: np.ndarray, rank: np.ndarray) -> np.ndarray:
        """Return numbers by which keys are sorted, and by moment within a key."""
        return code.astype(np.int64) * (len(self.known) + 1) + rank


def in_time(history: ir.Table, needed: set[str], since: int | None) -> Moments:
    """Fetch a history and put it in the order of time; keys become numbers.

    Parameters
    ----------
    history : ir.Table
        As `fraud_windows.raw_measures` takes it.
    needed : set of str
        Additions (`fraud_spec.Measure.adds`) to compute.
    since : int, optional
        First moment to measure transactions of.
    """
    table = history.select([c for c in COLUMNS if c in history.columns]).to_pyarrow()
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
    return Moments(
        table["row"].to_numpy()[order], at, known, np.searchsorted(known, at),
        0 if since is None else int(np.searchsorted(at, since)),
        {key: code[order] for key, (code, _) in coded.items()},
        coded["country"][1] if "country" in coded else np.array([], object),
        _added(table["amount"].to_numpy()[order], at, needed), late, np.searchsorted(known, label[late]),
        physical.astype(bool),
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
        found["amount"] = np.floor(amount * spec.UNITS + 0.5).astype(np.int64)
    if needed & {"log_amount", "log_amount_squared"}:
        found["log_amount"] = np.floor(np.log(amount) * spec.UNITS + 0.5).astype(np.int64)
        found["log_amount_squared"] = found["log_amount"] ** 2
    if "night" in needed:
        into_day = at % DAY
        hour = into_day // (DAY // 24)
        found["night"] = (into_day != 0) & ((hour >= spec.NIGHT_FROM) | (hour < spec.NIGHT_TO))
    return found
