"""Flat tables: one file or data set with a row for each case and a column that says what became of it.

Nobody can tell of the columns of a foreign table when they became known. So dates after the day of their row are taken
as missing, what the source's own list names as known later is left out, and the rest is the analyst's to judge.
"""

from __future__ import annotations

import datetime
from collections.abc import Collection
from dataclasses import dataclass, field
from html import escape as html_text

import pandas as pd

from bankmine.bank.classified import register_of
from bankmine.bank.flat_columns import column_types
from bankmine.bank.flat_leaks import telling
from bankmine.bank.flat_predictors import SINCE, copies_of, predictors
from bankmine.bank.flat_rows import Rows, costs_of, entity_of, known_rows, refuse_unknown
from bankmine.bank.flat_target import events
from bankmine.bank.form_kinds import BOOLEAN, DATE, NUMBER, Told
from bankmine.bank.pseudonyms import key_of, pseudonymise_flat
from bankmine.bank.readers import read_flat, undamaged
from bankmine.bank.seen import flat_seen
from bankmine.bank.snapshot import SOURCE_MIME
from bankmine.bank.sources import FLAT, Source, find_source, written
from bankmine.bank.used import used
from bankmine.errors import BankmineError, SourceError
from bankmine.privacy import access, audit

_SHOWN = (NUMBER, DATE, BOOLEAN)
"""Kinds of which single values are shown: they hold no names."""
_READABLE = {"value": "{:,}".format}


@dataclass(frozen=True)
class Flat:
    """A flat table as it was known on a day; all parts share one index, the row's position in the table.

    Attributes
    ----------
    source : Source
        Where it comes from.
    fingerprint : str
        Hash of what was read.
    as_of : datetime.date
        Last day of its rows; where rows have no day, that of the source's extraction or of the file.
    predictors : pd.DataFrame
        float64 (missing as NaN), bool or category.
    target : pd.Series
        1.0 where the event happened, 0.0 where it did not, NaN where it is not known.
    event : str
        The event in words, `churned is yes`.
    entity : pd.Series
        Whose row it is; the row's own number where the table has no id.
    day : pd.Series, optional
        Day of each row; None where the table has no time.
    costs : pd.DataFrame, optional
        `tp_cost`, `fp_cost`, `fn_cost`, `tn_cost` of each row, in the source's currency: what it costs to call the row
        an event (positive) or not, where it was one or not; a gain is below zero. None where costs are not told.
    dropped : pd.DataFrame
        `column` and `reason` of what is no predictor.
    remarks : tuple of str
        What else was found, for the reader.
    leaks : pd.DataFrame
        Predictors that alone tell nearly everything of the target: `auc`, and whether it is `kept`, as asked for.
    rows : Rows
        The table itself, for those who need more of it than predictors.
    role, purpose : str
        Who looks, and for what; empty where all is seen by everybody.
    """

    source: Source
    fingerprint: str
    as_of: datetime.date
    predictors: pd.DataFrame
    target: pd.Series
    event: str
    entity: pd.Series
    day: pd.Series | None
    costs: pd.DataFrame | None
    dropped: pd.DataFrame
    remarks: tuple[str, ...]
    leaks: pd.DataFrame
    rows: Rows = field(repr=False)
    role: str = ""
    purpose: str = ""

    @property
    def forms(self) -> pd.DataFrame:
        """How each column is read: `column`, `kind`, `written`, `values`, `fit`, and up to three that do not, `odd`."""
        told = [
            (n, "not read" if f.why else f.kind, f.words, f.rows, f.fits, f.odd if f.kind in _SHOWN else ())
            for n, f in self.rows.forms.items()
        ]
        return pd.DataFrame(told, columns=["column", "kind", "written", "values", "fit", "odd"])

    @property
    def title(self) -> str:
        """Title of the source."""
        return self.source.title

    @property
    def currency(self) -> str:
        """Currency of the costs; '' where it is not told."""
        return self.source.currency

    def overview(self) -> pd.DataFrame:
        """Count rows, events, and columns: what -> `value`."""
        if not self.event:
            return pd.DataFrame({"value": {"rows": len(self.target), "of so many": self.entity.nunique()}})
        counts = {
            "rows": len(self.target), f"rows where {self.event}": int((self.target == 1).sum()),
            "rows where it is not": int((self.target == 0).sum()),
            "rows where the table tells no outcome": int(self.target.isna().sum()),
            "predictors": self.predictors.shape[1], "columns left out": len(self.dropped),
        }  # fmt: skip
        return pd.DataFrame({"value": counts})

    def _repr_mimebundle_(self, **_: object) -> dict:
        view = access.view(self.source.folder, self.role, self.purpose) if self.role else None
        shown = {
            "name": self.source.name, "title": self.title, "currency": self.currency,
            "fingerprint": self.fingerprint, "as_of": str(self.as_of), "rows": {FLAT: len(self.target)},
            "used": used(self.source, {FLAT: self.rows.columns}, None, view),
        }  # fmt: skip
        text = f"{self.title}, as of {self.as_of}"
        tables = [self.overview()] + ([self.dropped.set_index("column")] if len(self.dropped) else [])
        remarks = "".join(f"<p>{html_text(r)}</p>" for r in self.remarks)
        with pd.option_context("display.max_colwidth", None):
            html = [t.to_html(border=0, index_names=False, formatters=_READABLE) for t in tables]
        plain = [t.to_string(index_names=False, formatters=_READABLE) for t in tables]
        return {
            SOURCE_MIME: shown,
            "text/plain": "\n".join([text, *plain, *self.remarks]),
            "text/html": f"<p>{html_text(text)}</p>{''.join(html)}{remarks}",
        }


def is_flat(name: str) -> bool:
    """Tell whether a source is one flat table: a file, or a source that is described as one.

    Raises
    ------
    SourceError
        If there is no such source.
    """
    return find_source(name).flat is not None


def open_flat(
    name: str, target: str = "", positive: str = "", id: str = "", time: str = "", as_of: str | datetime.date = "",
    decimal: str = "", dates: str = "", clock: str = "", encoding: str = "", keep: str = "",
    own: Collection[str] = (), role: str | None = None, purpose: str | None = None,
) -> Flat:  # fmt: skip
    """Read a flat table as supervised analyses need it.

    Parameters
    ----------
    name : str
        Path of a file, or name of a source that is described as a flat table.
    target, id, time : str
        Columns that say what became of a row, whose row it is, and of which day; '' where the source's description
        tells them, or there are none.
    positive : str
        The value of the target that is the event; '' where the values speak for themselves.
    as_of : str or date
        Last day to know: rows of later days are left out. '' for the table's last.
    decimal, dates, clock, encoding : str
        What settles how the file is written where nothing in it does: `.` or `,`; `dmy`, `mdy` or `ymd`; `hours`, where
        the time counts them; `gbk`. '' where the source's description tells it, or nothing has to.
    keep : str
        Columns, with commas between them, that models learn from though they alone tell nearly everything.
    own : collection of str
        Columns that are told with the row by what they are, as the amount of a payment, whatever they tell.
    role, purpose : str, optional
        Who looks, and for what, as of `Bank.as_of`; its columns are `flat.x` in the register.

    Raises
    ------
    SourceError
        If the source cannot be found or read.
    BankmineError
        If there is no such column or value, or nothing can be learnt from the table. The message says what to do.
    """
    asked = {"target": target, "positive": positive, "id": id, "time": time}
    source, fingerprint, rows, who = _opened(name, asked, as_of, (decimal, dates, clock, encoding), role, purpose)
    with undamaged(rows.con, source):
        happened, event = events(rows.texts(rows.roles["target"]), rows.roles["target"], rows.roles["positive"])
        found, reasons, leaks = _predictors(rows, happened, _kept(keep, rows), own)
        dropped = pd.DataFrame(list(reasons.items()), columns=["column", "reason"])
        entity, costs = entity_of(rows), costs_of(rows)
    _told(source, fingerprint, rows, found.shape[1], who)
    parts = found, happened, event, entity, rows.day, costs, dropped, tuple(rows.remarks), leaks, rows
    return Flat(source, fingerprint, rows.as_of, *parts, *who)


def open_unlabelled(
    name: str, id: str = "", time: str = "", as_of: str | datetime.date = "", decimal: str = "", dates: str = "",
    clock: str = "", encoding: str = "", role: str | None = None, purpose: str | None = None,
) -> Flat:  # fmt: skip
    """Read a flat table whose rows have no outcome, as purchases have none; everything is as of `open_flat`.

    Raises
    ------
    SourceError
        If the source cannot be found or read.
    BankmineError
        If there is no such column, or nothing tells whose rows these are, or of which day.
    """
    asked = {"id": id, "time": time}
    source, fingerprint, rows, who = _opened(name, asked, as_of, (decimal, dates, clock, encoding), role, purpose)
    for needed, what in (("id", "tells whose a row is"), ("time", "holds the day of a row")):
        if not rows.roles[needed]:
            raise BankmineError(f"Say which column of {source.title} {what}: {needed}=….")
    with undamaged(rows.con, source):
        entity = entity_of(rows)
    _told(source, fingerprint, rows, 0, who)
    none, dropped = pd.DataFrame(index=entity.index), pd.DataFrame(columns=["column", "reason"])
    leaks = pd.DataFrame({"auc": [], "kept": []}).rename_axis("predictor")
    outcome = pd.Series(float("nan"), entity.index)
    parts = none, outcome, "", entity, rows.day, None, dropped, tuple(rows.remarks), leaks, rows
    return Flat(source, fingerprint, rows.as_of, *parts, *who)


def _opened(
    name: str, asked: dict[str, str], as_of: str | datetime.date, how: tuple[str, str, str, str], role: str | None,
    purpose: str | None,
) -> tuple[Source, str, Rows, tuple[str, str]]:  # fmt: skip
    """Read a source as one role may see it, with the columns that were asked for; `how` is as of `written`."""
    source = find_source(name)
    if source.flat is None:
        raise SourceError(f"Source {source.name} holds the tables of a bank, not one flat table: use open_source.")
    view = access.view(source.folder, role, purpose)
    source = written(source, *how)
    if source.pseudonyms:
        key_of(source)  # refused before anything is opened
    con, fingerprint, notes = read_flat(source)
    asked = {role: notes.names.get(value, value) if role != "positive" else value for role, value in asked.items()}
    told = Told(source.decimal, source.dates, source.missing, bool(source.time_zone), clock=source.clock)
    with undamaged(con, source):
        register_of(source, {FLAT: column_types(con)})
        notes.remarks.extend(pseudonymise_flat(con, source, asked))
        if view is not None:
            flat_seen(con, view, source.title, {**source.flat, **{k: v for k, v in asked.items() if v}})
        rows = known_rows(con, source, asked, as_of, told)
    rows.remarks[:0] = notes.remarks
    return source, fingerprint, rows, ("", "") if view is None else (view.role, view.purpose)


def _told(source: Source, fingerprint: str, rows: Rows, predictors: int, who: tuple[str, str]) -> None:
    """Tell the audit; names of columns are not told: in a file without headings they would be values."""
    counts = {"rows": len(rows.index), "columns": len(rows.columns), "predictors": predictors}
    said = {"tables": {FLAT: counts}, "role": who[0], "purpose": who[1]}
    audit.record("opened", source=source.name, fingerprint=fingerprint, as_of=str(rows.as_of), **said)


def _kept(keep: str, rows: Rows) -> set[str]:
    """Tell which columns are kept whatever they tell: those of the description, and those asked for."""
    asked = [keep] if keep in rows.columns else [name for part in keep.split(",") if (name := part.strip())]
    refuse_unknown(asked, rows.columns, "keep")
    return {*asked, *rows.source.flat.get("keep", [])}


def _predictors(
    rows: Rows, happened: pd.Series, keep: set[str], own: Collection[str]
) -> tuple[pd.DataFrame, dict[str, str], pd.DataFrame]:
    """Read what a model may learn from, tell why each other column is left out, and what alone tells nearly all."""
    later = {name: str(reason) for name, reason in rows.source.flat.get("drop", {}).items()}
    found, reasons, remarks = predictors(rows.con, rows.forms, rows.index, rows.day)
    auc = telling(found.drop(columns=[c for c in own if c in found]), happened)
    kept = [name.removeprefix(SINCE) in keep or name in keep for name in auc.index]
    leaks = pd.DataFrame({"auc": auc, "kept": kept}).rename_axis("predictor")
    known = {n: f"alone it tells nearly everything (AUC {a:.3f}): keep={n.removeprefix(SINCE)} if it was known before"
             for n, a in auc[~leaks["kept"]].items()}  # fmt: skip
    known |= {n: why for n, why in copies_of(happened, found).items() if n not in keep}
    found, reasons = found.drop(columns=list(known)), later | reasons | known
    remarks += [f"{n}: alone it tells nearly everything (AUC {a:.3f}), kept as asked" for n, a in auc[kept].items()]
    if not found.shape[1]:
        why = "".join(f" {name}: {reason}." for name, reason in list(reasons.items())[:3])
        raise BankmineError(f"{rows.source.title} has no column to learn from beside {rows.roles['target']}.{why}")
    rows.remarks.extend(remarks)
    return found, reasons, leaks
