"""Given away: what tells who is of a group, and carries it into the score, or into the bank's own refusals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from bankmine.errors import BankmineError
from bankmine.judging import proxies
from bankmine.judging.fairness import two_groups
from bankmine.judging.intervals import shown, with_interval
from bankmine.judging.reasons import readable
from bankmine.learning.splits import FEWEST

if TYPE_CHECKING:
    from bankmine.topics.credit.granting import CreditStudy


def carried(study: CreditStudy) -> pd.DataFrame:
    """Say by the group of each attribute that is granted credit least often what tells it: `proxies.proxies`."""
    rows, found = study.fitted[0].rows, {}
    pushes = -study.scorecard.points_of(rows.predictors) / study.scorecard.scale.factor
    for name, table in study.impact.items():
        large = table.loc[table["ratio"].notna(), "share"]
        if len(large) < 2:
            continue
        group = study.groups()[name].loc[rows.target.index]
        mark = (group.astype(str) == large.idxmin()).astype(float).where(group.notna())
        if rows.entity[mark == 1].nunique() >= FEWEST:
            found[f"{readable(name)} {large.idxmin()}"] = proxies.proxies(rows, mark, pushes)
    if not found:
        raise BankmineError("no group is large enough to look for what tells it")
    return pd.concat(found, names=["group"])


def carried_table(study: CreditStudy) -> pd.DataFrame:
    """Return the same for a page: of each group what tells it most, with the part of the gap in score that it makes."""
    told = study.carried[study.carried["verdict"] != proxies.HARMLESS]
    table = pd.DataFrame({
        "tells it": with_interval(told, "tells", ".2f"), "share of the gap": told["share"],
        "foretells bad": with_interval(told, "foretells", ".2f"), "verdict": told["verdict"],
    })  # fmt: skip
    return shown(table, **{"share of the gap": ".0%"})


def stand_ins(study: CreditStudy) -> dict[str, object]:
    """Say `which` characteristics tell a group and carry it into the score, and which of them are `needless`.

    These cannot be shown to foretell bad credits by the rows judged: what tells a group and no risk has no business
    in a score.
    """
    own = study.carried[study.carried["verdict"] == proxies.PROXY]
    groups = study.carried.index.get_level_values("group").unique()
    names = {g: ", ".join(map(readable, own.loc[[g]].index.get_level_values(1))) if g in own.index else "none"
             for g in groups}  # fmt: skip
    needless = own[~(own["foretells_low"] > 0.5)].index.get_level_values(1).unique()
    told = ", ".join(map(readable, needless))
    return {"which": "; ".join(f"{g}: {n}" for g, n in names.items()), "needless": told or "none"}


def less_often(study: CreditStudy, granted: pd.Series) -> tuple[str, pd.Series]:
    """Find an attribute of two groups, and who of the applicants told of is of the one granted less often."""
    found = two_groups({name: group.loc[granted.index] for name, group in study.groups().items()}, granted)
    if found is None:
        raise BankmineError("no protected attribute has two groups of enough applicants")
    return found


def told(attribute: str, group: str, found: pd.DataFrame, used: set) -> dict[str, object]:
    """Tell what made the bank refuse a group more often; `found` is of `proxies.proxies`, `used` are in the card."""
    own = found[found["verdict"] == proxies.PROXY]
    who = f"applicants of {readable(attribute)} {group}"
    if own.empty:
        return {
            "any": False,
            "told": f"Nothing that tells {readable(attribute)} made the bank refuse {who} more often.",
        }
    which, still = (", ".join(map(readable, names)) for names in (own.index, own.index[own.index.isin(used)]))
    words = (
        f"The bank earlier refused {who} more often, {own['share'].sum():.0%} of it by {which}, which gives "
        f"{readable(attribute)} away"
    )
    now = f"take {still} out of the scorecard, too" if still else "the scorecard leaves it out"
    return {"any": True, "told": f"{words}: {now}."}
