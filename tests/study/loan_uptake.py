"""A topic as an analyst would write it on the Study: who takes up a loan? Rows, event, costs, words, no more."""

from __future__ import annotations

import numpy as np
import pandas as pd

from bankmine.bank.snapshot import Snapshot, open_source
from bankmine.deciding.costs import Costs
from bankmine.features.customers import features
from bankmine.features.spine import spine_of
from bankmine.judging.fairness import protected_groups
from bankmine.learning import splits
from bankmine.learning.sample import Sample
from bankmine.learning.splits import Parts
from bankmine.study.study import Study

WINDOW = 90
"""Days within which a loan is opened."""
TRAIN, TUNE, TEST = 4, 2, 2
CALL, EARNED = 20.0, 1_500.0
"""Cost of an offer, and what a loan earns, in the currency of the demo bank."""


class LoanUptake(Study):
    """Customers without a loan on month ends, and whether they open one within 90 days."""

    name = "loan_uptake"
    purpose = "a list of whom to offer a loan; not for its price"
    action = "offer"
    rule = "tenure_days"

    def __init__(self, snapshot: Snapshot) -> None:
        days = splits.month_ends(snapshot.as_of, WINDOW, TRAIN, TUNE, TEST)
        rows = features(snapshot, spine_of(snapshot, days)).to_pandas()
        rows = rows.assign(day=pd.to_datetime(rows["day"])).sort_values(["customer_id", "day"], ignore_index=True)
        loans = snapshot.accounts.filter(snapshot.accounts["product"] == "personal_loan").to_pandas()
        first = pd.to_datetime(loans.groupby("customer_id")["opened_on"].min())
        opened = rows["customer_id"].map(first)
        rows, opened = (part[~(opened <= rows["day"])] for part in (rows, opened))
        end = rows["day"] + pd.Timedelta(days=WINDOW)
        target = (opened <= end).astype(float).where(end <= pd.Timestamp(snapshot.as_of))
        known = rows.drop(columns=["customer_id", "day"])
        known = known.astype({c: float if known[c].dtype != object else "category" for c in known})
        super().__init__(
            snapshot, f"opens a loan within {WINDOW} days", Sample(known, target, rows["customer_id"], rows["day"])
        )

    def divide(self) -> Parts:
        """Split by time, with the window between the parts."""
        split = splits.out_of_time(self.sample, WINDOW, TRAIN, TUNE, TEST)
        folds = splits.rolling_origin(self.sample, np.union1d(split.train, split.tune), WINDOW)
        today = splits.for_scoring(self.sample, self.source.as_of, WINDOW, TRAIN, TUNE)
        return Parts(split, folds, today, f"by time, {WINDOW} days between the parts")

    def costs(self, rows: Sample) -> Costs:
        """An offer costs a call; who would have come anyway is counted as won, for want of a trial."""
        nothing = pd.Series(0.0, rows.target.index)
        return Costs(tp=nothing + CALL - EARNED, fp=nothing + CALL, fn=nothing, tn=nothing)

    def groups(self) -> dict[str, pd.Series]:
        """Groups by age."""
        return protected_groups(self.sample.predictors[["age_years"]])

    def files(self) -> dict[str, pd.DataFrame]:
        """Whom to offer a loan."""
        offers = pd.DataFrame({"chance": self.scores, "offered": self.acted_now}).set_index(self.today.entity)
        return {"loan_offers": offers.rename_axis("customer_id")}


def study(source: str, as_of: str) -> LoanUptake:
    """Open a bank and set the study up."""
    return LoanUptake(open_source(source).as_of(as_of))
