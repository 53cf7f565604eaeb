"""What pay does to spending: a ratio to ordinary days, resampled by customer, against permuted paydays.

Spending is a level of each payday and category times what all do on that day times what pay does (a Poisson model with
fixed effects, by iterative scaling: Darroch and Ratcliff, Annals of Mathematical Statistics 43, 1972). What all do on a
day is told from pay as customers are paid on different days.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from scipy import sparse, stats

from bankmine.errors import BankmineError
from bankmine.judging.intervals import draws, interval

ALL, DAYS = "all", np.arange(-10, 15)
AFTER_PAY = "days 1 to 5 after pay"
ROUNDS, PERMUTED, FEWEST = 200, 499, 100
_ORDINARY, _PEAK = (DAYS < -5) | (DAYS > 10), (DAYS >= 1) & (DAYS <= 5)
_SHIFT, _SCALED, _PROJECTED, _FAR = 14, 300, 60, 1_000_000


@dataclass(frozen=True)
class Spending:
    """What customers spent: rows of `customer`, `day`, `category` (positions, days of 1970) and `amount`."""

    rows: pd.DataFrame
    categories: list[str]
    groups: pd.Series
    """Group of each customer, missing where not known."""

    @cached_property
    def first(self) -> int:
        """The first day."""
        return int(self.rows["day"].min())

    @cached_property
    def days(self) -> int:
        """Days from the first to the last."""
        return int(self.rows["day"].max()) - self.first + 1

    @property
    def dates(self) -> pd.DatetimeIndex:
        """All days from the first to the last."""
        return pd.to_datetime(self.first + np.arange(self.days), unit="D")

    def resampled(self, amount: np.ndarray, cell: np.ndarray, cells: int) -> dict[str, np.ndarray]:
        """Add up amounts by category and cell, of all customers and of each group: (categories, cells, 1 + rounds)."""
        shape, drawn = (len(self.categories), cells), draws(len(self.groups), ROUNDS).astype(float)
        at = np.ravel_multi_index((self.rows["category"].to_numpy(), cell), shape)
        table = sparse.csr_array(
            (amount, (at, self.rows["customer"].to_numpy())), (int(np.prod(shape)), len(self.groups))
        )
        parts = {ALL: np.ones(len(self.groups), bool)}
        parts |= {group: (self.groups == group).to_numpy() for group in sorted(self.groups.dropna().unique())}
        return {group: (table @ (drawn * who[:, None])).reshape(*shape, -1) for group, who in parts.items()}


def since_pay(rows: pd.DataFrame, pay: pd.DataFrame, first: int = DAYS[0], last: int = DAYS[-1]) -> np.ndarray:
    """Return days since the customer's own pay came (`customer`, `day`), NaN where not from `first` to `last`."""
    keys = np.sort(pay["customer"].to_numpy(np.int64) * _FAR + pay["day"].to_numpy())
    if not len(keys):
        return np.full(len(rows), np.nan)
    asked = rows["customer"].to_numpy(np.int64) * _FAR + rows["day"].to_numpy()
    after = asked - keys[np.maximum(np.searchsorted(keys, asked - first, "right") - 1, 0)]
    return np.where((after >= first) & (after <= last), after, np.nan)


def after_pay(spent: Spending, pay: pd.DataFrame) -> pd.DataFrame:
    """Estimate what pay does, day by day (`moment` empty), and on days 1 to 5 for each category and all together."""
    edge = _SHIFT - DAYS[0], -_SHIFT - DAYS[-1]
    pay = pay[pay["day"].between(spent.first + edge[0], spent.first + spent.days - 1 + edge[1])]
    if pay["customer"].nunique() < FEWEST:
        raise BankmineError(f"fewer than {FEWEST} customers are paid regularly, too few to tell what pay does")
    if pay["day"].nunique() < 2 * pay["month"].nunique():
        raise BankmineError("all are paid on one day: pay cannot be told from the date")
    after = since_pay(spent.rows, pay)
    known, category = ~np.isnan(after), spent.rows["category"].to_numpy()
    place, day = np.where(known, after - DAYS[0], 0).astype(int), spent.rows["day"].to_numpy() - spent.first
    amount = spent.rows["amount"].to_numpy()
    if not known.any():
        raise BankmineError("nobody who is paid regularly bought anything around payday")
    paid, cohort = np.unique(np.where(known, day - after, day[known][0] - after[known][0]), return_inverse=True)
    shape, at = (len(spent.categories), len(paid), len(DAYS)), (paid[:, None] + DAYS).astype(int)
    cell, customers = np.ravel_multi_index((category, cohort, place), shape), len(spent.groups)
    bought = sparse.csc_array((amount * known, (spent.rows["customer"].to_numpy(), cell)), (customers, np.prod(shape)))
    table = bought.sum(axis=0).reshape(shape)
    factor, *fitted = _fitted(table, at, spent.days)
    amount = np.divide(amount, factor[category, day], out=np.zeros(len(amount)), where=factor[category, day] > 0)
    sums = with_all(spent.resampled(amount * known, place, len(DAYS)))
    curve, change = _to_ordinary(sums[ALL]), draws(customers, ROUNDS) - 1.0
    curve[0, ~_ORDINARY] = _resampled(*fitted, at, spent.days, bought, change)
    for number, (own, mine) in enumerate(zip(table, np.split(np.arange(table.size), len(table)), strict=True), 1):
        fitted = _fitted(own[None], at, spent.days)[1:]
        curve[number, ~_ORDINARY] = _resampled(*fitted, at, spent.days, bought[:, mine], change)
    daily = estimated(pd.DataFrame({"moment": "", "need": ALL, "day": DAYS}), curve[0])
    names = pd.DataFrame({"moment": AFTER_PAY, "need": [ALL, *spent.categories]})
    null = _peak(_to_ordinary(_shifted(spent, pay, amount)))[..., 0]
    found = {group: _peak(_to_ordinary(s)) for group, s in sums.items()} | {ALL: _peak(curve)}
    told = needs(names, found, null.T)
    net = estimated(told, (curve[:, ~_ORDINARY] - 1).sum(axis=1), "net")
    return pd.concat([daily, net], ignore_index=True)


def _to_ordinary(sums: np.ndarray) -> np.ndarray:
    """Divide by the mean of ordinary days; the last axes are days and resamples."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return sums / sums[..., _ORDINARY, :].mean(axis=-2, keepdims=True)


def _peak(curve: np.ndarray) -> np.ndarray:
    return curve[..., _PEAK, :].mean(axis=-2)


def with_all(sums: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Put the sum of all categories first."""
    return {group: np.concatenate([s.sum(axis=0, keepdims=True), s]) for group, s in sums.items()}


def _on(at: np.ndarray, days: int) -> sparse.csr_array:
    """Say which cells, a payday and a day around it, lie on which day."""
    return sparse.csr_array((np.ones(at.size), (np.arange(at.size), at.ravel())), (at.size, days))


def _fitted(table: np.ndarray, at: np.ndarray, days: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fit what all do on each day, shape (categories, days), what pay does, and what is expected of each cell."""
    on, factor, bump = _on(at, days), np.ones((len(table), days)), np.ones(len(DAYS))
    by_day = table.reshape(len(table), -1) @ on
    with np.errstate(all="ignore"):
        for _ in range(_SCALED):
            expected = factor[:, at] * bump
            expected *= np.nan_to_num(table.sum(axis=2) / expected.sum(axis=2))[..., None]
            bump = np.where(_ORDINARY, 1.0, bump * table.sum(axis=(0, 1)) / expected.sum(axis=(0, 1)))
            factor *= np.nan_to_num(by_day / (expected.reshape(len(table), -1) @ on))
    return factor, bump, expected


def _resampled(
    bump: np.ndarray, expected: np.ndarray, at: np.ndarray, days: int, bought: sparse.csc_array, change: np.ndarray
) -> np.ndarray:
    """Return what pay does on the days that are not ordinary, as it is and resampled: (days, 1 + rounds).

    By one Newton step from the fit (Kline and Santos, Journal of Econometric Methods 1, 2012): what all do on a day is
    as uncertain as the rest. `bought` is what each customer spent, by cell, `change` how much more often it is drawn.
    """
    on, free = _on(at, days), np.flatnonzero(~_ORDINARY)
    pulls = np.zeros((len(free), *expected.shape))
    pulls[np.arange(len(free)), :, :, free] = 1
    by_day = expected.reshape(len(expected), -1) @ on
    with np.errstate(all="ignore"):
        for _ in range(_PROJECTED):
            pulls -= np.nan_to_num((pulls * expected).sum(axis=-1) / expected.sum(axis=-1))[..., None]
            daily = (pulls * expected).reshape(len(free) * len(expected), -1) @ on
            pulls -= np.nan_to_num(daily.reshape(len(free), len(expected), days) / by_day)[:, :, at]
    pulls = pulls.reshape(len(free), -1)
    weight = (pulls * expected.ravel()) @ pulls.T
    if not np.isfinite(weight).all():  # so little is bought that some day is never told from another
        return np.full((len(free), change.shape[1]), np.nan)
    step = np.linalg.pinv(weight) @ pulls
    return bump[free, None] * np.exp((bought @ step.T).T @ change)


def _shifted(spent: Spending, pay: pd.DataFrame, amount: np.ndarray) -> np.ndarray:
    """Sum spending around paydays that are moved by chance within the month: (rounds, 1 + categories, days, 1)."""
    paid, first, last, shifts = np.unique(pay["day"]), DAYS[0] - _SHIFT, DAYS[-1] + _SHIFT, 2 * _SHIFT + 1
    table = np.zeros((len(paid), last - first + 1, len(spent.categories)))
    for part in ((first, -1), (0, last)):
        after = since_pay(spent.rows, pay, *part)
        own = ~np.isnan(after)
        day = np.searchsorted(paid, spent.rows["day"].to_numpy()[own] - after[own])
        np.add.at(table, (day, (after[own] - first).astype(int), spent.rows["category"].to_numpy()[own]), amount[own])
    windows = np.lib.stride_tricks.sliding_window_view(table, len(DAYS), axis=1)
    taken = np.zeros((PERMUTED, len(paid), shifts))
    moved = np.random.default_rng(0).integers(0, shifts, (PERMUTED, len(paid), 1))
    np.put_along_axis(taken, moved, 1, axis=2)
    sums = taken.reshape(PERMUTED, -1) @ windows.reshape(len(paid) * shifts, -1)
    sums = sums.reshape(PERMUTED, *windows.shape[2:])
    return np.concatenate([sums.sum(axis=1, keepdims=True), sums], axis=1)[..., None]


def estimated(names: pd.DataFrame, values: np.ndarray, name: str = "value") -> pd.DataFrame:
    """Put estimates, shape (rows, 1 + rounds), with their intervals beside names; ends are `low` and `high`."""
    values = np.where(np.isfinite(values), values, np.nan)
    low, high = interval(values.T)
    own = "" if name == "value" else f"{name}_"
    return names.assign(**{name: values[:, 0], f"{own}low": low, f"{own}high": high})


def needs(names: pd.DataFrame, found: dict[str, np.ndarray], null: np.ndarray) -> pd.DataFrame:
    """Say how sure each ratio is: `p` by permuted dates, shape (rows, permutations), and `p_differ` between groups.

    Groups differ by Cochran's Q of their log ratios (Biometrics 10, 1954); `group` is the one of the largest.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        size, chance = np.abs(np.log(found[ALL][:, :1])), np.abs(np.log(null))
        logs = {group: np.log(values) for group, values in found.items() if group != ALL}
    told = estimated(names, found[ALL]).assign(p=(1 + (chance >= size).sum(axis=1)) / (1 + null.shape[1]))
    if len(logs) < 2:
        return told.assign(p_differ=np.nan, group="")
    with np.errstate(divide="ignore", invalid="ignore"):
        value = np.column_stack([v[:, 0] for v in logs.values()])
        weight = np.column_stack([v[:, 1:].var(axis=1) for v in logs.values()]) ** -1.0
        mean = (value * weight).sum(axis=1) / weight.sum(axis=1)
        p = stats.chi2.sf((weight * (value - mean[:, None]) ** 2).sum(axis=1), len(logs) - 1)
    return told.assign(p_differ=p, group=np.array(list(logs))[np.nan_to_num(value).argmax(axis=1)])
