"""Profiling (客户画像): portraits of the customer base and of one customer."""

from __future__ import annotations

import numpy as np
import pandas as pd

from bankmine.bank.contract import CHANNELS, DEBTS, DEPOSITS, PRODUCTS
from bankmine.bank.snapshot import Snapshot
from bankmine.errors import BankmineError
from bankmine.features.customers import PORTRAIT
from bankmine.judging.disclosure import WITHHELD, merged, not_told, told, with_unknown

AGE_EDGES = (0, 18, 25, 35, 45, 55, 65, 75, 200)
_ROUNDING = 1e-9
AGE_NAMES = ("under 18", "18–24", "25–34", "35–44", "45–54", "55–64", "65–74", "75 and over")


def age_group(ages: pd.Series) -> pd.Series:
    """Sort ages into the groups of the report; unknown ages stay unknown."""
    return pd.cut(ages.astype(float), AGE_EDGES, right=False, labels=AGE_NAMES)


def holdings(customers: pd.DataFrame) -> pd.DataFrame:
    """Say of each product that anybody holds how many customers do, and how many other products they hold on average.

    `product`, `customers`, `share`, `other_products`; the most common first.
    """
    rows = []
    for product in PRODUCTS:
        holds = customers[f"{product}_accounts"] > 0
        if holds.any():
            others = customers.loc[holds, "products"].mean() - 1
            rows.append((product.replace("_", " "), holds.sum(), holds.mean(), others))
    frame = pd.DataFrame(rows, columns=["product", "customers", "share", "other_products"])
    return frame.sort_values("share", ascending=False).reset_index(drop=True)


def quantiles(customers: pd.DataFrame, columns: list[str], smallest: int) -> pd.DataFrame:
    """Describe amounts by their quantiles, which a few large customers do not move; one row an amount.

    A quantile beyond which fewer customers lie than a group must have tells of persons, and is withheld.
    """
    there = [c for c in columns if c in customers.columns]
    cuts = {
        "lowest tenth": 0.1, "lower quarter": 0.25, "median": 0.5, "upper quarter": 0.75, "top tenth": 0.9,
        "top hundredth": 0.99,
    }  # fmt: skip
    found = customers[there].quantile(list(cuts.values())).set_axis(list(cuts)).T
    beyond = np.outer(customers[there].count(), [min(cut, 1 - cut) for cut in cuts.values()])
    words = pd.DataFrame(np.where(beyond < smallest - _ROUNDING, WITHHELD, ""), found.index, found.columns)
    return told(found, words).rename(index=PORTRAIT)


def by_age(customers: pd.DataFrame, smallest: int) -> pd.DataFrame:
    """Count customers by `age` and `gender`; groups of fewer than the smallest are merged or not told."""
    ages = age_group(customers["age_years"])
    ages = merged(with_unknown(ages, smallest), smallest)
    genders = merged(customers["gender"].fillna("unknown"), smallest)
    counts = pd.crosstab(ages, genders)
    found = told(counts, not_told(counts, smallest)).rename_axis(index="age", columns="gender")
    return found.astype(float).melt(ignore_index=False, value_name="customers").reset_index()


def channel_mix(customers: pd.DataFrame, smallest: int) -> pd.DataFrame:
    """Share of each channel in the bookings of 90 days, by age group (rows, which add up to 1) and for all."""
    names = [c for c in (*CHANNELS, "other") if f"channel_{c}_count_90d" in customers.columns]
    counts = customers[[f"channel_{c}_count_90d" for c in names]].set_axis(names, axis=1)
    total = counts.sum().to_frame("all").T
    if "age_years" in customers.columns:
        ages = merged(age_group(customers["age_years"]), smallest)
        total = pd.concat([counts.groupby(ages, observed=True).sum(), total])
    used = total.loc[:, total.loc["all"] > 0]
    return used.div(used.sum(axis=1).replace(0, np.nan), axis=0).dropna()


def concentration(values: pd.Series, share: float = 0.1) -> float:
    """Share of the total that the top share of customers holds; unknown and negative values count as nothing."""
    positive = values.fillna(0).clip(lower=0).sort_values(ascending=False)
    top = positive.iloc[: max(1, round(len(positive) * share))]
    return float(top.sum() / positive.sum()) if positive.sum() else float("nan")


def by_month_end(snapshot: Snapshot) -> pd.DataFrame:
    """Add up what all customers held at each month end: `deposits`, and `debts`, which are below 0."""
    held = snapshot.balances.inner_join(snapshot.accounts.select("account_id", "product"), "account_id")
    sides = {"deposits": held["product"].isin(DEPOSITS), "debts": held["product"].isin(DEBTS)}
    told = held.group_by("month_end").agg(**{side: held.balance.sum(where=there) for side, there in sides.items()})
    told = told.to_pandas().fillna(0.0).sort_values("month_end")
    return told.assign(month_end=pd.to_datetime(told["month_end"])).set_index("month_end")


def typical_customer(customers: pd.DataFrame, agreed: pd.Series) -> str:
    """Pick, of those who agreed to be treated personally, whose features lie nearest to the middle of all ranks."""
    if not agreed.any():
        raise BankmineError("no customer is known to have agreed to personal treatment")
    columns = [c for c in PORTRAIT if c in customers.columns and customers[c].notna().any()]
    ranks = customers[columns].rank(pct=True).fillna(0.5)
    return str((ranks - 0.5).abs().sum(axis=1)[agreed].idxmin())


def portrait(customers: pd.DataFrame, customer: str) -> pd.DataFrame:
    """Set one customer beside all others, a row a feature; `customers` is indexed by customer.

    `this customer` and `median` as text, each in its unit, and `rank` (share of customers with a lower value).
    """
    if customer not in customers.index:
        raise BankmineError(
            f"No customer {customer!r} is known on this day: give an id of the source's customers table."
        )
    columns = [c for c in PORTRAIT if c in customers.columns and customers[c].notna().any()]
    own, middle = customers.loc[customer, columns].astype(float), customers[columns].median()
    frame = pd.DataFrame({
        "this customer": [_readable(c, own[c]) for c in columns],
        "median": [_readable(c, middle[c]) for c in columns],
        "rank": (customers[columns] < own).mean().to_numpy(),
    }, index=columns)  # fmt: skip
    return frame.rename(index=PORTRAIT)


def _readable(feature: str, value: float) -> str:
    if np.isnan(value):
        return "not known"
    return f"{value:.0%}" if "_share_" in feature else f"{value:,.0f}"
