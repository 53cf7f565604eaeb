"""The demo bank: a seeded synthetic bank, written block by block, with the truth that was planted beside it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import yaml

from bankmine.demo import defects
from bankmine.demo.accounts import Accounts, accounts, draw_accounts
from bankmine.demo.arrow import keys
from bankmine.demo.balances import balances, month_end_balances, opening_balances
from bankmine.demo.habits import Habits, draw_habits
from bankmine.demo.ledger import Ledger
from bankmine.demo.people import customers
from bankmine.demo.seasons import Calendar, make_calendar
from bankmine.demo.settlement import Settlement
from bankmine.demo.storage import MANIFEST, complete_or_nothing, write_part
from bankmine.demo.streams import Streams
from bankmine.demo.transactions import known_flows, numbered, transactions
from bankmine.demo.truth import truth_of_customers, truth_of_months
from bankmine.demo.world import BLOCK, World, draw_world

SEED = 20251231
END = date(2025, 12, 31)


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
    def accounts(self) -> Accounts:
        """Return their accounts."""
        return draw_accounts(self.world, self.streams)

    @cached_property
    def habits(self) -> Habits:
        """Return how they earn and spend."""
        return draw_habits(self.world, self.accounts, self.streams)

    @cached_property
    def incidents(self) -> defects.Incidents:
        """Return what went wrong for the whole bank."""
        return defects.draw_incidents(self.calendar, self.streams)

    @cached_property
    def ledger(self) -> Ledger:
        """Return the ledger with all months booked."""
        known = known_flows(self.world, self.accounts, self.habits, self.streams)
        known = defects.lose(self.incidents, self.world, known, self.streams)
        opening = opening_balances(self.world, self.accounts, self.habits, self.streams)
        ledger = Ledger(self.world, self.accounts, opening, known)
        Settlement(ledger, self.habits, self.streams).run()
        return ledger

    def cut(self, table: pa.Table) -> pa.Table:
        """Keep the rows of the customers that are kept."""
        last = keys("C", np.array([self.world.first + self.kept - 1]), 7)[0].as_py()
        return table.filter(pa.compute.less_equal(table["customer_id"], last))


def _customers(block: Block) -> pa.Table:
    table, off = defects.spoil_customers(customers(block.world, block.streams), block.streams)
    wrong = block.cut(table.filter(pa.array(off)))["customer_id"].combine_chunks()
    block.defects.append(defects.catalogue("customers", "wrong_type", wrong, "birth_date does not exist"))
    return block.cut(table)


def _accounts(block: Block) -> pa.Table:
    good = accounts(block.world, block.accounts)
    table, added = defects.spoil_accounts(block.world, good, block.streams)
    wrong = block.cut(added)["account_id"].combine_chunks()
    block.defects.append(defects.catalogue("accounts", "unknown_value", wrong, "no such product"))
    return block.cut(table)


def _transactions(block: Block) -> pa.Table:
    rows = numbered(block.ledger.bookings())
    rows = defects.spoil_bookings(block.world, block.accounts, rows, block.streams)
    rows = rows[rows["customer"] < block.kept]
    table = transactions(block.world, block.accounts, rows)
    block.defects += defects.of_bookings(table, rows)
    return table


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


def _defects(block: Block) -> pa.Table:
    """Return the catalogue; the tables that add to it come before it in `TABLES`."""
    common = defects.of_bank(block.incidents, block.calendar) if block.streams.block == 0 else []
    return pa.concat_tables(block.defects + common)


TABLES: dict[str, Callable[[Block], pa.Table]] = {
    "customers": _customers,
    "accounts": _accounts,
    "transactions": _transactions,
    "balances": _balances,
    "truth/customers": lambda block: block.cut(truth_of_customers(block.world, block.habits)),
    "truth/months": lambda block: block.cut(truth_of_months(block.world)),
    "truth/defects": _defects,
}
"""Each table and what makes it from a block."""


def generate(
    out: Path,
    customers: int = 5000,
    months: int = 24,
    seed: int = SEED,
    end: date = END,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Make a demo bank.

    Memory does not grow with the number of customers. The same arguments give the same bytes.

    Parameters
    ----------
    out
        Folder to write; a finished bank there is replaced once the new one is complete.
    customers
        Number of customers, 1 to 10 million.
    months
        Whole months of transactions, 1 or more.
    seed
        Zero or more; decides everything that is drawn.
    end
        Last day, which must end a month.
    progress
        Called with customers done and customers in all after each block.

    Returns
    -------
    The folder.
    """
    if not 1 <= customers <= 10_000_000:
        raise ValueError(f"customers must be between 1 and 10,000,000, got {customers}")
    calendar = make_calendar(end, months)
    with complete_or_nothing(Path(out)) as folder:
        for number, first in enumerate(range(0, customers, BLOCK)):
            kept = min(BLOCK, customers - first)
            block = Block(Streams(seed, number), calendar, kept)
            for table, make in TABLES.items():
                write_part(folder, table, number, make(block))
            if progress:
                progress(first + kept, customers)
        arguments = {"customers": customers, "months": months, "seed": seed, "end": end}
        (folder / MANIFEST).write_text(_manifest(arguments), encoding="utf-8")
    return Path(out)


def _manifest(arguments: dict[str, int | date]) -> str:
    facts = {
        "title": "Demo bank (synthetic)",
        "currency": "CNY",
        "time_zone": "Asia/Shanghai",
        "extracted_on": arguments["end"].replace(),  # a copy, which YAML does not write as a reference
        "generator": "bankmine.demo:generate",
        "arguments": arguments,
        "terms": "Synthetic: describes no real person or bank. Free to use.",
    }
    return yaml.safe_dump(facts, allow_unicode=True, sort_keys=False)
