"""The study of churn: who is leaving, and whom it is worth calling, of a bank's customers or of a flat table."""

from __future__ import annotations

import datetime
from dataclasses import replace
from functools import cached_property
from typing import ClassVar

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from bankmine.bank.flat import Flat, is_flat, open_flat
from bankmine.bank.snapshot import Snapshot, open_source
from bankmine.deciding.costs import Costs, profit_metrics
from bankmine.deciding.policies import profit_of
from bankmine.errors import BankmineError
from bankmine.features import value
from bankmine.features.consent import ALLOWED, contact_allowed, may_contact
from bankmine.features.population import ALL, WITH_ACCOUNT
from bankmine.features.spine import KEYS
from bankmine.features.value import margins
from bankmine.judging import fairness
from bankmine.judging.fairness import protected_groups
from bankmine.judging.intervals import shown, with_interval
from bankmine.judging.leaks import sentinel
from bankmine.lacking import Lacking, part
from bankmine.learning import splits
from bankmine.learning.columns import REFUSED
from bankmine.learning.fitting import Applied
from bankmine.learning.models import learnable
from bankmine.learning.personal import personal_attributes
from bankmine.learning.sample import Sample, flat_sample, thinned
from bankmine.learning.splits import Parts, out_of_time
from bankmine.study import charts
from bankmine.study.charts import chart
from bankmine.study.earlier import Became, EarlierLists, Finder
from bankmine.study.question import by_month
from bankmine.study.study import Study
from bankmine.study.why import Why
from bankmine.topics.churn import retention, survival
from bankmine.topics.churn.calls import Calls, called, listed
from bankmine.topics.churn.customer_months import customer_months, share_of_panel, undated
from bankmine.topics.churn.definition import CLOSURE, SILENT, Definition, funnel, last_closed, outcomes, sensitivity
from bankmine.topics.churn.evidence import evidence
from bankmine.topics.churn.retention import RetentionRules

KINDS = {CLOSURE: "closed the last account", SILENT: "fell silent"}
"""What kinds of leaving are called on pages: silent is another word, of `data/states.yml`."""
TUNE, TEST = 2, 3
"""Month ends to calibrate by and to be judged by."""
_FOLD = 8_000
"""Rows that models are compared on a fold with, about: whole customers are left out, so that it takes seconds."""
_BY_LOT = 0.5
"""Concordance of a model that knows nothing."""
_PROTECTED = ("gender", "age_years", "marital_status")


def study(
    source: str, as_of: str | datetime.date, *, gap: int = 30, silent: int = 90, fall: float = 0.0, present: int = 30,
    bookings: int = 3, train: int = 6, every: int = 2, target: str = "", positive: str = "", id: str = "",
    time: str = "", delay: int = 0, decimal: str = "", dates: str = "", clock: str = "", encoding: str = "",
    keep: str = "", earlier: Finder | None = None,
) -> BankChurn | TableChurn:  # fmt: skip
    """Open a source and set up the study of who leaves; nothing is fitted before it is asked for.

    Parameters
    ----------
    source : str
        Name or path of a bank, or of a flat table.
    as_of : str or date
        Last day to know.
    gap, silent, fall, present, bookings
        What leaving means, for a bank: see `Definition`.
    train, every : int
        Month ends to learn from, and months from one to the next, of a bank.
    target, positive, id, time, decimal, dates, clock, encoding, keep : str
        As for `open_flat`, for a flat table.
    delay : int
        Days after which the outcome of a row of a flat table is known.
    earlier : callable, optional
        Finds the lists of earlier reports, to judge them: `report.handed_on.earlier_lists`.

    Raises
    ------
    BankmineError
        If the source cannot be used, or nobody was present. Where there is not enough to learn from, the study's parts
        are lacking and say so.
    """
    definition = Definition(gap=gap, silent=silent, fall=fall, present=present, bookings=bookings)
    if is_flat(source):
        flat = open_flat(source, target, positive, id, time, as_of, decimal, dates, clock, encoding, keep)
        return TableChurn(flat, delay)
    found = BankChurn(open_source(source).as_of(as_of), definition, train, every)
    found.find_lists = earlier
    return found


class Reasons(Why):
    """Reasons as a manager reads them who calls: by theme, with their size."""

    sized: ClassVar[bool] = True


class Churn(Study):
    """What banks and flat tables have in common."""

    explains: ClassVar[type[Why]] = Reasons

    name = "churn"
    purpose: ClassVar[str] = "a monthly list of whom to call; not for prices or terms"
    action: ClassVar[str] = "call"

    @part
    def lists_earned(self) -> dict[str, object]:
        """What such lists would have earned, and whether they do better than plainer ways, for a finding."""
        so = "" if self.profit["low"] > 0 else ". Hold half back at random to learn what pays"
        return self.profit | self.other_policies | {"so": so}

    @part
    def kept_by_refit(self) -> dict[str, float]:
        """Which share of the list (`same`) a model fitted anew would keep."""
        if np.isnan(self.refit.same_actions):
            raise BankmineError("nobody can be said to be called")
        return {"same": self.refit.same_actions}

    @part
    def fairest(self) -> dict[str, object]:
        """Whom actions fall on least: `attribute`, `group`, its `ratio` to the `reference`, `low`, `high`."""
        attribute, group, _ = fairness.worst_ratio(self.impact)
        if not attribute:
            raise BankmineError("no two groups are large enough to compare, or nobody is acted on")
        table = self.impact[attribute]
        own, named = table.loc[group], table.index[table["verdict"] == fairness.REFERENCE][0]
        told = {"ratio": own["ratio"], "low": own["ratio_low"], "high": own["ratio_high"], "verdict": own["verdict"]}
        told["below"] = own["verdict"] == fairness.BELOW
        told["verdict"] += "; accept that, or adjust" if told["below"] else ""
        return told | {"attribute": attribute, "group": group, "reference": named}

    def impact_now(self, impact: dict[str, pd.DataFrame]) -> dict[str, str]:
        """Say it of the group that the page names: today's calls are so few that another may be lower by chance."""
        told = self.fairest
        if isinstance(told, Lacking):
            return {}
        ratio = impact[told["attribute"]]["ratio"].get(told["group"], float("nan"))
        return {f"impact ratio of {told['attribute']} {told['group']}, of all scored today": f"{ratio:.2f}"}

    def answers(self) -> dict[str, object]:
        """Say which predictors are personal."""
        personal = personal_attributes(map(str, self.sample.predictors))
        told = f"personal predictors: {', '.join(personal)}" if personal else "no personal attributes by name"
        return {"sensitive": told}


class TableChurn(Churn):
    """Churn of a flat table: the outcome and, it may be, the costs are told, and nothing of the bank around them."""

    recalibration: ClassVar[None] = None
    """Rows that are scored now are of the same table: nothing newer is there to calibrate by."""
    losing: ClassVar[None] = None
    """A table tells no value tiers."""
    review: ClassVar[Lacking] = Lacking("a table has no list of customers to be contacted")

    def __init__(self, flat: Flat, delay: int = 0) -> None:
        super().__init__(flat, flat.event, flat_sample(flat))
        self.delay = delay

    @part
    def funnel(self) -> pd.DataFrame:
        """Lack what a bank tells."""
        raise BankmineError("a flat table does not tell who was left out")

    @part
    def lengths(self) -> pd.DataFrame:
        """Lack what a bank tells."""
        raise BankmineError("the table itself tells who left")

    returned = returned_chart = lengths

    @part
    def calls(self) -> Calls:
        """Lack what a bank tells."""
        raise BankmineError("a flat table tells no bank's customers to call")

    earlier_lists = portrait = calls

    @part
    def lives(self) -> pd.DataFrame:
        """Lack what a bank tells."""
        raise BankmineError("a table tells who left, not when")

    stayed = stayed_chart = hazard = hazard_ratios = lives

    @part
    def break_even(self) -> pd.DataFrame:
        """Lack what a bank tells."""
        raise BankmineError("the table tells costs at most, not how often calls work")

    by_success = break_even

    @part
    def columns(self) -> pd.DataFrame:
        """Lack what a bank tells."""
        raise BankmineError("a flat table has no columns of customers beside its own")

    @part
    def profit_metrics(self) -> pd.DataFrame:
        """Profit metrics of the literature by model, at the costs that the table tells."""
        rows = self.judged.rows
        return profit_metrics(rows.target, self.judged.probability, self.costs(rows))


class BankChurn(Churn):
    """Churn of a bank's customers on month ends: as many to learn from, and so many months from one to the next."""

    rule: ClassVar[str] = "days_since_own_booking"
    trend_of: ClassVar[str] = "Share of customers who left, by month end looked at"

    def __init__(self, snapshot: Snapshot, definition: Definition, train: int = 6, every: int = 2) -> None:
        self.definition, self.train, self.delay = definition, train, definition.horizon
        days = splits.month_ends(snapshot.as_of, definition.horizon, train, TUNE, TEST, every)
        self.outcomes = outcomes(snapshot, days, definition)
        super().__init__(snapshot, definition.event, customer_months(snapshot, self.outcomes))
        self.share = share_of_panel(self.outcomes)

    def divide(self) -> Parts:
        """Split month ends by time, each part the label delay after the one before."""
        sample, delay = self.sample, self.definition.horizon
        split = out_of_time(sample, delay, self.train, TUNE, TEST)
        folds = splits.rolling_origin(sample, np.union1d(split.train, split.tune), delay)
        folds = [(_thinned(sample, train), test) for train, test in folds]
        scoring = splits.for_scoring(sample, self.source.as_of, delay, self.train, TUNE)
        for rows, purpose in ((split.tune, "calibrate by"), (split.test, "judge by"), (scoring.tune, "calibrate by")):
            learnable(sample.at(rows), purpose)
        return Parts(split, folds, scoring, f"by time, each part {delay} days after the last day of the one before")

    def when(self, rows: Sample) -> str:
        """Say on which month ends customers were looked at."""
        first, last = f"{rows.day.min():%Y-%m-%d}", f"{rows.day.max():%Y-%m-%d}"
        return f"on the month ends from {first} to {last}" if first != last else f"on {last}"

    @property
    def rate(self) -> dict[str, object]:
        """As of any study, of customers."""
        return super().rate | {"whom": f"the customers looked at {self.when(self.known)}"}

    @part
    def trend(self) -> pd.DataFrame:
        """Rate of leaving on every month end since the first looked at, also those that no model needs."""
        known = self.known.day
        if not len(known):
            raise BankmineError("no outcome is known")
        days = [day.date() for day in pd.date_range(known.min(), known.max(), freq="ME")]
        rows = outcomes(self.snapshot, days, self.definition)
        rows = rows[rows["present"].astype(bool) & rows["leaves"].notna()]
        day = pd.to_datetime(rows["day"])
        return by_month(Sample(rows[[]], rows["leaves"].astype(float), rows["customer_id"], day))

    @part
    def calibrated_anew(self) -> Applied:
        """The model that was judged, its chances calibrated anew by the newest months whose outcome is known."""
        return self.fitted[0].calibrated_by(self.chosen, self.sample.at(self.parts.scoring.tune))

    @part
    def scores(self) -> pd.Series:
        """Chance of each customer of today to leave, at the level of the newest months."""
        return self.calibrated_anew.chances(self.chosen, self.today)

    @part
    def scores_as_judged(self) -> pd.Series:
        """The same at the level of the months that the judged model was calibrated by."""
        return self.chances(self.today)

    def levels(self) -> pd.DataFrame:
        """Return the chances of the rows judged also as the list has them, though some of these rows set its level."""
        return super().levels().assign(**{
            "recalibrated by the newest of these": self.calibrated_anew.chances(self.chosen, self.judged.rows)
        })  # fmt: skip

    @part
    def recalibration(self) -> dict[str, object]:
        """By which month ends (`when`) and `events` chances of today are calibrated; the mean `before` and `now`."""
        newest = self.sample.at(self.parts.scoring.tune)
        return {
            "when": self.when(newest), "events": int(newest.target.sum()),
            "before": self.scores_as_judged.mean(), "now": self.scores.mean(),
        }  # fmt: skip

    def groups(self) -> dict[str, pd.Series]:
        """Return groups by gender, age and marital status, as far as they are known."""
        age = self.sample.predictors[[c for c in _PROTECTED if c in self.sample.predictors.columns]]
        return protected_groups(age.assign(**self._of_today([c for c in _PROTECTED if c not in age.columns])))

    def refused(self) -> pd.DataFrame:
        """Return what the refused columns of customers hold today."""
        told = undated(self.snapshot)
        return self._of_today(list(told.index[told["use"] == REFUSED]))

    def suspicious_column(self) -> pd.Series | None:
        """Return the refused column that knows most of the past, as the source has it today, if that is suspicious."""
        columns = self.refused()
        learnt = self.sample.at(self.split.train)
        found = sentinel(replace(learnt, predictors=columns.loc[learnt.target.index]))
        suspicious = found.index[found["suspicious"].astype(bool)]
        return columns[suspicious[0]] if len(suspicious) else None

    def _of_today(self, names: list[str]) -> pd.DataFrame:
        """Return what columns of customers hold today, by the rows of the sample; those that are there."""
        people = self.snapshot.customers
        there = [c for c in names if c in people.columns]
        found = people.select("customer_id", *there).to_pandas().set_index("customer_id")
        return found.reindex(self.sample.entity).set_axis(self.sample.target.index)

    # --- what leaving means

    @part
    def funnel(self) -> pd.DataFrame:
        """Customers on each day, from all known to those who left."""
        told = funnel(self.outcomes)
        told = told.assign(rate=with_interval(told, "rate", ".2%")).drop(columns=["low", "high"])
        return told.rename(columns={"known": ALL, "with_account": WITH_ACCOUNT} | KINDS)

    @part
    def _lengths(self) -> pd.DataFrame:
        return sensitivity(self.snapshot, sorted(self.outcomes["day"].dt.date.unique())[:3], self.definition)

    @part
    def lengths(self) -> pd.DataFrame:
        """Rate of leaving by days of silence, and the share who return within 90 days more."""
        found = self._lengths
        told = found[["rows", "closure", "silent", "watched"]].assign(
            rate=with_interval(found, "rate", ".2%"),
            returned=with_interval(found, "returned", ".0%"),
        )
        return shown(told.rename(columns=KINDS), **dict.fromkeys(KINDS.values(), ".2%"))

    @part
    def returned(self) -> dict[str, float]:
        """Of those silent for as long as the definition says, who moved money again within 90 days more."""
        days = self.definition.silent
        if days not in self._lengths.index or not self._lengths.loc[days, "watched"]:
            raise BankmineError(f"nobody silent for {days} days could be watched for 90 days more")
        own = self._lengths.loc[days]
        return {"days": days, "back": own["returned"], "low": own["returned_low"], "high": own["returned_high"]}

    # --- money

    @cached_property
    def rules(self) -> RetentionRules:
        """What keeping customers costs and earns, in the source's currency."""
        return retention.load_rules(self.source.source.currency)

    @cached_property
    def worth(self) -> pd.DataFrame:
        """Of all customers on each day of the sample: `margin` of the year up to it, and `tier` among all.

        Indexed by `customer_id` and `day`; queried once, whoever asks.
        """
        days = sorted(self.sample.day.dt.date.unique())
        paid = margins(self.snapshot, days).set_index(list(KEYS)).sort_index()
        tier = paid.groupby("day")["margin"].transform(lambda worth: value.tiers(worth).astype(str))
        return paid.assign(tier=tier)

    def _worth_of(self, rows: Sample) -> pd.DataFrame:
        """Return `margin` and `tier` of each row on its own day, and the `value` of keeping its customer."""
        own = self.worth.reindex(pd.MultiIndex.from_arrays([rows.entity, rows.day])).set_axis(rows.target.index)
        return own.assign(value=retention.value(own["margin"], self.rules))

    def costs(self, rows: Sample) -> Costs:
        """Say what calling and not calling each customer costs, by the margin of the year up to the row's day."""
        own = self._worth_of(rows)
        return retention.costs(own["value"], own["tier"], self.rules)

    def policies(self, chance: pd.Series, rows: Sample) -> pd.DataFrame:
        """Call within each value tier's capacity of a month."""
        own = self._worth_of(rows)
        return called(chance, own["value"], own["tier"], self.rules, rows.day)

    @part
    def calls(self) -> Calls:
        """Whom to call this month."""
        whose = self.today.entity
        own = self._worth_of(self.today).set_axis(whose)
        people = self.snapshot.customers.to_pandas().set_index("customer_id").loc[whose]
        answered = self.why.strongest_of(self.rules.actions, self.rules.signs)
        table = listed(
            self.scores.set_axis(whose),
            own["margin"],
            own["tier"],
            self.rules,
            contact_allowed(people, self.snapshot.unseen),
            self.why.lines.set_axis(whose),
            answered.set_axis(whose),
        )
        due = pd.Timestamp(self.source.as_of) + pd.Timedelta(days=self.definition.gap)
        return Calls(table, self.rules, due, self.currency, self.smallest_group)

    @part
    def earlier_lists(self) -> EarlierLists:
        """The lists of earlier reports, held against who has left since."""
        return self.lists_judged(
            "watchlist.parquet",
            {"customer_id": str, "called": bool, "probability": float},
            self._became,
            acted="to be called",
            others="all others listed",
            event="left",
            so_far="closed the last account so far",
        )

    def _became(self, listed: pd.DataFrame, day: datetime.date) -> Became:
        """Say who on the list of a day has left; before silence can tell, who has closed the last account so far."""
        known_on = pd.Timestamp(day) + pd.Timedelta(days=self.definition.horizon)
        whose = listed["customer_id"]
        if whose.duplicated().any():
            raise BankmineError("it names a customer twice")
        if known_on <= pd.Timestamp(self.source.as_of):
            left = outcomes(self.snapshot, [day], self.definition).set_index("customer_id")["leaves"]
        else:
            closed = last_closed(self.snapshot).to_pandas().set_index("customer_id")["left_on"]
            people = self.snapshot.customers.select("customer_id").to_pandas()["customer_id"]
            left = (pd.to_datetime(closed) > pd.Timestamp(day)).reindex(people, fill_value=False)
        event = whose.map(left)
        return Became(listed["called"], event, listed["probability"], whose, known_on)

    @part
    def portrait(self) -> dict[str, str]:
        """By which `command` the first on the list is portrayed."""
        return self.portrait_of(self.calls.list.index[0])

    @part
    def acted_now(self) -> pd.Series:
        """Whether each customer scored now is called: of the list, so that consent counts."""
        chosen = self.calls.list["called"].reindex(self.today.entity)
        return chosen.set_axis(self.today.target.index).astype(bool)

    @part
    def _called(self) -> tuple:
        """Return what is common to the questions about the success of calls, of the rows judged."""
        rows = self.fitted[0].rows
        own = self._worth_of(rows)
        return rows, (rows.target, self.acted.iloc[:, 0].astype(bool), own["value"], own["tier"], self.rules)

    @part
    def earned(self) -> pd.DataFrame:
        """What each policy would have earned a month, with one interval of customers and of the success of calls."""
        rows, (target, _, *paying) = self._called
        never, unsure = retention.hanging_on_success(target, *paying)
        return profit_of(self.acted, never, rows.entity, rows.day, unsure) * self.stands_for

    @part
    def _by_tier(self) -> pd.DataFrame:
        rows, given = self._called
        found = retention.break_even(*given, rows.entity, rows.day, self.smallest_group)
        return found.assign(**found[["calls", "leavers", "profit", "low", "high"]] * self.stands_for)

    @part
    def losing(self) -> dict[str, object] | None:
        """Which value tiers' calls lost beyond chance when judged (`which`), what they lost and how many left."""
        found = self._by_tier.drop(index="all")
        lost = found[(found["high"] < 0) & found["chance"].notna()]  # of few leavers no loss is beyond chance
        told = [
            f"{tier} ({row['profit']:,.0f} {self.currency} {self.per}, {row['low']:,.0f} to {row['high']:,.0f}; "
            f"of {row['calls']:,.0f} called {row['leavers']:,.1f} left)"
            for tier, row in lost.iterrows()
        ]
        return {"which": "; ".join(told)} if told else None

    @part
    def break_even(self) -> pd.DataFrame:
        """Success rate at which calls break even by value tier, beside the believed one."""
        found = self._by_tier
        rates = found[["break_even", "chance"]].astype(object).map("{:.0%}".format, na_action="ignore")
        rates = rates.mask(found["chance"].isna(), f"fewer than {retention.FEWEST} leavers called")
        told = found[["calls", "leavers"]].assign(
            profit=with_interval(found, "profit", ",.0f"), believed=found["believed"],
            break_even=rates["break_even"], chance_that_it_pays=rates["chance"],
        )  # fmt: skip
        return shown(told, calls=",.1f", leavers=",.1f", believed=".0%")

    @chart
    def by_success(self) -> Axes:
        """Draw the profit of the calls by the success rate."""
        rows, given = self._called
        found = retention.sensitivity(*given, rows.entity, rows.day)
        earned = ["profit", "low", "high"]
        found = found.assign(**found[earned] * self.stands_for)
        axis = sns.lineplot(found, x="success", y="profit", marker="o")
        axis.fill_between(found["success"], found["low"], found["high"], alpha=0.2)
        axis.axhline(0, color="0.6", linewidth=0.8)
        title = "Profit of a month's calls, by how many of the leavers called are kept"
        unit = f"profit a month, {self.currency}"
        return charts.titled(axis, title, "share of leavers called who are kept", unit, percent="x")

    @part
    def profit_metrics(self) -> pd.DataFrame:
        """Profit metrics of the literature by model: EMPC with published parameters, the others at these costs."""
        rows = self.judged.rows
        own = self._worth_of(rows)
        return retention.retention_metrics(rows.target, self.judged.probability, own["value"], own["tier"], self.rules)

    # --- when

    @part
    def lives(self) -> pd.DataFrame:
        """Every customer from the first day looked at to the day of leaving, or to now: `survival.followed`."""
        return survival.followed(self.snapshot, self.sample, self.definition)

    @part
    def stayed(self) -> pd.DataFrame:
        """Customers who stayed for a year, by value tier on the first day."""
        found = self._curves.table.rename(columns=lambda name: name.removesuffix("_365d"))
        return found[["customers", "leavers"]].assign(**{"stayed for a year": with_interval(found, "stayed", ".1%")})

    @part
    def _curves(self) -> survival.Curves:
        ordered = pd.CategoricalDtype(list(value.TIERS), ordered=True)
        first = self.sample.at(self.sample.target.index.get_indexer(self.lives.index))
        tier = self._worth_of(first)["tier"].astype(ordered)
        return survival.by_group(self.lives, self.told_group(tier, first.entity))

    @chart
    def stayed_chart(self) -> Axes:
        """Draw the share of customers who have not left against days, by value tier."""
        axis = sns.lineplot(
            self._curves.curves, x="day", y="stayed", hue="group", style="group", drawstyle="steps-post"
        )
        title = "Share of customers who have not left, by value tier (Kaplan-Meier)"
        return charts.titled(axis, title, "days since first looked at", "share of customers", percent="y")

    @part
    def hazard(self) -> survival.Hazards:
        """What makes customers leave sooner, by a Cox model on what was known on the first day."""
        return survival.cox(self.lives, survival.covariates_of(self.sample.predictors, self.lives))

    @part
    def hazard_ratios(self) -> pd.DataFrame:
        """Ratios of the hazard model, where it tells who leaves first."""
        told = self.hazard.concordance
        if not told["low"] > _BY_LOT:
            interval = f"{told['value']:.2f} ({told['low']:.2f} to {told['high']:.2f})"
            raise BankmineError(
                f"the hazard model is not shown to tell who leaves first: {interval}, at random {_BY_LOT}"
            )
        return self.hazard.ratios

    # --- for others

    @part
    def columns(self) -> pd.DataFrame:
        """Columns of customers without a date, and whether models may use them."""
        return undated(self.snapshot)

    def answers(self) -> dict[str, object]:
        """Say what a bank's study shows beyond that of a flat table."""
        return super().answers() | {
            "definition_sensitivity": "rates by days of silence", "funnel": "counted by day",
            "data": f"{len(self.sample):,} rows of {self.sample.entity.nunique():,} customers, see 01_data_quality",
            "profit_sensitivity": "by success rate", "consent": "who did not agree is not called",
        }  # fmt: skip

    def facts(self) -> dict[str, float]:
        """Return the success of calls below which they do not pay; how often they work nobody has measured."""
        rows, given = self._called
        found = retention.break_even(*given, rows.entity, rows.day).loc["all"]
        return {"success_below": found["break_even"]}

    @part
    def review(self) -> dict[str, object]:
        """How many are `called`, to how many of them the list says why (`told`), and who reviews, and when.

        `objected` are scored customers who did not agree to offers or to personal treatment: they are on no list.
        """
        called = self.calls.list[self.calls.list["called"]]
        objected = int(self.calls.list["contact"].ne(ALLOWED).sum())
        told = int(called["reasons"].ne("").sum())
        return self.reviewer | {"called": len(called), "told": told, "objected": objected}

    def files(self) -> dict[str, pd.DataFrame | str]:
        """Hand on whom to call and who may be called, everybody's chance, and what figures are computed again by."""
        watchlist = may_contact(self.calls.list)
        watchlist.attrs["list"] = True  # people work through it
        scores = self.calls.list[["probability", "called"]].set_axis(["chance", "called"], axis=1).sort_index()
        return {"watchlist": watchlist, "churn_scores": scores, **evidence(self)}


def _thinned(sample: Sample, rows: np.ndarray) -> np.ndarray:
    """Return positions of some customers' rows, about `_FOLD` of them."""
    return np.flatnonzero(thinned(sample, sample.mask(rows), _FOLD))
