"""Winning back: who is lost though an account is open, whom of them to call, and what became of such customers."""

from __future__ import annotations

from collections.abc import Collection

import pandas as pd

from bankmine.features.consent import ALLOWED, contact_allowed
from bankmine.features.lifecycle import GAP, YEAR
from bankmine.features.population import LOST_OPEN, NOT_LOST, WITHOUT
from bankmine.judging.intervals import wilson

_FEW = ["quiet_days", "own_bookings_60d", "usual_bookings_60d", "own_bookings_365d"]


def listed(customers: pd.DataFrame, life: pd.DataFrame, calls: int, unseen: Collection[str]) -> pd.DataFrame:
    """List customers who are lost with an account open, those to be called first, then by deposits.

    Called are the `calls` largest depositors of those who may be contacted; who holds nothing is not called. `life`
    are the measures of lifecycle, of bookings that customers made themselves; `unseen` as of `contact_allowed`.
    """
    own = customers.fillna({"deposits": 0.0}).sort_index().sort_values("deposits", ascending=False, kind="stable")
    contact = contact_allowed(own, unseen)
    may = contact.eq(ALLOWED) & (own["deposits"] > 0)
    why = [_why(*row) for row in life.loc[own.index, _FEW].to_numpy(dtype=float)]
    table = pd.DataFrame({
        "call": may & (may.cumsum() <= calls), "deposits": own["deposits"],
        "why_lost": pd.Series(why, own.index, dtype="string"), "products": own["products"],
        "years_with_us": (own["tenure_days"] / 365.25).round(1), "contact": contact.astype("string"),
    })  # fmt: skip
    table = table.sort_values("call", ascending=False, kind="stable").rename_axis("customer_id")
    table.attrs["list"] = True  # people work through it
    return table


def _why(quiet: float, made: float, usual: float, year: float) -> str:
    """Say for how long a customer made no payment; and, if for less than a quarter, how few were made."""
    idle = f"{quiet:,.0f} days idle" if quiet < YEAR else "a year or more idle"
    if quiet >= GAP:
        return idle
    few, usually, so_many = (made, f", usually {usual:,.0f}", "60 days") if usual >= 1 else (year, "", "a year")
    return f"{idle}; {few:,.0f} payment{'' if few == 1 else 's'} in {so_many}{usually}"


def became(before: pd.Series, now: pd.Series) -> dict[str, float]:
    """Tell of who was lost with an account open (`n`) how many `came_back` by themselves, and how many `closed` it."""
    then = before.index[before == LOST_OPEN]
    found = {name: int((now.reindex(then) == word).sum()) for name, word in (("back", NOT_LOST), ("closed", WITHOUT))}
    low, high = wilson(found["back"], len(then)) if len(then) else (float("nan"),) * 2
    share = found["back"] / len(then) if len(then) else float("nan")
    return found | {"n": len(then), "share": share, "low": low, "high": high}


def changed(before: pd.Series, now: pd.Series) -> dict[str, int]:
    """Say how many customers were `then` and are now `not_lost`, and who came and went in between."""
    was, is_ = before.reindex(now.index).eq(NOT_LOST), now.eq(NOT_LOST)
    known = before.reindex(now.index).notna()
    return {
        "not_lost": int(is_.sum()), "then": int(was.sum()), "change": int(is_.sum() - was.sum()),
        "joined": int((is_ & ~known).sum()), "back": int((is_ & known & ~was).sum()), "gone": int((was & ~is_).sum()),
    }  # fmt: skip
