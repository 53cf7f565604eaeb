"""Paths: how far sessions get on the way to an application, after which page they break off, and who comes back."""

from __future__ import annotations

import datetime

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from bankmine.bank.snapshot import Snapshot
from bankmine.errors import BankmineError
from bankmine.features.sessions import FINISHED, PURPOSES, in_sessions
from bankmine.judging.intervals import share_by_cluster

DAYS, _YEAR = 30, 365
"""Days in which a customer may come back and apply, days of sessions that are looked at."""
CAME, LOOKED, PRICED, FORM, FILLED, ELSE = STEPS = (
    "came", "looked at a product", "looked at a product and at rates", "opened the form", "filled it",
    "opened the form another way",
)  # fmt: skip
"""Steps of the way, each after all before it, and forms that are opened without the way."""
_SHOWS = {LOOKED: r"product|offer", PRICED: r"rate_|rates|calculator|quote", FORM: PURPOSES["applying"]}
"""Words in the names of pages, the first that fit."""
_KINDS = ("looked", "priced", "form", "done", "form_later", "done_later", "closed")


def steps_of(snapshot: Snapshot) -> ir.Table:
    """Lay out the sessions of a year: what each showed, whether a form comes in a later one soon, the last page."""
    rows = in_sessions(snapshot, snapshot.as_of - datetime.timedelta(days=_YEAR - 1))
    looked, priced, form = (rows.page.re_search(words) for words in _SHOWS.values())
    done = form & (rows.action.isin(FINISHED) if "action" in rows.columns else ibis.literal(False))
    sessions = rows.group_by("customer_id", "session").agg(
        at=rows.at.min(), looked=looked.any(), priced=priced.any(), form=form.any(), done=done.any(),
        last=rows.page.argmax(rows.at),
    )  # fmt: skip
    later = ibis.window(group_by="customer_id", order_by=["at", "session"], following=(1, None))
    until, never = sessions.at + ibis.interval(days=DAYS), ibis.null("timestamp")
    coming = {
        f"{end}_later": (sessions[end].ifelse(sessions.at, never).min().over(later) <= until).fill_null(False)
        for end in ("form", "done")
    }
    closed = sessions.at.date() <= ibis.literal(snapshot.as_of - datetime.timedelta(days=DAYS))
    return sessions.mutate(**coming, closed=closed)


def funnel(snapshot: Snapshot) -> pd.DataFrame:
    """Count the sessions that took each step, and which shares of them went on, or came to nothing, with intervals.

    The goal of a step is a form opened, later a form filled: `missed` is the share of sessions without it, and `ended`
    how many of these took no further step at all. Of sessions without a form, long enough ago, `opened_later` is the
    share after which one was opened in a later session within `DAYS` days; `filled_later` likewise. `of_forms` is the
    share of all sessions with a form that took the step.
    """
    t = steps_of(snapshot)
    kinds = t.group_by("customer_id", *_KINDS).agg(sessions=t.count()).to_pandas()
    who, sessions = pd.factorize(kinds["customer_id"])[0], kinds["sessions"]
    looked, priced, form, done, form_later, done_later, closed = (kinds[kind] for kind in _KINDS)
    for shown, what in ((looked, "it shows a product"), (form, "customers apply there")):
        if not shown.any():
            raise BankmineError(f"no page of a year tells by its name that {what}")

    def by_customer(rows: pd.Series) -> np.ndarray:
        return np.bincount(who, sessions.where(rows, 0)).astype(int)

    both, tells = looked & priced, snapshot.has("events.action")
    took = dict(zip(STEPS, (~looked | looked, looked, both, both & form, both & done, form & ~both), strict=True))
    then, found = {CAME: looked, LOOKED: both, PRICED: form, FORM: done, ELSE: done}, []
    for step, own in took.items():
        goal = done if step in (FORM, ELSE) else form
        base = own & (step != FILLED and (tells or goal is form))
        told = {"step": step, "sessions": by_customer(own).sum(), "customers": (by_customer(own) > 0).sum()}
        told["ended"] = by_customer(base & ~goal & ~then.get(step, done)).sum()
        for name, hit, of in (
            ("went_on", then.get(step, done), base),
            ("missed", ~goal, base),
            ("opened_later", form_later, own & ~form & closed),
            ("filled_later", done_later, own & ~done & closed & tells),
            ("of_forms", own, form),
        ):
            told[name], told[f"{name}_low"], told[f"{name}_high"] = share_by_cluster(*map(by_customer, (hit & of, of)))
        found.append(told)
    return pd.DataFrame([told for told in found if tells or told["step"] != FILLED])


def broken_off(snapshot: Snapshot) -> pd.DataFrame:
    """Count the last pages of sessions that looked at a product and opened no form, by page: customers, share."""
    t = steps_of(snapshot)
    stopped = t.filter(t.looked & ~t.form)
    counts = {"sessions": stopped.count(), "customers": stopped.customer_id.nunique()}
    found = stopped.group_by(page=stopped["last"]).agg(**counts)
    found = found.order_by(ibis.desc("sessions"), "page").to_pandas()
    return found.assign(share=found["sessions"] / found["sessions"].sum())
