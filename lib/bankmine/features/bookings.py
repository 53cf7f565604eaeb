"""Bookings: what they add up to by direction, channel, category, time of day and regularity, and when they stop."""

from __future__ import annotations

import math
from collections.abc import Collection
from itertools import accumulate
from operator import add

import ibis
import ibis.expr.types as ir
import pandas as pd
from ibis import _
from ibis.common.deferred import Deferred

from bankmine.bank.contract import CATEGORIES, CHANNELS, INCOME_KINDS
from bankmine.bank.snapshot import Snapshot
from bankmine.features.spine import KEYS, WINDOWS, beside, by_period

NIGHT_FROM, NIGHT_TO = 23, 6
YEAR = WINDOWS[-1]
BOOKED_BY_THE_BANK = ("fee", "interest", "loan_payment")
_NONE = ibis.null("float64")


def activity(transactions: ir.Table, owners: ir.Table, spine: ir.Table) -> ir.Table:
    """Compute what follows from bookings, a row a spine row; columns that the bank does not fill are done without."""
    rows = _coded(transactions).inner_join(owners, "account_id")
    measures = _measures(rows.columns)
    last = {"last": _.date.max(), "last_outflow": _.is_out.ifelse(_.date, ibis.null("date")).max()}
    periods = by_period(rows, spine, (0, *WINDOWS), measures | last)
    # ages are counted from the spine's day instead of the period's end
    sums = {m: periods[m] for m in measures}
    sums |= {f"{f}_aged": periods[f"{f}_aged"] + periods[f] * periods.age for f in ("inflow", "outflow")}
    ages = {f"{name}_age": periods.day.delta(periods[name], unit="day") for name in last}
    bands = [(periods.age < w, i) for i, w in enumerate(WINDOWS[:-1])]
    bands = periods.group_by(*KEYS, band=ibis.cases(*bands, else_=len(WINDOWS) - 1)).agg(
        **{m: value.sum() for m, value in sums.items()}, **{a: value.min() for a, value in ages.items()}
    )
    recency = bands.group_by(*KEYS).agg(
        days_since_transaction=bands.last_age.min(), days_since_outflow=bands.last_outflow_age.min()
    )
    return beside(_by_window(bands, spine, list(measures)), [recency])


def totals(transactions: ir.Table, owners: ir.Table, spine: ir.Table, names: Collection[str]) -> ir.Table:
    """Compute some sums of `activity`, as `inflow_180d`, in a fraction of its time; those not told are left out."""
    rows = _coded(transactions).inner_join(owners, "account_id")
    parts = {name: name.removesuffix("d").rsplit("_", 1) for name in names}
    measures = {m: total for m, total in _measures(rows.columns).items() if m in {part[0] for part in parts.values()}}
    wanted = {name: (m, int(days)) for name, (m, days) in parts.items() if m in measures}
    periods = by_period(rows, spine, (0, *sorted({days for _, days in wanted.values()})), measures)
    return periods.group_by(*KEYS).agg(
        **{name: periods[m].sum(where=periods.age < days) for name, (m, days) in wanted.items()}
    )


def own_outflows(transactions: ir.Table) -> ir.Table:
    """Pick the outflows that customers made themselves (`account_id`, `date`, `amount`): all but those of the bank."""
    own = transactions.filter(transactions.direction == "out")
    if "kind" in own.columns:
        own = own.filter(own.kind.isnull() | own.kind.notin(BOOKED_BY_THE_BANK))
    return own.select("account_id", "amount", date=own["at"].cast("date"))


def fell_silent(snapshot: Snapshot, spine: ir.Table, days: int = 90) -> ir.Table:
    """Label the spine: `fell_silent` is whether the customer moved no money in the days that begin on the day after.

    It is null where these days had not all passed by the snapshot's own.
    """
    own = own_outflows(snapshot.transactions).select("account_id", "date")
    held = spine.inner_join(snapshot.accounts.select("customer_id", "account_id"), "customer_id")
    after = own.inner_join(held.select(*KEYS, "account_id"), "account_id")
    age = after.date.delta(after.day, unit="day")
    after = after.filter(age > 0, age <= days).select(*KEYS).distinct().mutate(moved=True)
    joined = spine.left_join(after, KEYS).drop(*(f"{k}_right" for k in KEYS))
    closed = joined.day + ibis.interval(days=days) <= ibis.literal(snapshot.as_of)
    return joined.select(*KEYS, fell_silent=closed.ifelse(joined.moved.isnull(), ibis.null("boolean")))


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


def _measures(columns: Collection[str]) -> dict[str, Deferred]:
    """List what is added up over the bookings of a period; `…_aged` are weighted with the days to its end."""
    inflow, outflow = _.is_out.ifelse(_NONE, _.amount), _.is_out.ifelse(_.amount, _NONE)
    lag = _.until.delta(_.date, unit="day")
    measures = {
        "inflow": inflow.sum(), "outflow": outflow.sum(),
        "inflow_aged": (inflow * lag).sum(), "outflow_aged": (outflow * lag).sum(),
        "inflow_count": _count(~_.is_out), "outflow_count": _count(_.is_out),
        "timed": _count(_.timed), "night": _count(_.night), "weekend": _count(_.weekend),
    }  # fmt: skip
    if "channel" in columns:
        measures |= {f"channel_{w}_count": _count(_.channel == i) for i, w in enumerate((*CHANNELS, "other"))}
    if "category" in columns:
        words = (*CATEGORIES, "other")
        spent = {w: (_.category == i).ifelse(outflow, _NONE) for i, w in enumerate(words)}
        measures |= {f"category_{w}_outflow": amount.sum() for w, amount in spent.items()}
    if "is_income" in columns:
        angle = _.date.day() * (2 * math.pi / 31)
        measures |= {
            "salary": _.is_income.ifelse(_.amount, _NONE).sum(), "salary_count": _count(_.is_income),
            "salary_cos": _.is_income.ifelse(angle.cos(), _NONE).sum(),
            "salary_sin": _.is_income.ifelse(angle.sin(), _NONE).sum(),
        }  # fmt: skip
    return measures


def _count(hit: Deferred) -> Deferred:
    """Count where something holds; engines count what is not null faster than they add up ones."""
    return hit.ifelse(ibis.literal(1, type="int8"), ibis.null("int8")).count()


def _by_window(bands: ir.Table, spine: ir.Table, measures: list[str]) -> ir.Table:
    """Turn sums by band into sums by window, with the means, shares, trends and regularity that follow from them.

    A trend is the change over 30 days, in units of the amounts, by the slope of the least-squares line through the
    daily sums. Days are evenly spaced, so that Σ amount and Σ amount · age are enough: with t = window − 1 − age and
    its mean m = (window − 1) / 2 it is Σ (t − m) · amount / Σ (t − m)², and the latter sum window (window² − 1) / 12.
    """
    wide = beside(spine, [
        bands.filter(bands.band == i).select(*KEYS, **{f"{m}_band{i}": bands[m] for m in measures})
        for i, _ in enumerate(WINDOWS)
    ])  # fmt: skip
    sums = {
        m: list(accumulate((wide[f"{m}_band{i}"].fill_null(0) for i, _ in enumerate(WINDOWS)), add)) for m in measures
    }
    t = wide.select(*KEYS, **{f"{m}_{w}d": sums[m][i] for i, w in enumerate(WINDOWS) for m in measures})
    new: dict[str, ir.Value] = {}
    for w in WINDOWS:
        for flow in ("inflow", "outflow"):
            new[f"{flow}_mean_{w}d"] = t[f"{flow}_{w}d"] / t[f"{flow}_count_{w}d"].nullif(0)
            centred = (w - 1) / 2 * t[f"{flow}_{w}d"] - t[f"{flow}_aged_{w}d"]
            new[f"{flow}_trend_{w}d"] = centred * 30 / (w * (w**2 - 1) / 12)
        count = t[f"inflow_count_{w}d"] + t[f"outflow_count_{w}d"]
        new[f"transactions_{w}d"] = count
        new[f"night_share_{w}d"] = t[f"night_{w}d"] / t[f"timed_{w}d"].nullif(0)
        new[f"weekend_share_{w}d"] = t[f"weekend_{w}d"] / count.nullif(0)
    helpers = [f"{m}_{w}d" for w in WINDOWS for m in ("inflow_aged", "outflow_aged", "night", "timed", "weekend")]
    if f"salary_{YEAR}d" in t.columns:
        # mean resultant length of the paydays on the circle of the month: 1 always the same day, near 0 any day
        # (Mardia and Jupp, Directional Statistics, 2000, section 2.3)
        count = t[f"salary_count_{YEAR}d"].nullif(0)
        length = (t[f"salary_cos_{YEAR}d"] ** 2 + t[f"salary_sin_{YEAR}d"] ** 2).sqrt()
        new["salary_regularity_365d"] = length / count
        helpers += [f"salary_{part}_{w}d" for w in WINDOWS for part in ("cos", "sin")]
    return t.select(*(c for c in t.columns if c not in helpers), **new)


def booked_months(snapshot: Snapshot) -> pd.PeriodIndex:
    """List the months in which the bank booked anything; of others its data tell nothing."""
    rows = snapshot.transactions.select(month=snapshot.transactions["at"].truncate("M").cast("date")).distinct()
    return pd.PeriodIndex(pd.to_datetime(rows.order_by("month").to_pandas()["month"]), freq="M")
