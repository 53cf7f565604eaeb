"""Earlier lists: what reports of earlier days handed on, held against what has become of it since.

A list is read as hostile: one that is damaged, or is of other columns or another day, is set aside and told, and the
others are judged. Whether people did what a list says no file tells.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from bankmine.errors import BankmineError, told
from bankmine.judging.intervals import shown, wilson_clustered, with_interval
from bankmine.lacking import Lacking
from bankmine.privacy.sealing import read_sealed

Finder = Callable[[str, object], Mapping[str, Path | str]]
"""As of `report.handed_on.earlier_lists`."""
_MOST = 20_000_000
"""Rows of a list that are read; no bank's people work through more."""
_AS_OF = "as_of"
_FITS: dict[type, Callable[[pa.DataType], bool]] = {
    str: lambda t: pa.types.is_string(t) or pa.types.is_large_string(t) or pa.types.is_integer(t),
    bool: pa.types.is_boolean,
    float: lambda t: pa.types.is_floating(t) or pa.types.is_integer(t),
    pd.Timestamp: lambda t: pa.types.is_timestamp(t) or pa.types.is_date(t),
}


@dataclass(frozen=True)
class Became:
    """What became of the rows of a list."""

    acted: pd.Series
    """Whether the list says to act on a row."""
    event: pd.Series
    """Whether a row has had the event; missing where nobody can tell, as of a customer who is not there any more."""
    chance: pd.Series
    """Of the event, as the list says; missing where it says none."""
    entity: pd.Series
    """Whose row it is."""
    known_on: pd.Timestamp
    """Day from which all is known; before it, `event` is what has come so far."""


def read(file: Path, day: datetime.date, columns: Mapping[str, type]) -> pd.DataFrame:
    """Read the list of a day: column -> `str`, `bool`, `float` or `pd.Timestamp`; an error says what is wrong with it.

    Only numbers and times may be missing; the others are keys, or say what is to be done.
    """
    with told("it cannot be read"), pq.ParquetFile(pa.BufferReader(read_sealed(file))) as opened:
        there, rows = opened.schema_arrow, opened.metadata.num_rows
        if rows > _MOST:
            raise BankmineError(f"it has {rows:,} rows")
        if lacking := [name for name in (*columns, _AS_OF) if there.get_field_index(name) < 0]:
            raise BankmineError(f"it has no column {lacking[0]}, or several")
        if wrong := [name for name, kind in columns.items() if not _FITS[kind](there.field(name).type)]:
            raise BankmineError(f"its column {wrong[0]} is {there.field(wrong[0]).type}")
        table = opened.read([*columns, _AS_OF])
        table.validate(full=True)
        found = table.to_pandas()
        days = pd.to_datetime(found.pop(_AS_OF)).dt.date
        if not days.eq(day).all():
            raise BankmineError(f"its rows are of {days[days != day].iloc[0]}")
        if found[[name for name, kind in columns.items() if kind in (bool, str)]].isna().any(axis=None):
            raise BankmineError("it has rows without a key")
        return found[list(columns)].astype({n: k for n, k in columns.items() if k is not pd.Timestamp})


@dataclass(frozen=True)
class EarlierLists:
    """Lists of earlier days, judged; `doing` and `event` say in words what the list asks for and what it foretells."""

    judged: pd.DataFrame
    """Indexed by `day` and `acted`: `rows`, `known` of them, `events`, `share` with `low` and `high`, events `foretold`
    (missing where the list says no chance), and `known_on`, the day from which all is known."""
    aside: dict[str, str]
    """Day -> why its list cannot be used."""
    as_of: pd.Timestamp
    acted: str
    others: str
    event: str
    so_far: str

    @cached_property
    def day(self) -> pd.Timestamp:
        """Of the newest list of which all is known; of the newest where there is none."""
        days = self.judged.index.get_level_values("day")
        over = days[self.judged["known_on"] <= self.as_of]
        return (over if len(over) else days).max()

    @property
    def headline(self) -> dict[str, object] | Lacking:
        """What became of the list of `day`, for a finding.

        `acted` rows, of which `events` were to come true by `event` in words: `share`, `low`, `high`; `foretold`; the
        same of `others` with `others_` before the name.
        """
        if not len(self.judged):
            return Lacking(
                "no earlier list can be read" if self.aside else "no earlier list is here; later reports judge this one"
            )
        own, others = (self.judged.loc[(self.day, acted)] for acted in (True, False))
        counted = ["events", "share", "low", "high"]
        if not own["known"]:
            return Lacking(f"what became of the list of {self.day:%Y-%m-%d} is known on {own['known_on']:%Y-%m-%d}")
        facts = {**own[[*counted, "foretold"]], **others[counted].add_prefix("others_")}
        over = own["known_on"] <= self.as_of
        words = self.event if over else f"{self.so_far} (all is known on {own['known_on']:%Y-%m-%d})"
        return facts | {"acted": own["known"], "others": others["known"], "day": self.day.date(), "event": words}

    @property
    def set_aside(self) -> dict[str, object] | None:
        """How many lists cannot be used (`count`), and `which` and why; None where there is none."""
        which = "; ".join(f"{day}: {why}" for day, why in self.aside.items())
        return {"count": len(self.aside), "which": which} if self.aside else None

    @property
    def table(self) -> pd.DataFrame | Lacking:
        """All lists, the newest first, for a page."""
        if not len(self.judged):
            return self.headline
        rows = self.judged.reset_index().sort_values(["day", "acted"], ascending=False, kind="stable")
        over = (rows["known_on"] <= self.as_of).map({True: "since ", False: "so far; all on "})
        part = rows["acted"].map({True: self.acted, False: self.others})
        page = pd.DataFrame({
            "list of": rows["day"].dt.strftime("%Y-%m-%d"), "part": part,
            "rows": rows["known"], self.event: rows["events"], "share": with_interval(rows, "share", ".1%"),
            "foretold": rows["foretold"], "known": over + rows["known_on"].dt.strftime("%Y-%m-%d"),
        })  # fmt: skip
        return shown(page.set_index("list of"), foretold=",.1f", rows=",.0f", **{self.event: ",.0f"})


def judged(
    found: Mapping[str, Path | str], columns: Mapping[str, type],
    became: Callable[[pd.DataFrame, datetime.date], Became], as_of: datetime.date, **words: str,
) -> EarlierLists:  # fmt: skip
    """Judge the lists that were found, by what the topic says `became` of the rows of a list of a day.

    `words` are `acted`, `others`, `event` and `so_far` of `EarlierLists`.
    """
    parts, aside = {}, {}
    for name, file in sorted(found.items()):
        try:
            if isinstance(file, str):
                raise BankmineError(file)
            with told("its folder is of no day"):
                day = datetime.date.fromisoformat(name)
            parts[pd.Timestamp(day)] = _counted(became(read(file, day, columns), day))
        except BankmineError as error:
            aside[name] = str(error)
    table = pd.concat(parts, names=["day"]) if parts else pd.DataFrame()
    return EarlierLists(table, aside, pd.Timestamp(as_of), **words)


def _counted(found: Became) -> pd.DataFrame:
    """Count what came of the rows of one list that are acted on, and of the others."""
    lines = {}
    for acted in (True, False):
        own = found.acted == acted
        known = found.event[own & found.event.notna()].astype(bool)
        low, high = wilson_clustered(known, found.entity[known.index])
        chance = found.chance[known.index]
        lines[acted] = {
            "rows": int(own.sum()), "known": len(known), "events": int(known.sum()),
            "share": known.mean() if len(known) else float("nan"), "low": low, "high": high,
            "foretold": chance.sum() if chance.notna().all() and len(known) else float("nan"),
            "known_on": found.known_on,
        }  # fmt: skip
    return pd.DataFrame.from_dict(lines, "index").rename_axis("acted")
