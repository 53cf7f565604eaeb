"""Service: complaints, use of app and web, and contacts, as they were known on each day of a spine."""

from __future__ import annotations

import ibis
import ibis.expr.types as ir
import pandas as pd
from ibis import _

from bankmine.bank.snapshot import Snapshot
from bankmine.features.spine import KEYS, beside, by_period

OPEN_FOR = 30
"""Days after which a complaint that is not settled counts as slow."""
RATE_PAGES = ("rate_table",)
"""Pages on which customers compare rates."""
MONTH, QUARTER, YEAR = 30, 90, 365
_EMPTY = "days_since_"


def service(snapshot: Snapshot, spine: ir.Table) -> ir.Table:
    """Compute what the bank knew of complaints, visits and contacts; what its tables do not tell is left out.

    What was settled or answered after a day of the spine was open on it. Counts are 0 where nothing happened; days
    since an event are null where it did not happen within a year.
    """
    parts = []
    if snapshot.has("feedback.kind"):
        parts.append(_complaints(snapshot.feedback, spine))
    if "events" in snapshot.tables:
        parts.append(_visits(snapshot.events, spine))
    if "contacts" in snapshot.tables:
        parts.append(_contacts(snapshot.contacts, spine))
    table = beside(spine.select(*KEYS), parts)
    return table.fill_null({c: 0 for c in table.columns if c not in KEYS and not c.startswith(_EMPTY)})


def complaining(snapshot: Snapshot) -> pd.Index:
    """Fetch the keys of customers of whom a complaint is open on the snapshot's day."""
    snapshot.require("feedback.kind", "feedback.resolved_on")
    told = snapshot.feedback
    rows = told.filter(told.kind == "complaint", told.resolved_on.isnull())
    return pd.Index(rows.select("customer_id").distinct().to_pandas()["customer_id"])


def _complaints(feedback: ir.Table, spine: ir.Table) -> ir.Table:
    settled = feedback.resolved_on if "resolved_on" in feedback.columns else ibis.null("date")
    told = feedback.filter(feedback.kind == "complaint")
    told = told.select("customer_id", date=told["at"].cast("date"), settled=settled)
    rows = spine.select(*KEYS).inner_join(told, "customer_id")
    rows = rows.mutate(age=rows.day.delta(rows.date, unit="day"))
    rows = rows.filter(rows.age >= 0, rows.age < YEAR)
    columns = {f"complaints_{w}d": (rows.age < w).sum() for w in (QUARTER, YEAR)}
    columns["days_since_complaint"] = rows.age.min()
    if "resolved_on" in feedback.columns:
        open_until = ibis.coalesce(ibis.least(rows.settled, rows.day), rows.day)  # not known on the day: open on it
        slow = open_until.delta(rows.date, unit="day") > OPEN_FOR
        columns["slow_complaints_365d"] = slow.sum()
        columns["slow_open_complaints_365d"] = (slow & (rows.settled.isnull() | (rows.settled > rows.day))).sum()
    return rows.group_by(*KEYS).agg(**columns)


def _visits(events: ir.Table, spine: ir.Table) -> ir.Table:
    """Count days with a visit, not sessions: where one ends is known to few banks, and to each in its own way."""
    rates = events.page.isin(RATE_PAGES).cast("int32") if "page" in events.columns else ibis.literal(0)
    seen = events.select("customer_id", date=events["at"].cast("date"), rates=rates)
    daily = seen.group_by("customer_id", "date").agg(rates=seen.rates.sum())
    edges = (0, MONTH, QUARTER, YEAR)
    sums = {"visits": _.count(), "rates": _.rates.sum(), "last": _.date.max()}
    periods = by_period(daily, spine, edges, sums)
    columns = {f"visit_days_{w}d": periods.visits.sum(where=periods.age < w) for w in edges[1:]}
    if "page" in events.columns:
        columns |= {f"rate_views_{w}d": periods.rates.sum(where=periods.age < w) for w in (MONTH, QUARTER)}
    columns["days_since_visit"] = periods.day.delta(periods["last"], unit="day").min()
    return periods.group_by(*KEYS).agg(**columns)


def _contacts(contacts: ir.Table, spine: ir.Table) -> ir.Table:
    """Count offers made, not those held back as a control, and the answers known on the day."""
    made = contacts.filter(contacts.treated.fill_null(True)) if "treated" in contacts.columns else contacts
    answered = {"responded", "responded_on"} <= set(contacts.columns)
    taken = made.responded.fill_null(False) if answered else ibis.literal(False)
    told = made.select(
        "customer_id", date=made.contacted_on, taken=taken, on=made.responded_on if answered else ibis.null("date")
    )
    rows = spine.select(*KEYS).inner_join(told, "customer_id")
    rows = rows.mutate(age=rows.day.delta(rows.date, unit="day"))
    rows = rows.filter(rows.age >= 0, rows.age < YEAR)
    columns = {f"contacts_{w}d": (rows.age < w).sum() for w in (QUARTER, YEAR)}
    columns["days_since_contact"] = rows.age.min()
    if answered:
        columns["responses_365d"] = (rows.taken & (rows.on <= rows.day)).sum()
    return rows.group_by(*KEYS).agg(**columns)
