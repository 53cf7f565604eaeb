"""The study of credit: who will repay, whom to grant credit, of a bank's applications or of a flat table.

What both have in common is in `granting.py`; a bank tells also what it decided, and offers amounts and prices.
"""

from __future__ import annotations

import datetime
from dataclasses import replace
from functools import cached_property

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from bankmine.bank.flat import Flat, is_flat, open_flat
from bankmine.bank.snapshot import Snapshot, open_source
from bankmine.deciding.costs import Costs
from bankmine.errors import BankmineError
from bankmine.judging import disclosure, proxies
from bankmine.judging.contributions import contributions
from bankmine.judging.intervals import shown, with_interval
from bankmine.lacking import Lacking, optional, part
from bankmine.learning import models
from bankmine.learning.boosting import PLAIN
from bankmine.learning.sample import Sample
from bankmine.learning.splits import Parts, Split
from bankmine.study import charts
from bankmine.study.charts import chart
from bankmine.study.earlier import Became, EarlierLists, Finder
from bankmine.study.judged import Judged
from bankmine.study.validation import Varied
from bankmine.topics.credit import given_away, grades, lending, portfolio, refused
from bankmine.topics.credit.alternatives import DECIDED
from bankmine.topics.credit.applications import (
    application_funnel,
    applications,
    by_age,
    flat_applications,
    in_time,
    vintages,
)
from bankmine.topics.credit.evidence import evidence
from bankmine.topics.credit.granting import CreditStudy
from bankmine.topics.credit.portfolio import Portfolio
from bankmine.topics.credit.rules import load_credit_rules
from bankmine.topics.credit.scorecard import SCORECARD, STANDARD, Scale

_OUTCOME_MONTHS = 12
_PILED = ["purpose", "employer_sector", "applied_through"]
"""What is told of applicants by which credits may pile up, beside the product and where they live."""


def study(
    source: str, as_of: str | datetime.date, target: str = "", positive: str = "", id: str = "", time: str = "",
    delay: int = 0, test: int = 4, base: float = 600, odds: float = 50, pdo: float = 20,
    decimal: str = "", dates: str = "", clock: str = "", encoding: str = "", keep: str = "",
    earlier: Finder | None = None,
) -> CreditStudy:  # fmt: skip
    """Open a source and set up the study of who repays; nothing is fitted before it is asked for.

    Parameters
    ----------
    source : str
        Name or path of a bank, or of a flat table.
    as_of : str or date
        Last day to know.
    target, positive, id, time, decimal, dates, clock, encoding, keep : str
        As for `open_flat`, for a flat table.
    delay : int
        Days after which the outcome of a row of a flat table is known.
    test : int
        Months of applications to be judged by, of a bank.
    base, odds, pdo : float
        The scorecard gives `base` points at odds of `odds` good to 1 bad; `pdo` points more double the odds.
    earlier : callable, optional
        Finds the lists of earlier reports, to judge them: `report.handed_on.earlier_lists`.

    Raises
    ------
    BankmineError
        If the source cannot be used. Where there is not enough to learn from, the study's parts are lacking.
    """
    scale = Scale(base, odds, pdo)
    if is_flat(source):
        flat = open_flat(source, target, positive, id, time, as_of, decimal, dates, clock, encoding, keep)
        return TableCredit(flat, delay, scale)
    found = BankCredit(open_source(source).as_of(as_of), test, scale)
    found.find_lists = earlier
    return found


class TableCredit(CreditStudy):
    """Credit of a flat table: the outcome and, it may be, the costs are told, and nothing of the bank around them."""

    def __init__(self, flat: Flat, delay: int = 0, scale: Scale = STANDARD) -> None:
        super().__init__(flat, flat.event, flat_applications(flat), scale)
        self.delay, self.definition = delay, f"Bad means: {flat.event}."

    @part
    def funnel(self) -> pd.DataFrame:
        """Lack what a bank tells."""
        raise BankmineError("a flat table does not tell who applied and was refused")

    quarters = ages_chart = inferred = inferred_span = old_stand_ins = old_proxies = old_proxies_table = funnel
    long_run = overrides = overrides_table = overridden = earlier_lists = portrait = level = funnel

    @part
    def tiers(self) -> pd.DataFrame:
        """Lack what a bank tells."""
        raise BankmineError("a flat table tells no products, amounts and terms")

    tiers_chart = portfolio = tiers


class BankCredit(CreditStudy):
    """Credit of a bank's applicants, split by time; all applicants of the months judged are decided on."""

    delay = 365
    asked = " at the terms asked for"
    per = "at the terms agreed, on the applicants judged"

    def __init__(self, snapshot: Snapshot, test: int = 4, scale: Scale = STANDARD) -> None:
        super().__init__(snapshot, "the credit goes bad", applications(snapshot), scale)
        self.test, self.rules = test, load_credit_rules(snapshot.source.currency)
        self.definition, self.highest = self.rules.definition, self.rules.tiers[-1].up_to

    @cached_property
    def loan_costs(self) -> Costs:
        """What refusing and granting each application costs."""
        return lending.loan_costs(self.beside, self.rules)

    def costs(self, rows: Sample) -> Costs:
        """Return what refusing and granting rows costs, by `data/credit.yml`."""
        return self.loan_costs.at(rows.target.index)

    def divide(self) -> Parts:
        """Split by time: judged by the last closed months, learnt from what was known as they began."""
        return in_time(self.applications, self.test)

    @property
    def deciding(self) -> Split:
        """The split with all applicants of the months judged in `test`, also those who were refused."""
        days = self.sample.day
        span = days.iloc[self.split.test].agg(["min", "max"])
        return replace(self.split, test=np.flatnonzero(days.between(*span)))

    @property
    def before(self) -> np.ndarray:
        """Positions of all applicants between those learnt from and those judged, refused ones too."""
        day = self.sample.day
        first, end = day.iloc[self.split.tune].min(), day.iloc[self.deciding.test].min()
        return np.flatnonzero((day >= first) & (day < end))

    @part
    def since_learnt(self) -> Judged:
        """As of any study, also of the months between those learnt from and those judged: they are known by now."""
        seen = np.union1d(self.split.train, self.split.tune)
        rows = self.sample.at(np.setdiff1d(np.union1d(self.before, self.split.test), seen))
        rows = rows.at(rows.known)
        return Judged(rows, self.chances(rows).to_frame(self.chosen), self.chosen, self.chosen)

    @part
    def level(self) -> dict[str, object]:
        """Of all credits that the card has not seen: `foretold` and `came`, the `level` (log-odds), and `told`."""
        own, found = self.since_learnt, self.since_learnt.deviation("in_the_large")
        told = "too low" if found["low"] > 0 else "too high" if found["high"] < 0 else "about right"
        counts = {"rows": len(own.rows), "came": int(own.rows.target.sum())}
        counts["foretold"] = own.probability[self.chosen].sum()
        return counts | found[["value", "low", "high"]].to_dict() | {"told": told, "when": self.when(own.rows)}

    def decided(self, rows: Sample) -> dict[str, pd.Series]:
        """Say whom the bank did not grant credit."""
        return {DECIDED: ~self.applications.approved.loc[rows.target.index]}

    @part
    def funnel(self) -> pd.DataFrame:
        """From applications to those that a model can learn from."""
        return shown(application_funnel(self.sample, self.beside), share=".1%")

    @part
    def quarters(self) -> pd.DataFrame:
        """Applications by quarter; of quarters that are not closed the rate is a floor."""
        found = vintages(self.sample, self.beside)
        found["bad rate"] = with_interval(found, "rate", ".1%")
        return found[["applications", "approved", "known", "open", "bad", "closed", "bad rate"]]

    @part
    def long_run(self) -> dict[str, object]:
        """The long-run default rate and its margin of conservatism: `grades.long_run`."""
        return grades.long_run(vintages(self.sample, self.beside))

    @part
    def portfolio(self) -> Portfolio:
        """The credits that are granted to the applicants scored now."""
        index = self.today.target.index
        told = self.beside.loc[index, ["product"]].join(self.today.predictors.filter(_PILED)).join(
            self.beside.loc[index].filter(["region", "city_tier"])
        )  # fmt: skip
        return Portfolio(self.decided_now, self.scores, told, self.rules, self.smallest_group)

    @part
    def overrides(self) -> pd.DataFrame:
        """What the bank decided in the last twelve months, against this policy: `portfolio.overrides`."""
        rows = self.sample.at((self.sample.day > self._a_year_ago).to_numpy())
        decision = self.offers(self.chances(rows), rows)["decision"]
        return portfolio.overrides(decision, self.beside.loc[rows.target.index])

    @property
    def _a_year_ago(self) -> pd.Timestamp:
        return pd.Timestamp(self.source.as_of) - pd.DateOffset(months=_OUTCOME_MONTHS)

    @part
    def overrides_table(self) -> pd.DataFrame:
        """The same for a page."""
        return portfolio.overrides_table(self.overrides, self.smallest_group)

    @part
    def overridden(self) -> dict[str, object]:
        """In a year, how many the bank `granted` whom this policy refuses, and `refused` whom it grants; `share`."""
        return portfolio.otherwise(self.overrides, self.smallest_group)

    @part
    def earlier_lists(self) -> EarlierLists:
        """The lists of earlier reports, held against which of their credits have gone bad since."""
        columns = {"customer_id": str, "application_id": str, "decision": str, "probability": float}
        return self.lists_judged(
            "credit_scores.parquet", columns, self._became,
            acted="to be granted", others="not to be granted", event="went bad", so_far="have gone bad so far",
        )  # fmt: skip

    def _became(self, listed: pd.DataFrame, day: datetime.date) -> Became:
        """Say which credits that the bank granted to those on a list have gone bad; of others nothing can be known."""
        if listed["application_id"].duplicated().any():
            raise BankmineError("it names an application twice")
        known_on = pd.Timestamp(day) + pd.DateOffset(months=_OUTCOME_MONTHS)
        own = self.beside.set_index("application_id").reindex(listed["application_id"]).set_index(listed.index)
        event = own["defaulted"].eq(1).astype(object).where(own["approved"].fillna(False).astype(bool))
        if known_on <= pd.Timestamp(self.source.as_of):
            event = event.where(own["defaulted"].notna())
        return Became(
            listed["decision"] == lending.GRANT, event, listed["probability"], listed["customer_id"], known_on
        )

    @chart
    def ages_chart(self) -> Axes:
        """Draw the share that went bad by age and year of the application."""
        ages = by_age(self.sample, self.beside, pd.Timestamp(self.source.as_of), period="Y")
        axis = sns.lineplot(ages, x="months", y="rate", hue="vintage", style="vintage", marker="o")
        title = "Share of granted credits that went bad, by age and year of the application"
        return charts.titled(axis, title, "months since the application", "share that went bad", percent="y")

    def offers(self, chance: pd.Series, rows: Sample) -> pd.DataFrame:
        """Decide on rows by their chances, and say what is offered: `lending.offers`."""
        income = rows.predictors.get("stated_income")
        monthly = None if income is None else income / 12
        asked = self.beside.loc[rows.target.index]
        return lending.offers(chance, asked, self.rules, monthly, self.cut_off, self.strange(rows))

    @part
    def portrait(self) -> dict[str, str]:
        """By which `command` the first on the list is portrayed."""
        return self.portrait_of(self.today.entity.loc[self.decided_list.index[0]])

    def told_beside(self) -> pd.DataFrame:
        """Return the id of each application scored now, what was asked for, and what the bank has decided `so_far`."""
        return self.beside.loc[self.today.target.index, ["application_id", "product", "amount"]].assign(
            so_far=self._so_far
        )

    @property
    def _so_far(self) -> pd.Series:
        """What the bank has decided on each application scored now."""
        approved = self.beside.loc[self.today.target.index, "approved"]
        return approved.map({True: "granted", False: "refused"}).astype(object).fillna("open")

    @part
    def decided_before(self) -> dict[str, int] | None:
        """How many of the applicants scored now the bank has `decided` on, and on how many `otherwise` than here."""
        known = self._so_far != "open"
        ours = self.decided_now["decision"]
        same = self._so_far.eq("granted").eq(ours.eq(lending.GRANT))
        otherwise = int((known & ~same & ours.ne(lending.FOR_A_PERSON)).sum())
        return {"decided": int(known.sum()), "otherwise": otherwise} if known.any() else None

    @property
    def span(self) -> str:
        """For which time income is counted, in words."""
        return f"in {self.rules.months} months, at the terms agreed"

    def whose(self, rows: Sample) -> str:
        """Say in which months they applied."""
        first, last = rows.day.min(), rows.day.max()
        if (same := first.year == last.year) and first.month == last.month:
            return f"those who applied in {last:%B %Y}"
        return f"those who applied from {first:{'%B' if same else '%B %Y'}} to {last:%B %Y}"

    @part
    def tiers(self) -> pd.DataFrame:
        """Risk tiers of the applicants judged, with medians of the limit and the price suggested."""
        rows, chance = self.fitted[0].rows, self.fitted[0].probability[SCORECARD]
        found = lending.tier_table(self.offers(chance, rows), chance, rows.target, rows.entity)
        found = disclosure.rows_told(found, "applicants", self.smallest_group, added_up=True)
        found["bad rate"] = with_interval(found, "bad_rate", ".1%")
        columns = ["applicants", "share", "expected_bad_rate", "bad rate", "limit", "price", "expected_profit"]
        told = found[columns].rename(columns={"expected_profit": "expected profit as offered"})
        return shown(told, share=".1%", expected_bad_rate=".1%", price=".1%", **{"expected profit as offered": ",.0f"})

    @chart
    def tiers_chart(self) -> Axes:
        """Draw how many of the newest applicants are in each tier."""
        counts = self.decided_now["tier"].value_counts(sort=False).to_frame("applicants")
        counts = disclosure.rows_told(
            counts[counts["applicants"] > 0], "applicants", self.smallest_group, added_up=True
        )
        axis = sns.barplot(counts.astype(float), y="tier", x="applicants", color="C0")
        return charts.titled(axis, "Newest applicants by risk tier", "applicants", "")

    @part
    def old_proxies(self) -> pd.DataFrame:
        """Predictors that carry an attribute of two groups into the bank's own refusals before the months judged."""
        past = self.applications.decisions
        begins = self.sample.day.iloc[self.deciding.test].min()
        past = past.at(past.known & (self.sample.day < begins).to_numpy())
        # explained on the rows that it learnt from and judged by none: no setting is searched
        recipe = models.candidates(past)["xgboost"].set_params(model__n_estimators=PLAIN["n_estimators"])
        group = self._refused_more[1].loc[past.target.index]

        def found() -> pd.DataFrame:
            habits = models.fit_all({"xgboost": recipe}, past)["xgboost"]
            return proxies.proxies(past, group, contributions(habits, past.predictors).pushes)

        return self._kept("stand-ins in earlier refusals", (recipe, past, group), found)

    @part
    def old_proxies_table(self) -> pd.DataFrame:
        """The strongest of them."""
        return self.old_proxies[["tells", "gap", "share", "foretells", "lost", "verdict"]].head(6)

    @property
    def _refused_more(self) -> tuple[str, pd.Series]:
        return given_away.less_often(self, self.applications.approved)

    @part
    def old_stand_ins(self) -> dict[str, object]:
        """What made the bank refuse a group more often before, as it is `told` to a reader, if `any` predictor did."""
        attribute, group = self._refused_more[0].split(" is ")
        return given_away.told(attribute, group, self.old_proxies, set(self.scorecard.bins))

    @part
    def inference(self) -> refused.Study:
        """What a logistic regression, which takes weights, becomes under each assumption about the refused."""
        no = self.applications.rejected
        no = no & (self.sample.day <= self.sample.day.iloc[self.split.tune].max()).to_numpy()
        learnt, rows = self.sample.at(self.split.train), self.fitted[0].rows
        plain = models.candidates(learnt)["logistic"]
        return refused.study(plain, learnt, self.sample.predictors[no], self.judged.rows, rows.predictors)

    @part
    def inferred(self) -> pd.DataFrame:
        """By assumption about the refused, whom the same cut-off grants credit: `refused.Study.decided`."""
        applied = self.fitted[0]
        own = applied.probability[SCORECARD]
        table = self.inference.decided(own, lambda chance: self.offers(chance, applied.rows))
        percent = dict.fromkeys(["assumed", "predicted", "share granted", "decided otherwise"], ".1%")
        return shown(table, **percent, **{"expected profit as offered": ",.0f"})

    @part
    def inferred_span(self) -> dict[str, float]:
        """The `low` and `high` share of applicants to whom the cut-off grants credit, by assumption."""
        found = self.inferred["share granted"]
        return {"low": found.min(), "high": found.max()}

    def files(self) -> dict[str, pd.DataFrame | str]:
        """Return also what a validator computes figures again by."""
        return super().files() | evidence(self)

    def answers(self) -> dict[str, object]:
        """Say what a bank tells beside."""
        span = optional(self, "inferred_span")
        return super().answers() | {
            "definition": "data/credit.yml: 90 days past due within a year",
            "definition_sensitivity": "bad credits of each vintage by age",
            "data": f"{len(self.sample):,} applications, {int(self.sample.known.sum()):,} with a known outcome",
            "funnel": "from applications to outcomes",
            "reject_inference": span if isinstance(span, Lacking)
            else Varied(f"approvals between {span['low']:.0%} and {span['high']:.0%}, by assumption; none is verified"),
        }  # fmt: skip
