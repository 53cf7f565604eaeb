"""Reasons: why a model gives a row its risk, in words that a relationship manager can use.

Predictors of one theme are one reason, so that the same thing is not said three times; a theme speaks through its
predictor that raises the risk most. Only what raises the risk is a reason. Themes and words are read from
`data/reasons.yml`; predictors that it does not know are said by their names and put together by correlation.
"""

from __future__ import annotations

import re
import string
from collections.abc import Collection, Hashable
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from bankmine.errors import BankmineError
from bankmine.judging.contributions import Contributions, by_theme
from bankmine.judging.intervals import wilson
from bankmine.registers import entries, read_yaml
from bankmine.workspace import WORKSPACE

REGISTRY = WORKSPACE / "data" / "reasons.yml"
OTHER = "other"
"""What the ids of themes that are not in the dictionary begin with, so that none is taken for one that is."""
_WINDOW = "window"
_SAME = 0.7
"""Absolute rank correlation, on average, from which predictors that no pattern matches are one theme."""


@dataclass(frozen=True)
class Theme:
    """What reasons are about."""

    id: str
    name: str
    name_zh: str
    owner: str
    definition: str


@dataclass(frozen=True)
class Reason:
    """Words for some predictors."""

    id: str
    theme: str
    columns: list[str]
    """Patterns of their names."""
    high: str
    low: str
    missing: str = ""

    def match(self, name: str) -> dict[str, str] | None:
        """Return what the braces of a pattern stand for in a name, None where no pattern matches."""
        found = (re.fullmatch(_expression(pattern), name) for pattern in self.columns)
        return next((m.groupdict() for m in found if m), None)


@dataclass(frozen=True)
class Dictionary:
    """Themes by id, and reasons in the order in which they are tried."""

    themes: dict[str, Theme]
    reasons: list[Reason]


@dataclass(frozen=True)
class Spoken:
    """How values of one predictor are said."""

    name: str
    high: str
    low: str
    missing: str
    parts: dict[str, str]
    """What stands in braces in the pattern that matched."""

    def say(self, value: object, typical: float | None) -> str:
        """Say a value; `typical` is the median of the rows, None for a category."""
        if pd.isna(value):
            return self.missing.format(**self.parts, name=self.name)
        words = self.high if typical is None or value > typical else self.low
        owed = {} if typical is None else {"owed": 0 - value, "typical_owed": 0 - typical}
        return _counted(words.format(**self.parts, **owed, name=self.name, value=value, typical=typical))


def _counted(words: str) -> str:
    """Say "1 day" for "1 days", and "within the last day" for "0 days ago", also where this is the first time."""
    words = re.sub(r"(?<![\d.,])0 days ago", "within the last day", words)
    return re.sub(r"(?<![\d.,])1 (day|hour|month|payment)s\b", r"1 \1", words)


def load_reasons(file: Path = REGISTRY) -> Dictionary:
    """Read the dictionary; refused where words use what their pattern does not have, or a theme is not there."""
    told = read_yaml(file)
    if not isinstance(told, dict) or set(told) != {f.name for f in fields(Dictionary)}:
        raise BankmineError(f"{file} must have two parts: themes and reasons.")
    themes = {t.id: t for t in entries(told["themes"], Theme, file, "themes")}
    reasons = entries(told["reasons"], Reason, file, "reasons")
    for reason in reasons:
        if reason.theme not in themes:
            raise BankmineError(f"{file}: reason {reason.id} has theme {reason.theme!r}, which is not there.")
        _check_words(reason, file)
    return Dictionary(themes, reasons)


def themes_of(predictors: pd.DataFrame, importance: pd.Series, dictionary: Dictionary) -> pd.DataFrame:
    """Give every predictor a theme: `theme`, `name`, `name_zh`, in the order of `importance`.

    Those that the dictionary does not know are put together by correlation and named after the most important.
    """
    known = {c: r.theme for c in importance.index if (r := _reason(c, dictionary))}
    rows = {c: (t, dictionary.themes[t].name, dictionary.themes[t].name_zh) for c, t in known.items()}
    rest = [c for c in importance.index if c not in known]
    for together in _correlated(predictors[rest]):
        strongest = importance[together].idxmax()
        rows |= dict.fromkeys(together, (f"{OTHER}: {strongest}", readable(strongest), readable(strongest)))
    ordered = [rows[c] for c in importance.index]
    return pd.DataFrame(ordered, columns=["theme", "name", "name_zh"], index=importance.index)


def spoken(name: Hashable, values: pd.Series, dictionary: Dictionary) -> Spoken:
    """Return how values of a predictor are said."""
    reason, said = _reason(name, dictionary), readable(name)
    number = is_numeric_dtype(values.dtype) and not is_bool_dtype(values.dtype)
    if reason and number:
        parts = {part: word.replace("_", " ") for part, word in reason.match(str(name)).items()}
        return Spoken(said, reason.high, reason.low, reason.missing or "{name} not known", parts)
    if is_bool_dtype(values.dtype):
        return Spoken(said, "{name}: yes", "{name}: no", "{name} not known", {})
    if not number:
        return Spoken(said, "{name}: {value}", "", "{name} not known", {})
    digits = ":,.0f" if values.abs().median() >= 100 else ":.3g"
    words = f"{{name}} {{value{digits}}} (typical {{typical{digits}}})"
    return Spoken(said, words, words, "{name} not known", {})


def readable(name: Hashable) -> str:
    """Write the name of a predictor as words: `fee_share_90d` becomes "fee share (90 days)"."""
    words = re.sub(r"_(\d+)d$", r" (\1 days)", str(name))
    return words.replace("_", " ").strip() or "(no name)"


def _reason(name: Hashable, dictionary: Dictionary) -> Reason | None:
    return next((r for r in dictionary.reasons if r.match(str(name)) is not None), None)


def _expression(pattern: str) -> str:
    """Turn a pattern into a regular expression."""
    parts = re.split(r"\{(\w+)\}", pattern)
    groups = [rf"(?P<{part}>{r'[0-9]+' if part == _WINDOW else '.+?'})" for part in parts[1::2]]
    fixed = [re.escape(part) for part in parts[::2]]
    return "".join(a + b for a, b in zip(fixed, [*groups, ""], strict=True))


def _check_words(reason: Reason, file: Path) -> None:
    """Try the words of a reason on made-up values."""
    for pattern in reason.columns:
        parts = dict.fromkeys([*re.findall(r"\{(\w+)\}", pattern), "name"], "1")
        numbers = parts | dict.fromkeys(("value", "typical", "owed", "typical_owed"), 1.0)
        for words, given in ((reason.high, numbers), (reason.low, numbers), (reason.missing, parts)):
            if wrong := wrong_with(words, given):
                raise BankmineError(f"{file}: reason {reason.id} cannot say {words!r}: {wrong}.")


def wrong_with(words: str, given: dict[str, object]) -> str:
    """Say why words cannot be filled with what is given; "" if they can."""
    try:
        parsed = [(field, spec) for _, field, spec, _ in string.Formatter().parse(words) if field is not None]
        if wide := [spec for _, spec in parsed if not re.fullmatch(r"\D*\d{0,2}\D*\d{0,2}\D*", spec)]:
            return f"{wide[0][:20]!r} is no format for a number in a sentence"  # it may fill the memory
        asked = [field for field, _ in parsed]
        if unknown := [field for field in asked if field not in given]:
            return f"{{{unknown[0]}}} is not there"
        words.format(**given)
    except ValueError as error:
        return str(error)
    return ""


def _correlated(predictors: pd.DataFrame) -> list[list[Hashable]]:
    """Put together the numbers that rank rows alike (average linkage on 1 − |rank correlation|); words stay alone."""
    numbers = [c for c, kind in predictors.dtypes.items() if is_numeric_dtype(kind)]
    alone = [[c] for c in predictors.columns if c not in numbers]
    if len(numbers) < 2:
        return alone + [[c] for c in numbers]
    ranks = predictors[numbers].astype(float).rank()
    centred = (ranks - ranks.mean()).fillna(0.0).to_numpy()
    length = np.linalg.norm(centred, axis=0)
    unit = centred / np.where(length > 0, length, 1.0)
    distance = (1 - np.abs(unit.T @ unit)).clip(0, 1)
    np.fill_diagonal(distance, 0.0)
    group = fcluster(linkage(squareform(distance, checks=False), "average"), 1 - _SAME, "distance")
    return alone + [list(c) for _, c in pd.Series(numbers, dtype=object).groupby(group)]


LEAST = 0.05
"""Log-odds below which nothing is a reason: it changes the odds by less than 5 %."""


def reasons(
    found: Contributions, predictors: pd.DataFrame, dictionary: Dictionary, k: int = 3, typical: pd.Series | None = None
) -> pd.DataFrame:
    """Say for each row what raises its risk most: at most `k` themes, each raising the odds by 5 % or more.

    One row a reason, with the index of its row: `rank` (from 1), `theme` (id), `name`, `name_zh`, the `predictor` that
    speaks, `push` (log-odds that the theme adds) and `words`. Whether a value is high or low is told by the median of
    `predictors`, or by `typical` where these are only some of the rows that are scored. A theme is told only where one
    of its predictors raises the risk by a value outside the middle half of the rows, or by one that has no order.
    """
    themes = themes_of(predictors, found.pushes.abs().mean(), dictionary)
    push = by_theme(found.pushes, themes["theme"])
    # who speaks must be out of the ordinary: "8 of 90 days (typical 7)" is no reason that anybody can use
    told = found.pushes
    if typical is None:
        told = told.where(_unusual(predictors[told.columns]), -np.inf)
    speaker = _speakers(told, themes["theme"])
    silent = np.take_along_axis(told.to_numpy(), speaker, axis=1) <= 0
    size = np.where(silent, -np.inf, push.to_numpy())
    order = np.argsort(-size, axis=1, kind="stable")[:, :k]
    pushes = np.take_along_axis(size, order, axis=1)
    row, rank = np.nonzero(pushes >= LEAST)
    theme = order[row, rank]
    column = speaker[row, theme]
    names = themes.drop_duplicates("theme").set_index("theme").loc[push.columns[theme]]
    middle = {} if typical is None else typical.to_dict()
    words = _words(predictors[found.pushes.columns], row, column, dictionary, middle)
    return pd.DataFrame(
        {"rank": rank + 1, "theme": push.columns[theme], "name": names["name"].to_numpy(),
         "name_zh": names["name_zh"].to_numpy(), "predictor": found.pushes.columns[column],
         "push": pushes[row, rank], "words": words},
        index=found.pushes.index[row],
    )  # fmt: skip


def in_one_line(told: pd.DataFrame, rows: pd.Index, *, sized: bool = False) -> pd.Series:
    """Join the reasons of each row, "" where there is none; with the theme's name and its size in odds, if `sized`."""
    lines = _lines(told, sized=sized).groupby(level=0, sort=False).agg("; ".join)
    return lines.reindex(rows, fill_value="").rename("reasons")


def _lines(told: pd.DataFrame, *, sized: bool) -> pd.Series:
    words = told["words"]
    return told["name"] + " (odds × " + np.exp(told["push"]).map("{:.1f}".format) + "): " + words if sized else words


def strongest(told: pd.DataFrame, rows: pd.Index, but: Collection[str] = (), *, sized: bool = False) -> pd.DataFrame:
    """Return `theme` and `line` of what raises the risk of each row most, of `but` only where there is no other.

    Lines are as of `in_one_line`; both are missing where there is no reason.
    """
    own = told.assign(last=told["theme"].isin(but), line=_lines(told, sized=sized))
    first = own.sort_values(["last", "rank"], kind="stable").groupby(level=0)[["theme", "line"]].first()
    return first.reindex(rows)


def top_themes(told: pd.DataFrame, alerted: pd.Index) -> pd.DataFrame:
    """Count the reasons of the rows on a list, from `reasons`, the most frequent theme first.

    `rows` of which a theme is a reason, their `share` of the list with `low`, `high` (95 %), `first`: share of which it
    is the first reason, and an `example`.
    """
    listed = told[told.index.isin(alerted)]
    table = listed.groupby(["theme", "name", "name_zh"], sort=False, as_index=False).agg(
        rows=("rank", "size"), first=("rank", lambda rank: (rank == 1).sum() / len(alerted)), example=("words", "first")
    )
    table["share"] = table["rows"] / max(len(alerted), 1)
    table[["low", "high"]] = [wilson(n, len(alerted)) for n in table["rows"]] or np.empty((0, 2))
    table = table.sort_values(["rows", "theme"], ascending=[False, True]).reset_index(drop=True)
    return table[["theme", "name", "name_zh", "rows", "share", "low", "high", "first", "example"]]


def _unusual(predictors: pd.DataFrame) -> np.ndarray:
    """Say of each value whether it is outside the middle half of its column; words and what is missing always are."""
    unusual = np.ones(predictors.shape, dtype=bool)
    for position, (_, values) in enumerate(predictors.items()):
        if is_numeric_dtype(values.dtype):
            numbers = values.to_numpy(float, na_value=np.nan)
            known = numbers[~np.isnan(numbers)]
            low, high = np.quantile(known, [0.25, 0.75]) if len(known) else (np.nan, np.nan)
            unusual[:, position] = ~((numbers >= low) & (numbers <= high))
    return unusual


def _speakers(values: pd.DataFrame, themes: pd.Series) -> np.ndarray:
    """Return for each row and theme the position of the predictor that adds most, shape (rows, themes)."""
    matrix, theme = values.to_numpy(), themes.to_numpy()
    positions = [np.flatnonzero(theme == name) for name in themes.unique()]
    return np.column_stack([p[matrix[:, p].argmax(axis=1)] for p in positions])


def _words(
    predictors: pd.DataFrame, row: np.ndarray, column: np.ndarray, dictionary: Dictionary, middle: dict[Hashable, float]
) -> list[str]:
    """Say the values of some cells."""
    words = np.empty(len(row), dtype=object)
    for position in np.unique(column):
        values = predictors.iloc[:, position]
        here = np.flatnonzero(column == position)
        words[here] = _said(predictors.columns[position], values, values.iloc[row[here]], dictionary, middle)
    return list(words)


def _said(
    name: Hashable, values: pd.Series, told: pd.Series, dictionary: Dictionary, middle: dict[Hashable, float]
) -> list[str]:
    how = spoken(name, values, dictionary)
    if not is_numeric_dtype(values.dtype):
        return [how.say(value, None) for value in told]
    typical = 0.5 if is_bool_dtype(values.dtype) else middle.get(name, float(values.astype(float).median()))
    return [how.say(value, typical) for value in told.astype(float)]
