"""The study of value: what each customer is worth, whether that came true, and whose worth is at risk."""

from __future__ import annotations

import datetime
from typing import ClassVar

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from bankmine.bank.flat import is_flat, open_unlabelled
from bankmine.bank.snapshot import Snapshot, open_source
from bankmine.errors import BankmineError
from bankmine.features.cohorts import Cohorts, joined
from bankmine.features.consent import agreed_to_be_treated_personally, contact_allowed, may_contact
from bankmine.features.spine import month_end_before
from bankmine.features.value import TIERS, margin_total, not_counted, tiers
from bankmine.judging import disclosure
from bankmine.judging.amounts import Amounts, unsteadiness
from bankmine.judging.intervals import shown
from bankmine.lacking import Lacking, optional, part
from bankmine.study.buyers import Buyers
from bankmine.study.charts import by_cohort, chart
from bankmine.study.received import Received, received_table
from bankmine.topics.value import worth
from bankmine.topics.value.changes import changes
from bankmine.topics.value.expected import Valued
from bankmine.topics.value.parts import Parts
from bankmine.topics.value.table_study import TableValue
from bankmine.topics.value.worth import NAIVE, PARTS, TREES, Look

HALF, YEAR = 6, 12
_TOP = ("premium", "preferred")


def study(
    source: str, as_of: str | datetime.date, *, id: str = "", time: str = "", amount: str = "", earns: float = 1.0,
    decimal: str = "", dates: str = "", clock: str = "", encoding: str = "", received: Received | None = None,
) -> BankValue | TableValue:  # fmt: skip
    """Open a source and set up the study of value; nothing is computed before it is asked for.

    Parameters
    ----------
    source : str
        Name or path of a bank, or of a flat table of purchases.
    as_of : str or date
        Last day to know.
    id, time, amount : str
        Of a flat table: columns with the customer, the moment and the amount of a purchase.
    earns : float
        Of a flat table: the part of an amount that is earned.
    decimal, dates, clock, encoding : str
        As for `open_flat`, for a flat table.
    received : callable, optional
        Finds what other reports of the day handed on: chances to leave (06) and segments (03).

    Raises
    ------
    BankmineError
        If the source cannot be used. Where there is too little to learn from, the study's parts are lacking and say so.
    """
    if is_flat(source):
        written = {"decimal": decimal, "dates": dates, "clock": clock, "encoding": encoding}
        return TableValue(open_unlabelled(source, id, time, as_of, **written), amount, earns)
    return BankValue(open_source(source).as_of(as_of), received)


class BankValue(Valued):
    """What the customers of a bank are worth at the end of the last whole month."""

    whom: ClassVar[str] = "customers who may be contacted"

    def __init__(self, snapshot: Snapshot, received: Received | None = None) -> None:
        super().__init__(snapshot)
        self._received = received
        whole = pd.Timestamp(snapshot.as_of).is_month_end
        self.day = snapshot.as_of if whole else month_end_before(snapshot.as_of)
        self._two_years_ago = self._look(2 * YEAR)
        self._year_ago, self._half_ago = self._look(YEAR, self._two_years_ago), self._look(HALF, self._two_years_ago)
        self._now = self._look(0, self._year_ago)

    def _look(self, months: int, before: Look | None = None) -> Look:
        return Look(self.source, self._ago(months), self._rules.discount, self._measured, before)

    def _ago(self, months: int) -> datetime.date:
        return month_end_before(self.day, months)

    @part
    def _brought(self) -> dict[datetime.date, pd.DataFrame]:
        """What customers brought in over the year before each day that the data reach back a year from."""
        begun = self.source.transactions["at"].cast("date").min().to_pyarrow().as_py()
        days = [self._ago(months) for months in (0, HALF, YEAR, 2 * YEAR)]
        covered = [day for day in days if begun and begun <= day - datetime.timedelta(days=worth.YEAR - 31)]
        if not covered:
            raise BankmineError(f"a year before {self.day} is needed, and bookings begin on {begun}")
        return worth.measured(self.source, covered)

    def _measured(self, day: datetime.date) -> pd.DataFrame:
        if day not in self._brought:
            first = day - datetime.timedelta(days=worth.YEAR - 1)
            raise BankmineError(f"what was to be expected on {day} takes bookings from {first} on")
        return self._brought[day]

    @part
    def buyers(self) -> Buyers:
        """Customers who pay by card, looked at on days a year apart."""
        now, then = self._now, self._year_ago
        return Buyers(lambda: now.bought, lambda: then.bought, then.week_by_week)

    def _facts(self) -> dict[str, object]:
        return {"valued": f"{self.day}, by data/margin.yml and data/value.yml ({self._rules.owner})"}

    # --- whether it came true

    @part
    def judged(self) -> Amounts:
        """What was foretold a year ago, in three ways, and what came."""
        found = self._year_ago.judged(self._now)
        if isinstance(earlier := optional(self, "_earlier"), Lacking):
            return found
        by_trees = self._year_ago.by_trees(self._two_years_ago, earlier.came)
        return Amounts(found.foretold.assign(**{TREES: by_trees}), found.came)

    @part
    def _earlier(self) -> Amounts:
        """The same of the year before, in two."""
        return self._two_years_ago.judged(self._year_ago)

    # --- what is expected

    @part
    def _unsteady(self) -> float:
        """Standard error of a year's total, as a share, by how unsteadily the bank's margin moved month by month."""
        return unsteadiness(margin_total(self.source, self.day))

    @part
    def _unsteady_then(self) -> float:
        """The same by the months that were known a year ago."""
        return unsteadiness(margin_total(self.source, self._ago(YEAR)))

    @part
    def _valued(self) -> pd.DataFrame:
        found, rate = self._now.table.drop(columns=["plain", "level"]), 1 + self._rules.discount
        if self.way != PARTS:
            said = (found["margin"] if self.way == NAIVE else self._by_trees) * rate**-0.5
            year, three = found["expected_12"].sum(), found["expected_36"].sum()
            # where parts cancel, three years are no multiple of one: then each is as the first
            same = sum(rate**-k for k in range(worth.YEARS))
            closings = found["stays_12"] - found["expected_12"]
            found["stays_12"] = said if self.way == NAIVE else said + closings
            found["expected_12"], found["expected_36"] = said, said * (three / year if 0 < year < three else same)
        return found

    @part
    def _by_trees(self) -> pd.Series:
        return self._now.by_trees(self._year_ago, self.judged.came)

    @part
    def parts(self) -> Parts:
        """Of which parts it is made, and what moves them."""
        return Parts(self._now, self.value, self.currency)

    # --- who holds the value, and whose is at risk

    def _of(self, report: str, name: str) -> pd.DataFrame:
        return received_table(self._received, report, name, self.source)

    @part
    def _chance(self) -> pd.DataFrame:
        """Chance to leave of each customer whom 06 scored, and whether 06 calls."""
        return self._of("06_churn", "churn_scores")

    @part
    def _months(self) -> int:
        """Within how many whole months 06 means its chances: those since the newest day whose outcome it knows."""
        newest = self._of("06_churn", "churn_judged")["day"].max()
        return max((pd.Period(self.day, "M") - pd.Period(newest, "M")).n, 1)

    @part
    def _lost(self) -> str:
        return f"to leave within {self._months} months"

    @part
    def at_risk_year(self) -> dict[str, object]:
        """How much worth is at risk within a year, if customers go on to leave as they do in the `months` of 06."""
        found, months = self._at_risk, self._months
        leaves = 1 - (1 - found["chance"]) ** (YEAR / months)
        return {"year": (found["stays_12"] * leaves).clip(lower=0).sum(), "months": months, "currency": self.currency}

    @part
    def warned(self) -> dict[str, object]:
        """What 06 says of its chances, by those of the limits it watches that are crossed."""
        found = self._of("06_churn", "churn_monitoring")
        crossed = found[found["metric"].str.contains("chances") & found["status"].eq("crossed")]
        odds = np.exp(crossed[["now", "below", "above"]].astype(float))
        told = [
            f"the odds of leaving were {now:.2f} times those foretold ({below:.2f} to {above:.2f} may be chance)"
            for now, below, above in odds.to_numpy()
        ]
        told = crossed["told"].where(~crossed["metric"].str.contains("log-odds"), told)
        return {"told": "; ".join(told) or "they are within their limits"}

    @part
    def _people(self) -> pd.DataFrame:
        return self.source.customers.to_pandas().set_index("customer_id")

    @part
    def _listed(self) -> pd.DataFrame:
        found = self._at_risk
        return may_contact(found.assign(contact=contact_allowed(self._people.reindex(found.index), self.source.unseen)))

    @part
    def by_segment(self) -> pd.DataFrame:
        """Worth by the segments that 03 handed on."""
        segment = self._of("03_segmentation", "segments")["segment"].astype("string")
        found = self.value.join(segment, how="inner")
        told = found.groupby("segment").agg(
            customers=("margin", "size"), realised=("margin", "mean"), expected=("expected_12", "mean"),
            in_36_months=("expected_36", "mean"), all_expected=("expected_12", "sum"),
        )  # fmt: skip
        told["share"] = told.pop("all_expected") / found["expected_12"].sum()
        told = disclosure.rows_told(
            told.sort_values("expected", ascending=False), "customers", self._smallest, added_up=True
        )
        return shown(told, realised=",.0f", expected=",.0f", in_36_months=",.0f", share=".1%")

    @part
    def steady(self) -> dict[str, object]:
        """How many of the upper tiers of half a year ago are in them still, by what was and is expected."""
        then, now = self._half_ago.table["expected_12"], self.value["expected_12"]
        both = then.index.intersection(now.index)
        first, second = tiers(then[both]), tiers(now[both])
        top, now_top = (found.isin(_TOP) for found in (first, second))
        same = (first.astype(str) == second.astype(str)).mean()
        told = {"stay": now_top[top].mean(), "same": same, "since": self._ago(HALF), "top": int(top.sum())}
        return told | {"upper": sum(TIERS[name] for name in _TOP), "names": " and ".join(_TOP)}

    # --- whose worth rose and fell

    @part
    def _changed(self) -> tuple[pd.DataFrame, int]:
        agreed = agreed_to_be_treated_personally(self._people, self.source.unseen)
        return changes(self._half_ago, self._now, agreed)

    @part
    def changes(self) -> pd.DataFrame:
        """The hundred whose expected worth rose most in half a year, and the hundred whose fell most, with why."""
        return self._changed[0]

    @part
    def moved(self) -> dict[str, object]:
        """By how much the hundred rose, and the hundred fell, and how many are not named."""
        told = self.changes.groupby("moved")["change"].agg(["size", "sum"]).reindex(["rose", "fell"], fill_value=0)
        (rose, up), (fell, down) = told.to_numpy()
        ends = {"rose": int(rose), "up": up, "fell": int(fell), "down": -down, "unnamed": self._count(self._changed[1])}
        return ends | {"since": self._ago(HALF), "currency": self.currency}

    def _first(self, moved: str) -> pd.DataFrame:
        told = self.changes[self.changes["moved"] == moved].drop(columns="moved").head(8)
        return shown(told, before=",.0f", now=",.0f", change="+,.0f")

    @part
    def rose(self) -> pd.DataFrame:
        """First of those who rose."""
        return self._first("rose")

    @part
    def fell(self) -> pd.DataFrame:
        """First of those who fell."""
        return self._first("fell")

    # --- cohorts

    @part
    def _cohorts(self) -> Cohorts:
        return joined(self.source, self._smallest)

    @chart
    def stays_chart(self) -> Axes:
        """Draw the share of each month's new customers that still has an account, by months since."""
        return by_cohort(self._cohorts.stays, "Share of those who joined in a month with an account open", ".0%")

    @chart
    def paid_chart(self) -> Axes:
        """Draw the margin summed up of a customer who joined in each month, by months since."""
        title = f"Margin summed up of a customer who joined in a month, {self.currency}"
        return by_cohort(self._cohorts.paid, title, ",.0f")

    @part
    def payback(self) -> dict[str, object]:
        """When a new customer has paid back what winning one costs, and how many months of joining had not by then."""
        found = self._cohorts.payback(self._rules.acquisition)
        return found | {"behind": found["of"] - found["cohorts"], "currency": self.currency}

    # --- what leaves

    @part
    def uncounted(self) -> dict[str, str]:
        """What the margin lacks, in words."""
        return {"lacks": "; ".join([*not_counted(self.source), "capital, overheads and taxes"])}
