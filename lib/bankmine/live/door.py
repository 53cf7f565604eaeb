"""Door: where a state holds tokens, as the source of its warm-up does, the keys of messages become the same tokens."""

from __future__ import annotations

from dataclasses import replace

from bankmine.live.ledger import Ledger
from bankmine.privacy.keys import require_key
from bankmine.privacy.tokens import token_of
from bankmine.topics.fraud.stream_state import Transaction


class Door:
    """Puts tokens in place of keys as those of a ledger are; its file does not open with another key."""

    def __init__(self, ledger: Ledger) -> None:
        self._fields = ledger.rows("SELECT field, domain FROM tokens")
        if self._fields:
            self._key = require_key(f"The state {ledger.path}, which holds tokens in place of keys,")

    def put(self, t: Transaction) -> Transaction:
        """Return a transaction with tokens in place of its keys; what it does not tell stays so."""
        told = {field: (domain, getattr(t, field)) for field, domain in self._fields}
        return replace(
            t, **{field: token_of(self._key, domain, value) for field, (domain, value) in told.items() if value}
        )
