"""Sessions in app and web: the views of each, and how often each page is looked at in it.

A page that takes another's place has only changed its name: both are counted as one wherever views are counted.
"""

from __future__ import annotations

import datetime
import re

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd
from ibis import _

from bankmine.bank.contract import CHANNELS
from bankmine.bank.snapshot import Snapshot
from bankmine.errors import BankmineError
from bankmine.features.spine import kept

PURPOSES = {
    "applying": r"appl(y|ication)|sign_?up|open_account",
    "comparing products": r"product|offer|rate_|rates|calculator|quote",
    "getting help": r"help|chat|error|support|faq|contact|complain",
    "everyday banking": r"balance|statement|transfer|payment|bill|account|card",
}
"""What pages are for, by words in their names; the first that fits."""
FINISHED = ("fill", "submit", "send", "confirm")
"""Actions that end a form."""
_GIVEN_UP, _FAILED, _ERROR = r"cancel|abort|abandon|quit|discard", r"fail|error|declin|reject|denied|timeout", "error"
"""Words in the names of actions, and pages, of what was broken off or went wrong."""
KEYS = ["customer_id", "session", "at"]
"""Columns of counted sessions that are no pages."""
SILENCE, CAP, PAGES, MOST = 1800, 20, 40, 10_000
"""Seconds that end a session, views of a page that count in one, pages told apart, customers whose sessions are."""
_FEWEST, _RENAMED_DAYS = 30, 14


def renamed(snapshot: Snapshot) -> pd.DataFrame:
    """Find pages that took another's place: on one channel, first seen within days of when that was last seen.

    A row a `channel`, old `page`, `page_new` and day it was `first_new` seen, the latest last. A page takes one place
    at most, and one page takes it: of several those with most views.
    """
    snapshot.require("events.page")

    def found() -> pd.DataFrame:
        events = snapshot.events.filter(_.page.notnull())
        seen = events.group_by(events.page, channel=_channel(events))
        seen = seen.agg(first=events["at"].min(), last=events["at"].max(), views=events.count())
        seen = seen.filter(_.views >= _FEWEST).to_pandas()
        near = pd.Timedelta(days=_RENAMED_DAYS)
        start, end = seen["first"].min() + near, seen["last"].max() - near
        pairs = seen[seen["last"] < end].merge(seen[seen["first"] > start], on="channel", suffixes=("", "_new"))
        pairs = pairs[(pairs["first_new"] - pairs["last"]).abs() <= near]
        pairs = pairs.sort_values(["views_new", "views", "page_new", "page"])
        for page in ("page_new", "page"):
            pairs = pairs.drop_duplicates([page, "channel"], keep="last")
        return pairs.sort_values("first_new", ignore_index=True)[["channel", "page", "page_new", "first_new"]]

    return kept(snapshot, "renamed pages", [snapshot.as_of], found)


def views(snapshot: Snapshot) -> ir.Table:
    """Return all events, each page under its first name."""
    newest_first, rows = renamed(snapshot)[::-1], snapshot.events
    for row in newest_first.itertuples():  # the page whose place it took may have taken another's before
        rows = rows.mutate(
            page=((rows.page == row.page_new) & (_channel(rows) == row.channel)).ifelse(row.page, rows.page)
        )
    return rows


def in_sessions(snapshot: Snapshot, since: datetime.date) -> ir.Table:
    """Return views of pages since a day with their `session`: the bank's own, or cut by half an hour of silence."""
    rows = views(snapshot)
    rows = rows.filter(rows.at >= ibis.literal(since).cast("timestamp"), rows.page.notnull())
    if snapshot.has("events.session_id"):
        return rows.filter(rows.session_id.notnull()).mutate(session=rows.session_id.cast("string"))
    mine = ibis.window(group_by="customer_id", order_by="at")
    rows = rows.mutate(second=rows.at.epoch_seconds())
    rows = rows.mutate(fresh=(rows.second - rows.second.lag().over(mine) > SILENCE).fill_null(True).cast("int64"))
    number = rows.fresh.sum().over(ibis.cumulative_window(group_by="customer_id", order_by="at"))
    return rows.mutate(session=number.cast("string"))


def counted(snapshot: Snapshot, since: datetime.date) -> pd.DataFrame:
    """Count the views of each page in each session, at most `CAP`, of at most `MOST` customers, in order of time."""
    events = in_sessions(snapshot, since)
    seen = events.group_by("page").agg(views=events.count()).order_by(ibis.desc("views"), "page")
    pages = seen.limit(PAGES).to_pandas()["page"]
    if len(pages) < 2:
        raise BankmineError("sessions show fewer than two pages, by which they could be told apart")
    who = events.select("customer_id").distinct().order_by("customer_id").to_pandas()
    if len(who) < _FEWEST:
        raise BankmineError(f"{len(who)} customers came in two years, too few to learn from: {_FEWEST} are needed")
    if len(who) > MOST:
        events = events.semi_join(ibis.memtable(who.sample(MOST, random_state=0)), "customer_id")
    measures = {f"p{i}": (events.page == page).sum().clip(upper=CAP).cast("int8") for i, page in enumerate(pages)}
    rows = events.group_by("customer_id", "session").agg(at=events.at.min(), **measures)
    found = rows.order_by("customer_id", "at", "session").to_pandas()
    return found.rename(columns={f"p{i}": page for i, page in enumerate(pages)})


def broken_off(snapshot: Snapshot, since: datetime.date) -> pd.DataFrame:
    """Count sessions by customer and channel, and of them those in which something failed, or was broken off.

    `sessions`; `failed` (an error, or an action that says so), `asked` (help or a chat), `single` (one view only);
    `forms`, with an application form; and where actions are told `given_up` (one of them cancelled) and `unfinished`
    (a form that was not sent in the same session). What things are is told by words in the names of pages and actions.
    """
    snapshot.require("events.channel")
    rows, told = in_sessions(snapshot, since), ["failed", "asked", "single", "forms"]
    page = rows.page.lower()
    error, form = page.re_search(_ERROR), page.re_search(PURPOSES["applying"])
    seen = {"failed": error, "asked": page.re_search(PURPOSES["getting help"]) & ~error, "forms": form}
    if snapshot.has("events.action"):
        action = rows.action.lower().fill_null("")
        seen["failed"] = error | action.re_search(_FAILED)
        seen |= {"given_up": action.re_search(_GIVEN_UP), "sent": form & action.isin(FINISHED)}
    each = rows.group_by("customer_id", "session")
    each = each.agg(channel=rows.channel.min(), single=rows.count() == 1, **{n: hit.any() for n, hit in seen.items()})
    each = each.filter(each.channel.isin(CHANNELS))
    if "sent" in seen:
        each, told = each.mutate(unfinished=each.forms & ~each.sent), [*told, "given_up", "unfinished"]
    counts = each.group_by("customer_id", "channel").agg(sessions=each.count(), **{n: each[n].sum() for n in told})
    return counts.order_by("customer_id", "channel").to_pandas()


def purpose_of(page: str) -> str:
    """Say what a page is for by its name; nothing in particular where no words fit."""
    return next((name for name, words in PURPOSES.items() if re.search(words, page)), "")


def seen_before(rows: pd.DataFrame) -> np.ndarray:
    """Say, of counted sessions, what the one before was seen to be for: a number, by most of its pages; 0 for none."""
    sums = rows.drop(columns=KEYS).T.groupby(purpose_of).sum().T.reindex(columns=list(PURPOSES), fill_value=0)
    seen = np.where(sums.max(axis=1) > 0, sums.to_numpy().argmax(axis=1) + 1, 0)
    return pd.Series(seen, rows.index).groupby(rows["customer_id"]).shift(fill_value=0).to_numpy()


def _channel(events: ir.Table) -> ir.StringValue:
    return events.channel.fill_null("") if "channel" in events.columns else ibis.literal("")
