"""The credit sample: what a bank knew of each applicant on the day of the application, and what came of the credit.

Attributes of the application are those of its day. What the bank knew of the customer is taken from the last month end
before it: as many different days as applications would cost three times as much, and balances are month ends anyway.
Who a person is never enters a model, but stays beside it. Rejected applications have no outcome and stay apart.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from bankmine.bank.flat import Flat
from bankmine.bank.kept import ANALYSES
from bankmine.bank.snapshot import Snapshot
from bankmine.errors import BankmineError
from bankmine.features.customers import features
from bankmine.features.spine import KEYS, kept
from bankmine.judging.intervals import wilson_clustered
from bankmine.learning.columns import ALLOWED, PROTECTED, REFUSED, load_columns, load_undated, uses
from bankmine.learning.sample import Sample, flat_sample
from bankmine.learning.splits import FEWEST, Parts, Split, stratified_folds
from bankmine.study.validation import funnel
from bankmine.topics.credit.rules import REGISTRY

_KNOWN = (
    "tenure_days", "accounts", "deposits", "deposits_mean_180d", "debts", "inflow_180d", "outflow_180d", "salary_180d",
)  # fmt: skip
"""Features of a customer that credit uses: a few hundred bad credits cannot teach a model hundreds of features."""
_IDENTITY = ("application_id", "customer_id", "applied_on")
_OUTCOME = ("approved", "defaulted", "outcome_known_on")
_AMOUNT = ("product", "amount", "term_months")
_AGE = "age_years"
TUNE = 0.25
"""Part of the rows to learn from that is kept to calibrate by: the latest months."""


@dataclass(frozen=True)
class Applications:
    """All applications of a bank, or the rows of a flat table; `sample` and `beside` share one index."""

    sample: Sample
    """One row an application; 1 is bad, NaN refused or of a month whose outcomes are not yet known as a whole."""
    beside: pd.DataFrame
    """Nothing for a model: `application_id`, `product`, `amount`, `term_months` (NaN where there is none), `approved`
    (missing where not decided), `rate` a year (NaN where not told), `defaulted` and `outcome_on` as far as known, also
    in months that are still open, and the protected attributes, with `age_years` on the day; of a table these alone."""
    columns: pd.DataFrame
    """Use of every column of the source: `use`, `reason`, `owner`."""

    @property
    def approved(self) -> pd.Series:
        """Whether each application was granted credit."""
        return pd.Series(_approved(self.beside), self.beside.index)

    @property
    def rejected(self) -> np.ndarray:
        """Whether each application was refused."""
        return self.beside["approved"].eq(False).fillna(False).to_numpy(bool)

    @property
    def decisions(self) -> Sample:
        """The same rows with the bank's decision as the target: 1 refused, 0 approved."""
        approved = self.beside["approved"].astype(float)
        return replace(self.sample, target=(1.0 - approved).rename("refused"))

    @property
    def protected(self) -> list[str]:
        """Protected attributes that the source has."""
        return [c for c in self.beside if c == _AGE or (c in self.columns.index and self.columns.use[c] == PROTECTED)]


def applications(snapshot: Snapshot) -> Applications:
    """Collect all applications with what was known before each of them.

    A `BankmineError` says why there are none, or which column that a model may use cannot be used.
    """
    if lacking := snapshot.lacking("applications.defaulted", "applications.outcome_known_on"):
        raise BankmineError(f"Credit needs {' and '.join(lacking)}, which {snapshot.source.name} does not have.")
    columns = _columns(snapshot)
    day = [snapshot.as_of]
    rows = kept(snapshot, "applications", day, lambda: _rows(snapshot, columns).to_pandas(), columns, ANALYSES)
    rows = rows.sort_values(list(_IDENTITY), ignore_index=True)
    if rows.empty:
        raise BankmineError(f"{snapshot.source.name} has no application up to {snapshot.as_of}: take a later day.")
    beside, day = _beside(rows, columns), pd.to_datetime(rows["applied_on"])
    closed = closed_by(beside, day, pd.Timestamp(snapshot.as_of))
    predictors = _typed(rows[[*columns.index[columns.use == ALLOWED], *(c for c in _KNOWN if c in rows)]])
    target = beside["defaulted"].where(closed).rename("bad")
    return Applications(Sample(predictors, target, rows["customer_id"], day), beside, columns)


def flat_applications(flat: Flat) -> Applications:
    """Collect the rows of a flat table; its columns may be used if nothing is said against it."""
    whole = flat_sample(flat)
    columns = uses(list(whole.predictors), load_undated() | load_columns(REGISTRY), otherwise=ALLOWED)
    kept = list(columns.index[columns.use == ALLOWED])
    if not kept:
        raise BankmineError(f"{flat.title} has no column that a model may use: see data/credit.yml.")
    return Applications(whole.using(kept), whole.predictors[columns.index[columns.use == PROTECTED]], columns)


def _columns(snapshot: Snapshot) -> pd.DataFrame:
    """List the columns that could be predictors, and the use of each; those that are not listed are refused."""
    table, people = snapshot.applications, snapshot.customers
    taken = {*_IDENTITY, *_OUTCOME}
    names = [c for c in table.columns if c not in taken]
    names += [c for c in people.columns if c not in {*names, "customer_id", "joined_on"}]
    told = uses(names, load_undated() | load_columns(REGISTRY))
    for name in told.index[told.use == ALLOWED]:
        if name not in table.columns:
            told.loc[name, ["use", "reason"]] = REFUSED, "Of customers, without a date: not known since when it holds"
        elif not isinstance(table.schema()[name], dt.Numeric | dt.Boolean | dt.String):
            raise BankmineError(f"Column {name} of applications must be a number, a truth value or text.")
    return told


def _rows(snapshot: Snapshot, columns: pd.DataFrame) -> ir.Table:
    """Join applications with what was known of customers at the last month end before."""
    table = snapshot.applications
    table = table.mutate(day=(table.applied_on.truncate("M") - ibis.interval(days=1)).cast("date"))
    known = features(snapshot, table.select(*KEYS).distinct(), (*_KNOWN, _AGE))
    if clash := [c for c in known.columns if c in table.columns and c not in KEYS]:
        raise BankmineError(f"Column {clash[0]} of applications is named like a feature: rename it in the source.")
    table = table.left_join(known, KEYS).drop(*(f"{k}_right" for k in KEYS))
    shown = [c for c in columns.index[columns.use == PROTECTED] if c not in table.columns]
    return table.left_join(snapshot.customers.select("customer_id", *shown), "customer_id").drop("customer_id_right")


def _beside(rows: pd.DataFrame, columns: pd.DataFrame) -> pd.DataFrame:
    shown = [c for c in columns.index[columns.use == PROTECTED] if c in rows.columns and c != "birth_date"]
    # a source without decisions tells of granted credits only
    approved = rows.get("approved", pd.Series(True, rows.index))
    beside = pd.DataFrame({"application_id": rows["application_id"], **{c: rows.get(c, np.nan) for c in _AMOUNT}})
    beside = beside.assign(
        term_months=beside["term_months"].astype(float),
        rate=rows.get("interest_rate", pd.Series(np.nan, rows.index)).astype(float),
        approved=approved.astype("boolean"), defaulted=rows["defaulted"].astype(float),
        outcome_on=pd.to_datetime(rows["outcome_known_on"]),
    )  # fmt: skip
    beside["defaulted"] = beside["defaulted"].where(beside["approved"].fillna(False).astype(bool))
    beside[shown] = rows[shown]
    if "birth_date" in rows.columns and columns.use.get("birth_date") == PROTECTED:
        beside[_AGE] = _years(rows["birth_date"], rows["applied_on"])
    return beside


def _years(birth: pd.Series, day: pd.Series) -> pd.Series:
    return np.floor((pd.to_datetime(day) - pd.to_datetime(birth)).dt.days / 365.25)


def _typed(rows: pd.DataFrame) -> pd.DataFrame:
    """Make texts categories, and truth values with gaps numbers; whole numbers become floats, which may be missing."""
    text = {c for c in rows.columns if rows[c].dtype == object and rows[c].map(type).eq(str).any()}
    return rows.astype({c: "category" if c in text else float for c in rows.columns if rows[c].dtype != bool})


# --- vintages: of which applications the outcome is known, and how many went bad, by when they were made.
# Bad credits show before the good ones are over. So of a young vintage only bad ones are known: counting those alone
# would call all of it bad, and counting the rest as good would call it better than it is. A month counts as closed when
# the outcomes of nearly all its approved applications are known; younger vintages are compared at the same age.

OPEN = 0.05
"""Part of a month's approved applications that may still be open when it counts as closed."""


def closed_by(beside: pd.DataFrame, applied: pd.Series, day: pd.Timestamp) -> np.ndarray:
    """Say which applications could be learnt from on a day: approved, outcome known, and their month closed."""
    approved = _approved(beside)
    known = approved & beside["defaulted"].notna().to_numpy() & (beside["outcome_on"] <= day).to_numpy()
    return known & _closed_months(approved, known, applied)


def application_funnel(sample: Sample, beside: pd.DataFrame) -> pd.DataFrame:
    """Say how many applications are left on the way to those that a model can learn from: `validation.funnel`."""
    approved = _approved(beside)
    month = approved & sample.day.dt.to_period("M").isin(sample.day[sample.known].dt.to_period("M")).to_numpy()
    return funnel(
        {
            "applications": len(sample), "decided": int(beside["approved"].notna().sum()),
            "approved": int(approved.sum()), "of a month whose outcomes are known": int(month.sum()),
            "outcome known": int(sample.known.sum()),
        }
    )  # fmt: skip


def vintages(sample: Sample, beside: pd.DataFrame, period: str = "Q") -> pd.DataFrame:
    """Count applications, approvals and bad credits by month, quarter or year (M, Q, Y) of the application.

    `rate` (95 %, Wilson, by customer) is of known outcomes where the vintage is `closed`, else of all approved ones:
    then it is a floor, which rises until it is closed.
    """
    frame = pd.DataFrame({
        "vintage": sample.day.dt.to_period(period).astype(str), "approved": _approved(beside),
        "known": beside["defaulted"].notna(), "bad": beside["defaulted"].eq(1), "usable": sample.known,
        "entity": sample.entity,
    })  # fmt: skip
    rows = {name: _vintage(part) for name, part in frame.groupby("vintage")}
    return pd.DataFrame.from_dict(rows, "index").rename_axis("vintage")


def by_age(
    sample: Sample, beside: pd.DataFrame, as_of: pd.Timestamp, months: int = 12, period: str = "Q"
) -> pd.DataFrame:
    """Follow the bad credits of each vintage by age in months, up to the oldest that the whole vintage has reached.

    So young vintages are compared with old ones of that age. `rate` has its interval of 95 %, by customer.
    """
    approved = _approved(beside)
    day, bad_on = sample.day[approved], beside["outcome_on"].where(beside["defaulted"].eq(1))[approved]
    rows = []
    for vintage, days in day.groupby(day.dt.to_period(period)):
        for age in range(1, months + 1):
            if days.max() + pd.DateOffset(months=age) > pd.Timestamp(as_of):
                break
            bad = bad_on[days.index] <= days + pd.DateOffset(months=age)
            low, high = wilson_clustered(bad, sample.entity[days.index])
            rows.append((str(vintage), age, len(bad), int(bad.sum()), float(bad.mean()), low, high))
    return pd.DataFrame(rows, columns=["vintage", "months", "approved", "bad", "rate", "low", "high"])


def _approved(beside: pd.DataFrame) -> np.ndarray:
    return beside["approved"].eq(True).fillna(False).to_numpy(bool)


def _closed_months(approved: np.ndarray, known: np.ndarray, applied: pd.Series) -> np.ndarray:
    month = applied.dt.to_period("M")
    there = pd.Series(known, applied.index)[approved].groupby(month[approved]).mean()
    return month.isin(there.index[there >= 1 - OPEN]).to_numpy()


def _vintage(rows: pd.DataFrame) -> dict[str, object]:
    granted = rows[rows["approved"]]
    closed = bool(len(granted)) and granted["usable"].mean() >= 1 - OPEN
    counted = granted[granted["known"]] if closed else granted
    low, high = wilson_clustered(counted["bad"], counted["entity"])
    return {
        "applications": len(rows), "approved": len(granted), "known": int(granted["known"].sum()),
        "open": int((~granted["known"]).sum()), "bad": int(granted["bad"].sum()), "closed": closed,
        "rate": counted["bad"].mean(), "low": low, "high": high,
    }  # fmt: skip


def in_time(found: Applications, test: int = 4) -> Parts:
    """Split applications by time: judged by the last closed months, learnt from what was known as they began.

    A model made on the first of these days could learn from months that were closed by then, and no others; which ones
    follows from the day on which each outcome became known. Its latest quarter is kept to calibrate by. `scoring`
    learns from all that is known today; its `test` holds the applications of the last month, whatever was decided.
    """
    sample, month = found.sample, found.sample.day.dt.to_period("M")
    closed = sorted(month[sample.known].unique())
    if len(closed) <= test:
        raise BankmineError(
            f"Outcomes of only {len(closed)} months of applications are known as a whole, and {test} are needed to "
            "test on, with others before them: give a later as-of day or a longer history, or test on fewer months."
        )
    tested = sample.known & (month >= closed[-test]).to_numpy()
    before = closed_by(found.beside, sample.day, sample.day[tested].min()) & ~tested
    split = _split(sample, before, tested)
    folds = stratified_folds(sample, np.union1d(split.train, split.tune), folds=5, repeats=1)
    today = _split(sample, sample.known, (month == month.max()).to_numpy())
    how = (
        f"by time: judged by the applications of {closed[-test]} to {closed[-1]}, learnt from those whose outcomes "
        f"were known as a whole on {sample.day[tested].min():%Y-%m-%d}"
    )
    return Parts(split, folds, today, how)


def _split(sample: Sample, learnt: np.ndarray, tested: np.ndarray) -> Split:
    """Keep the latest months of those learnt from to tune by."""
    if (bad := int(sample.target[learnt].sum())) < FEWEST or bad == learnt.sum():
        raise BankmineError(
            f"{bad} of {learnt.sum():,} applications to learn from went bad, and {FEWEST} of either kind "
            "are needed: give a longer history, a later as-of day, or fewer months to test on."
        )
    month = sample.day.dt.to_period("M")
    after = month[learnt].value_counts(normalize=True).sort_index(ascending=False).cumsum()
    tune = learnt & (month >= after.index[after <= max(TUNE, after.iloc[0])][-1]).to_numpy()
    rows = {"train": np.flatnonzero(learnt & ~tune), "tune": np.flatnonzero(tune), "test": np.flatnonzero(tested)}
    return Split(**rows, days={part: tuple(sample.day.iloc[r].sort_values().unique()) for part, r in rows.items()})
