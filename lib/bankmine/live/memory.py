"""Memory: the kept state as the ledger has it on disk, and what the ledger itself may forget."""

from __future__ import annotations

from bankmine.errors import BankmineError
from bankmine.live.ledger import COLUMNS, STOOD, Ledger
from bankmine.topics.fraud.measures import DAY, SPECIFICATION, Specification
from bankmine.topics.fraud.stream_state import FraudState, Transaction, memory

KEPT_DAYS = 200
"""Days for which transactions are kept on disk, so that late ones and late labels find what they need."""
LASTS = {p.key: (p.key, f"{p.key} NOT NULL", "NULL") for p in SPECIFICATION.previous}
LASTS |= {"place": ("customer", STOOD, "country")}
"""Of what is forgotten the last moments that stay: by which column, of which transactions, and where that was."""
_STALE = """at < ?1 AND transaction_id NOT IN (SELECT transaction_id FROM labels WHERE is_fraud AND known_at >= ?1)"""


def restore(ledger: Ledger, specification: Specification) -> FraudState:
    """Return the state that has seen all of the ledger."""
    if memory(specification) > KEPT_DAYS * DAY:
        raise BankmineError(f"The model's labels are {specification.delay} days late: a state keeps {KEPT_DAYS} days.")
    state = FraudState(ledger, specification)
    known = ", ".join(f"t.{name}" for name in COLUMNS)
    # the join goes from the labels, of which there are few
    asked = f"SELECT {known}, known_at FROM labels CROSS JOIN transactions t USING (transaction_id) WHERE is_fraud"
    for *row, known_at in ledger.rows(asked):
        state.label(Transaction(*row), known_at)
    return state


def earliest(ledger: Ledger, specification: Specification) -> int | None:
    """Return from when on a transaction can be measured, as the ledger has all before it; None where any can."""
    newest = ledger.newest()
    return None if newest is None else newest - KEPT_DAYS * DAY + specification.reach * DAY


def tidy(ledger: Ledger) -> None:
    """Drop from the ledger what neither a window nor a late label can ask for; last moments and places stay."""
    if (newest := ledger.newest()) is None:
        return
    horizon = newest - KEPT_DAYS * DAY
    with ledger.commit():
        for key, (column, which, country) in LASTS.items():
            ledger.rows(
                f"""INSERT INTO lasts SELECT '{key}', {column}, at, {country} FROM transactions
                WHERE at < ? AND {which} ON CONFLICT DO UPDATE SET at = excluded.at, country = excluded.country
                WHERE (excluded.at, ifnull(excluded.country, '')) > (at, ifnull(country, ''))""",
                horizon,
            )
        ledger.rows(f"DELETE FROM transactions WHERE {_STALE}", horizon)
        ledger.rows("DELETE FROM labels WHERE transaction_id NOT IN (SELECT transaction_id FROM transactions)")
