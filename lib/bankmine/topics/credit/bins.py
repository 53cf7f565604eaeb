"""Binning: what a scorecard makes of a characteristic: bins whose risk does not turn, and their weight of evidence.

Bins are found by optbinning (Navas-Palencia, "Optimal binning: mathematical programming formulation", arXiv:2001.08025,
2020): a tree proposes, and constraint programming joins neighbours so that the information value is highest while the
bad rate moves one way. Missing values have a bin of their own, and so have codes, as 98 of a count of payments, which
lie beyond a gap; rare categories share one with those that come up later.
"""

from __future__ import annotations

import itertools
from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from optbinning import OptimalBinning
from pandas.api.types import is_bool_dtype, is_numeric_dtype
from scipy.special import chndtr, chndtrinc
from scipy.stats import chi2

from bankmine.errors import BankmineError
from bankmine.judging.intervals import CONFIDENCE
from bankmine.learning.encoding import RARE

NUMBER, FLAG, WORDS = "number", "flag", "words"
TRENDS = {"rising": "ascending", "falling": "descending", "valley": "valley_heuristic", "peak": "peak_heuristic"}
"""How risk may move with a number, and what optbinning calls it."""
MISSING, OTHER = "missing", "other or new"
_EITHER_WAY = "auto_asc_desc"
_SMALLEST, _AT_LEAST, _RARER = 0.05, 0.01, 25
"""Least share of the known values in each bin (Siddiqi, Credit Risk Scorecards, 2006, chapter 6); less, down to a
hundredth, where so small a share holds as many rows of the rarer outcome."""
_FULL, _PREBINS = 0.6, 30
"""Bins that the tree proposes, as part of those that there could be, and at most."""
_CODES = 3
"""Different codes at either end of a number, at most."""
_LEVEL = 1e-9
"""Difference of weights of evidence below which neighbouring bins are of the same risk."""
_FREEDOM = (6, 7)
"""Degrees of freedom of the binning of a number, of the most bins the latter. By simulation: with bins chosen for it,
what is noise reaches the information value that chi-square of about as many reaches in one case of twenty."""
_DRAWN_BY = 20
"""Rows at the mean rate that count beside those of the bins of missing and of rare values, which may hold few."""
_LARGEST = 1e30
"""Limit of what is kept of a number, since trees compute in single precision."""
_TENS = 15
"""Digits before and after the point that edges are rounded to."""


@dataclass(frozen=True)
class Bins:
    """Bins of one characteristic: of values, then of what is missing and, of words, of rare and new categories."""

    name: Hashable
    """Of the predictor."""
    kind: str
    """`number`, `flag` or `words`."""
    edges: np.ndarray
    """Of numbers and flags: bin i holds values from edge i − 1 on and below edge i."""
    groups: tuple[tuple[str, ...], ...]
    """Of words: the categories of each bin."""
    good: np.ndarray
    """Training rows without the event, in each bin."""
    bad: np.ndarray
    """Training rows with the event, in each bin."""
    freedom: int
    """What the binning could choose from, as degrees of freedom; at least 1."""
    codes: tuple[int, int] = (0, 0)
    """Bins of a number, below and above the others, that hold codes: risk does not move along with these."""
    told: bool = False
    """Whether it is told by the applicant: then a blank speaks for nobody, or who had better say nothing would."""

    @property
    def missing(self) -> int:
        """Position of the bin of missing values, which is the number of bins of values."""
        return len(self.groups) if self.kind == WORDS else len(self.edges) + 1

    @property
    def woe(self) -> np.ndarray:
        """Weight of evidence of each bin: logarithm of its share of the good over its share of the bad."""
        rows, parts = self.good + self.bad, []
        drawn = np.where((np.arange(len(rows)) >= self.missing) | (self.good * self.bad == 0), _DRAWN_BY, 0)
        for part in (self.good, self.bad):
            parts.append((part + drawn * part.sum() / rows.sum()) / part.sum())
        found = np.log(parts[0] / parts[1])
        if self.told:
            found[self.missing] = min(found[self.missing], 0.0)
        return found

    @property
    def value(self) -> float:
        """Information value: how far good and bad lie apart (Kullback and Leibler's divergence, both ways)."""
        return float(((self.good / self.good.sum() - self.bad / self.bad.sum()) * self.woe).sum())

    @property
    def unit(self) -> float:
        """Information value that noise reaches for each degree of freedom: 1 / good + 1 / bad."""
        return 1 / self.good.sum() + 1 / self.bad.sum()

    @property
    def by_chance(self) -> float:
        """Information value that noise reaches in one case of twenty, with as many rows and as much to choose from."""
        return float(chi2.ppf(CONFIDENCE, self.freedom) * self.unit)

    @property
    def value_interval(self) -> tuple[float, float]:
        """Interval of 95 % of the information value, less what the binning found in noise.

        Value / unit is about a noncentral chi-square, whose noncentrality is the true value / unit.
        """
        found, tail = self.value / self.unit, (1 - CONFIDENCE) / 2
        ends = ((chndtr(found, self.freedom, 0.0) > p, p) for p in (1 - tail, tail))
        low, high = (float(chndtrinc(found, self.freedom, p)) * self.unit if there else 0.0 for there, p in ends)
        return low, high

    @property
    def labels(self) -> list[str]:
        """The bins in words."""
        if self.kind == WORDS:
            return [*(", ".join(group) for group in self.groups), MISSING, OTHER]
        if self.kind == FLAG and len(self.edges):
            return ["no", "yes", MISSING]
        return [*_ranges(self.edges), MISSING]

    @property
    def trend(self) -> str:
        """How risk moves with a number: one of `TRENDS`, or "" where there is nothing to move over."""
        steps = np.diff(self.woe[self.codes[0] : self.missing - self.codes[1]])
        steps = np.sign(steps[np.abs(steps) > _LEVEL])
        if self.kind == WORDS or not len(steps):
            return ""
        if len(set(steps)) == 1:
            return "falling" if steps[0] > 0 else "rising"
        return "valley" if steps[0] > 0 else "peak"

    def positions(self, values: pd.Series) -> np.ndarray:
        """Return the bin of each value; an error where these are words and numbers were learnt from, or vice versa."""
        if (self.kind == WORDS) == is_numeric_dtype(values.dtype):
            told = "words" if self.kind == WORDS else "a number"
            raise BankmineError(f"The scorecard was fitted with {self.name!r} as {told}, which it is not any more.")
        if self.kind != WORDS:
            known = _numbers(values)
            return np.where(np.isnan(known), self.missing, np.digitize(known, self.edges))
        code, categories = _codes(values)
        bin_of = {category: i for i, group in enumerate(self.groups) for category in group}
        return np.array([*(bin_of.get(c, self.missing + 1) for c in categories), self.missing])[code]


def fit_bins(values: pd.Series, bad: np.ndarray, trend: str | None = None, told: bool = False) -> Bins:
    """Find the bins of one characteristic from training rows of both outcomes; an infinite number counts as missing.

    Where no trend (one of `TRENDS`) is given, risk rises or falls with a number, whichever tells more. `told` is of
    `Bins`.
    """
    kind = FLAG if is_bool_dtype(values.dtype) else NUMBER if is_numeric_dtype(values.dtype) else WORDS
    bad, edges, groups, codes = np.asarray(bad, dtype=int), np.empty(0), (), (0, 0)
    if kind == WORDS:
        groups, freedom = _of_words(values, bad)
    else:
        edges, freedom, codes = _of_numbers(_numbers(values), bad, TRENDS[trend] if trend else _EITHER_WAY)
    none = np.empty(0)
    place = Bins(values.name, kind, edges, groups, none, none, freedom).positions(values)
    size = len(groups) + 2 if kind == WORDS else len(edges) + 2
    good, events = (np.bincount(place, weights=part, minlength=size) for part in (1 - bad, bad))
    return Bins(values.name, kind, edges, groups, good, events, freedom, codes, told)


def _of_numbers(values: np.ndarray, bad: np.ndarray, trend: str) -> tuple[np.ndarray, int, tuple[int, int]]:
    """Return edges, degrees of freedom, and bins of codes below and above."""
    known = ~np.isnan(values)
    distinct, rows = np.unique(values[known], return_counts=True)
    freedom = min(_FREEDOM[_proposed(bad)[1] == _PREBINS], max(len(distinct) - 1, 1)) + int(not known.all())
    if len(distinct) < 2:
        return np.empty(0), freedom, (0, 0)
    first, last = _codes_above(-distinct[::-1], rows[::-1]), len(distinct) - _codes_above(distinct, rows)
    codes = int(first > 0), int(last < len(distinct))
    here = known & (values >= distinct[first]) & (values <= distinct[last - 1])
    found = _optimal("numerical", trend, bad[here]).fit(values[here].clip(-_LARGEST, _LARGEST), bad[here]).splits
    edges = [distinct[first]] * codes[0] + list(found) + [distinct[last - 1 + codes[1]]] * codes[1]
    return np.array([_short(edge, distinct) for edge in edges]), freedom + sum(codes), codes


def _codes_above(distinct: np.ndarray, rows: np.ndarray) -> int:
    """Count the highest values that are codes: a gap parts them from the others that is wider than those all together.

    A single row of such a value is an outlier, many are somebody's way of saying what a number cannot.
    """
    for count in range(1, min(_CODES, len(distinct) - 3) + 1):
        rest = distinct[:-count]
        if distinct[-count] - rest[-1] > rest[-1] - rest[0] and rows[-count:].sum() >= RARE:
            return count
    return 0


def _of_words(values: pd.Series, bad: np.ndarray) -> tuple[tuple[tuple[str, ...], ...], int]:
    """Return the categories of each bin and degrees of freedom."""
    code, categories = _codes(values)
    often = np.flatnonzero(np.bincount(code[code >= 0], minlength=len(categories)) >= RARE)
    here = np.isin(code, often)
    apart = int((code < 0).any()) + int((~here & (code >= 0)).any())
    freedom = max(len(often) + apart - 1, 1)
    if len(often) < 2:
        return tuple((categories[i],) for i in often), freedom
    found = _optimal("categorical", _EITHER_WAY, bad[here]).fit(code[here], bad[here]).splits
    return tuple(tuple(categories[int(i)] for i in sorted(group)) for group in found), freedom


def _optimal(kind: str, trend: str, bad: np.ndarray) -> OptimalBinning:
    share, most = _proposed(bad)
    # a seed for the tree that proposes, although of one column it has nothing to draw
    return OptimalBinning(
        dtype=kind, monotonic_trend=trend, max_n_prebins=most, min_prebin_size=share, random_state=0,
    )  # fmt: skip


def _proposed(bad: np.ndarray) -> tuple[float, int]:
    """Return the least share of a bin, and how many bins the tree proposes: the more, the more the data carry."""
    share = float(np.clip(_RARER / max(min(bad.sum(), (1 - bad).sum()), 1), _AT_LEAST, _SMALLEST))
    return share, min(round(_FULL / share), _PREBINS)


def _short(edge: float, distinct: np.ndarray) -> float:
    """Round an edge up as far as it still parts the same values, as 8.5 to 9 where values are whole."""
    above = int(np.searchsorted(distinct, edge).clip(1, len(distinct) - 1))
    low, high = distinct[above - 1], distinct[above]
    rounded = (np.ceil(edge / 10.0**n) * 10.0**n for n in range(_TENS, 0, -1))
    decimal = (np.ceil(edge * 10.0**n) / 10.0**n for n in range(_TENS))
    return next((float(e) for e in (*rounded, *decimal) if low < e <= high), float(edge))


def _ranges(edges: np.ndarray) -> list[str]:
    if not len(edges):
        return ["any value"]
    told = [f"{edge:,.15g}" for edge in edges]
    between = [f"{low} to below {high}" for low, high in itertools.pairwise(told)]
    return [f"below {told[0]}", *between, f"{told[-1]} and more"]


def _numbers(values: pd.Series) -> np.ndarray:
    known = values.astype(np.float64).to_numpy(copy=True)
    known[~np.isfinite(known)] = np.nan
    return known


def _codes(values: pd.Series) -> tuple[np.ndarray, list[str]]:
    """Return the number of each value's category, −1 where it is missing, and the categories as text."""
    found = pd.Categorical(values)
    return found.codes.astype(int), [str(c) for c in found.categories]


# --- turning: numbers whose risk goes down and up again, or up and down: bins of one direction lose what they tell.
# A scorecard does not turn by itself, as what turns can be noise or an accident of whom the bank accepted. Where it is
# seen here and those who lend can say why, `data/credit_directions.yml` may say so.

_FREEDOM_OF_A_TURN = (10, 13)
"""Degrees of freedom that a turn adds, of the most bins the latter. By simulation: of noise, bins that may turn tell
more by as much as chi-square of so many in one case of twenty."""


def nonmonotone(predictors: pd.DataFrame, target: np.ndarray, bins: dict[Hashable, Bins]) -> pd.DataFrame:
    """Compare bins of one direction with bins that may turn once, of each number; the largest loss first.

    Of numbers with three different values or more whose bins go one way: `turned` is `valley` or `peak`, `by_chance`
    what a turn gains where there is none, and `turns` whether it gains more than that.
    """
    rows, freedom = [], _FREEDOM_OF_A_TURN[_proposed(target)[1] == _PREBINS]
    for name, found in bins.items():
        if found.kind == NUMBER and found.trend not in ("valley", "peak") and predictors[name].nunique() > 2:
            turned = max(
                (fit_bins(predictors[name], target, t, found.told) for t in ("valley", "peak")), key=lambda b: b.value
            )
            chance = chi2.ppf(CONFIDENCE, freedom) * found.unit
            gain = turned.value - found.value
            rows.append((name, found.trend, turned.trend, found.value, turned.value, chance, gain > chance))
    columns = ["predictor", "trend", "turned", "iv", "iv_turned", "by_chance", "turns"]
    table = pd.DataFrame(rows, columns=columns).set_index("predictor")
    return table.loc[(table["iv"] - table["iv_turned"]).sort_values(kind="stable").index]
