"""Memory: the kept state as the ledger has it on disk, and what the ledger itself may forget."""

from __future__ import annotations

from bankmine.live.ledger import COLUMNS, Ledger
from bankmine.topics.fraud.measures import DAY, SPECIFICATION, Specification
from bankmine.topics.fraud.stream_state import FraudState, Transaction, memory

KEPT_DAYS = 200
"""Days for which transactions are kept on disk, so that late labels find theirs."""
_ALL = ", ".join(f"t.{name}" for name in COLUMNS)
_STOOD = "physical AND country NOT NULL"
_SECOND = """SELECT at FROM transactions WHERE customer <>
    (SELECT customer FROM transactions ORDER BY at DESC LIMIT 1) ORDER BY at DESC LIMIT 1"""
_LAST_MOMENTS = "SELECT {key}, max(at) FROM transactions WHERE {key} NOT NULL AND at < ? GROUP BY {key}"
_LAST_PLACES = f"""SELECT customer, at, country FROM transactions t
    JOIN (SELECT customer, max(at) AS at FROM transactions WHERE {_STOOD} AND at < ? GROUP BY customer)
    USING (customer, at) WHERE {_STOOD}"""
_LAST = "SELECT id FROM (SELECT rowid AS id, max(at) FROM transactions WHERE {of} AND at < ?1 GROUP BY {key})"
_STALE = f"""DELETE FROM transactions WHERE at < ?1
    AND rowid NOT IN ({_LAST.format(of="TRUE", key="customer")})
    AND rowid NOT IN ({_LAST.format(of="account NOT NULL", key="account")})
    AND rowid NOT IN ({_LAST.format(of=_STOOD, key="customer, country")})"""


def restore(ledger: Ledger, specification: Specification) -> FraudState:
    """Return the state that has seen all of the ledger, which keeps its first moments from then on."""
    state = FraudState(specification, firsts=ledger)
    horizon = _newest(ledger) - memory(specification)
    recent = ledger.rows(f"SELECT {_ALL} FROM transactions t WHERE at >= ? ORDER BY at, rowid", horizon)
    state.load([Transaction(*row) for row in recent])
    for previous in SPECIFICATION.previous:
        state.recall(previous.key, ledger.rows(_LAST_MOMENTS.format(key=previous.key), horizon))
    state.recall_places(ledger.rows(_LAST_PLACES, horizon))
    labelled = f"""SELECT {_ALL}, known_at FROM labels JOIN transactions t USING (transaction_id)
        WHERE is_fraud AND known_at >= ? ORDER BY known_at"""
    for *row, known_at in ledger.rows(labelled, horizon):
        state.label(Transaction(*row), known_at)
    return state


def tidy(ledger: Ledger) -> None:
    """Drop from the ledger what neither a window nor a late label can ask for; last moments and places stay."""
    with ledger.commit():
        ledger.rows(_STALE, _newest(ledger) - KEPT_DAYS * DAY)
        ledger.rows("DELETE FROM labels WHERE transaction_id NOT IN (SELECT transaction_id FROM transactions)")


def _newest(ledger: Ledger) -> int:
    """Return the latest moment that two customers have reached (`FraudState.newest`), 0 where there is none."""
    found = ledger.rows(_SECOND)
    return found[0][0] if found else 0
