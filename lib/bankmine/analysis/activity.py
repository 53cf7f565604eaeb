"""Activity: what customers' bookings add up to, by direction, channel, category, time of day and regularity."""

from __future__ import annotations

import math

import ibis
import ibis.expr.types as ir

from bankmine.analysis.windows import KEYS, WINDOWS, aged, by_window, trend
from bankmine.bank.contract import CATEGORIES, CHANNELS, INCOME_KINDS

NIGHT_FROM, NIGHT_TO = 23, 6
YEAR = WINDOWS[-1]
_NONE = ibis.null("float64")


def activity(transactions: ir.Table, owned: ir.Table, spine: ir.Table) -> ir.Table:
    """Compute the features that follow from bookings.

    Parameters
    ----------
    transactions : ir.Table
        Bookings; features of optional columns that the bank does not fill are left out.
    owned : ir.Table
        `customer_id`, `day`, `account_id`.
    spine : ir.Table
        `customer_id`, `day`.

    Returns
    -------
    ir.Table
        One row a spine row.
    """
    rows = aged(_coded(transactions), owned)
    measures = _measures(rows)
    bands = rows.group_by(*KEYS, "band").agg(
        **{name: value.count() if value.type().is_integer() else value.sum() for name, value in measures.items()},
        last_age=rows.age.min(),
        last_outflow_age=rows.is_out.ifelse(rows.age, ibis.null("int32")).min(),
    )
    recency = bands.group_by(*KEYS).agg(
        days_since_transaction=bands.last_age.min(), days_since_outflow=bands.last_outflow_age.min()
    )
    windows = _derived(by_window(bands, spine, list(measures)))
    return windows.left_join(recency, KEYS).drop(*(f"{k}_right" for k in KEYS))


def _coded(t: ir.Table) -> ir.Table:
    """Turn words into small numbers before anything is joined: engines do that once a word, not once a row."""
    at = t["at"]
    timed = at != at.truncate("D")  # a booking at midnight sharp has no known time of day
    columns = {
        "date": at.cast("date"), "amount": t.amount, "is_out": t.direction == "out", "timed": timed,
        "night": timed & ((at.hour() >= NIGHT_FROM) | (at.hour() < NIGHT_TO)),
        "weekend": at.day_of_week.index() >= 5,
    }  # fmt: skip
    for name, words in (("channel", CHANNELS), ("category", CATEGORIES)):
        if name in t.columns:
            cases = [(t[name] == word, i) for i, word in enumerate(words)]
            columns[name] = ibis.cases(*cases, else_=len(words)).cast("int8")
    if "kind" in t.columns:
        columns["is_income"] = (t.direction == "in") & t.kind.isin(INCOME_KINDS)
    return t.select("account_id", **columns)


def _measures(r: ir.Table) -> dict[str, ir.Value]:
    """List the numbers of each booking that are summed up; whole ones are ones or nothing, and counted."""
    inflow, outflow = r.is_out.ifelse(_NONE, r.amount), r.is_out.ifelse(r.amount, _NONE)
    measures = {
        "inflow": inflow, "outflow": outflow, "inflow_aged": inflow * r.age, "outflow_aged": outflow * r.age,
        "inflow_count": _one(~r.is_out), "outflow_count": _one(r.is_out),
        "timed": _one(r.timed), "night": _one(r.night), "weekend": _one(r.weekend),
    }  # fmt: skip
    if "channel" in r.columns:
        measures |= {f"channel_{w}_count": _one(r.channel == i) for i, w in enumerate((*CHANNELS, "other"))}
    if "category" in r.columns:
        words = (*CATEGORIES, "other")
        measures |= {f"category_{w}_outflow": (r.category == i).ifelse(outflow, _NONE) for i, w in enumerate(words)}
    return measures | _income(r) if "is_income" in r.columns else measures


def _income(r: ir.Table) -> dict[str, ir.Value]:
    angle = r.date.day() * (2 * math.pi / 31)
    return {
        "salary": r.is_income.ifelse(r.amount, _NONE), "salary_count": _one(r.is_income),
        "salary_cos": r.is_income.ifelse(angle.cos(), _NONE), "salary_sin": r.is_income.ifelse(angle.sin(), _NONE),
    }  # fmt: skip


def _one(hit: ir.BooleanValue) -> ir.IntegerValue:
    return hit.ifelse(ibis.literal(1, type="int8"), ibis.null("int8"))


def _derived(t: ir.Table) -> ir.Table:
    """Compute means, shares, trends and regularity from the sums that they need, and drop what only they need."""
    new: dict[str, ir.Value] = {}
    for w in WINDOWS:
        for flow in ("inflow", "outflow"):
            new[f"{flow}_mean_{w}d"] = t[f"{flow}_{w}d"] / t[f"{flow}_count_{w}d"].nullif(0)
            new[f"{flow}_trend_{w}d"] = trend(t[f"{flow}_{w}d"], t[f"{flow}_aged_{w}d"], w)
        count = t[f"inflow_count_{w}d"] + t[f"outflow_count_{w}d"]
        new[f"transactions_{w}d"] = count
        new[f"night_share_{w}d"] = t[f"night_{w}d"] / t[f"timed_{w}d"].nullif(0)
        new[f"weekend_share_{w}d"] = t[f"weekend_{w}d"] / count.nullif(0)
    helpers = [f"{m}_{w}d" for w in WINDOWS for m in ("inflow_aged", "outflow_aged", "night", "timed", "weekend")]
    if f"salary_{YEAR}d" in t.columns:
        new["salary_regularity_365d"] = _concentration(t)
        helpers += [f"salary_{part}_{w}d" for w in WINDOWS for part in ("cos", "sin")]
    return t.mutate(**new).drop(helpers)


def _concentration(t: ir.Table) -> ir.Value:
    """Mean resultant length of the paydays on the circle of the month: 1 always the same day, near 0 any day.

    Mardia and Jupp, Directional Statistics (2000), section 2.3.
    """
    count = t[f"salary_count_{YEAR}d"].nullif(0)
    return (t[f"salary_cos_{YEAR}d"] ** 2 + t[f"salary_sin_{YEAR}d"] ** 2).sqrt() / count
