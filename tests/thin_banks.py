"""Banks of which little is known, and what a study then lacks: each part says why, and none breaks."""

from __future__ import annotations

import datetime as dt

import matplotlib.pyplot as plt
import pandas as pd
from random_bank import random_bank

from bankmine.lacking import Lacking, part

JOINED = dt.date(2025, 12, 1)


def without_balances() -> dict[str, pd.DataFrame]:
    bank = random_bank(customers=150, bookings=9000)
    return {name: bank[name] for name in ("customers", "accounts", "transactions")}


def of_three() -> dict[str, pd.DataFrame]:
    return random_bank(customers=3, bookings=400)


def of_one_month() -> dict[str, pd.DataFrame]:
    bank = random_bank(customers=150, bookings=9000)
    return {
        "customers": bank["customers"].assign(joined_on=JOINED),
        "accounts": bank["accounts"].assign(opened_on=JOINED, closed_on=None),
        "transactions": bank["transactions"][lambda t: t["at"] >= pd.Timestamp(JOINED)],
        "balances": bank["balances"][lambda b: pd.to_datetime(b["month_end"]) >= pd.Timestamp(JOINED)],
    }


THIN = {"without balances": without_balances, "three customers": of_three, "one month": of_one_month}


def lacking(study: object) -> dict[str, str]:
    """Ask a study for every part that pages show, and say of those that are lacking why."""
    names = [n for kind in type(study).__mro__ for n, v in vars(kind).items() if isinstance(v, part) and n[0] != "_"]
    found = {name: getattr(study, name) for name in names}
    plt.close("all")
    return {name: one.why for name, one in found.items() if isinstance(one, Lacking)}
