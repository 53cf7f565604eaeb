"""Flat target: which rows of a flat table had the event, which had not, and of which it is not known."""

from __future__ import annotations

import difflib
import re

import numpy as np
import pandas as pd

from bankmine.bank.form_kinds import PAIRS, UNMISTAKABLE
from bankmine.bank.harmless import SHARED, harmless, personal
from bankmine.errors import BankmineError

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_MISSING = (*UNMISTAKABLE, "na", "")
_SPEAKING = (("0", "1"), *PAIRS)
"""Pairs of values of which nobody asks which one is the event: the second."""
_SHOWN, _FEW = 6, 3
"""Values that are listed at most, and so few that they are kinds of rows."""


def events(values: pd.Series, column: str, positive: str) -> tuple[pd.Series, str]:
    """Tell in which rows the event happened.

    Parameters
    ----------
    values : pd.Series
        Text of the target column; missing where it is not known what became of the row.
    column : str
        Its name, for messages.
    positive : str
        The value that is the event, or several with | between; '' where the values speak for themselves (1, true, yes,
        是).

    Returns
    -------
    tuple of pd.Series and str
        1.0, 0.0 or NaN for each row, and the event in words.

    Raises
    ------
    BankmineError
        If it is not clear which value is the event, if it does not occur, or if nothing else does.
    """
    plain = values.map({text: _plain(text) for text in values.dropna().unique()}).astype(object)
    plain = plain.mask(plain.map(str.lower, na_action="ignore").isin(_MISSING))
    counts = plain.value_counts()
    if counts.empty:
        raise BankmineError(f"The target {column} is empty in every row: there is nothing to learn from.")
    wanted = _wanted(positive, counts) if positive.strip() else [_speaking(counts, column)]
    for event in wanted:
        if event not in counts:
            near = difflib.get_close_matches(event, counts.index, 1, cutoff=0.4) if positive.strip() else []
            shown = _listed(counts, column)
            hint = f" Did you mean positive={near[0]}?" if near and repr(near[0]) in shown else ""
            said = f"it is {shown}" if shown else f"it has {len(counts):,} values, which are not shown"
            raise BankmineError(f"The target {column} is never {event!r}, {said}: no events.{hint}")
    told = " or ".join(wanted)
    if len(counts) == len(wanted):
        raise BankmineError(f"The target {column} is {told!r} in all {counts.sum():,} rows that tell: only events.")
    happened = plain.isin(wanted).astype(float).mask(plain.isna(), np.nan)
    return happened.rename(column), f"{column} is {told}"


def _wanted(positive: str, counts: pd.Series) -> list[str]:
    """Return the values that are the event: what was given as it is where it occurs, else its parts."""
    whole = _plain(positive)
    if whole in counts:
        return [whole]
    return list(dict.fromkeys(_plain(part) for part in positive.split("|") if part.strip())) or [whole]


def _speaking(counts: pd.Series, column: str) -> str:
    """Find the value that is the event where the values say so themselves."""
    values = {v.lower(): v for v in counts.index}
    for pair in _SPEAKING:
        if len(values) == len(counts) and set(values) <= set(pair):
            return values.get(pair[1], pair[1])
    count = f"{len(counts):,} value{'s' * (len(counts) != 1)}"
    said = f" {shown}" if (shown := _listed(counts, column)) else ", which are not shown"
    raise BankmineError(f"The target {column} has {count}{said}: say which is the event, positive=….")


def _listed(counts: pd.Series, column: str) -> str:
    """List the first values, where they are nobody's name or note; of many those that few rows have by their shape."""
    if personal(column, list(counts.index)):
        return ""
    often = SHARED if len(counts) <= _FEW else 0
    shown = [f"{harmless(v[:40], counts[v] + often)!r}" for v in sorted(counts.index[:_SHOWN])]
    return ", ".join(dict.fromkeys(shown)) + (", …" if len(counts) > _SHOWN else "")


def _plain(text: str) -> str:
    """Write a value as every kind of file does: 1 for 1.0, true for True."""
    text = text.strip()
    if _NUMBER.fullmatch(text):
        return format(float(text), ".15g")
    return text.lower() if text.lower() in ("true", "false") else text
