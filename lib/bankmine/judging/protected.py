"""Protected attributes as groups: words as they are, ages in bands, so that decisions can be counted by group."""

from __future__ import annotations

import pandas as pd
from pandas.api.types import is_numeric_dtype

from bankmine.judging.fairness import FEWEST, age_bands

_MOST = 12
"""Groups of an attribute, at most, that a page compares; regions and the like have too many to read."""
_FEW_NUMBERS = 5


def protected_groups(protected: pd.DataFrame) -> dict[str, pd.Series]:
    """Say of each row in which group it is, by each protected attribute.

    Parameters
    ----------
    protected : pd.DataFrame
        Protected attributes, one column each; numbers of many different values are ages.

    Returns
    -------
    dict of pd.Series
        Attribute → group of each row, missing where not known. Attributes of one group, or of more than a page can
        compare, are left out.
    """
    found = {}
    for name, values in protected.items():
        many = is_numeric_dtype(values) and values.nunique() >= _FEW_NUMBERS
        groups = age_bands(values) if many else values.astype(object)
        if 2 <= groups.nunique() <= _MOST:
            found["age band" if many else str(name)] = groups
    return found


def two_groups(groups: dict[str, pd.Series], approved: pd.Series) -> tuple[str, pd.Series] | None:
    """Find an attribute of two groups, and mark the group that is approved less often.

    Parameters
    ----------
    groups : dict of pd.Series
        From `protected_groups`.
    approved : pd.Series
        Whether each row is approved, same index.

    Returns
    -------
    name, marked : str, pd.Series, or None
        `gender is female` or the like, and 1.0 for rows of that group, 0.0 for the others, NaN where not known; None
        where no attribute has two groups of enough rows.
    """
    for name, group in groups.items():
        counts = group.value_counts()
        if len(counts) == 2 and counts.min() >= FEWEST:
            behind = approved.astype(float).groupby(group).mean().idxmin()
            return f"{name} is {behind}", (group == behind).astype(float).where(group.notna())
    return None
