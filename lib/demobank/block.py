"""One block of customers and everything that its tables are made from."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pyarrow as pa

from demobank import defects
from demobank.arrow import keys
from demobank.books import transactions
from demobank.books.accounts import Accounts, draw_accounts, draw_openings
from demobank.books.balances import opening_balances
from demobank.books.bookings import CURRENT, SAVINGS, TERM_DEPOSIT
from demobank.books.ledger import Ledger
from demobank.books.settlement import Settlement
from demobank.branch.branch import Branch, draw_branch
from demobank.credit.applications import Applications, draw_applications
from demobank.customers.contagion import Adoptions, spread
from demobank.customers.habits import Habits, draw_habits
from demobank.customers.people import Records, draw_records
from demobank.customers.ties import Ties, draw_ties
from demobank.customers.world import World, draw_world
from demobank.offers.always_on import always_on
from demobank.offers.campaigns import campaigns
from demobank.offers.contacts import numbered
from demobank.offers.price_offers import price_offers
from demobank.seasons import Calendar
from demobank.streams import Streams
from demobank.web.sessions import Sessions, draw_sessions
from demobank.words.feedback import Tickets, draw_tickets


@dataclass
class Block:
    """One block of customers: everything that tables are made from, computed when first asked for.

    Blocks are always drawn in full and cut to `kept` customers when they are written, so that a customer is the same
    in a small bank and in a large one.
    """

    streams: Streams
    calendar: Calendar
    kept: int
    defects: list[pa.Table] = field(default_factory=list)
    """Entries of the catalogue, added by the tables as they are made."""

    @cached_property
    def world(self) -> World:
        """Return the customers."""
        return draw_world(self.streams, self.calendar)

    @cached_property
    def ties(self) -> Ties:
        """Return who knows whom."""
        return draw_ties(self.world, self.streams)

    @cached_property
    def adoptions(self) -> Adoptions:
        """Return which products customers open when, alone or because of a friend."""
        return spread(self.world, self.ties, draw_openings(self.world, self.streams), self.streams)

    @cached_property
    def records(self) -> Records:
        """Return what the bank recorded of them."""
        return draw_records(self.world, self.streams)

    @cached_property
    def accounts(self) -> Accounts:
        """Return their accounts."""
        return draw_accounts(self.world, self.adoptions.opened, self.streams)

    @cached_property
    def habits(self) -> Habits:
        """Return how they earn and spend."""
        return draw_habits(self.world, self.accounts, self.streams)

    @cached_property
    def sessions(self) -> Sessions:
        """Return their sessions in app and web."""
        return draw_sessions(self.world, self.habits, self.streams)

    @cached_property
    def incidents(self) -> defects.Incidents:
        """Return what went wrong for the whole bank."""
        return defects.draw_incidents(self.calendar, self.streams)

    @cached_property
    def ledger(self) -> Ledger:
        """Return the ledger with all months booked."""
        known = transactions.known_flows(self.world, self.ties, self.accounts, self.habits, self.streams)
        known = defects.lose(self.incidents, self.world, known, self.streams)
        opening = opening_balances(self.world, self.accounts, self.habits, self.streams)
        ledger = Ledger(self.world, self.accounts, opening, known)
        Settlement(ledger, self.habits, self.streams).run()
        return ledger

    @cached_property
    def bookings(self) -> np.ndarray:
        """Return all good bookings, numbered, in order of customer and time."""
        return transactions.numbered(self.ledger.bookings())

    @cached_property
    def applications(self) -> Applications:
        """Return their applications for credit."""
        return draw_applications(self.world, self.accounts, self.habits, self.streams)

    @cached_property
    def contacts(self) -> np.ndarray:
        """Return all offers made to the customers who are kept, or held back."""
        consent = self.records.marketing_consent
        rows = np.concatenate(
            [
                campaigns(self.world, consent, self.streams),
                price_offers(self.world, self.accounts, consent, self.streams),
                always_on(self.world, consent, self.streams),
            ]
        )
        return numbered(rows[rows["customer"] < self.kept])

    @cached_property
    def tickets(self) -> Tickets:
        """Return what customers wrote."""
        return draw_tickets(self.world, self.streams)

    @cached_property
    def branch(self) -> Branch:
        """Return the staff and what they did."""
        deposits = self.ledger.month_ends[:, [CURRENT, SAVINGS, TERM_DEPOSIT]].sum(axis=1)
        return draw_branch(self.world, self.accounts, deposits, self.streams)

    def cut(self, table: pa.Table) -> pa.Table:
        """Keep the rows of the customers that are kept."""
        last = keys("C", np.array([self.world.first + self.kept - 1]), 7)[0].as_py()
        return table.filter(pa.compute.less_equal(table["customer_id"], last))
