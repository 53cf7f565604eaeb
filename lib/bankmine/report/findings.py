"""Findings: sentences whose numbers are computed, shown to the reader and kept for the next report.

A finding is displayed as text and HTML, and as JSON under a MIME type of our own, so that an executed notebook carries
its numbers with it: the runner collects them into the manifest, and the index compares them from month to month.
"""

from __future__ import annotations

import datetime as dt
import html
import math
import re
import string
from collections.abc import Iterator, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from IPython.display import display

from bankmine.judging.numbers import MISSING, Hidden, apart, formatted
from bankmine.lacking import Lacking

if TYPE_CHECKING:  # every notebook imports this module, and nbformat takes seconds to import
    from nbformat import NotebookNode

MIME = "application/vnd.bankmine.finding+json"
NO_FACTS: Mapping[str, object] = MappingProxyType({})
_DECIMALS = re.compile(r"[-+ ]?,?\.\d[f%]")
FLAG = "▲ Alert: "
FLAG_HTML = f"<strong>{FLAG}</strong>"
ID = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+){1,2}")
_NOT_OF_ID = re.compile("[^a-z0-9]+")
# What HTML and UTF-8 cannot carry unchanged: control characters (tab and line feed apart) and lone surrogates.
UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def finding(
    template: str, facts: Mapping | pd.Series | Lacking | None = NO_FACTS, *, id: str, headline: bool = False,
    alert: bool = False, **values: object,
) -> None:  # fmt: skip
    """Display a sentence and record the values in it.

    Parameters
    ----------
    template : str
        The sentence as a format string, ``"{share:.0%} of customers left"``; of a number also words for one and for any
        other number of things, ``"{calls} {calls:call is|calls are} due"``.
    facts : mapping, pd.Series or Lacking, optional
        Values by name; those that the sentence does not name are left out. Where they are lacking, the page says why
        instead. None where there is nothing to say, so that nothing is shown.
    id : str
        ``<report>.<metric>`` or ``<report>.<part>.<metric>``, lower case.
    headline : bool
        Shown at the top of the report and followed from run to run in the index.
    alert : bool
        A reviewer must act on it.
    **values
        Numbers, strings and dates that the sentence names, beside the facts. A missing or infinite number reads "n/a".

    Raises
    ------
    ValueError
        If the id is malformed, or the template and the values do not fit each other.
    TypeError
        If a value is neither a number, a string nor a date.
    """
    if facts is None:
        return
    lacking = next((given for given in (facts, *values.values()) if isinstance(given, Lacking)), None)
    if lacking is not None:
        display(_not_told(lacking, id, headline), raw=True)
        return
    named = {name for _, name, _, _ in string.Formatter().parse(template) if name}
    known = {name: value for name, value in facts.items() if name in named}
    display(bundle(template, id=id, headline=headline, alert=alert, **known, **values), raw=True)


def findings(template: str, facts: Mapping[str, Mapping] | Lacking, *, id: str, headline: bool = False) -> None:
    """Display a sentence for each of several things of a kind, as models or campaigns, and record its values.

    Parameters
    ----------
    template, headline
        As for `finding`.
    facts : mapping of str to mapping, or Lacking
        Values of each, by its name, which may be any text.
    id : str
        Each finding's id is this and the name, in lower case, with _ for all that an id cannot hold; one that names
        cannot tell apart, as of two in Chinese, ends by its place.
    """
    if isinstance(facts, Lacking):
        finding(template, facts, id=id, headline=headline)
        return
    taken: set[str] = set()
    for place, (name, told) in enumerate(facts.items(), 1):
        own = _NOT_OF_ID.sub("_", name.lower())
        own = f"{own}{place}" if own in {"_", "", *taken} else own
        taken.add(own)
        finding(template, told, id=f"{id}.{own}", headline=headline)


def _not_told(lacking: Lacking, id: str, headline: bool) -> dict[str, object]:
    """Return what is displayed in place of a finding that is lacking; it asks nobody to act."""
    text = f"Not told: {printable(lacking.why)}"
    record = {"id": id, "text": text, "values": {}, "formats": {}, "headline": bool(headline), "alert": False}
    return {"text/plain": text, "text/html": f'<p class="lacking">{html.escape(text)}</p>', MIME: record}


def bundle(
    template: str, *, id: str, headline: bool = False, alert: bool = False, **values: object
) -> dict[str, object]:
    """Return what `finding` displays: MIME type → content.

    Parameters
    ----------
    template, id, headline, alert, **values
        As for `finding`.

    Returns
    -------
    dict
        ``text/plain``, ``text/html`` and the record under `MIME`.
    """
    if not ID.fullmatch(id):
        raise ValueError(f"finding id {id!r}: expected <report>.<metric> or <report>.<part>.<metric> of a–z, 0–9 and _")
    plain = {name: _plain(value, f"finding {id}: {name}") for name, value in values.items()}
    parts = list(_parts(template, plain, id))
    text = "".join(part for part, _, _ in parts)
    record = {
        "id": id,
        "text": text,
        "values": {name: _json(value) for name, value in plain.items()},
        "formats": {name: spec for _, name, spec in reversed(parts) if name},
        "headline": bool(headline),
        "alert": bool(alert),
    }
    sentence = "".join(_html(part, plain[name] if name else None, name) for part, name, _ in parts)
    shown = f'<p class="finding alert">{FLAG_HTML}{sentence}</p>' if alert else f'<p class="finding">{sentence}</p>'
    return {"text/plain": f"{FLAG if alert else ''}{text}", "text/html": shown, MIME: record}


def collect(notebook: NotebookNode) -> list[dict]:
    """Return the findings in an executed notebook's outputs, in order.

    Parameters
    ----------
    notebook : NotebookNode
        As nbformat reads it, version 4.

    Returns
    -------
    list of dict
        The records: id, text, values, formats, headline, alert.
    """
    outputs = (output for cell in notebook.cells for output in cell.get("outputs", []))
    return [dict(output["data"][MIME]) for output in outputs if MIME in output.get("data", {})]


def printable(text: str) -> str:
    """Replace the characters that a page cannot carry, so that what is left is shown and stored unchanged.

    Parameters
    ----------
    text : str
        Any text, also from a bank's customers.

    Returns
    -------
    str
        The text with line ends as line feeds and U+FFFD for control characters and lone surrogates.
    """
    return UNPRINTABLE.sub("\ufffd", text.replace("\r\n", "\n").replace("\r", "\n"))


def _plain(value: object, where: str) -> object:
    """Turn numpy's and pandas' scalars into Python's, and every kind of missing into None."""
    if isinstance(value, np.datetime64 | np.timedelta64):
        value = pd.Timestamp(value) if isinstance(value, np.datetime64) else pd.Timedelta(value)
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, int | dt.date | Hidden):
        return value
    if isinstance(value, float | Decimal):
        return value if math.isfinite(value) else None
    if isinstance(value, str):
        return printable(value)
    raise TypeError(f"{where} is a {type(value).__name__}; a finding takes numbers, strings and dates")


def _json(value: object) -> object:
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, Hidden):
        return None
    return value.isoformat() if isinstance(value, dt.date) else value


def _parts(template: str, values: dict[str, object], id: str) -> Iterator[tuple[str, str | None, str]]:
    """Yield (text, value name or None, format spec) piece by piece; what differs in a sentence reads differently."""
    alike: dict[str, list[float]] = {}
    for _, name, spec, _ in string.Formatter().parse(template):
        if name and isinstance(values.get(name), float) and _DECIMALS.fullmatch(spec):
            alike.setdefault(spec, []).append(values[name])
    finer = {spec: apart(numbers, spec) for spec, numbers in alike.items() if len(numbers) > 1}
    for literal, name, spec, conversion in string.Formatter().parse(template):
        yield printable(literal), None, ""
        if name is None:
            continue
        if name not in values:
            known = ", ".join(values) or "no values"
            raise ValueError(f"finding {id}: the sentence names {{{name}}}, given are {known}")
        if conversion or "{" in spec:
            raise ValueError(f"finding {id}: {{{name}}} takes a plain format, as in {{{name}:.1%}}")
        if "|" in spec:
            yield spec.split("|")[values[name] != 1], None, ""
            continue
        spec = finer.get(spec, spec)
        yield _formatted(values[name], spec, f"finding {id}: {name}"), name, spec


def _formatted(value: object, spec: str, where: str) -> str:
    if value is None:
        return MISSING
    try:
        return formatted(value, spec)
    except ValueError as error:
        raise ValueError(f"{where}={value!r} does not fit the format {spec!r}") from error


def _html(part: str, value: object, name: str | None) -> str:
    """Escape a piece; numbers and dates stand out, and a string cannot turn the direction of what follows it."""
    text = html.escape(part)
    if name is None:
        return text
    return f"<bdi>{text}</bdi>" if isinstance(value, str) else f"<strong>{text}</strong>"
