"""Contacts: what customers were offered, who of them was held back, and what came of it, customer by customer.

A campaign whose customers are each contacted once is a row a customer; one that runs on, as a newsletter does, adds up
to one, too, so that all are judged alike: by customers.
"""

from __future__ import annotations

import datetime

import ibis
import ibis.expr.types as ir
import pandas as pd

from bankmine.bank.snapshot import Snapshot
from bankmine.errors import BankmineError
from bankmine.features.customers import all_known
from bankmine.features.spine import KEYS, kept
from bankmine.features.value import margin

NEEDED = ("contacts.treated", "contacts.responded")
AFTER = 90
"""Days after a contact in which margin and leaving are looked at."""


def contacted(snapshot: Snapshot) -> pd.DataFrame:
    """Add up contacts by campaign and customer: `treated` and `held` contacts, and what is known of what came.

    Of either, `responded` and `unknown` (no outcome is told), `revenue`, `cost` and of how many it is told, `costed`,
    and `also`, contacts of other campaigns while the first one's offer stood; `planned`, how many contacts the
    plan would have treated, NaN where no plan is told; `day`, of the first contact, `offer`, `channel`, and the
    offered `rate` where there is one. Contacts whose offer still stands are left out, as only responses are known of
    them. An error tells where contacts do not say who was held back, or who responded.
    """
    if lacks := snapshot.lacking(*NEEDED):
        raise BankmineError(f"contacts do not tell {' or '.join(c.partition('.')[2] for c in lacks)}")
    t = snapshot.contacts
    stood = stands(t)
    t = t.filter(t.contacted_on <= ibis.literal(snapshot.as_of - datetime.timedelta(days=stood)), t.treated.notnull())
    columns = {"planned_share": None, "offered_rate": None, "revenue": 0.0, "cost": None, "offer": "", "channel": ""}
    t = t.mutate(**{n: t[n] if n in t.columns else ibis.literal(v, "float64" if v is None else None)
                    for n, v in columns.items()})  # fmt: skip
    sums = {"planned": t.planned_share.sum(), "rate": t.offered_rate.mean(), "day": t.contacted_on.min()}
    for arm, own in (("treated", t.treated), ("held", ~t.treated)):
        hit = t.responded.fill_null(False) & own
        sums |= {
            arm: own.sum(), f"{arm}_responded": hit.sum(), f"{arm}_unknown": (t.responded.isnull() & own).sum(),
            f"{arm}_revenue": own.ifelse(t.revenue.fill_null(0.0), 0.0).sum(),
            f"{arm}_cost": own.ifelse(t.cost.fill_null(0.0), 0.0).sum(),
            f"{arm}_costed": (own & t.cost.notnull()).sum(),
        }  # fmt: skip
    words = {n: t[n].argmin(t.contacted_on) for n in ("offer", "channel")}
    found = t.group_by("campaign", "customer_id").agg(**sums, **words)
    found = found.left_join(_also(found, t, stood), ["campaign", "customer_id"])
    found = found.drop("campaign_right", "customer_id_right").mutate(also=found.also.fill_null(0))
    found = found.mutate(treated_also=found.also * found.treated, held_also=found.also * found.held)
    told = kept(snapshot, "contacts", [snapshot.as_of], found.order_by("campaign", "customer_id").to_pandas)
    if told.empty:
        raise BankmineError("no contact is old enough for its outcome to be known")
    return told.assign(day=pd.to_datetime(told["day"]))


def each_contact(snapshot: Snapshot) -> pd.DataFrame:
    """Fetch contacts whose outcome is known, a row each: `customer_id`, `offer`, `channel`, `contacted_on`, what came.

    That is `treated` (made, not held back), `responded` (1.0 or 0.0), `revenue` and `cost`, NaN where none is told;
    `day` is the month end before, as of which customers are known. Contacts whose offer still stands are left out.
    """
    if lacks := snapshot.lacking(*NEEDED, "contacts.channel"):
        raise BankmineError(f"contacts do not tell {' or '.join(c.partition('.')[2] for c in lacks)}")
    t = snapshot.contacts
    until = ibis.literal(snapshot.as_of - datetime.timedelta(days=stands(t)))
    t = t.filter(t.contacted_on <= until, t.treated.notnull(), t.responded.notnull(), t.channel.notnull())
    told = {n: t[n] if n in t.columns else ibis.null("float64") for n in ("revenue", "cost")}
    offer = t.offer.fill_null("") if "offer" in t.columns else t.campaign
    columns = ("contact_id", "customer_id", "channel", "contacted_on", "treated")
    rows = t.select(*columns, offer=offer, responded=t.responded.cast("float64"), **told)
    found = kept(snapshot, "each contact", [snapshot.as_of], rows.order_by("contacted_on", "contact_id").to_pandas)
    if found.empty:
        raise BankmineError("no contact is old enough for its outcome to be known")
    on = pd.to_datetime(found["contacted_on"])
    return found.assign(contacted_on=on, day=(on - pd.offsets.MonthEnd(1)).astype("datetime64[us]"))


def stands(contacts: ir.Table) -> int:
    """Return the days that an offer stands: until it lapsed for those who did not respond; 0 where nobody tells."""
    if "responded_on" not in contacts.columns:
        return 0
    waited = contacts.responded_on.delta(contacts.contacted_on, unit="day")
    return int(waited.max(where=~contacts.responded).to_pyarrow().as_py() or 0)


def _also(found: ir.Table, contacts: ir.Table, stood: int) -> ir.Table:
    """Count contacts that a customer of a campaign had by other ones while its first offer stood."""
    made = contacts.filter(contacts.treated)
    others = made.select(who=made.customer_id, by=made.campaign, on=made.contacted_on)
    own = found.select("campaign", "customer_id", "day")
    both = own.inner_join(others, [own.customer_id == others.who, own.campaign != others.by])
    age = both.on.delta(both.day, unit="day")
    return both.filter(age >= 0, age <= stood).group_by("campaign", "customer_id").agg(also=ibis._.count())


def what_followed(snapshot: Snapshot, rows: pd.DataFrame) -> pd.DataFrame:
    """Fetch what customers did in the `AFTER` days after their day: `margin`, and whether they `left` (1.0 or 0.0).

    `rows` has `customer_id` and `day`; NaN where these days are not over yet.
    """
    keys = rows[["customer_id", "day"]]

    def computed() -> pd.DataFrame:
        until = keys["day"] + pd.Timedelta(days=AFTER)
        over = keys[until <= pd.Timestamp(snapshot.as_of)].assign(day=lambda k: k["day"] + pd.Timedelta(days=AFTER))
        if over.empty:
            return pd.DataFrame({"margin": [], "left": []}, keys.index[:0])
        spine = ibis.memtable(over.drop_duplicates().assign(day=lambda k: k["day"].dt.date))
        spine = spine.mutate(day=spine.day.cast("date"))
        earned = margin(snapshot, spine, AFTER).select(*KEYS, "margin")
        a = snapshot.accounts
        open_ = a.closed_on.isnull() if "closed_on" in a.columns else ibis.literal(True)
        gone = a.group_by("customer_id").agg(
            last=a.closed_on.max() if "closed_on" in a.columns else ibis.null("date"), open=open_.any()
        )
        gone = gone.select("customer_id", gone=gone.open.ifelse(ibis.null("date"), gone["last"]))
        told = earned.left_join(gone, "customer_id").select(*KEYS, "margin", "gone").to_pandas()
        told = told.assign(day=pd.to_datetime(told["day"]), gone=pd.to_datetime(told["gone"]))
        found = over.reset_index().merge(told, on=list(KEYS), how="left").set_index("index")
        return found.assign(left=(found["gone"] <= found["day"]).astype(float))[["margin", "left"]]

    return kept(snapshot, f"{AFTER} days after contacts", keys, computed).reindex(rows.index)


def known_before(snapshot: Snapshot, rows: pd.DataFrame) -> pd.DataFrame:
    """Fetch everything that features tell of customers on the day before their first contact, in the order of rows."""
    keys = rows[["customer_id"]].assign(day=rows["day"] - pd.Timedelta(days=1))
    wanted = keys.drop_duplicates().sort_values(list(KEYS), ignore_index=True)
    spine = ibis.memtable(wanted.assign(day=wanted["day"].dt.date))
    spine = spine.select("customer_id", day=spine.day.cast("date"))
    found = all_known(snapshot, spine, wanted).set_axis(pd.MultiIndex.from_frame(wanted))
    return found.loc[pd.MultiIndex.from_frame(keys)].set_axis(rows.index)
