"""Survival: on which day customers left, who stays for how long, and what makes customers leave sooner."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd
from lifelines import CoxPHFitter, KaplanMeierFitter
from lifelines.statistics import multivariate_logrank_test, proportional_hazard_test
from sklearn.model_selection import train_test_split

from bankmine.bank.kept import ANALYSES
from bankmine.bank.snapshot import Snapshot
from bankmine.errors import BankmineError
from bankmine.features.bookings import own_outflows
from bankmine.features.spine import kept
from bankmine.judging.intervals import CONFIDENCE, draws, interval
from bankmine.learning.sample import Sample
from bankmine.topics.churn.definition import CLOSURE, LENGTH, SILENT, Definition, last_closed, remaining

STEP = 7
"""Days between two points of a curve."""
MARKS = (90, 180, 365)
"""Days after which the share of those who stayed is told."""
COVARIATES = ("deposits", "debts", "tenure_days", "transactions_30d", "salary_90d", "complaints_365d", "age_years")
"""What a Cox model is told of the first day, the first ones first."""
OWED = ("debts",)
"""Of these, amounts that are owed; a ratio is of owing more."""
FEWEST = 5
"""Leavers for each covariate of a Cox model (Vittinghoff and McCulloch, American Journal of Epidemiology 165, 2007)."""
_HELD_OUT, _MOST_HELD_OUT = 0.3, 5000
"""Share of customers that are held out, and how many at most."""
_RIDGE = 1e-3
"""Keeps ratios finite where two covariates tell the same."""
_ROUNDS = 200


def followed(snapshot: Snapshot, sample: Sample, definition: Definition) -> pd.DataFrame:
    """Follow every customer of a sample from the first day in it to the day of leaving, or to the snapshot's.

    A customer has left on the day on which the last account was closed, or on which silence has lasted as long as the
    definition says, whose gap plays no part. Nobody is followed before the first day looked at, so that there is no
    earlier life which only those who stayed could have (no left truncation); who has not left by now is censored.
    Rows have the index of the customer's first in the sample: `origin`, `days` followed, whether `left`, and `kind`.
    """
    first = pd.DataFrame({"customer_id": sample.entity, "origin": sample.day}).sort_values("origin", kind="stable")
    first = first.drop_duplicates("customer_id").sort_index()
    first = first[first.origin < pd.Timestamp(snapshot.as_of)]
    if first.empty:
        raise BankmineError(f"Nobody was looked at before {snapshot.as_of}, so that nobody can be followed: add days.")
    since = first.origin.min().date()
    departures = kept(
        snapshot, "departures", [since], lambda: _departures(snapshot, definition, since).to_pandas(), definition,
        ANALYSES,
    )  # fmt: skip
    found = first.reset_index(names="row").merge(departures, on="customer_id")
    found = found.assign(left_on=pd.to_datetime(found.left_on))
    found = found[found.left_on > found.origin].sort_values("left_on", kind="stable").drop_duplicates("row")
    left = found.set_index("row")[["left_on", "kind"]].reindex(first.index)
    until = left.left_on.fillna(pd.Timestamp(snapshot.as_of))
    first["days"] = (until - first.origin).dt.days
    return first.assign(left=left.left_on.notna(), kind=left.kind)


def _departures(snapshot: Snapshot, definition: Definition, since: datetime.date) -> ir.Table:
    """List the days on which customers left by closing or by silence; a silent one may come back and leave again."""
    closed = last_closed(snapshot).mutate(kind=ibis.literal(CLOSURE))
    return _fallen_silent(snapshot, definition, since).union(closed)


def _fallen_silent(snapshot: Snapshot, definition: Definition, since: datetime.date) -> ir.Table:
    """Find the days after a first one on which silence had lasted long enough.

    It takes the first and last own booking of each month: no silence of a month or more lies within one.
    """
    owners = snapshot.accounts.select("account_id", "customer_id")
    own = own_outflows(snapshot.transactions).inner_join(owners, "account_id")
    own = own.filter(own.date > ibis.literal(since - datetime.timedelta(days=definition.silent)))
    months = own.group_by("customer_id", month=own.date.truncate("M")).agg(day=own.date.max(), first=own.date.min())
    following = months["first"].lead(1).over(ibis.window(group_by="customer_id", order_by="month"))
    spells = months.mutate(following=following, length=ibis.literal(definition.silent))
    spells = spells.mutate(end=(spells.day + ibis.interval(days=definition.silent)).cast("date"))
    over = spells.end <= ibis.literal(snapshot.as_of)
    spells = spells.filter(over & (spells.following.isnull() | (spells.following > spells.end)))
    table = remaining(snapshot, spells.select("customer_id", "day", LENGTH, "end"), definition.fall)
    return table.filter(table.stays, table.emptied).select("customer_id", left_on="end", kind=ibis.literal(SILENT))


@dataclass(frozen=True)
class Curves:
    """Kaplan-Meier curves of groups of customers."""

    curves: pd.DataFrame
    """One row a group and week: the share that `stayed` by the `day`, with its interval, and customers `at_risk`."""
    table: pd.DataFrame
    """Indexed by group: `customers`, `leavers`, and the share that stayed for a time with its interval (`stayed_90d`,
    `low_90d`, `high_90d`), NaN where nobody was followed for so long."""
    p_value: float
    """Of the log-rank test that all groups leave at the same rate; NaN for a single group."""


def by_group(lives: pd.DataFrame, groups: pd.Series | None = None) -> Curves:
    """Estimate how many customers of each group stayed for how long.

    Kaplan and Meier, Journal of the American Statistical Association 53, 1958, with log-log intervals of 95 %; log-rank
    test of Mantel, Cancer Chemotherapy Reports 50, 1966. Groups are those known on the first day.
    """
    found = pd.Series("all", index=lives.index) if groups is None else groups.reindex(lives.index)
    order = (
        list(found.cat.categories) if isinstance(found.dtype, pd.CategoricalDtype) else sorted(found.dropna().unique())
    )
    known = found.astype(object).where(found.notna(), "unknown")
    parts = {name: lives[known == name] for name in [*order, *(["unknown"] if found.isna().any() else [])]}
    curves = {name: _curve(part) for name, part in parts.items() if len(part)}
    table = {name: _line(parts[name], curve) for name, curve in curves.items()}
    test = multivariate_logrank_test(lives.days, known.astype(str), lives.left) if len(curves) > 1 else None
    return Curves(
        pd.concat(
            [curve[curve.day % STEP == 0].assign(group=name) for name, curve in curves.items()], ignore_index=True
        ),
        pd.DataFrame.from_dict(table, orient="index").rename_axis("group"),
        float(test.p_value) if test else np.nan,
    )


def _curve(part: pd.DataFrame) -> pd.DataFrame:
    """Estimate the curve of one group on each day up to the longest time that anyone was followed."""
    days = np.arange(int(part.days.max()) + 1)
    fitted = KaplanMeierFitter(alpha=1 - CONFIDENCE).fit(part.days, part.left, timeline=days)
    stayed, band = fitted.survival_function_.to_numpy()[:, 0], fitted.confidence_interval_.to_numpy()
    at_risk = len(part) - np.searchsorted(np.sort(part.days.to_numpy()), days)
    # until somebody leaves the band has no width: of those followed for so long it is the exact one of none of them
    nobody = ((1 - CONFIDENCE) / 2) ** (1 / np.maximum(at_risk, 1))
    low = np.where(stayed == 1, nobody, band[:, 0])
    return pd.DataFrame({"day": days, "stayed": stayed, "low": low, "high": band[:, 1], "at_risk": at_risk})


def _line(part: pd.DataFrame, curve: pd.DataFrame) -> dict[str, float]:
    line: dict[str, float] = {"customers": len(part), "leavers": int(part.left.sum())}
    at = curve.set_index("day").reindex(MARKS)
    return line | {f"{name}_{day}d": at.loc[day, name] for day in MARKS for name in ("stayed", "low", "high")}


@dataclass(frozen=True)
class Hazards:
    """A Cox model of leaving and how well it ranks customers held out."""

    ratios: pd.DataFrame
    """Indexed by covariate: `ratio` of hazards for one standard deviation more (of a number) or for true against false,
    with `low` and `high`, its `p_value`, and `proportional`: the p-value of the test that the ratio is the same sooner
    and later (Grambsch and Therneau, Biometrika 81, 1994), small where it is not."""
    concordance: pd.Series
    """`value`, `low`, `high`: how often, of two customers held out, the one of the higher hazard leaves first (Harrell
    et al., Statistics in Medicine 15, 1996); 0.5 by chance."""


def covariates_of(predictors: pd.DataFrame, lives: pd.DataFrame) -> pd.DataFrame:
    """Pick the first of `COVARIATES` that differ among those who left, as many as there are leavers for; logarithms."""
    there = [c for c in COVARIATES if c in predictors.columns]
    known = predictors.loc[lives.index, there].astype(float)
    known[[c for c in there if c in OWED]] *= -1  # what is owed is below zero
    known = known.clip(lower=0).transform(np.log1p).fillna(0.0)
    of_leavers = known[lives["left"]]
    differ = known.loc[:, of_leavers.max() > of_leavers.min()]
    return differ.iloc[:, : max(len(of_leavers) // (2 * FEWEST), 1)]


def cox(lives: pd.DataFrame, covariates: pd.DataFrame) -> Hazards:
    """Fit a proportional hazards model on what was known on the first day, and rank customers held out by it.

    Ratios are estimated on all customers (Cox, Journal of the Royal Statistical Society B 34, 1972); the model that
    ranks those held out is fitted on the others, leavers among them in proportion.
    """
    left = int(lives.left.sum())
    if min(left, len(lives) - left) < 2 * FEWEST:
        raise BankmineError(
            f"Of {len(lives)} customers followed {left} left: no model can tell when with fewer than {2 * FEWEST} who "
            "left or who stayed. Look at earlier days."
        )
    size = min(_HELD_OUT, _MOST_HELD_OUT / len(lives))
    train, test = train_test_split(lives.index, test_size=size, random_state=0, stratify=lives.left)
    of_leavers = covariates.loc[train][lives.left.loc[train]]
    used = covariates.loc[:, of_leavers.max() > of_leavers.min()]
    _check(len(of_leavers), used.shape[1])
    fitted, design = _fit(lives, used)
    scored, _ = _fit(lives.loc[train], used.loc[train])
    hazard = scored.predict_partial_hazard(_standard(used.loc[test], used.loc[train])).to_numpy()
    return Hazards(_ratios(fitted, design), concordance(lives.loc[test], hazard))


def concordance(lives: pd.DataFrame, hazard: np.ndarray) -> pd.Series:
    """Return `value`, `low` and `high` of the concordance of hazards with the order in which customers left.

    Every customer who left is compared with every customer who was there for longer; intervals draw customers.
    """
    days, left = lives.days.to_numpy(), lives.left.to_numpy()
    leavers = np.flatnonzero(left)
    later = (days > days[leavers, None]) | ((days == days[leavers, None]) & ~left)
    ahead = later * ((hazard[leavers, None] > hazard) + 0.5 * (hazard[leavers, None] == hazard))
    weight = draws(len(lives), _ROUNDS).T
    hits, pairs = (((weight[:, leavers] @ part) * weight).sum(axis=1) for part in (ahead, later))
    values = hits / pairs
    low, high = interval(values[:, None])
    return pd.Series({"value": values[0], "low": low[0], "high": high[0]})


def _check(leavers: int, covariates: int) -> None:
    if not covariates:
        raise BankmineError("No covariate varies among those who left: name others to tell when customers leave.")
    if leavers < FEWEST * covariates:
        raise BankmineError(
            f"{leavers} of the customers that the model is fitted on left, but {covariates} covariates need "
            f"{FEWEST * covariates}: name fewer, or look at earlier days."
        )


def _standard(rows: pd.DataFrame, known: pd.DataFrame) -> pd.DataFrame:
    """Fill gaps and standardise numbers by what is known; truth values stay 0 and 1."""
    rows, known = (part.astype(float).replace([np.inf, -np.inf], np.nan) for part in (rows, known))
    filled, told = rows.fillna(known.median()), known.fillna(known.median())
    truth = told.isin([0, 1]).all()
    return (filled - told.mean().mask(truth, 0.0)) / told.std().mask(truth, 1.0)


def _fit(lives: pd.DataFrame, used: pd.DataFrame) -> tuple[CoxPHFitter, pd.DataFrame]:
    design = _standard(used, used).assign(days=lives.days, left=lives.left)
    return CoxPHFitter(penalizer=_RIDGE, alpha=1 - CONFIDENCE).fit(design, "days", "left"), design


def _ratios(fitted: CoxPHFitter, design: pd.DataFrame) -> pd.DataFrame:
    test = proportional_hazard_test(fitted, design, time_transform="rank")
    bounds = np.exp(fitted.confidence_intervals_)
    table = {"ratio": fitted.hazard_ratios_, "low": bounds.iloc[:, 0], "high": bounds.iloc[:, 1]}
    table |= {"p_value": fitted.summary["p"], "proportional": test.summary["p"]}
    return pd.DataFrame(table).rename_axis("covariate").sort_values("p_value", kind="stable")
