"""Paths: how far sessions get on the way to an application, and after which page they break off."""

from __future__ import annotations

import datetime

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from bankmine.bank.snapshot import Snapshot
from bankmine.errors import BankmineError
from bankmine.judging.intervals import around, clustered_error, wilson
from bankmine.topics.behaviour.states import PURPOSES, events_of

DAYS, _YEAR, _DONE = 30, 365, ("fill", "submit", "send", "confirm")
"""Days in which a customer may come back and apply, days of sessions that are looked at, actions that end a form."""
STEPS = {
    "came": "",
    "looked at a product": r"product|offer",
    "looked at rates or a calculator": r"rate_|rates|calculator|quote",
    "opened the form": PURPOSES["applying"],
    "filled it": PURPOSES["applying"],
}
"""Step -> words in the names of its pages, the first that fit."""


def steps_of(snapshot: Snapshot) -> ir.Table:
    """Lay out the sessions of a year: which steps each took, when the form came next, and the last page before."""
    since = snapshot.as_of - datetime.timedelta(days=_YEAR - 1)
    rows = events_of(snapshot, since)
    looked, priced, form = (rows.page.re_search(STEPS[name]) for name in list(STEPS)[1:4])
    done = form & (rows.action.isin(_DONE) if "action" in rows.columns else ibis.literal(False))
    sessions = rows.group_by("customer_id", "session").agg(
        at=rows.at.min(), looked=looked.any(), priced=priced.any(), form=form.any(), done=done.any(),
        last=rows.page.argmax(rows.at),
    )  # fmt: skip
    ahead = ibis.window(group_by="customer_id", order_by=["at", "session"], preceding=0, following=None)
    never = ibis.null("timestamp")
    soon = ibis.interval(days=DAYS)
    return sessions.mutate(
        form_soon=(sessions.form.ifelse(sessions.at, never).min().over(ahead) <= sessions.at + soon).fill_null(False),
        done_soon=(sessions.done.ifelse(sessions.at, never).min().over(ahead) <= sessions.at + soon).fill_null(False),
        closed=sessions.at.date() <= ibis.literal(snapshot.as_of - datetime.timedelta(days=DAYS)),
    )


def funnel(snapshot: Snapshot) -> pd.DataFrame:
    """Count the sessions that took each step and all before it, and of these the share that went on, with intervals.

    `soon` is the share of those, long enough ago, after which the customer opened or filled a form within `DAYS` days.
    """
    t = steps_of(snapshot)
    names = list(STEPS)[: 5 if snapshot.has("events.action") else 4]
    priced = t.looked & t.priced
    path = (t.at.notnull(), t.looked, priced, priced & t.form, priced & t.done)[: len(names)]
    counts = {}
    for i, took in enumerate(path):
        after = {"": took, "closed": took & t.closed}
        after |= {what: took & t.closed & t[f"{what}_soon"] for what in ("form", "done")}
        counts |= {f"{what}{i}": hit.cast("int64").sum() for what, hit in after.items()}
    own = t.group_by("customer_id").agg(**counts).to_pandas()
    if not own["1"].sum():
        raise BankmineError("no page tells by its name that it shows a product")
    rows = []
    for i, name in enumerate(names):
        went, low, high = _share(own[f"{i + 1}"], own[f"{i}"]) if i + 1 < len(names) else (np.nan,) * 3
        opened, filled = (
            _share(own[f"{what}{i}"], own[f"closed{i}"]) if i < end else (np.nan,) * 3
            for what, end in (("form", 3), ("done", 4))
        )
        rows.append({
            "step": name, "sessions": own[f"{i}"].sum(), "customers": (own[f"{i}"] > 0).sum(),
            "went_on": went, "low": low, "high": high,
            "opened_soon": opened[0], "opened_soon_low": opened[1], "opened_soon_high": opened[2],
            "filled_soon": filled[0], "filled_soon_low": filled[1], "filled_soon_high": filled[2],
        })  # fmt: skip
    return pd.DataFrame(rows)


def broken_off(snapshot: Snapshot) -> pd.DataFrame:
    """Count the last pages of sessions that looked at a product and opened no form, by page: customers, share."""
    t = steps_of(snapshot)
    stopped = t.filter(t.looked & ~t.form)
    counts = {"sessions": stopped.count(), "customers": stopped.customer_id.nunique()}
    found = stopped.group_by(page=stopped["last"]).agg(**counts)
    found = found.order_by(ibis.desc("sessions"), "page").to_pandas()
    return found.assign(share=found["sessions"] / found["sessions"].sum())


def _share(hits: pd.Series, of: pd.Series) -> tuple[float, float, float]:
    """Return the share of sessions, with its interval by customers."""
    n = of.sum()
    if not n:
        return np.nan, np.nan, np.nan
    share = hits.sum() / n
    if share in (0.0, 1.0) or len(of) < 2:
        few = int((of > 0).sum())
        return share, *wilson(round(share * few), few)
    low, high = around(share, clustered_error(((hits - share * of) / n).to_numpy(), np.arange(len(of))))
    return share, max(float(low), 0.0), min(float(high), 1.0)
