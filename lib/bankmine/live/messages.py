"""Messages: a line of JSON each, a transaction to be judged or a label that became known, checked to the last field.

What is wrong with a line is told by the names of its fields and never by their values, which may be personal data or
meant to do harm where the message is shown.
"""

from __future__ import annotations

import datetime
import json
import math
from dataclasses import dataclass
from typing import NoReturn

from bankmine.bank.contract import TABLES
from bankmine.errors import BankmineError
from bankmine.topics.fraud.measures import PHYSICAL
from bankmine.topics.fraud.stream_model import FraudModel
from bankmine.topics.fraud.stream_state import Transaction

_LONGEST_WORD = 200
EPOCH = datetime.datetime(1970, 1, 1)  # local, as all times of the contract
LARGEST = 1e12
"""Of amounts: what is larger is no payment, and would spoil the totals of everybody else at the place."""
WORDS = {"device": "device_id", "merchant": "merchant_id"}
WORDS |= {name: name for name in ("counterparty", "country", "kind", "channel", "category", "product")}
"""Columns of the contract that are words, by their names in a history."""


class FaultError(BankmineError):
    """A line that cannot be taken; the words name its fields, not their values."""


@dataclass(frozen=True)
class Message:
    """A transaction as it arrives."""

    transaction: Transaction
    """Its customer is "" where the message does not tell whose account it is."""
    direction: str
    attributes: dict[str, object]
    """What else it brings along, as it stands in the message."""


@dataclass(frozen=True)
class Label:
    """What a transaction turned out to be."""

    transaction_id: str
    is_fraud: bool
    known_at: int
    """Microseconds since 1970, local time: the midnight after the day on which it became known."""


def read(line: bytes) -> Message | Label:
    """Read a JSON object: a label if it holds `is_fraud` and no `amount`, else a transaction; other fields are ignored.

    A transaction has the fields of the contract's table `transactions`; required are `transaction_id`, `account_id`,
    `at` (ISO 8601, local time), `amount` and `direction`. An account that is not known yet needs its `customer_id` and
    may have its `product`; with a customer no account is needed. `attributes` holds what else a model takes. A label
    has `transaction_id`, `is_fraud` and `fraud_known_on`. A FaultError says what else it is.
    """
    told = _object(line)
    return _label(told) if "is_fraud" in told and "amount" not in told else _transaction(told)


def microseconds(moment: datetime.datetime) -> int:
    """Return the microseconds since 1970 of a local time."""
    return (moment - EPOCH) // datetime.timedelta(microseconds=1)


def midnight_after(day: datetime.date) -> int:
    """Return the first microsecond after a day."""
    return microseconds(datetime.datetime.combine(day, datetime.time())) + 86_400_000_000


def _object(line: bytes) -> dict:
    try:
        told = json.loads(line.decode("utf-8"), parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise FaultError("the line is no JSON in UTF-8") from None
    if not isinstance(told, dict):
        raise FaultError("the line is no JSON object")
    return told


def _no_number(_: str) -> NoReturn:
    raise ValueError


def _transaction(told: dict) -> Message:
    amount = _number(told, "amount")
    if amount is None:
        raise FaultError("amount is missing")
    if not 0 < amount <= LARGEST:
        raise FaultError("amount is not above zero" if amount <= 0 else "amount is too large")
    direction = _word(told, "direction", required=True)
    if direction not in TABLES["transactions"]["direction"].values:
        raise FaultError("direction is neither in nor out")
    account, customer = _word(told, "account_id"), _word(told, "customer_id")
    if account is None and customer is None:
        raise FaultError("account_id is missing")
    after = _number(told, "balance_after")
    transaction = Transaction(
        transaction_id=_word(told, "transaction_id", required=True),
        at=_moment(told),
        amount=amount,
        customer=customer or "",
        account=account,
        physical=_word(told, "channel") in PHYSICAL,
        balance=None if after is None else after + amount,
        **{name: _word(told, column) for name, column in WORDS.items()},
    )
    attributes = told.get("attributes") or {}
    if not isinstance(attributes, dict):
        raise FaultError("attributes is no object of fields")
    return Message(transaction, direction, attributes)


def attributes_of(message: Message, model: FraudModel) -> dict[str, float | str | None]:
    """Read the attributes that a model takes: words, and numbers or yes and no; a null is missing."""
    told = message.attributes
    if absent := [name for name in model.attributes if name not in told]:
        raise FaultError(f"attributes lacks {absent[0]}: send null where it is not known")
    return {name: _word(told, name) if name in model.spoken else _size(told, name) for name in model.attributes}


def _size(told: dict, name: str) -> float:
    if isinstance(told[name], bool):
        return float(told[name])
    number = _number(told, name)
    return math.nan if number is None else number


def _label(told: dict) -> Label:
    if not isinstance(told["is_fraud"], bool):
        raise FaultError("is_fraud is neither true nor false")
    day = _word(told, "fraud_known_on", required=True)
    try:
        known_at = midnight_after(datetime.date.fromisoformat(day))
    except (ValueError, OverflowError):
        raise FaultError("fraud_known_on is no day like 2025-12-31") from None
    return Label(_word(told, "transaction_id", required=True), told["is_fraud"], known_at)


def _moment(told: dict) -> int:
    try:
        moment = datetime.datetime.fromisoformat(_word(told, "at", required=True))
    except ValueError:
        raise FaultError("at is no time like 2025-12-31T23:59:59") from None
    if moment.tzinfo is not None:
        raise FaultError("at has an offset: give the local time of the bank without one")
    return microseconds(moment)


def _word(told: dict, name: str, required: bool = False) -> str | None:
    """Read a text or a key written as a whole number; empty is missing."""
    value = told.get(name)
    value = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if value is None or value == "":
        if required:
            raise FaultError(f"{name} is missing")
        return None
    if not isinstance(value, str):
        raise FaultError(f"{name} is no text")
    if len(value) > _LONGEST_WORD:
        raise FaultError(f"{name} is longer than {_LONGEST_WORD} characters")
    if any("\ud800" <= c <= "\udfff" for c in value):
        raise FaultError(f"{name} holds half a character")
    return value


def _number(told: dict, name: str) -> float | None:
    value = told.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise FaultError(f"{name} is no number")
    if not math.isfinite(number := _as_float(value)):
        raise FaultError(f"{name} is too large")
    return number


def _as_float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:  # a whole number of hundreds of digits
        return math.inf
