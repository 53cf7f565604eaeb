"""Tokens: pseudonyms of keys by HMAC with SHA-256, the same wherever the same key of the workspace makes them.

Nobody without the key can tell whose a token is, or make the token of somebody: a plain hash of a short customer number
is found by trying all of them. Tokens are made in the engine, once for each distinct key of a domain.
"""

from __future__ import annotations

import hmac
import re
import secrets
from functools import cache
from hashlib import sha256
from typing import TYPE_CHECKING

from bankmine.errors import BankmineError
from bankmine.privacy.keys import Key

if TYPE_CHECKING:  # live scoring makes tokens without the engine, to start quickly
    import ibis.expr.types as ir

CUSTOMER, ACCOUNT, DEVICE, STAFF = "customer", "account", "device", "staff"
_DOMAINS = {
    "customer_id": CUSTOMER, "from_id": CUSTOMER, "to_id": CUSTOMER, "account_id": ACCOUNT, "counterparty": ACCOUNT,
    "device_id": DEVICE, "staff_id": STAFF,
}  # fmt: skip
_LETTERS = {CUSTOMER: "c", ACCOUNT: "a", DEVICE: "d", STAFF: "s"}
_OTHER = "k"
DIGITS = 20
"""Hexadecimal ones of a token, behind the letter of its domain: 80 bits, by which a billion keys collide by chance once
in two million times."""
TOKEN = re.compile(
    # what stands before may be the n of a \n in the text of a notebook
    rf"(?:(?<!\w)|(?<=\\[nrtbf])|(?<=\\u[0-9a-fA-F]{{4}}))[{''.join(_LETTERS.values())}{_OTHER}][0-9a-f]{{{DIGITS}}}(?!\w)"
)
_BLOCK, _INNER, _OUTER = 64, 0x36, 0x5C
"""Of HMAC with SHA-256 (RFC 2104): bytes of a block, and what the key is mixed with for the two hashes."""


def domain_of(column: str, otherwise: str = "") -> str:
    """Tell of what a column is a key: columns of one domain meet; one that is not known is a domain of its own."""
    name = column.strip().casefold()
    return _DOMAINS.get(name, otherwise or name)


def letter_of(domain: str) -> str:
    """Return the letter with which the tokens of a domain begin."""
    return _LETTERS.get(domain, _OTHER)


def domain_of_token(token: str) -> str:
    """Tell of what a token is; all domains without a letter of their own are one."""
    return next((domain for domain, letter in _LETTERS.items() if token.startswith(letter)), "other")


def token_of(key: Key, domain: str, text: str) -> str:
    """Return the token of one key, as `mapped` gives it."""
    return letter_of(domain) + hmac.digest(_derived(key, domain), text.encode(), sha256).hex()[:DIGITS]


def mapped(keys: ir.Table, domain: str, key: Key) -> ir.Table:
    """Return `key` and `token` of all distinct keys in the column `key`, as a table of DuckDB.

    Raises
    ------
    BankmineError
        If two keys have the same token.
    """
    con, name = keys.get_backend(), f"tokens_{secrets.token_hex(8)}"
    distinct = con.create_table(f"keys_of_{name}", keys.filter(keys.key.notnull()).distinct())
    secret = _derived(key, domain).ljust(_BLOCK, b"\0")
    inner, outer = (bytes(byte ^ mixed for byte in secret) for mixed in (_INNER, _OUTER))
    con.con.execute(  # what follows from the secret is bound, as the text of a query may be logged
        f"""CREATE TABLE {name} AS
        SELECT key, $1 || left(sha256($2::BLOB || unhex(sha256($3::BLOB || encode(key)))), $4) AS token
        FROM {distinct.get_name()}""",
        [letter_of(domain), outer, inner, DIGITS],
    )
    con.con.execute(f"DROP TABLE {distinct.get_name()}")
    made = con.table(name)
    rows, tokens = made.aggregate(n=made.count(), tokens=made.token.nunique()).to_pyarrow().to_pylist()[0].values()
    if tokens < rows:
        raise BankmineError(
            f"{rows - tokens:,} of {rows:,} keys ({domain}) have the same token as another, which would mix them up: "
            "make another key with `bankmine privacy key FILE`, and rotate to it what is kept."
        )
    return made


def put(rows: ir.Table, columns: dict[str, ir.Table]) -> ir.Table:
    """Put tokens in place of the keys in some columns, by the mapping of each; what is null stays so."""
    names = rows.columns
    for column, mapping in columns.items():
        told = mapping.select(_of_="key", _put_="token")
        joined = rows.left_join(told, rows[column] == told["_of_"])
        rows = joined.mutate(**{column: joined["_put_"]}).select(names)
    return rows


def together(keys: list[ir.Table]) -> ir.Table:
    """Put the keys of several columns, each alone in a table as `key`, into one table."""
    return keys[0].union(*keys[1:]) if len(keys) > 1 else keys[0]


@cache
def _derived(key: Key, domain: str) -> bytes:
    return key.of(f"tokens {domain}")
