"""Burden: on whom false alarms fall, by age and gender, as genuine payments alerted per 10,000 of a group.

Groups are held against one that `data/fraud.yml` names, and else the one that pays most: both are known before anything
is alerted. Who is attacked more is alerted more, and of genuine payments, too: the figure tells whom it costs, people
say whether it is fair.
"""

from __future__ import annotations

import re

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from scipy import stats

from bankmine.bank.flat import Flat
from bankmine.bank.snapshot import Snapshot
from bankmine.errors import BankmineError
from bankmine.judging.fairness import FEWEST, FOUR_FIFTHS, REFERENCE, TOO_FEW, protected_groups
from bankmine.judging.intervals import around, clustered_error, shown, wilson_clustered, with_interval
from bankmine.learning.sample import CONFIDENCE, Sample

PER = 10_000
"""Genuine payments that false alarms are counted by."""
ALARM = 0.01
"""Chance that some group is so far above its reference though all are alike, below which it is uneven."""
MORE, LESS, ALIKE = "more often", "less often", "alike"
_YEAR = 365.25
_BORN = re.compile(r"(?:.*[_\W])?(dob|birth\w*)|.*(出生|生日).*", re.IGNORECASE)
_AGE = re.compile(r"(?:.*[_\W])?age(?:[_\W].*)?|.*年龄.*", re.IGNORECASE)
_GENDER = re.compile(r"(?:.*[_\W])?(gender|sex)|.*性别.*", re.IGNORECASE)


def groups_of(source: Snapshot | Flat, rows: Sample) -> dict[str, pd.Series]:
    """Return by attribute in which group each row's customer is, as far as the source tells age and gender."""
    told = _of_bank(source, rows) if isinstance(source, Snapshot) else _of_table(rows.predictors)
    return protected_groups(told)


def _of_bank(source: Snapshot, rows: Sample) -> pd.DataFrame:
    people = source.customers
    there = [c for c in ("birth_date", "gender") if c in people.columns]
    whose = people.select("customer_id", *there).to_pandas().set_index("customer_id").reindex(rows.entity)
    whose = whose.set_axis(rows.entity.index)
    if "birth_date" in whose:
        whose["age"] = (rows.day - pd.to_datetime(whose.pop("birth_date"))).dt.days // _YEAR
    return whose


def _of_table(predictors: pd.DataFrame) -> pd.DataFrame:
    born = {c: predictors[c].astype(float) // _YEAR for c in predictors if _BORN.fullmatch(c)}
    return predictors[[c for c in predictors if _AGE.fullmatch(c) or _GENDER.fullmatch(c)]].assign(**born)


def burden(alerted: pd.Series, group: pd.Series, entity: pd.Series, named: str = "") -> pd.DataFrame:
    """Count the genuine payments that are alerted in each group, per 10,000, missing groups left out.

    `alerted` is of genuine payments only. By group: `payments`, `alerts`, `rate` with `low` and `high` (Wilson, by
    customer), how many `more` than in the reference, the group `named` or of most payments, with `more_low` and
    `more_high` (95 %, of a difference of means: Cochran, Sampling Techniques, 1977, 6.3), and `verdict`.
    """
    there = group.notna()
    alerted, group, entity = alerted[there].astype(float), group[there].astype(str), entity[there]
    table = alerted.groupby(group).agg(payments="size", alerts="sum", rate="mean")
    parts = {name: (group == name).to_numpy() for name in table.index}
    table[["low", "high"]] = [wilson_clustered(alerted[rows], entity[rows]) for rows in parts.values()]
    first = named if named in table.index else table["payments"].idxmax()
    more = {name: _more(alerted.to_numpy(), rows, parts[first], entity) for name, rows in parts.items()}
    table[["more", "more_low", "more_high"]] = pd.DataFrame(more, index=range(3)).T
    table.loc[first, ["more", "more_low", "more_high"]] = np.nan
    table["verdict"] = [_verdict(*row) for row in table[["payments", "more_low", "more_high"]].itertuples(index=False)]
    table.loc[first, "verdict"] = REFERENCE
    shares = ["rate", "low", "high", "more", "more_low", "more_high"]
    return table.assign(alerts=table["alerts"].astype(int), **table[shares] * PER).rename_axis("group")


def _more(alerted: np.ndarray, group: np.ndarray, first: np.ndarray, entity: pd.Series) -> tuple[float, float, float]:
    """Return how far the mean of a group is above that of the first, with its interval."""
    rates = [alerted[rows].mean() for rows in (group, first)]
    pull = sum(
        sign * rows * (alerted - rate) / rows.sum()
        for sign, rows, rate in zip((1, -1), (group, first), rates, strict=True)
    )
    more = float(rates[0] - rates[1])
    return more, *map(float, around(more, clustered_error(pull, entity)))


def _verdict(payments: float, low: float, high: float) -> str:
    if payments < FEWEST:
        return TOO_FEW
    return MORE if low > 0 else LESS if high < 0 else ALIKE


def heaviest(tables: dict[str, pd.DataFrame]) -> dict[str, object]:
    """Return the group that bears most above its reference, of groups of enough payments.

    `attribute`, `group`, its `rate`, `low` and `high`, the `reference` and its rate, `usual`, the `verdict`, and
    whether it is `uneven`: above by more than the four-fifths rule allows, and than chance makes any of all groups.
    """
    found, compared = [], sum(len(table) - 1 for table in tables.values())
    for attribute, table in tables.items():
        first = table[table["verdict"] == REFERENCE].iloc[0]
        others = table[~table["verdict"].isin([REFERENCE, TOO_FEW])]
        if len(others):
            own = others.loc[others["more"].idxmax()]
            error = (own["more_high"] - own["more_low"]) / (2 * stats.norm.ppf((1 + CONFIDENCE) / 2))
            sure = compared * stats.norm.sf(own["more"] / error) < ALARM if error > 0 else False
            uneven = sure and own["rate"] * FOUR_FIFTHS > first["rate"]
            told = own[["rate", "low", "high", "more", "verdict"]].to_dict() | {"uneven": bool(uneven)}
            reference = {"reference": first.name, "usual": first["rate"], "per": PER}
            found.append({"attribute": attribute, "group": own.name} | told | reference)
    if not found:
        raise BankmineError("no two groups have enough payments to compare")
    return max(found, key=lambda one: (one["uneven"], one["more"]))


def page(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Lay the tables of all attributes out, for a page."""
    told = pd.concat(tables, names=["attribute"])
    told[f"alerted per {PER:,}"] = with_interval(told, "rate", ",.1f")
    told["more than the reference"] = with_interval(told, "more", "+,.1f").where(told["verdict"] != REFERENCE, "")
    columns = ["payments", "alerts", f"alerted per {PER:,}", "more than the reference", "verdict"]
    return shown(told[columns], payments=",.0f", alerts=",.0f")


def forest(tables: dict[str, pd.DataFrame]) -> Axes:
    """Draw the rate of each group with its interval, a dotted line at that of the reference of its attribute."""
    place, names, axis = 0, [], plt.figure(figsize=(7.5, 4.2)).subplots()
    for attribute, table in tables.items():
        places = np.arange(place, place + len(table))
        away = table["rate"] - table["low"], table["high"] - table["rate"]
        axis.errorbar(table["rate"], places, xerr=away, fmt="o", capsize=3)
        first = table.loc[table["verdict"] == REFERENCE, "rate"].iloc[0]
        axis.vlines(first, places[0] - 0.4, places[-1] + 0.4, color="0.3", linestyle=":")
        names += [f"{group} ({attribute})" for group in table.index]
        place = places[-1] + 1
    axis.set_yticks(range(len(names)), names)
    axis.invert_yaxis()
    axis.set(title="Genuine payments alerted, with intervals of 95 %; dotted: reference")
    axis.set(xlabel=f"per {PER:,} genuine payments", ylabel="", xlim=(0, None))
    return axis
