"""Door: where a state holds tokens, as the source of its warm-up does, the keys of messages become the same tokens."""

from __future__ import annotations

from dataclasses import replace

from bankmine.errors import BankmineError
from bankmine.live.ledger import Ledger
from bankmine.privacy.keys import KEY_FILE, require_key
from bankmine.privacy.tokens import token_of
from bankmine.topics.fraud.stream_state import Transaction


class Door:
    """Puts tokens in place of keys as those of a ledger are; a wrong key is refused before any message is read."""

    def __init__(self, ledger: Ledger) -> None:
        self._fields = ledger.rows("SELECT field, domain, key FROM tokens")
        if not self._fields:
            return
        self._key = require_key(f"The state {ledger.path}, which holds tokens in place of keys,")
        if (made_by := self._fields[0][2]) != self._key.name:
            raise BankmineError(
                f"The state {ledger.path} holds tokens of the key {made_by}, and the key given is {self._key.name}: "
                f"set {KEY_FILE} to that one, or start on a new state with --warm-up."
            )

    def put(self, t: Transaction) -> Transaction:
        """Return a transaction with tokens in place of its keys; what it does not tell stays so."""
        told = {field: (domain, getattr(t, field)) for field, domain, _ in self._fields}
        return replace(
            t, **{field: token_of(self._key, domain, value) for field, (domain, value) in told.items() if value}
        )
