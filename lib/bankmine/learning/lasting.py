"""Contracts: what accounts are expected to earn while they last, by product, age and what became of those before.

An account is a contract: it is seen when it ends. Its margin is foretold as what it earns now, times the share of the
time for which accounts of its product and age stay open, times how those that stayed grew or shrank within a year.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd
from scipy import optimize
from scipy.special import xlog1py, xlogy

from bankmine.bank.contract import DEPOSITS, PRODUCTS
from bankmine.bank.snapshot import Snapshot
from bankmine.errors import BankmineError
from bankmine.features.spine import kept, month_end_before
from bankmine.features.value import account_margin, rules_of

YEAR, MONTHS, YEARS = 365, 12, 3
_A_MONTH = 365.25 / 12
_BANDS = (0, 3, 12, 24, 60)
"""Months of age from which another chance to be closed holds."""
_OLDEST = 120
_LOOKED_BACK = 2
"""Years of closings that chances are taken from."""
_RECENT = 3
"""Month ends whose balances say what an account earns now."""
_SUMS = ("year_", "level_", "plain", "unclosed")
_FEWEST = 20
"""Accounts of a product, a year before, from which on their growth says something."""


@dataclass(frozen=True)
class Lasting:
    """How long accounts last and how they grow, as known on a day."""

    closings: pd.DataFrame
    """By `product` and months of age `from` which it holds: `months` at risk, `closed`, `chance` a month."""
    growth: pd.Series
    """Product -> what accounts that were there a year before earned since, over what was expected of them."""


def lasting(snapshot: Snapshot, day: datetime.date) -> Lasting:
    """Learn from what was known on a day how long accounts last, and how those that last grow."""
    closings = _closings(snapshot, day)
    before = day - datetime.timedelta(days=YEAR)
    earned = _by_product(account_margin(snapshot, before, day), before)
    hoped = _expected(snapshot, before, closings).group_by("product").agg(
        hoped=ibis._["plain"].sum(), accounts=ibis._.count()
    )  # fmt: skip
    both = hoped.to_pandas().set_index("product").join(earned)
    told = (both["earned"] / both["hoped"]).where((both["accounts"] >= _FEWEST) & (both["hoped"] > 0))
    return Lasting(closings, told.reindex(PRODUCTS).fillna(1.0))


def expected(snapshot: Snapshot, day: datetime.date, discount: float) -> pd.DataFrame:
    """Foretell what the accounts of each customer earn in each of the years after a day, by what was known on it; kept.

    Indexed by customer: `year_1` to `year_3`, discounted, `plain`, the first without that, `level_1` to `level_3`, by
    one chance to be closed for accounts of any age, `unclosed`, the first year if none is closed, and `open`, for which
    share of a year accounts stay open.
    """

    def computed() -> pd.DataFrame:
        known = lasting(snapshot, day)
        rows = _expected(snapshot, day, known.closings, discount, known.growth)
        sums = {name: rows[name].sum() for name in rows.columns if name.startswith(_SUMS)}
        return rows.group_by("customer_id").agg(**sums, open=rows["open"].mean()).order_by("customer_id").to_pandas()

    rules, rooms = (discount, rules_of(snapshot)), ("bank", "features", "learning")
    return kept(snapshot, "what accounts are expected to earn", [day], computed, rules, rooms).set_index("customer_id")


def _closings(snapshot: Snapshot, day: datetime.date) -> pd.DataFrame:
    """Count months at risk and closings by product and band of age in the years up to a day."""
    accounts = snapshot.accounts
    since = day - datetime.timedelta(days=YEAR * _LOOKED_BACK)
    closed = accounts.closed_on if "closed_on" in accounts.columns else ibis.null("date")
    closed = (closed <= ibis.literal(day)).ifelse(closed, ibis.null("date"))
    rows = accounts.filter(accounts.opened_on <= ibis.literal(day)).mutate(gone=closed)
    measures: dict[str, ir.Value] = {}
    last = ibis.coalesce(rows.gone, ibis.literal(day)).delta(rows.opened_on, unit="day")
    first = ibis.literal(since).delta(rows.opened_on, unit="day")
    for start, end in zip(_BANDS, (*_BANDS[1:], 10_000), strict=True):
        low, high = round(start * _A_MONTH), round(end * _A_MONTH)
        inside = ibis.least(last, high) - ibis.greatest(first, low)
        measures[f"months_{start}"] = ibis.greatest(inside, 0).sum() / _A_MONTH
        measures[f"closed_{start}"] = (
            rows.gone.notnull() & (rows.gone > ibis.literal(since)) & (last >= low) & (last < high)
        ).sum()
    told = rows.group_by("product").agg(**measures).to_pandas().set_index("product").reindex(PRODUCTS).fillna(0.0)
    table = pd.concat(
        {b: told[[f"months_{b}", f"closed_{b}"]].set_axis(["months", "closed"], axis=1) for b in _BANDS},
        names=["from"],
    )  # fmt: skip
    table = table.reorder_levels(["product", "from"]).sort_index()
    of_product = table.groupby("product").sum()
    usual = (of_product["closed"] + 0.5) / (of_product["months"] + MONTHS)
    # a band of few months is drawn to what its product does as a whole: a year of an account counts beforehand
    table["chance"] = (table["closed"] + MONTHS * usual.reindex(table.index, level="product")) / (
        table["months"] + MONTHS
    )
    return table


def _expected(
    snapshot: Snapshot, day: datetime.date, closings: pd.DataFrame, discount: float = 0.0,
    growth: pd.Series | None = None,
) -> ir.Table:  # fmt: skip
    """Foretell what each account that is open on a day earns in each year after it."""
    rows = account_margin(snapshot, month_end_before(day + datetime.timedelta(days=1), _RECENT + 1), day)
    gone = snapshot.accounts
    if "closed_on" in gone.columns:
        rows = rows.anti_join(gone.filter(gone.closed_on <= ibis.literal(day)), "account_id")
    age = ibis.least((ibis.literal(day).delta(rows.opened_on, unit="day") / _A_MONTH).floor().cast("int64"), _OLDEST)
    rows = rows.mutate(now=rows.margin * (YEAR / rows.days.nullif(0)), age=ibis.greatest(age, 0))
    rows = rows.inner_join(ibis.memtable(_stays(closings, discount, growth)), ["product", "age"])
    shares = {name: rows.now * rows[name] for name in rows.columns if name.startswith(_SUMS)}
    return rows.select("customer_id", "account_id", "product", "open", **shares)


def _stays(closings: pd.DataFrame, discount: float, growth: pd.Series | None) -> pd.DataFrame:
    """Return by product and age the share of what is earned a year that is earned in each year to come.

    Growth is that of one year: what shrinks, as a loan that is repaid, goes on shrinking; what grew is not taken to go
    on growing.
    """
    age, month = np.arange(_OLDEST + 1), np.arange(MONTHS * YEARS)
    worth = (1 + discount) ** (-(month + 0.5) / MONTHS)
    parts = []
    for product in PRODUCTS:
        told = closings.loc[product]
        band = np.searchsorted(_BANDS, age[:, None] + month, side="right") - 1
        stays = np.cumprod(1 - told["chance"].reindex(_BANDS).to_numpy()[band], axis=1)
        usual = (told["closed"].sum() + 0.5) / (told["months"].sum() + MONTHS)
        same = np.broadcast_to((1 - usual) ** (month + 1), stays.shape)
        grown = 1.0 if growth is None else float(growth[product])
        by_year = [grown * min(grown, 1.0) ** k for k in range(YEARS)]
        columns = {"product": product, "age": age, "open": stays[:, :MONTHS].mean(axis=1)}
        columns |= {"plain": columns["open"] * grown, "unclosed": worth[:MONTHS].mean() * grown}
        for name, lasts in (("year", stays), ("level", same)):
            shares = (lasts * worth).reshape(len(age), YEARS, MONTHS).mean(axis=2) * by_year
            columns |= {f"{name}_{k}": shares[:, k - 1] for k in range(1, 1 + YEARS)}
        parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True)


def _by_product(earned: ir.Table, opened_before: datetime.date) -> pd.DataFrame:
    there = earned.filter(earned.opened_on <= ibis.literal(opened_before))
    return there.group_by("product").agg(earned=there.margin.sum()).to_pandas().set_index("product")


@dataclass(frozen=True)
class Renewals:
    """Shifted beta-geometric: chances not to renew are beta-distributed over customers, so that those who stay, stay.

    Source: Fader and Hardie, Journal of Interactive Marketing 21 (2007).
    """

    alpha: float
    beta: float
    loglik: float

    def chance(self, period: np.ndarray) -> np.ndarray:
        """Return the chance not to renew for the nth time, from 1 on, of those who are still there."""
        return self.alpha / (self.alpha + self.beta + period - 1)


def fit_renewals(at_risk: np.ndarray, lost: np.ndarray) -> Renewals:
    """Fit the model to how many were there at each renewal, from the first on, and how many of them were lost."""
    period = np.arange(1, 1 + len(at_risk))

    def loss(logs: np.ndarray) -> float:
        chance = Renewals(*np.exp(logs), 0.0).chance(period)
        return -float((xlogy(lost, chance) + xlog1py(at_risk - lost, -chance)).sum())

    found = optimize.minimize(loss, np.log([1.0, 5.0]), method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-10})
    return Renewals(*np.exp(found.x), -float(found.fun))


def renewals(snapshot: Snapshot, day: datetime.date) -> pd.DataFrame:
    """Count deposit accounts by the year of their age that began two years to one year before a day.

    Indexed by year of age from 1 on: `at_risk` at its start, and `lost` within it.
    """
    begun = day - datetime.timedelta(days=2 * YEAR)
    rows = snapshot.accounts.filter(ibis._["product"].isin(DEPOSITS))
    before = ibis.literal(begun).delta(rows.opened_on, unit="day")
    year = ibis.greatest((before / YEAR).ceil().cast("int64"), 0)
    gone = rows.closed_on.delta(rows.opened_on, unit="day") if "closed_on" in rows.columns else ibis.null("int64")
    rows = rows.filter(rows.opened_on <= ibis.literal(begun + datetime.timedelta(days=YEAR)))
    rows = rows.select(year=year, gone=gone).filter(ibis._.gone.isnull() | (ibis._.gone > ibis._.year * YEAR))
    lost = (rows.gone <= (rows.year + 1) * YEAR).fill_null(False).sum()
    told = rows.group_by("year").agg(at_risk=ibis._.count(), lost=lost).to_pandas().set_index("year").sort_index()
    told = told[told.index < _OLDEST // MONTHS]
    if told["lost"].sum() < _FEWEST:
        raise BankmineError(f"fewer than {_FEWEST} deposit accounts were closed: whether chances differ cannot be told")
    return told.reindex(range(_OLDEST // MONTHS), fill_value=0).set_axis(range(1, 1 + _OLDEST // MONTHS))
