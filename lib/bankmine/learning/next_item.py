"""Next item: which of several items comes next, by how popular they are, by the last one, or by those seen before.

The models of counts that a recommender is held against; few counts are drawn towards the general shares.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from bankmine.errors import BankmineError

POPULAR = "popularity"
"""The model that gives all rows the same chances."""
_DRAWN_BY = 20
"""Items at the general shares that are added to those counted, so that few of them do not make a share."""


def next_chances(last: pd.Series, coming: pd.Series, learnt: np.ndarray, seen: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the chance of each item to come next, rows by items, of each model.

    `last` and `coming` are the items before and after, missing where there is none; `learnt` positions of rows to learn
    from; `seen` how often each row had each item, a column an item.
    """
    told = coming.iloc[learnt].dropna()
    if told.nunique() < 2:
        raise BankmineError("fewer than two kinds came next in the rows to learn from: there is nothing to foretell")
    popular, before = told.value_counts(normalize=True), last[told.index]
    items = popular.index
    everywhere = pd.DataFrame(np.tile(popular, (len(last), 1)), last.index, items)
    same = (told == before).sum() / max(before.notna().sum(), 1)
    held = (last.to_numpy()[:, None] == items.to_numpy()).astype(float)
    again = everywhere.mul(1 - same) * (1 - held) + same * held
    follows = _drawn(pd.crosstab(before, told).reindex(columns=items, fill_value=0), popular)
    return {
        POPULAR: everywhere, "same as last": again.div(again.sum(axis=1), axis=0),
        "markov": follows.reindex(last).set_axis(last.index).fillna(popular),
        "own mix": _drawn(seen.reindex(columns=items, fill_value=0), popular),
    }  # fmt: skip


def _drawn(counts: pd.DataFrame, popular: pd.Series) -> pd.DataFrame:
    """Return shares of each row, few counts drawn towards the general shares."""
    return counts.add(_DRAWN_BY * popular).div(counts.sum(axis=1) + _DRAWN_BY, axis=0)
