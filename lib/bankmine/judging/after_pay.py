"""What pay does to what customers do: a ratio to ordinary days, resampled by customer, against permuted paydays.

What is done is a level of each payday and category times what all do on that day times what pay does (a Poisson model
with fixed effects, by iterative scaling: Darroch and Ratcliff, Annals of Mathematical Statistics 43, 1972). What all do
on a day is told from pay as customers are paid on different days.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import sparse

from bankmine.errors import BankmineError
from bankmine.judging.daily import ALL, FEWEST, PERMUTED, ROUNDS, Daily, against_chance, estimated
from bankmine.judging.intervals import draws

DAYS = np.arange(-10, 15)
AFTER_PAY = "days 1 to 5 after pay"
_ORDINARY, _PEAK = (DAYS < -5) | (DAYS > 10), (DAYS >= 1) & (DAYS <= 5)
_SHIFT, _SCALED, _PROJECTED = 14, 300, 60


def after_pay(done: Daily, pay: pd.DataFrame) -> pd.DataFrame:
    """Estimate what pay does, day by day (`moment` empty), and on days 1 to 5 for each category and all together.

    `pay` has `customer_id`, `date` and `month`; `customers` counts those who were paid, and did something.
    """
    pay = done.placed(pay)
    paid_regularly = pay["customer"].nunique()
    pay = pay[done.covers(pay["day"].to_numpy() - done.first, DAYS[0] - _SHIFT, DAYS[-1] + _SHIFT)]
    if pay["customer"].nunique() < FEWEST:
        raise BankmineError(f"fewer than {FEWEST} customers are paid regularly, too few to tell what pay does")
    if pay["day"].nunique() < 2 * pay["month"].nunique():
        raise BankmineError("all are paid on one day: pay cannot be told from the date")
    after = done.since(pay, DAYS[0], DAYS[-1])
    known, day = ~np.isnan(after), done.day
    if not known.any():
        raise BankmineError("nobody who is paid regularly did anything around payday")
    category, customer = (done.rows[name].to_numpy() for name in ("category", "customer"))
    paid, cohort = np.unique(np.where(known, day - after, (day - after)[known][0]), return_inverse=True)
    shape, at = (done.categories, len(paid), len(DAYS)), (paid[:, None] + DAYS).astype(int)
    place = np.where(known, after - DAYS[0], 0).astype(int)
    cell, customers = np.ravel_multi_index((category, cohort, place), shape), len(done.groups)
    amount = done.rows["amount"].to_numpy() * known
    table = sparse.csc_array((amount, (customer, cell)), (customers, np.prod(shape)))
    total, days = table.sum(axis=0).reshape(shape), len(done.dates)
    fits = [_fitted(part, at, days) for part in (total, *total[: len(done.names) - 1, None])]
    net = done.divided(fits[0][0][category, day])
    sums = net.resampled(place, len(DAYS), known)
    curve, change = _to_ordinary(sums[ALL]), draws(customers, ROUNDS) - 1.0
    parts = [slice(None), *np.split(np.arange(total.size), len(total))]
    for mine, part, fitted in zip(curve, parts[: len(curve)], fits, strict=True):
        mine[~_ORDINARY] = _resampled(*fitted[1:], at, days, table[:, part], change)
    daily = estimated(pd.DataFrame({"moment": "", "need": done.names[0], "day": DAYS}), curve[0])
    null = _peak(_to_ordinary(_shifted(net, pay)))[..., 0]
    found = {group: _peak(_to_ordinary(s)) for group, s in sums.items()} | {ALL: _peak(curve)}
    named = pd.DataFrame({"moment": AFTER_PAY, "need": done.names, "customers": paid_regularly})
    told = against_chance(named, found, null.T)
    return pd.concat([daily, estimated(told, (curve[:, ~_ORDINARY] - 1).sum(axis=1), "net")], ignore_index=True)


def net_of_pay(done: Daily, pay: pd.DataFrame, told: pd.DataFrame) -> Daily:
    """Take out what pay adds on the days after it, as `after_pay` tells it."""
    curve = told[told["moment"].eq("") & told["day"].ge(0)].set_index("day")["value"]
    return done.divided(curve.reindex(done.since(done.placed(pay), DAYS[0], DAYS[-1])).fillna(1.0).to_numpy())


def _to_ordinary(sums: np.ndarray) -> np.ndarray:
    """Divide by the mean of ordinary days; the last axes are days and resamples."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return sums / sums[..., _ORDINARY, :].mean(axis=-2, keepdims=True)


def _peak(curve: np.ndarray) -> np.ndarray:
    return curve[..., _PEAK, :].mean(axis=-2)


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
    as uncertain as the rest. `bought` is what each customer did, by cell, `change` how much more often one is drawn.
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
    if not np.isfinite(weight).all():  # so little is done that some day is never told from another
        return np.full((len(free), change.shape[1]), np.nan)
    step = np.linalg.pinv(weight) @ pulls
    return bump[free, None] * np.exp((bought @ step.T).T @ change)


def _shifted(done: Daily, pay: pd.DataFrame) -> np.ndarray:
    """Sum up around paydays that are moved by chance within the month: (rounds, names, days, 1)."""
    paid, first, last, shifts = np.unique(pay["day"]), DAYS[0] - _SHIFT, DAYS[-1] + _SHIFT, 2 * _SHIFT + 1
    table = np.zeros((len(paid), last - first + 1, done.categories))
    day, category, amount = (done.rows[name].to_numpy() for name in ("day", "category", "amount"))
    for part in ((first, -1), (0, last)):
        after = done.since(pay, *part)
        own = ~np.isnan(after)
        at = np.searchsorted(paid, day[own] - after[own]), (after[own] - first).astype(int), category[own]
        np.add.at(table, at, amount[own])
    windows = np.lib.stride_tricks.sliding_window_view(table, len(DAYS), axis=1)
    taken = np.zeros((PERMUTED, len(paid), shifts))
    moved = np.random.default_rng(0).integers(0, shifts, (PERMUTED, len(paid), 1))
    np.put_along_axis(taken, moved, 1, axis=2)
    sums = taken.reshape(PERMUTED, -1) @ windows.reshape(len(paid) * shifts, -1)
    sums = np.moveaxis(sums.reshape(PERMUTED, *windows.shape[2:]), 0, -1)
    return np.moveaxis(done.with_all(sums), -1, 0)[..., None]
