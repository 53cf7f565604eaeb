"""Drift: whether columns or scores have other values than those a model learnt from, by more than chance.

The population stability index has no scale of its own: without any shift it is about (bins − 1) (1 / n + 1 / m), so
that 0.1 is nothing among 100 rows and much among 10,000. So the alarm depends on the sizes of both samples, down to an
index that would be of no account though it were sure.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from bankmine.errors import BankmineError

FALSE_ALARMS = 0.05
"""Chance of an alarm without any shift, for all columns of a table together."""
SLIGHT = 0.01
"""Index that nobody need act on, however many rows make it sure: about that of a tenth which has grown by a third."""
BINS = 10
_RARE = 0.01
"""Share below which categories are put together: the index of a handful of rows follows no known law."""


def psi(then: np.ndarray, now: np.ndarray, size_then: float, size_now: float) -> float:
    """Return the population stability index Σ (now − then) ln (now / then) of the shares of the same groups.

    A group without members counts as half a one of the `size` members of all groups.
    """
    then, now = np.maximum(then, 0.5 / size_then), np.maximum(now, 0.5 / size_now)
    return float(((now - then) * np.log(now / then)).sum())


def alarm(groups: int, size_then: float, size_now: float, looks: int = 1) -> float:
    """Return the index that is exceeded by chance, without any shift, in one of twenty cases.

    Chi-squared times (1 / n + 1 / m) (Yurdakul and Naranjo, Journal of Risk Model Validation 14, 2020), for sizes that
    count independent members. With 100 and ten groups it is exceeded in about 8 of 100 cases, from 500 on in 5. With
    several `looks` the chance is divided by their number (Bonferroni): one of twenty *tables* has a false alarm.
    """
    return float((1 / size_then + 1 / size_now) * stats.chi2.ppf(1 - FALSE_ALARMS / looks, max(groups - 1, 1)))


def psi_table(
    then: pd.DataFrame,
    now: pd.DataFrame,
    entity_then: pd.Series | None = None,
    entity_now: pd.Series | None = None,
) -> pd.DataFrame:
    """Compare columns, as predictors or scores, of rows now with those a model learnt from, the most shifted first.

    Bins are tenths of the values then, or a category each; missing values are one, and so are categories that are rare
    or `new`, of which the share of rows is told. The rows of a customer are alike: with `entity` alarms count
    customers.
    """
    _require(then, now)
    return _table(then, now, _size(then, entity_then), _size(now, entity_now), then.shape[1])


def psi_by_day(
    then: pd.DataFrame,
    now: pd.DataFrame,
    day: pd.Series,
    entity_then: pd.Series | None = None,
    entity_now: pd.Series | None = None,
) -> pd.DataFrame:
    """Compare columns of each later day, or month, with those a model learnt from: `psi_table`, with `day` before.

    Alarms are for all columns and days together.
    """
    _require(then, now)
    size, parts = _size(then, entity_then), dict(list(now.groupby(day.loc[now.index])))
    looks = then.shape[1] * len(parts)
    tables = {d: _table(then, part, size, _size(part, entity_now), looks) for d, part in parts.items()}
    return pd.concat(tables, names=["day"]).reset_index("day").reset_index(drop=True)


def _require(then: pd.DataFrame, now: pd.DataFrame) -> None:
    if then.empty or now.empty:
        raise BankmineError("Drift compares rows then with rows now, and there are none: give other days.")
    if lacking := [str(c) for c in then.columns if c not in now.columns]:
        raise BankmineError(f"Columns learnt from are not there now: {', '.join(lacking)}. Give the same columns.")


def _size(rows: pd.DataFrame, entity: pd.Series | None) -> int:
    return len(rows) if entity is None else entity.loc[rows.index].nunique()


def _table(then: pd.DataFrame, now: pd.DataFrame, size_then: int, size_now: int, looks: int) -> pd.DataFrame:
    rows = [_row(_counts(then[column], now[column]), size_then, size_now, looks) for column in then]
    found = pd.DataFrame(rows, index=pd.Index(then.columns, name="column"))
    return found.iloc[np.argsort(-found.psi / found.alarm, kind="stable")].reset_index()


@dataclass(frozen=True)
class _Counts:
    """Rows of a column by bin, then and now; missing values are the last bin."""

    then: np.ndarray
    now: np.ndarray
    new: int = 0


def _row(counts: _Counts, size_then: int, size_now: int, looks: int) -> dict[str, object]:
    rows = counts.then.sum(), counts.now.sum()
    used = (counts.then > 0) | (counts.now > 0)
    index = psi(counts.then[used] / rows[0], counts.now[used] / rows[1], *rows)
    limit = max(alarm(int(used.sum()), size_then, size_now, looks), SLIGHT)
    return {
        "psi": index, "alarm": limit, "shifted": index > limit, "bins": int(used.sum()),
        "missing_then": counts.then[-1] / rows[0], "missing_now": counts.now[-1] / rows[1], "new": counts.new / rows[1],
    }  # fmt: skip


def _counts(then: pd.Series, now: pd.Series) -> _Counts:
    numbers = pd.api.types.is_numeric_dtype(then.dtype) and pd.api.types.is_numeric_dtype(now.dtype)
    return _of_numbers(then, now) if numbers else _of_categories(then, now)


def _of_numbers(then: pd.Series, now: pd.Series) -> _Counts:
    sorted_then, sorted_now = _sorted(then), _sorted(now)
    edges = _edges(sorted_then)
    sides = ((sorted_then, len(then)), (sorted_now, len(now)))
    inner = [np.concatenate([[0], np.searchsorted(v, edges, side="right"), [len(v), n]]) for v, n in sides]
    return _Counts(*(np.diff(i) for i in inner))


def _sorted(column: pd.Series) -> np.ndarray:
    values = column.to_numpy(dtype=float, na_value=np.nan)
    return np.sort(values[~np.isnan(values)])


def _edges(values: np.ndarray) -> np.ndarray:
    """Return the highest value of each bin but the last.

    A value that fills several tenths is an edge once; the highest one is cut off from those below, so that a flag
    which nearly all rows have is two bins. Of a column with one value, whatever is below or above it is another bin.
    """
    if not len(values):
        return values
    last = values[-1]
    if values[0] == last:
        return np.array([np.nextafter(last, -np.inf), last])
    edges = np.unique(values[np.ceil(np.arange(1, BINS) * len(values) / BINS).astype(int) - 1])
    if edges[-1] == last:
        edges[-1] = values[np.searchsorted(values, last) - 1]
    return np.unique(edges)


def _of_categories(then: pd.Series, now: pd.Series) -> _Counts:
    before, after = then.astype(object).value_counts(), now.astype(object).value_counts()
    common = before.index[before > _RARE * len(then)]
    kept = [side.reindex(common, fill_value=0).to_numpy() for side in (before, after)]
    other = [side.sum() - part.sum() for side, part in zip((before, after), kept, strict=True)]
    missing = [then.isna().sum(), now.isna().sum()]
    counts = [np.append(part, [o, m]) for part, o, m in zip(kept, other, missing, strict=True)]
    return _Counts(*counts, new=int(after[~after.index.isin(before.index)].sum()))
