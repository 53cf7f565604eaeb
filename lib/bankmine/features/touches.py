"""Touches: what customers do through each channel, and what they are offered by it, day by day.

Customers book, come into app or web, write or call; the bank makes offers. A touch is all of one kind on one day by one
channel, so that a page looked at twice, or paid for by two bookings, counts as one.
"""

from __future__ import annotations

import datetime

import ibis
import ibis.expr.types as ir
from ibis import _

from bankmine.bank.snapshot import Snapshot
from bankmine.errors import BankmineError
from bankmine.features.channels import OWN
from bankmine.features.sessions import in_sessions
from bankmine.features.spine import KEYS, drawn, spine_of

BOOKING, SESSION, TICKET, CONTACT = KINDS = ("bookings", "sessions", "tickets", "contacts")
ONLINE, OFFLINE = ("mobile", "online"), ("branch", "call_centre", "atm", "pos")
SERVING = (*ONLINE, *OFFLINE[:2])
"""Channels by which customers are served, and not only paid or given cash."""
SERVED_BY = (*SERVING, "atm")
IN_APP_OR_WEB = "online"
"""Channel of sessions where events do not tell theirs."""
BEGUN, TAKEN, NOTHING = "(begun)", "(product taken)", "(nothing taken)"
"""Where journeys begin and end."""
_MOST = 8
"""Channels of contacts that are told apart, as their words are free."""
OFFERED = "offer by "
"""How the channel of an offer begins in a journey, as a message of the bank is no visit of the customer."""


def touches(snapshot: Snapshot, since: datetime.date) -> ir.Table:
    """Bring touches since a day together: `customer_id`, `date`, `channel`, `kind`, how many (`n`), the first `at`.

    What a source does not tell is left out; an error says that it tells of no channel at all.
    """
    parts = []
    if snapshot.has("transactions.channel"):
        owners = snapshot.accounts.select("account_id", "customer_id")
        parts.append(_part(snapshot.transactions.inner_join(owners, "account_id"), BOOKING))
    if snapshot.has("events.page"):
        events = in_sessions(snapshot, since)
        channel = events.channel.min() if "channel" in events.columns else ibis.literal(IN_APP_OR_WEB)
        came = events.group_by("customer_id", "session").agg(at=events["at"].min(), channel=channel)
        parts.append(_part(came, SESSION))
    if snapshot.has("feedback.channel"):
        parts.append(_part(snapshot.feedback, TICKET))
    if snapshot.has("contacts.channel"):
        parts.append(_part(made(snapshot).mutate(at=_.contacted_on.cast("timestamp")), CONTACT))
    if not parts:
        raise BankmineError("neither bookings nor sessions, feedback or contacts tell their channel")
    rows = ibis.union(*parts)
    rows = rows.filter(rows["at"] >= ibis.literal(since).cast("timestamp"))
    rows = rows.filter(rows.channel.isin(OWN) | ((rows.kind == CONTACT) & rows.channel.notnull()))
    daily = rows.group_by("customer_id", "channel", "kind", date=rows["at"].cast("date"))
    return daily.agg(n=rows.count(), at=rows["at"].min())


def _part(rows: ir.Table, kind: str) -> ir.Table:
    return rows.select("customer_id", "channel", at=rows["at"].cast("timestamp"), kind=ibis.literal(kind))


def made(snapshot: Snapshot) -> ir.Table:
    """Return the contacts that were made, not those held back as a control; rare channels are put together."""
    rows = snapshot.contacts
    rows = rows.filter(rows.treated.fill_null(True)) if "treated" in rows.columns else rows
    seen = rows.filter(rows.channel.notnull()).group_by("channel").agg(n=_.count()).order_by(_.n.desc(), "channel")
    often = seen.limit(_MOST).to_pandas()["channel"].tolist()
    return rows.mutate(channel=(rows.channel.isin(often) | rows.channel.isnull()).ifelse(rows.channel, "other"))


def by_customer(snapshot: Snapshot, since: datetime.date) -> ir.Table:
    """Count the touches of each customer by `month` and `channel`: a column a kind, 0 for none."""
    rows = touches(snapshot, since)
    counts = {kind: rows.n.sum(where=rows.kind == kind).fill_null(0) for kind in KINDS}
    return rows.group_by("customer_id", "channel", month=rows.date.truncate("M")).agg(**counts)


def by_month(snapshot: Snapshot, since: datetime.date) -> ir.Table:
    """Add touches up by `month` and `channel`, with the customers `active` in it: who did something there."""
    rows = by_customer(snapshot, since)
    own = rows[BOOKING] + rows[SESSION] + rows[TICKET] > 0
    return rows.group_by("month", "channel").agg(active=own.sum(), **{kind: rows[kind].sum() for kind in KINDS})


def serving(snapshot: Snapshot, since: datetime.date) -> ir.Table:
    """Count, of each customer who did something since a day, the touches by each of the `SERVING` channels."""
    rows = touches(snapshot, since)
    rows = rows.filter(rows.kind != CONTACT)
    return rows.group_by("customer_id").agg(**{c: rows.n.sum(where=rows.channel == c).fill_null(0) for c in SERVING})


def moves(snapshot: Snapshot, ends: list[datetime.date], days: int, share: float = 1.0) -> ir.Table:
    """Lay out the journeys of customers over channels in spells of days up to each end, as moves from one to the next.

    Each customer has one journey a spell: to the first account opened in it, of who had been there for as long, where
    it is made of the days before that, or else to the spell's end and to nothing. Of cards and cash machines nothing is
    told. A channel touched several times in a row counts once. `customer_id`, `start` and `end` of the move, `n`; who
    touches nothing goes from `BEGUN` straight on.
    """
    spine = spine_of(snapshot, ends)
    spine = spine if share >= 1 else spine.filter(drawn(spine.customer_id, share))
    opened = snapshot.accounts.select("customer_id", "opened_on").inner_join(spine, "customer_id")
    age = opened["day"].delta(opened.opened_on, unit="day")
    first = opened.filter(age >= 0, age < days).group_by(*KEYS).agg(opened_on=_.opened_on.min())
    spells = spine.left_join(first, KEYS).select(*KEYS, "opened_on")
    spells = spells.mutate(last=ibis.coalesce(spells.opened_on, spells["day"] + ibis.interval(days=1)).cast("date"))
    old = spells.inner_join(snapshot.customers.select("customer_id", "joined_on"), "customer_id")
    spells = old.filter(old["last"].delta(old.joined_on, unit="day") >= days)
    seen = touches(snapshot, min(ends) - datetime.timedelta(days=2 * days))
    seen = seen.filter(seen.channel.isin(SERVING) | (seen.kind == CONTACT))
    name = (seen.kind == CONTACT).ifelse(ibis.literal(OFFERED) + seen.channel, seen.channel)
    seen = seen.group_by("customer_id", "date", channel=name).agg(at=seen["at"].min())
    before = seen.inner_join(spells, "customer_id")
    age = before["last"].delta(before.date, unit="day")
    before = before.filter(age > 0, age <= days)
    mine = ibis.window(group_by=KEYS, order_by=["at", "channel"])
    before = before.mutate(previous=before.channel.lag().over(mine))
    turns = before.filter(before.previous.isnull() | (before.previous != before.channel))
    turns = turns.mutate(following=turns.channel.lead().over(mine))
    return _moves(spells, turns)


def _moves(spells: ir.Table, turns: ir.Table) -> ir.Table:
    """Count moves: into each channel from the one before, and from the last one to an account or to nothing."""
    begun, goal = ibis.literal(BEGUN), spells.opened_on.notnull().ifelse(TAKEN, NOTHING)
    inwards = turns.select("customer_id", start=turns.previous.fill_null(begun), end=turns.channel)
    lasts = turns.filter(turns.following.isnull()).select(*KEYS, "channel")
    outwards = spells.mutate(goal=goal).left_join(lasts, KEYS)
    outwards = outwards.select("customer_id", start=outwards.channel.fill_null(begun), end=outwards.goal)
    return ibis.union(inwards, outwards).group_by("customer_id", "start", "end").agg(n=_.count())
