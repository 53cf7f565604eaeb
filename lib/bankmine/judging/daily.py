"""What customers do day by day, added up over all or by group, resampled, and how sure it is that a time is unusual.

Customers are drawn with all that they did; how much is chance is told by the same figures of dates drawn at random.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd
from scipy import sparse, stats

from bankmine.judging.intervals import draws, interval

ALL = "all"
ROUNDS, PERMUTED, FEWEST = 200, 499, 100
_FAR = 1_000_000


@dataclass(frozen=True)
class Daily:
    """What customers did: rows of `customer`, `day`, `category` (positions, days from 1970 on) and `amount`."""

    rows: pd.DataFrame
    names: list[str]
    """Of all together, and of the categories where these are told apart."""
    groups: pd.Series
    """Group of each customer, missing where not known; the index are the ids."""

    @classmethod
    def of(cls, rows: pd.DataFrame, groups: pd.Series, whole: str = ALL) -> Daily:
        """Take `customer_id`, `date` and `amount` by `category`, or without one, of customers in groups."""
        keys = [name for name in ("customer_id", "date", "category") if name in rows]
        rows = rows.sort_values(keys, ignore_index=True)
        customer, ids = pd.factorize(rows["customer_id"])
        category, names = pd.factorize(rows["category"], sort=True) if "category" in rows else (0, [])
        found = pd.DataFrame({"customer": customer, "day": _day(rows["date"]), "category": category})
        return cls(found.assign(amount=rows["amount"].astype(float)), [whole, *names], groups.reindex(ids))

    @cached_property
    def first(self) -> int:
        """The first day."""
        return int(self.rows["day"].min())

    @cached_property
    def dates(self) -> pd.DatetimeIndex:
        """All days from the first to the last."""
        return pd.to_datetime(np.arange(self.first, self.rows["day"].max() + 1), unit="D")

    @property
    def categories(self) -> int:
        """How many there are; one where none are told apart."""
        return max(len(self.names) - 1, 1)

    @property
    def day(self) -> np.ndarray:
        """The day of each row, counted from the first."""
        return self.rows["day"].to_numpy() - self.first

    @cached_property
    def _covered(self) -> np.ndarray:
        """How many days before each lie in months in which somebody did something: of others nothing is known."""
        month = self.dates.year * 12 + self.dates.month
        return np.concatenate([[0], np.isin(month, month[np.unique(self.day)]).cumsum()])

    def covers(self, day: np.ndarray, first: int, last: int) -> np.ndarray:
        """Say around which days, counted from the first, all days are known from `first` to `last` of them."""
        begin, end = day + first, day + last + 1
        inside = (begin >= 0) & (end <= len(self.dates))
        count = self._covered[np.where(inside, end, 0)] - self._covered[np.where(inside, begin, 0)]
        return inside & (count == last - first + 1)

    def placed(self, days: pd.DataFrame) -> pd.DataFrame:
        """Give days of customers (`customer_id`, `date`) as positions, `customer` and `day`, of who is here."""
        place = pd.Series(range(len(self.groups)), self.groups.index)
        return days.assign(customer=days["customer_id"].map(place), day=_day(days["date"])).dropna(subset="customer")

    def since(self, own: pd.DataFrame, first: int, last: int) -> np.ndarray:
        """Count days since the customer's last own day (`customer`, `day`), NaN where not from `first` to `last`."""
        keys = np.sort(own["customer"].to_numpy(np.int64) * _FAR + own["day"].to_numpy())
        if not len(keys):
            return np.full(len(self.rows), np.nan)
        asked = self.rows["customer"].to_numpy(np.int64) * _FAR + self.rows["day"].to_numpy()
        after = asked - keys[np.maximum(np.searchsorted(keys, asked - first, "right") - 1, 0)]
        return np.where((after >= first) & (after <= last), after, np.nan)

    def divided(self, by: np.ndarray) -> Daily:
        """Return the same with each row's amount divided, by nothing where that is 0."""
        amount = self.rows["amount"].to_numpy()
        return replace(self, rows=self.rows.assign(amount=np.divide(amount, by, out=np.zeros(len(by)), where=by > 0)))

    def resampled(self, cell: np.ndarray, cells: int, known: np.ndarray | None = None) -> dict[str, np.ndarray]:
        """Add up by category and cell, of all customers and of each group: (names, cells, 1 + rounds)."""
        rows = self.rows if known is None else self.rows[known]
        cell = cell if known is None else cell[known]
        shape, drawn = (self.categories, cells), draws(len(self.groups), ROUNDS).astype(float)
        at, customer = np.ravel_multi_index((rows["category"].to_numpy(), cell), shape), rows["customer"].to_numpy()
        code, names = pd.factorize(self.groups, sort=True, use_na_sentinel=False)
        found = {}
        for number, name in enumerate(names):
            who, own = np.flatnonzero(code == number), code[customer] == number
            place = np.searchsorted(who, customer[own])
            table = (rows["amount"].to_numpy()[own], (at[own], place))
            sums = sparse.csr_array(table, (int(np.prod(shape)), len(who))) @ drawn[who]
            found[name] = self.with_all(sums.reshape(*shape, -1))
        told = {name: sums for name, sums in found.items() if isinstance(name, str)}
        return {ALL: sum(found.values()), **told}

    def with_all(self, sums: np.ndarray) -> np.ndarray:
        """Put the sum of all categories first, on the first axis, where they are told apart."""
        return np.concatenate([sums.sum(axis=0, keepdims=True), sums]) if len(self.names) > 1 else sums


def estimated(names: pd.DataFrame, values: np.ndarray, name: str = "value") -> pd.DataFrame:
    """Put estimates, shape (rows, 1 + rounds), with their intervals beside names; ends are `low` and `high`."""
    values = np.where(np.isfinite(values), values, np.nan)
    low, high = interval(values.T)
    own = "" if name == "value" else f"{name}_"
    return names.assign(**{name: values[:, 0], f"{own}low": low, f"{own}high": high})


def against_chance(names: pd.DataFrame, found: dict[str, np.ndarray], null: np.ndarray) -> pd.DataFrame:
    """Say how sure each ratio is: `p` by dates drawn at random, (rows, permutations), and `p_differ` between groups.

    Groups differ by Cochran's Q of their log ratios (Biometrics 10, 1954); `group` is the one of the largest.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        size, chance = np.abs(np.log(found[ALL][:, :1])), np.abs(np.log(null))
        logs = [np.log(values) for group, values in found.items() if group != ALL]
        told = estimated(names, found[ALL]).assign(p=(1 + (chance >= size).sum(axis=1)) / (1 + null.shape[1]))
        if len(logs) < 2:
            return told.assign(p_differ=np.nan, group="")
        value = np.column_stack([v[:, 0] for v in logs])
        weight = np.column_stack([v[:, 1:].var(axis=1) for v in logs]) ** -1.0
        mean = (value * weight).sum(axis=1) / weight.sum(axis=1)
        p = stats.chi2.sf((weight * (value - mean[:, None]) ** 2).sum(axis=1), len(logs) - 1)
    groups = np.array([group for group in found if group != ALL])
    return told.assign(p_differ=p, group=groups[np.nan_to_num(value).argmax(axis=1)])


def _day(date: pd.Series) -> pd.Series:
    return (pd.to_datetime(date) - pd.Timestamp(0)).dt.days
