"""The one kind of error that a user is meant to read: it says what is wrong and what to do."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

_LONGEST = 300
_VALUE = re.compile(
    r"""\b(parse string )".*|\b((?:string|value|format:|range:|syntax for type [\w ]+:) *)(['"]).*\3""", re.DOTALL
)
"""How engines quote a value that they could not read."""


class BankmineError(Exception):
    """A fault in what was asked or given, told in one line that says what to do."""


class SourceError(BankmineError):
    """A source that cannot be found or read."""


class UnusableSourceError(SourceError):
    """A source that was read, but lacks what the contract requires."""


def one_line(error: object, secrets: Iterable[str] = ()) -> str:
    """Fold a library's message into one short line in which no secret is left, and no value of the data."""
    text = _VALUE.sub(r"\1\2…", str(error))
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "***")
    return " ".join(text.split())[:_LONGEST]


@contextmanager
def told(what: str, secrets: Iterable[str] = ()) -> Iterator[None]:
    """Turn whatever a library raises over foreign data into one line that begins with `what`.

    Libraries raise errors of every kind over a broken file, so every kind is caught; the cause is dropped
    because its text may hold a secret.
    """
    try:
        yield
    except BankmineError:
        raise
    except Exception as error:
        raise SourceError(f"{what}: {one_line(error, secrets) or type(error).__name__}") from None
