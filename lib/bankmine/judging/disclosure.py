"""Disclosure: groups of so few customers that a page which tells of them tells of persons.

Statistical disclosure control by the rule of a least frequency and by secondary suppression (Hundepool and others,
Statistical Disclosure Control, 2012, chapters 4.2 and 4.4): groups of 1 to `smallest` − 1 customers are merged with
others, or hidden, and with them as many others as keep them from being computed from a total.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from scipy.optimize import linprog

from bankmine.bank.flat import Flat
from bankmine.bank.snapshot import Snapshot
from bankmine.errors import BankmineError
from bankmine.features.population import ALL, MEASURES, STATE
from bankmine.judging.numbers import Hidden
from bankmine.privacy.register import load_register

DOWN, ACROSS = 0, 1
"""Along which of them cells add up to a total that a reader knows."""
WITHHELD = "withheld"
_OR, _UNKNOWN, _SAME = " or ", "unknown", 1e-6


def smallest_group(source: Snapshot | Flat) -> int:
    """Return how many customers a group must have to be told of, by the register of a source."""
    return load_register(source.source.folder).smallest_group


def too_few(counts: pd.Series | pd.DataFrame, smallest: int) -> pd.Series | pd.DataFrame:
    """Tell which groups are of somebody, and of too few."""
    return (counts > 0) & (counts < smallest)


def merged(group: pd.Series, smallest: int, entity: pd.Series | None = None) -> pd.Series:
    """Merge groups of too few customers with others, so that those that are left can be told of, and their total, too.

    Parameters
    ----------
    group : pd.Series
        Label of each row, missing where there is none. Ordered categories are merged with a neighbour, others with the
        next smallest.
    smallest : int
        Customers that a group must have.
    entity : pd.Series, optional
        The customer of each row; each row is one's own without.

    Returns
    -------
    pd.Series
        Labels, those of groups that were merged put together: `divorced or widowed`. The same where none is too small.
    """
    ordered = isinstance(group.dtype, pd.CategoricalDtype) and group.cat.ordered
    found = list(group.cat.categories) if ordered else sorted(group.dropna().unique(), key=str)
    parts = [[label] for label in found if (group == label).any()]
    whose = pd.Series(group.index, group.index) if entity is None else entity
    sizes = [whose[group.isin(part)].nunique() for part in parts]
    while len(parts) > 1 and min(sizes) < smallest:
        few = int(np.argmin(sizes))
        others = [i for i in range(len(parts)) if i != few and (not ordered or abs(i - few) == 1)]
        other = min(others, key=sizes.__getitem__)
        first, second = sorted((few, other))
        parts[first] += parts.pop(second)
        sizes.pop(second)
        sizes[first] = whose[group.isin(parts[first])].nunique()
    if all(len(part) == 1 for part in parts):
        return group
    names = {label: _OR.join(map(str, part)) for part in parts for label in part}
    labels = group.astype(object).map(names)
    return labels.astype(pd.CategoricalDtype(list(dict.fromkeys(names.values())), ordered=True)) if ordered else labels


def with_unknown(group: pd.Series, smallest: int) -> pd.Series:
    """Put customers of no known group, where they are too few, with the largest group: `female or unknown`.

    A table of counts that leaves them out would tell how many they are to whoever knows its total.
    """
    sizes = group.value_counts()
    if not 0 < group.isna().sum() < smallest or not sizes.any():
        return group
    largest = sizes.idxmax()
    name = f"{largest}{_OR}{_UNKNOWN}"
    found = group.cat.rename_categories({largest: name}) if group.dtype == "category" else group.replace(largest, name)
    return found.fillna(name)


def not_told(
    counts: pd.DataFrame, smallest: int, totals: Sequence[int] = (DOWN, ACROSS), also: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Say what stands in place of each cell of a table of customers: `fewer than 5`, `withheld`, or nothing.

    A cell of too few is not told. Where a row or column adds up to a total that a reader knows, further cells are
    withheld, the smallest first, until of none that is too small the totals tell this, or which number it is (bounds by
    linear programming; Hundepool, chapter 4.3), and those not told of a total are no fewer together than a group must
    be. All of these are `withheld`, as words that tell them apart would bound them. Totals themselves must not be too
    small: rows are `merged` before. Cells that `also` marks are withheld for what else would follow from them.
    """
    size = counts.to_numpy(float)
    few = too_few(counts, smallest).to_numpy()
    kept = few if also is None else few | also.to_numpy()
    out = kept.copy()
    while totals and (exposed := _exposed(size, kept, out, smallest, totals)) is not None:
        out[exposed] = True
    words = np.where(few & (not totals), f"fewer than {smallest}", np.where(out, WITHHELD, ""))
    return pd.DataFrame(words, counts.index, counts.columns, dtype=object)


def told(values: pd.DataFrame, words: pd.DataFrame) -> pd.DataFrame:
    """Put words in place of the numbers that are not told; all that compute with these take them as not known."""
    found = values.copy()
    for name in words.columns[(words != "").any()]:
        pairs = zip(values[name], words[name], strict=True)
        found[name] = pd.Series([Hidden(w) if w else v for v, w in pairs], values.index, dtype=object)
    return found


def shares(counts: pd.DataFrame, customers: pd.DataFrame, smallest: int) -> pd.DataFrame:
    """Return each count as a share of all, with words for cells of too few customers; an error where all are so."""
    words = not_told(customers, smallest, ())
    if ((words != "") | (counts == 0)).all(axis=None):
        raise BankmineError("this is known of too few customers to be told")
    return told(counts / counts.to_numpy().sum(), words)


def rows_told(
    frame: pd.DataFrame, people: str, smallest: int, whole: float | None = None, *, added_up: bool = False
) -> pd.DataFrame:
    """Return a table without the numbers of rows of too few customers.

    Parameters
    ----------
    frame : pd.DataFrame
        A row a group.
    people : str
        Column of the number of customers.
    smallest : int
        Customers that a group must have.
    whole : float, optional
        Customers of whom the groups are parts: a group that all of them but too few are in is not told either.
    added_up : bool
        Whether the rows add up to a total that a reader knows.
    """
    count = frame[[people]].astype(float)
    words = not_told(count, smallest, (DOWN,) if added_up else ())
    if whole is not None:
        words = words.mask(too_few(whole - count, smallest) & (words == ""), WITHHELD)
    found, out = told(frame, words), (words[people] != "").to_numpy()
    for name in (c for c in frame.select_dtypes("number") if c != people):
        found[name] = frame[name].where(~out)
    return found


def states_told(counts: pd.DataFrame, smallest: int) -> pd.DataFrame:
    """Return the counts of `population.states` without numbers of too few, or from which these follow.

    States add up to all customers; a word is a part of all, and who is active, present or silent is a part of it.
    """
    numbers = counts[["customers", *MEASURES]].astype(float)
    words = not_told(numbers, smallest, ())
    states = numbers.index[counts["kind"] == STATE]
    words.loc[states] = not_told(numbers.loc[states], smallest, (DOWN,))
    rest = too_few(numbers.loc[ALL] - numbers, smallest)
    rest |= too_few(-numbers.sub(numbers["customers"], axis=0), smallest)
    found = told(counts, words.mask(rest & (words == ""), WITHHELD))
    return found.assign(share=counts["share"].where(numbers["customers"].isna() | found["customers"].notna()))


def _exposed(
    size: np.ndarray, few: np.ndarray, out: np.ndarray, smallest: int, totals: Sequence[int]
) -> tuple[int, int] | None:
    """Find the next cell to be withheld: the smallest that completes a total from which a small one would follow.

    A total needs two cells that are not told, and as many customers in them as a group; beyond that, a cell that is too
    small and that all totals together still tell needs another one in these, or elsewhere where there is none. Cells
    that cross others come first, and empty ones last.
    """
    if not few.any():
        return None
    cells = np.argwhere(out)
    lines = [(axis, line) for axis in totals for line in range(size.shape[1 - axis])]
    inside = np.array([[cell[1 - axis] == line for cell in cells] for axis, line in lines])
    held = size[out]
    weak = [own.sum() == 1 or 0 < held[own].sum() < max(smallest, own.sum() + 1) for own in inside]
    for (axis, line), need in zip(lines, weak, strict=True):
        if need and (others := [c for c in _along(axis, line, size.shape) if not out[c] and size[c] > 0]):
            return _next(others, size, out)
    for own in _followed(inside, held, few[out], smallest):
        crossing = [c for k in np.flatnonzero(own) for c in _along(*lines[k], size.shape)]
        if others := [c for c in crossing if not out[c]] or [tuple(c) for c in np.argwhere(~out)]:
            return _next(others, size, out)
    return None


def _along(axis: int, line: int, shape: tuple[int, ...]) -> list[tuple[int, int]]:
    return [(k, line) if axis == DOWN else (line, k) for k in range(shape[axis])]


def _next(others: list[tuple[int, int]], size: np.ndarray, out: np.ndarray) -> tuple[int, int]:
    rows, columns = out.any(axis=1), out.any(axis=0)
    return min(others, key=lambda cell: (size[cell] == 0, not (rows[cell[0]] and columns[cell[1]]), size[cell]))


def _followed(inside: np.ndarray, held: np.ndarray, small: np.ndarray, smallest: int) -> Iterator[np.ndarray]:
    """Find the cells that are too small and that totals tell of: for each, in which totals it is.

    They tell that it is too small, or, to who takes what is not told for somebody, which it is. Whole numbers bound
    these as all numbers do: totals of rows and columns are totally unimodular.
    """
    sums, least = inside @ held, int((held > 0).all())
    for k in np.flatnonzero(small):
        low, high = _bounds(inside, sums, k, 0)
        few = low > 1 - _SAME and high < smallest - _SAME
        if few or np.ptp(_bounds(inside, sums, k, least)) < _SAME:
            yield inside[:, k]


def _bounds(inside: np.ndarray, sums: np.ndarray, cell: int, least: int) -> tuple[float, float]:
    """Say between which numbers a cell is for who knows totals, and that no cell is below `least`."""
    goal = np.eye(1, inside.shape[1], cell)[0]
    return tuple(s * linprog(s * goal, A_eq=inside, b_eq=sums, bounds=(least, None)).fun for s in (1, -1))
