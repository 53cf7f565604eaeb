"""Scorer: answers one message after the other, each only when what follows from it is on the disk."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from bankmine.live.door import Door
from bankmine.live.ledger import Ledger
from bankmine.live.memory import earliest, restore
from bankmine.live.messages import FaultError, Label, Message, attributes_of
from bankmine.topics.fraud.measures import DAY, SECOND
from bankmine.topics.fraud.stream_model import FraudModel, learnt_of
from bankmine.topics.fraud.stream_state import PATIENCE, Transaction

_AHEAD = 10 * 60 * SECOND
"""How far clocks may be ahead: whatever came from the future would make all others of its account late."""
_DIGITS = 6
Attributes = dict[str, float | str | None]


class Scorer:
    """Judges transactions by a model, from what is kept in a ledger that nobody else writes to.

    `now` tells the moment it is, as microseconds since 1970, local time.
    """

    def __init__(self, ledger: Ledger, model: FraudModel, now: Callable[[], int]) -> None:
        self._ledger, self._model, self._now, self._door = ledger, model, now, Door(ledger)
        self._state = restore(ledger, model.specification)
        self.counts: Counter[str] = Counter()
        """Of what came, by its kind."""

    def answer(self, message: Message | Label) -> str:
        """Return the answer to a message as one line of JSON; the same again to one that is sent again.

        What contradicts what is known is a FaultError, and leaves no trace.
        """
        if isinstance(message, Label):
            return self._learn(message)
        t = self._door.put(message.transaction)
        if message.direction == "out" and self._model.kinds and t.kind is None:
            raise FaultError("kind is missing")
        if message.direction != "out" or (self._model.kinds and t.kind not in self._model.kinds):
            return as_line({"transaction_id": t.transaction_id, "judged": False})
        t = self._owned(t)
        known, answer = self._ledger.find(t.transaction_id) or (None, None)
        if known is not None and not _same(t, known):
            raise FaultError("transaction_id has come before, with other content")
        return answer or self._judge(t, attributes_of(message, self._model), known is None)

    def _judge(self, t: Transaction, attributes: Attributes, new: bool) -> str:
        answer = self._judged(t, attributes, self._late(t))
        with self._ledger.commit():
            if not new:
                self._ledger.answer(t.transaction_id, answer)
            else:
                if t.account is not None and self._ledger.owner(t.account) is None:
                    self._ledger.own(t.account, t.customer, t.product)
                self._ledger.add(t, answer)
                self._state.add(t)
        return answer

    def _judged(self, t: Transaction, attributes: Attributes, late: int) -> str:
        columns = learnt_of(self._model, t, self._state.measures(t), attributes)
        row = self._model.rows(columns)
        chance = float(self._model.chance(row)[0])
        told = {"transaction_id": t.transaction_id, "score": round(chance, _DIGITS)}
        told |= {"alert": chance >= self._model.threshold, "reasons": self._model.reasons(columns, row)}
        return as_line(told | ({"late_seconds": late / SECOND} if late > 0 else {}))

    def _owned(self, t: Transaction) -> Transaction:
        """Tell whose account it is, and of which product."""
        owned = None if t.account is None else self._ledger.owner(t.account)
        if owned is None and not t.customer:
            raise FaultError("account_id is not known: send customer_id with it")
        if owned is None:
            return t
        customer, product = owned
        if t.customer not in ("", customer):
            raise FaultError("account_id belongs to another customer than customer_id")
        return replace(t, customer=customer, product=product)

    def _late(self, t: Transaction) -> int:
        """Return by how many microseconds others of its account came too early; refuse what can come from no clock."""
        now = self._now()
        if t.at > now + _AHEAD:
            raise FaultError("at lies in the future")
        key = "customer" if t.account is None else "account"
        newest = self._ledger.last(key, getattr(t, key), now + _AHEAD + 1)
        if newest is not None and t.at < newest - PATIENCE:
            raise FaultError(f"at is more than a day before that of transactions of the {key} already judged")
        first = earliest(self._ledger, self._model.specification)
        if first is not None and t.at < first:
            raise FaultError("at is so long ago that what came before it is forgotten")
        return 0 if newest is None else newest - t.at

    def _learn(self, label: Label) -> str:
        known, _ = self._ledger.find(label.transaction_id) or (None, None)
        if known is None:
            raise FaultError("transaction_id of the label is not known")
        if label.known_at > self._now() + DAY + _AHEAD:
            raise FaultError("fraud_known_on lies in the future")
        before = self._ledger.find_label(label.transaction_id)
        if label != before:
            with self._ledger.commit():
                self._ledger.label(label)
                if before is not None and before.is_fraud:
                    self._state.withdraw(known, before.known_at)
                if label.is_fraud:
                    self._state.label(known, label.known_at)
        return as_line({"transaction_id": label.transaction_id, "label": label.is_fraud})


def as_line(told: dict) -> str:
    """Write an answer as one line of JSON."""
    return json.dumps(told, ensure_ascii=False)


def _same(t: Transaction, known: Transaction) -> bool:
    """Tell whether a transaction is the one that came before: what a message and the warm-up both tell is the same."""
    told = [name for name in Transaction.__slots__ if name != "physical"]  # follows from the channel
    pairs = [(getattr(t, name), getattr(known, name)) for name in told]
    return all(one == other for one, other in pairs if one is not None and other is not None)
