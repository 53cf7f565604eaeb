"""Changes: whose expected worth rose and fell most between two days, and which part of it did that."""

from __future__ import annotations

import numpy as np
import pandas as pd

from bankmine.errors import BankmineError
from bankmine.topics.value.worth import Look

_LISTED, _NEARLY = 100, 0.5
"""How many are listed of each kind, and what a second part must have moved, of the first, to be named."""
_MOVED = {
    "deposits_now": "deposits earn", "lending_now": "credit earns", "purchases_12": "purchases are expected to earn",
    "services": "fees less costs bring",
}  # fmt: skip
_LASTING = "how long its accounts are expected to last, and what is left of them"


def changes(then: Look, now: Look, agreed: pd.Series) -> tuple[pd.DataFrame, int]:
    """List the hundred whose expected worth rose most, and the hundred whose fell most, with why.

    Of those only who `agreed` to be looked at singly; and how many others rose or fell as much is counted beside.
    """
    if not agreed.any():
        raise BankmineError("no customer is known to have agreed to personal treatment")
    both = then.table.index.intersection(now.table.index)
    table = pd.DataFrame({name: look.table.loc[both, "expected_12"] for name, look in (("before", then), ("now", now))})
    table["change"] = table["now"] - table["before"]
    table["why"] = _why(_movable(now).loc[both] - _movable(then).loc[both], table["change"])
    none_left = (now.accounts.loc[both, "open"] == 0) & (table["change"] <= 0)
    table["why"] = table["why"].mask(none_left, "no account that earns is left")
    ordered = table.sort_index().sort_values("change", ascending=False, kind="stable")
    moved = {"rose": ordered[ordered["change"] > 0], "fell": ordered[ordered["change"] < 0][::-1]}
    named, unnamed = {}, 0
    for how, rows in moved.items():
        may = agreed.reindex(rows.index, fill_value=False)
        named[how] = rows[may].head(_LISTED)
        unnamed += int((~may & (rows["change"].abs() >= named[how]["change"].abs().min())).sum())
    return pd.concat([rows.assign(moved=how) for how, rows in named.items()]).rename_axis("customer_id"), unnamed


def _movable(look: Look) -> pd.DataFrame:
    parts = look.table[["purchases_12", "services_12"]].rename(columns={"services_12": "services"})
    return look.brought[["deposits_now", "lending_now"]].join(parts)[list(_MOVED)]


def _why(moved: pd.DataFrame, change: pd.Series) -> pd.Series:
    """Say which part moved worth most the way that it changed, and which nearly as much."""
    told = moved.apply(lambda part: f"{_MOVED[part.name]} " + part.abs().map("{:,.0f}".format))
    told += np.where(moved > 0, " more", " less")
    pushed = moved.mul(np.sign(change), axis=0).to_numpy()
    first = np.argsort(-pushed, axis=1, kind="stable")[:, :2]
    pushed, words = (np.take_along_axis(found, first, axis=1) for found in (pushed, told.to_numpy(object)))
    also = pushed[:, 1] >= pushed[:, 0] * _NEARLY
    why = words[:, 0] + np.where(also, " and " + words[:, 1], "") + " a year"
    return pd.Series(np.where(pushed[:, 0] > 0, why, _LASTING), moved.index)
