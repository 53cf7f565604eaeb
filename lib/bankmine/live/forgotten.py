"""Forgotten: a customer is taken out of the file of a state, and of what the file no longer uses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from bankmine.live.ledger import Ledger, faults, open_ledger
from bankmine.topics.fraud.measures import SPECIFICATION

_WHOSE = {"customer": ("customer", "place"), "account": ("account",)}
"""Columns that tell whose a transaction is, and the keys under which `lasts` has what they hold."""


def accounts_of(state: Path, customers: Iterable[str]) -> set[str] | None:
    """Return the accounts of a customer that a state knows; None where it does not know the customer."""
    lasts = ", ".join(f"'{key}'" for key in _WHOSE["customer"])
    where = ["accounts WHERE customer = ?1", "transactions WHERE customer = ?1"]
    where += [f"{first.name} WHERE customer = ?1" for first in SPECIFICATION.firsts if "customer" in first.keys]
    where += [f"lasts WHERE key IN ({lasts}) AND value = ?1"]
    known = " UNION ALL ".join(f"SELECT 1 FROM {place}" for place in where)
    with faults(state):
        ledger = open_ledger(state)
        try:
            if not any(ledger.rows(f"SELECT EXISTS ({known})", customer)[0][0] for customer in customers):
                return None
            asked = "SELECT account FROM accounts WHERE customer = ?"
            return {account for customer in customers for (account,) in ledger.rows(asked, customer)}
        finally:
            ledger.close()


def forget(state: Path, customers: Iterable[str], accounts: Iterable[str], blank: str) -> Counter[str]:
    """Remove what a state keeps of a customer and their accounts, all of it or nothing, and count it by table.

    In what others paid to one of these accounts, `blank` takes its place.
    """
    counts: Counter[str] = Counter()
    with faults(state):
        ledger = open_ledger(state)
        try:
            ledger.rows("PRAGMA secure_delete = ON")
            with ledger.commit():
                for column, keys in (("customer", customers), ("account", accounts)):
                    for key in sorted(keys):
                        counts.update(_forget(ledger, column, key, blank))
            ledger.rows("PRAGMA wal_checkpoint(TRUNCATE)")  # the log holds pages as they were
        finally:
            ledger.close()
    return +counts


def _forget(ledger: Ledger, column: str, key: str, blank: str) -> dict[str, int]:
    where = f"transaction_id IN (SELECT transaction_id FROM transactions WHERE {column} = ?1)"
    counts = {"labels": len(ledger.rows(f"DELETE FROM labels WHERE {where} RETURNING 1", key))}
    for table in ("transactions", "accounts"):
        counts[table] = len(ledger.rows(f"DELETE FROM {table} WHERE {column} = ?1 RETURNING 1", key))
    for last in _WHOSE[column]:
        ledger.rows("DELETE FROM lasts WHERE key = ?2 AND value = ?1", key, last)
    payee = "counterparty" if column == "account" else None
    for first in SPECIFICATION.firsts:
        for name in {column, payee} & set(first.keys):
            ledger.rows(f"DELETE FROM {first.name} WHERE {name} = ?1", key)
    if payee:
        asked = f"UPDATE transactions SET {payee} = ?2 WHERE {payee} = ?1 RETURNING 1"
        counts["payments of others"] = len(ledger.rows(asked, key, blank))
    return counts
