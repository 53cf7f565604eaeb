"""Visits: what customers looked at in app and web before a day, and what they look at in the days after it.

Visits are counted by day, as few banks know where one ends. What is told of pages is told by their names, of which the
most frequent ones up to the last day that models learn from are told apart.
"""

from __future__ import annotations

import datetime
from typing import Protocol

import ibis
import ibis.expr.types as ir
import pandas as pd
from ibis import _

from bankmine.bank.snapshot import Snapshot
from bankmine.errors import BankmineError
from bankmine.features.sessions import views
from bankmine.features.spine import KEYS, by_period, drawn, spine_of

APPLICATION, PRODUCT = "application", "product"
"""How pages begin on which customers apply, and which show a product."""
AHEAD, WINDOWS, OF_A_PAGE = 30, (7, 30, 90, 180), (30, 180)
"""Days looked ahead, and back, in all and at each page."""
PRESENT = 90
"""Who is looked at came so many days ago at most."""
JUDGE, COMPARE, TEACH = range(3)
"""What customers are for: no model is judged by, or compared on, one from whom it learnt."""
_UP_TO = (0.4, 0.6)
"""Shares of a panel up to which customers judge, and compare."""
_PAGES = 40
_STAMP = 12


class Rows(Protocol):
    """Rows of customers on days, whatever else is known of them."""

    entity: pd.Series
    day: pd.Series


def pages_until(snapshot: Snapshot, day: datetime.date) -> list[str]:
    """Name the most frequent pages up to a day; a BankmineError where nobody could apply on one of them."""
    pages = views(snapshot).filter(_["at"].cast("date") <= day, _.page.notnull())
    told = pages.group_by("page").agg(views=_.count()).order_by(_.views.desc(), "page").limit(_PAGES)
    found = told.to_pandas()["page"].tolist()
    if not any(page.startswith(APPLICATION) for page in found):
        raise BankmineError(f"no page seen often up to {day} begins with {APPLICATION!r}")
    return found


def visitors(snapshot: Snapshot, days: list[datetime.date], pages: list[str], share: float) -> pd.DataFrame:
    """Fetch a row a visitor and day: what was looked at in windows before, and what came of it.

    That is `applies`, NaN where not known yet, and `next_product`; `part` is what a customer is for. Of days before the
    last only a share of the customers.
    """
    spine, last = spine_of(snapshot, days), max(days)
    if share < 1:
        spine = spine.filter((_.day == last) | drawn(_.customer_id, share))
    periods = by_period(
        _views(snapshot), spine, (-AHEAD, 0, *WINDOWS),
        {"views": _.count(), "visit_days": _.date.nunique(), "visited": _.date.max(), "seen": _.stamped.max()}
        | {f"{kind}_pages": _.page.startswith(kind).sum() for kind in (APPLICATION, PRODUCT)}
        | {f"{kind}_on": _.date.max(where=_.page.startswith(kind)) for kind in (APPLICATION, PRODUCT)}
        | {"shown_first": _.stamped.min(where=_.page.startswith(PRODUCT))}
        | {"shown_last": _.stamped.max(where=_.page.startswith(PRODUCT)), "mobile_views": _.mobile.sum()}
        | {f"page_{i}": (_.page == page).sum() for i, page in enumerate(pages)},
    )  # fmt: skip
    past = periods.age >= 0
    sums = ["views", "visit_days", "mobile_views", f"{APPLICATION}_pages", f"{PRODUCT}_pages"]
    pairs = [(s, w) for s in sums for w in WINDOWS] + [(f"page_{i}", w) for i in range(len(pages)) for w in OF_A_PAGE]
    columns = {f"{s}_{w}d": periods[s].sum(where=past & (periods.age < w)).fill_null(0) for s, w in pairs}
    since = {"visit": "visited", "application": f"{APPLICATION}_on", "product": f"{PRODUCT}_on"}
    columns |= {f"days_since_{n}": periods.day.delta(periods[c], unit="day").min(where=past) for n, c in since.items()}
    newest = {n: periods[c].max(where=past) for n, c in since.items()}
    columns |= {f"{n}_at_last_visit": (newest[n] == newest["visit"]).fill_null(False) for n in (APPLICATION, PRODUCT)}
    table = periods.group_by(*KEYS).agg(
        **columns, applies=(periods[f"{APPLICATION}_pages"].sum(where=~past).fill_null(0) > 0).cast("float64"),
        last_page=periods.seen.max(where=past).substr(_STAMP),
        last_product=periods.shown_last.max(where=past).substr(_STAMP),
        next_product=periods.shown_first.min(where=~past).substr(_STAMP),
    )  # fmt: skip
    judge, compare = (drawn(_.customer_id, upto * share) for upto in _UP_TO)
    table = table.mutate(part=judge.ifelse(JUDGE, compare.ifelse(COMPARE, TEACH)))
    table = table.filter(table[f"visit_days_{PRESENT}d"] > 0)
    rows = table.to_pyarrow().to_pandas(date_as_object=False).sort_values(list(KEYS), ignore_index=True)
    rows["day"] = pd.to_datetime(rows["day"])
    rows["applies"] = rows["applies"].where(rows["day"] + pd.Timedelta(days=AHEAD) <= pd.Timestamp(snapshot.as_of))
    names = {f"page_{i}_{w}d": f"{page}_views_{w}d" for i, page in enumerate(pages) for w in OF_A_PAGE}
    return rows.rename(columns=names)


def _views(snapshot: Snapshot) -> ir.Table:
    """Return views by day; `stamped` is the page after its time, so that the first and the last one can be found."""
    events = views(snapshot)
    mobile = (events.channel == "mobile").cast("int32") if snapshot.has("events.channel") else ibis.literal(0)
    page = events.page.fill_null("")
    stamp = events["at"].epoch_seconds().cast("string").lpad(_STAMP, "0")
    return events.select("customer_id", date=events["at"].cast("date"), page=page, mobile=mobile, stamped=stamp + page)


def daily(snapshot: Snapshot, pages: list[str], rows: Rows) -> pd.DataFrame:
    """Fetch days with a visit of customers who are learnt from or judged: views of each page, on a phone, in all."""
    since = rows.day.min() - pd.Timedelta(days=max(WINDOWS))
    seen = _views(snapshot).filter(_.date > since.date())
    seen = seen.semi_join(ibis.memtable(pd.DataFrame({"customer_id": rows.entity.unique()})), "customer_id")
    counts = {f"page_{i}": (_.page == page).sum() for i, page in enumerate(pages)}
    daily = seen.group_by("customer_id", day=_.date).agg(views=_.count(), mobile_views=_.mobile.sum(), **counts)
    found = daily.to_pyarrow().to_pandas(date_as_object=False)
    return found.assign(day=pd.to_datetime(found["day"]))
