"""Fairness: whom decisions fall on, and whether a score means the same for everyone.

Two questions that cannot both be answered well where groups differ in risk (Chouldechova, Big Data 5, 2017): are groups
approved alike, and do those of the same score go bad alike? A page shows both; people weigh them.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype

from bankmine.errors import BankmineError
from bankmine.judging.calibration import calibration
from bankmine.judging.disclosure import merged, with_unknown
from bankmine.judging.intervals import around, clustered_error, wilson_clustered, with_interval

FOUR_FIFTHS = 0.8
FEWER, MORE = "fewer events than foretold", "more events than foretold"
"""Of a group: the score is harsher to it than what becomes of it, or milder."""
FEWEST = 30
"""Applicants of a group below which nothing is said of it."""
REFERENCE, BELOW, MAY_BE_BELOW, LESS_OFTEN, ALIKE, ABOVE, TOO_FEW = (
    "reference", "below four fifths", "may be below four fifths", "less often, above four fifths", "alike",
    "the reference is below four fifths of it", "too few to tell",
)  # fmt: skip
_AGES = (25, 35, 45, 55, 65)
_ADULT, _OLDEST = 15, 100
_QUARTERS = ("youngest quarter", "second quarter", "third quarter", "oldest quarter")


def age_bands(age: pd.Series) -> pd.Series:
    """Put ages in years into bands of ten: `under 25`, `25 to 34`, …, `65 and over`; unknown ones stay missing.

    Where the publisher of a table has scaled ages, so that they are no years, bands are quarters of the applicants.
    """
    age = age.astype(float)
    if not _ADULT <= age.median() <= _OLDEST:
        return pd.qcut(age.rank(method="first"), 4, labels=_QUARTERS)
    names = [f"under {_AGES[0]}", *(f"{a} to {a + 9}" for a in _AGES[:-1]), f"{_AGES[-1]} and over"]
    return pd.cut(age, [-np.inf, *_AGES, np.inf], right=False, labels=names)


def adverse_impact(approved: pd.Series, group: pd.Series, entity: pd.Series, reference: str) -> pd.DataFrame:
    """Compare how often each group is approved with a reference named before: the four-fifths rule.

    The group that is approved most often is known afterwards only, and the smaller a group, the likelier is it by luck.

    Source: Uniform Guidelines on Employee Selection Procedures, 29 CFR 1607.4 D (1978), used for credit likewise; the
    interval is of the logarithm of the ratio (Katz and others, Biometrics 34, 1978), its variance taken over applicants
    with all their applications (Cochran, Sampling Techniques, 1977, section 6.3).

    By group, missing ones left out: `rows`, `approved`, `share` with `low`, `high` (Wilson), `ratio` with its ends (all
    95 %) and `verdict`, which is below four fifths where the whole interval is. Groups of fewer than `FEWEST` rows have
    no ratio, and no group has one where the reference is so small.
    """
    there = group.notna()
    approved, group, entity = approved[there].astype(float), group[there].astype(str), entity[there]
    table = approved.groupby(group).agg(rows="size", approved="sum", share="mean")
    table["approved"] = table["approved"].astype(int)
    parts = {name: group == name for name in table.index}
    bounds = [wilson_clustered(approved[rows], entity[rows]) for rows in parts.values()]
    table[["low", "high"]] = np.array(bounds).reshape(-1, 2)
    large = table[table["rows"] >= FEWEST]
    held = list(large.index) if reference in large.index and table["share"][reference] > 0 else []
    found = [_ratio(approved, parts[n], parts[reference], entity) if n in held else (np.nan,) * 3 for n in table.index]
    table[["ratio", "ratio_low", "ratio_high"]] = np.array(found).reshape(-1, 3)
    ratios = table[["ratio", "ratio_low", "ratio_high"]].itertuples(name=None)
    table["verdict"] = [REFERENCE if name == reference else _verdict(*row) for name, *row in ratios]
    return table.rename_axis("group")


def same_score(target: pd.Series, probability: pd.Series, group: pd.Series, entity: pd.Series) -> pd.DataFrame:
    """Ask whether applicants of the same probability go bad alike, whatever their group: calibration by group.

    `target` is 1 bad, 0 good, NaN left out. `shift` are the log-odds by which bad credits are more (above zero) or
    fewer than the score says (95 %, by customer; NaN where all or none went bad). Where its interval is wholly below
    zero, the score is harsher to the group than its repayment deserves.
    """
    there = group.notna() & target.notna()
    rows = []
    for name, part in target[there].groupby(group[there].astype(str)):
        given = probability.loc[part.index].rename("p")
        found = calibration(part, given.to_frame(), entity, rounds=1).set_index("metric").loc["in_the_large"]
        low, high = wilson_clustered(part == 1, entity.loc[part.index])
        shift = tuple(found[["value", "low", "high"]].astype(float))
        rows.append((name, len(part), int(part.sum()), given.mean(), part.mean(), low, high, *shift, _harsher(*shift)))
    names = ["rows", "bad", "predicted", "observed", "low", "high", "shift", "shift_low", "shift_high", "verdict"]
    return pd.DataFrame(rows, columns=["group", *names]).set_index("group")


def ranked(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Put groups of all attributes that have a ratio into one order, the one that a page names first.

    Those below four fifths for sure come first, then the others, each by ratio: a group that is so small that nobody of
    it happened to be approved tells less than one that certainly is approved less often.
    """
    there = {name: table[table["ratio"].notna()] for name, table in tables.items()}
    found = pd.concat(there or {"": pd.DataFrame(columns=["ratio", "verdict"])}, names=["attribute", "group"])
    order = found.assign(unsure=found["verdict"] != BELOW).sort_values(["unsure", "ratio"], kind="stable")
    return order.drop(columns="unsure")


def worst_ratio(tables: dict[str, pd.DataFrame]) -> tuple[str, str, float]:
    """Return attribute, group and ratio of the first of `ranked`; '', '' and NaN where there is none."""
    found = ranked(tables)
    return (*found.index[0], found["ratio"].iloc[0]) if len(found) else ("", "", float("nan"))


def _ratio(approved: pd.Series, group: pd.Series, best: pd.Series, entity: pd.Series) -> tuple[float, float, float]:
    """Return the ratio of two shares and its interval; a share of zero is taken as half a row, for the interval."""
    shares = approved[group].mean(), approved[best].mean()
    safe = [max(share, 0.5 / rows.sum()) for share, rows in zip(shares, (group, best), strict=True)]
    pull = sum(
        sign * rows * (approved - share) / (rows.sum() * counted)
        for sign, rows, share, counted in zip((1, -1), (group, best), shares, safe, strict=True)
    )
    katz = 1 / 0.5 if shares[0] == 0 else 0.0  # with half a row approved
    error = np.sqrt(clustered_error(pull.to_numpy(), entity) ** 2 + katz)
    low, high = np.exp(around(np.log(safe[0] / safe[1]), error))
    return shares[0] / shares[1], low * (shares[0] > 0), high


def _verdict(ratio: float, low: float, high: float) -> str:
    if np.isnan(ratio):
        return TOO_FEW
    if high < FOUR_FIFTHS:
        return BELOW
    if low < FOUR_FIFTHS:
        return MAY_BE_BELOW
    if low > 1 / FOUR_FIFTHS:
        return ABOVE
    return LESS_OFTEN if high < 1 else ALIKE


def _harsher(shift: float, low: float, high: float) -> str:
    if np.isnan(shift):
        return TOO_FEW
    return FEWER if high < 0 else MORE if low > 0 else "alike"


_MOST = 12
"""Groups of an attribute, at most, that a page compares; regions and the like have too many to read."""
_FEW_NUMBERS = 5


def protected_groups(protected: pd.DataFrame) -> dict[str, pd.Series]:
    """Say of each row in which group it is, by protected attribute; numbers of many different values are ages.

    Attributes of one group, or of more than a page can compare, are left out.
    """
    found = {}
    for name, values in protected.items():
        many = is_numeric_dtype(values) and values.nunique() >= _FEW_NUMBERS
        groups = age_bands(values) if many else values.astype(object)
        if 2 <= groups.nunique() <= _MOST:
            found["age band" if many else str(name)] = groups
    return found


def exposure(chosen: pd.Series, people: pd.DataFrame, smallest: int) -> dict[str, pd.DataFrame]:
    """Compare by attribute how often customers are chosen with the largest group, as of `adverse_impact`.

    `chosen` and `people`, whose columns are the attributes, are by customer; groups below `smallest` are merged.
    """
    whose, found = pd.Series(chosen.index, chosen.index), {}
    for name, group in protected_groups(people).items():
        told = with_unknown(merged(group, smallest), smallest)
        found[name] = adverse_impact(chosen, told, whose, str(told.mode()[0]))
    if not found:
        raise BankmineError("nothing is told by which groups of those chosen could be compared")
    return found


def exposure_shown(found: dict[str, pd.DataFrame], of: str, chosen: str) -> pd.DataFrame:
    """Lay `exposure` out: how many there are, the share chosen, its ratio to the largest group's, the verdict."""
    table = pd.concat(found, names=["attribute"])
    told = {of: table["rows"], chosen: with_interval(table, "share", ".1%")}
    return pd.DataFrame(told | {"impact ratio": with_interval(table, "ratio", ".2f"), "verdict": table["verdict"]})


def two_groups(groups: dict[str, pd.Series], approved: pd.Series) -> tuple[str, pd.Series] | None:
    """Find an attribute of two groups, and mark the group that is approved less often; None where there is none.

    Returns `gender is female` or the like, and 1.0 for rows of that group, 0.0 for the others, NaN where not known.
    """
    for name, group in groups.items():
        counts = group.value_counts()
        if len(counts) == 2 and counts.min() >= FEWEST:
            behind = approved.astype(float).groupby(group).mean().idxmin()
            return f"{name} is {behind}", (group == behind).astype(float).where(group.notna())
    return None
