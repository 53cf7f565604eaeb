"""Every table of the demo bank, and what makes it from a block of customers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa

from demobank import defects, market, planted, seasons
from demobank.block import Block
from demobank.books import accounts, devices, errands, journeys, purchases, transactions
from demobank.books.balances import balances, month_end_balances
from demobank.books.bookings import NONE
from demobank.branch import branch, misconduct, roster, staff
from demobank.credit import applications, credit_demand, credit_policy, default_risk
from demobank.crime import attacks, card_fraud, cases, fraud, fraud_labels, innocents, laundering, transfer_fraud
from demobank.customers import contagion, lifecycle, misleading, people, ties
from demobank.offers import always_on, campaigns, contact_truth, contacts, price_offers, responses
from demobank.web import pages, sessions
from demobank.words import feedback, opinions, slips, texts


def _customers(block: Block) -> pa.Table:
    told = misleading.mislead(people.customers(block.world, block.records), block.world, block.streams)
    table, off = defects.spoil_customers(told, block.streams)
    wrong = block.cut(table.filter(pa.array(off)))["customer_id"].combine_chunks()
    block.defects.append(defects.catalogue("customers", "wrong_type", wrong, "birth_date does not exist"))
    return block.cut(table)


def _accounts(block: Block) -> pa.Table:
    good = accounts.accounts(block.world, block.accounts)
    table, added = defects.spoil_accounts(block.world, good, block.streams)
    wrong = block.cut(added)["account_id"].combine_chunks()
    block.defects.append(defects.catalogue("accounts", "unknown_value", wrong, "no such product"))
    return block.cut(table)


def _transactions(block: Block) -> pa.Table:
    rows = defects.spoil_bookings(block.world, block.accounts, block.bookings, block.streams)
    rows = rows[rows["customer"] < block.kept]
    table = transactions.transactions(block.world, block.accounts, rows)
    block.defects += defects.of_bookings(table, rows)
    return table


def _twice(name: str, make: Callable[[Block], pa.Table]) -> Callable[[Block], pa.Table]:
    """Return what makes a table with some rows delivered twice."""

    def made(block: Block) -> pa.Table:
        rows, entries = defects.deliver_twice(make(block), name, block.streams)
        block.defects.append(entries)
        return rows

    return made


def _events(block: Block) -> pa.Table:
    rows = block.cut(pages.events(block.world, block.accounts, block.sessions, block.streams))
    return defects.lose_sessions(block.incidents, block.calendar, rows)


def _balances(block: Block) -> pa.Table:
    rows = month_end_balances(block.world, block.accounts, block.ledger.month_ends)
    booked = block.ledger.booked[rows[:, 0], rows[:, 1]]
    rows, off = defects.spoil_balances(rows, booked, block.streams)
    kept = rows[:, 0] < block.kept
    table = balances(block.world, block.accounts, rows[kept])
    wrong = table.filter(pa.array(off[kept])).select(["account_id", "month_end"]).to_pylist()
    entries = [f"{row['account_id']}/{row['month_end']}" for row in wrong]
    block.defects.append(defects.catalogue("balances", "unreconciled", entries, "balance does not follow from flows"))
    return table


def _applications(block: Block) -> pa.Table:
    return block.cut(applications.applications(block.world, block.accounts, block.applications))


def _truth_of_applications(block: Block) -> pa.Table:
    kept = np.flatnonzero(block.applications.requests.customer < block.kept)
    return applications.truth_of_applications(block.world, applications.applications_of(block.applications, kept))


def _marked(block: Block, column: str) -> tuple[pa.Array, np.ndarray]:
    """Return the ids and bookings of the kept customers that have a value in a coded column."""
    rows = block.bookings[(block.bookings[column] != NONE) & (block.bookings["customer"] < block.kept)]
    return transactions.transaction_ids(block.world, rows), rows


def _defects(block: Block) -> pa.Table:
    """Return the catalogue; the tables that add to it come before it in `TABLES`."""
    common = defects.of_bank(block.incidents, block.calendar) if block.streams.block == 0 else []
    return pa.concat_tables(block.defects + common)


_PLANTING = (
    lifecycle, accounts, market, misleading, credit_demand, default_risk, credit_policy, applications, ties, contagion,
    sessions, pages, responses, campaigns, price_offers, always_on, feedback, opinions, texts, slips, roster, staff,
    misconduct, devices, journeys, errands, innocents, laundering, attacks, card_fraud, transfer_fraud, fraud_labels,
    seasons, purchases,
)  # fmt: skip
"""Modules that plant constants or drifts."""


def _once(block: Block, table: pa.Table) -> pa.Table:
    """Return a table of the whole bank in its first block, and nothing of it in the others."""
    return table if block.streams.block == 0 else table.slice(0, 0)


def _constants(block: Block) -> pa.Table:
    return _once(block, planted.truth_of_constants(*(m.PLANTED for m in _PLANTING if hasattr(m, "PLANTED"))))


def _drifts(block: Block) -> pa.Table:
    return _once(block, planted.truth_of_drifts(*(m.DRIFTS for m in _PLANTING if hasattr(m, "DRIFTS"))))


TABLES: dict[str, Callable[[Block], pa.Table]] = {
    "customers": _customers,
    "accounts": _accounts,
    "transactions": _transactions,
    "balances": _balances,
    "applications": _twice("applications", _applications),
    "events": _events,
    "contacts": _twice("contacts", lambda b: contacts.contacts(b.world, b.contacts)),
    "feedback": _twice("feedback", lambda b: b.cut(feedback.feedback(b.world, b.tickets, b.streams))),
    "relations": lambda b: ties.relations(b.world, b.ties, b.kept),
    "staff_actions": lambda b: b.cut(branch.staff_actions(b.world, b.branch)),
    "market": lambda b: _once(b, market.market(b.calendar, b.streams)),
    "truth/customers": lambda b: b.cut(planted.truth_of_customers(b.world, b.habits)),
    "truth/months": lambda b: b.cut(planted.truth_of_months(b.world)),
    "truth/applications": _truth_of_applications,
    "truth/sessions": lambda b: b.cut(sessions.truth_of_sessions(b.world, b.sessions)),
    "truth/contacts": lambda b: contact_truth.truth_of_contacts(b.world, b.contacts),
    "truth/campaigns": lambda b: contact_truth.truth_of_campaigns(b.world, b.contacts),
    "truth/communities": lambda b: b.cut(ties.truth_of_communities(b.world, b.ties)),
    "truth/adoptions": lambda b: b.cut(contagion.truth_of_adoptions(b.world, b.adoptions)),
    "truth/feedback": lambda b: feedback.truth_of_feedback(b.world, b.tickets, b.kept),
    "truth/staff": lambda b: branch.truth_of_staff(b.world, b.branch),
    "truth/staff_actions": lambda b: branch.truth_of_staff_actions(b.world, b.branch, b.kept),
    "truth/fraud": lambda b: fraud_labels.truth_of_fraud(b.calendar, *_marked(b, "scheme")),
    "truth/tapped_merchants": lambda b: _once(b, fraud.truth_of_tapped(b.calendar, b.streams)),
    "truth/laundering": lambda b: cases.truth_of_cases(*_marked(b, "typology")),
    "truth/constants": _constants,
    "truth/drifts": _drifts,
    "truth/defects": _defects,
}
"""Each table and what makes it from a block."""
