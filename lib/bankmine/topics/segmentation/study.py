"""The study of segments: kinds of customers, who is premium, and where customers are in their life with the bank."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from bankmine.bank.snapshot import Snapshot, open_source
from bankmine.errors import BankmineError
from bankmine.features import lifecycle, rfm
from bankmine.features.consent import ALLOWED, contact_allowed, may_contact
from bankmine.features.customers import PORTRAIT, customer_tables
from bankmine.features.population import LOST, WITH_ACCOUNT, is_active, population, states, waterfall
from bankmine.features.spine import month_end_before
from bankmine.features.value import TIERS, margins, not_counted, tiers
from bankmine.judging import disclosure
from bankmine.judging.intervals import shown, wilson, with_interval
from bankmine.lacking import Lacking, optional, part
from bankmine.study.charts import captured, chart, heat, titled
from bankmine.study.heading import Headed
from bankmine.topics.segmentation import agreement, measures, movement, portrait, premium, stability
from bankmine.topics.segmentation.groups import MINIMUM, Choice, choose
from bankmine.topics.segmentation.measures import INACTIVE
from bankmine.topics.segmentation.model import Segmentation, fit, load, to_text

MODEL = "segments.model"
"""File in which segments are handed on, to sort the customers of later days by."""
_LOSSES = ["there", "lost", "low", "high", "rate"]
_STAGES = ["acquisition", "growth", "maturity", "decline", "lost"]


def _named(stage: str) -> str:
    """Return the name of a stage, in the words of all pages."""
    return next(told.name.lower() for told in lifecycle.load_stages() if told.id == stage)


def study(
    source: str, as_of: str | datetime.date, *, refit: bool = False, number: int = 0,
    earlier: Callable[[str, Snapshot], Path | None] | None = None,
) -> SegmentStudy:  # fmt: skip
    """Open a source and set up the study of its kinds of customers; nothing is computed before it is asked for.

    Parameters
    ----------
    source : str
        Name or path of a bank.
    as_of : str or date
        Last day to know.
    refit : bool
        Form segments anew, although those of an earlier report are there.
    number : int
        How many segments to form; 0: as many as the criteria prefer.
    earlier : callable, optional
        Finds the file that a report of an earlier day left, as `report.handed_on.earlier`; without it segments are
        formed anew.

    Raises
    ------
    BankmineError
        If the source cannot be used. Where there is too little to learn from, the study's parts are lacking and say so.
    """
    snapshot = open_source(source).as_of(as_of)
    kept = None if refit or number or earlier is None else earlier(MODEL, snapshot)
    return SegmentStudy(snapshot, number, kept)


class SegmentStudy(Headed):
    """Customers of a bank, looked at in three ways: behaviour (segments), worth (tiers), life with the bank (stages).

    `number` of segments 0: as many as the criteria prefer. `kept` are segments of an earlier report, to sort by.
    """

    def __init__(self, snapshot: Snapshot, number: int = 0, kept: Path | None = None) -> None:
        self.source, self.number, self.kept = snapshot, number, kept
        self.registry = measures.load_registry()
        self.day = snapshot.as_of
        self.month_ago, self.quarter_ago, self.half_year_ago = (month_end_before(self.day, m) for m in (1, 3, 6))

    # --- whom we look at

    @part
    def tables(self) -> dict[datetime.date, pd.DataFrame]:
        """Features of all customers now, and one, three and six months ago."""
        return customer_tables(self.source, [self.day, self.month_ago, self.quarter_ago, self.half_year_ago])

    @part
    def customers(self) -> pd.DataFrame:
        """Features of all customers now."""
        return self.tables[self.day]

    @part
    def active(self) -> dict[str, int]:
        """How many customers there are, how many are sorted into segments, and how many are inactive."""
        active = self._population["active"]
        return {"active": active.sum(), "customers": len(active), "inactive": self._population["inactive"].sum()}

    @part
    def _population(self) -> pd.DataFrame:
        return population(self.source, self.day, self.customers)

    @part
    def _states(self) -> pd.DataFrame:
        return disclosure.states_told(states(self._population), self._smallest)

    @part
    def _smallest(self) -> int:
        """Customers that a group must have to be told of."""
        return disclosure.smallest_group(self.source)

    @part
    def waterfall(self) -> pd.DataFrame:
        """How all customers add up from states, as on all pages."""
        return shown(waterfall(self._states), share=".1%")

    @part
    def values(self) -> pd.DataFrame:
        """Features of active customers in units that a branch can use."""
        return self._values_on(self.day)

    def _values_on(self, day: datetime.date) -> pd.DataFrame:
        customers = self.tables[day]
        return measures.readable(customers[is_active(customers, self.registry)], self.registry)

    # --- segments

    @part
    def choice(self) -> Choice:
        """How many segments to form, and why."""
        return choose(self.values, self.registry)

    @part
    def _fitted(self) -> Segmentation:
        return fit(self.values, self.registry, self.day, self.number or self.choice.k)

    @part
    def formed(self) -> Segmentation:
        """Segments of today's customers, by the names of the register."""
        return self._called(self._fitted)

    @part
    def _described(self) -> Segmentation:
        """Segments that customers are sorted into, by their computed words."""
        return self._earlier[0] or self._fitted

    @part
    def model(self) -> Segmentation:
        """Segments that customers are sorted into: those of an earlier report, else those formed now."""
        return self._called(self._described)

    def _called(self, found: Segmentation) -> Segmentation:
        return replace(found, names=tuple(name.name for name in self.registry.called(found.names)))

    @cached_property
    def _earlier(self) -> tuple[Segmentation | None, str]:
        """Segments of an earlier report, where there are some and they can be used; else why they cannot."""
        if not self.kept:
            return None, ""
        try:
            found = load(self.kept)
            found.require_same(self.registry)
        except BankmineError as error:
            return None, str(error)
        return found, ""

    @property
    def set_aside(self) -> dict[str, str] | None:
        """Why segments of an earlier report, of the folder `day`, cannot be used; None where nothing is wrong."""
        return {"day": self.kept.parent.name, "why": self._earlier[1].rstrip(".")} if self._earlier[1] else None

    @part
    def segment(self) -> pd.Series:
        """The segment of each customer."""
        return self.model.assign_all(self.customers, self.registry)

    @part
    def segments(self) -> dict[str, object]:
        """How many segments there are, and how large the largest is."""
        name, size = self.model.names[0], self.segment.value_counts()
        return {"k": len(self.model.names), "day": self.model.day, "name": name, "share": size[name] / size.sum()}

    @part
    def _map(self) -> pd.DataFrame:
        """Customers, worth, products and losses of each segment, and what is done for it, the most worth first."""
        words = [*self._described.names, INACTIVE]
        told = pd.DataFrame({"segment": self.segment, "margin": self.worth, "products": self.customers["products"]})
        told["products"] = told["products"].where(self._population[WITH_ACCOUNT])
        told["reached"] = self._reached.reindex(told.index, fill_value=False)
        found = told.groupby("segment", observed=False).agg(
            customers=("margin", "size"),
            margin=("margin", "sum"),
            each=("margin", "mean"),
            products=("products", "mean"),
            reached=("reached", "sum"),
        )
        found.insert(1, "share", found["customers"] / found["customers"].sum())
        found.insert(3, "of_margin", found["margin"] / found["margin"].sum())
        names = self.registry.called(words)
        losses = optional(self, "_losses")
        found = found if isinstance(losses, Lacking) else found.join(losses)
        found = found.assign(words=words, to_do=[n.to_do for n in names], owner=[n.owner for n in names])
        advised = [self.registry.advisers_of(owner) for owner in found["owner"]]
        takes = [a.told(n) if a else "" for a, n in zip(advised, found["reached"], strict=True)]
        found = found.assign(takes=takes)
        return found.sort_values("margin", ascending=False, kind="stable")

    @part
    def _map_told(self) -> pd.DataFrame:
        """The same without numbers of too few customers, or from which they follow."""
        found = disclosure.rows_told(self._map, "customers", self._smallest, added_up=True)
        found["reached"] = disclosure.rows_told(found[["reached"]], "reached", self._smallest, added_up=True)
        losses = found.columns.intersection(_LOSSES, sort=False)
        if len(losses):
            found[losses] = disclosure.rows_told(found[losses], "there", self._smallest, added_up=True)
        return found.assign(takes=found["takes"].where(found["reached"].notna(), ""))

    @part
    def _contact(self) -> pd.Series:
        return contact_allowed(self.customers, self.source.unseen)

    @part
    def _reached(self) -> pd.Series:
        """Whom advisers can look after: who may be contacted and is not lost; whom to win back is a list of its own."""
        return self._contact.eq(ALLOWED) & (self.stage.reindex(self.customers.index) != LOST)

    @part
    def _losses(self) -> pd.DataFrame:
        """How many of the customers of each segment a quarter ago, and not lost then, are lost now."""
        then = {pd.Timestamp(day).date(): stage for day, stage in self._lived.items()}.get(self.quarter_ago)
        if then is None:
            raise BankmineError(f"no customer was known on {self.quarter_ago}")
        before = self.model.assign_all(self.tables[self.quarter_ago], self.registry)
        there = then.reindex(before.index).pipe(lambda stage: stage.notna() & (stage != LOST))
        gone = (self.stage.reindex(before.index) == LOST)[there].groupby(before[there], observed=False)
        found = pd.DataFrame({"there": gone.size(), "lost": gone.sum()})
        bounds = [wilson(k, n) if n else (np.nan, np.nan) for k, n in found[["lost", "there"]].to_numpy()]
        found[["low", "high"]] = np.reshape(bounds, (-1, 2))
        return found.assign(rate=found["lost"] / found["there"].where(found["there"] > 0))

    @part
    def map(self) -> pd.DataFrame:
        """What each segment brings and loses, and what to do for it; its shares are drawn beside."""
        told = self._map_told
        if "rate" in told:
            told = told.assign(lost_in_a_quarter=with_interval(told, "rate", ".1%"))
        takes = ("; takes " + told["takes"]).where(told["takes"] != "", "")
        told = told.assign(to_do=told["to_do"] + takes)
        wanted = ["customers", "each", "products", "lost_in_a_quarter", "to_do"]
        told = told[[name for name in wanted if name in told]].rename(
            columns={"each": "margin each", "to_do": "what to do"}
        )
        return shown(told, **{"margin each": ",.0f", "products": ".1f"})

    @part
    def described(self) -> pd.DataFrame:
        """By which computed words each name stands, and who answers for it."""
        return self._map[["words", "owner"]]

    @part
    def worth_most(self) -> dict[str, object]:
        """The segment that brings most beyond its share of customers."""
        found = self._map.loc[(self._map["of_margin"] - self._map["share"]).idxmax()]
        return {"name": found.name, "share": found["share"], "margin": found["of_margin"], "what": found["to_do"]}

    @part
    def capacity(self) -> dict[str, object]:
        """What it takes to look after the customers of all segments that advisers look after, and what is there."""
        told = self._map[self._map["takes"] != ""]
        if told.empty:
            raise BankmineError(f"no segment has advisers in {measures.REGISTRY.name}")
        parts = [
            f"{a.told(customers)} (there are {a.there}, for {a.carries} customers each)"
            for owner, customers in told.groupby("owner", sort=False)["reached"].sum().items()
            if (a := self.registry.advisers_of(owner))
        ]
        return {"which": ", ".join(parts), "first": self._look_after["first"].sum(), "all": len(self._look_after)}

    @part
    def _look_after(self) -> pd.DataFrame:
        """Customers whom advisers look after, by margin; `first` are those for whom advisers are there."""
        owner = self.segment.astype(str).map(self._map["owner"])
        room = {a.id: a.carries * a.there for a in self.registry.advisers}
        mine = owner.isin(list(room)) & self._reached.reindex(owner.index, fill_value=False)
        told = self._valued.assign(segment=self.segment.astype(str), owner=owner)[mine]
        told = told.sort_index().sort_values("margin", ascending=False, kind="stable")
        first = told.groupby("owner").cumcount() < told["owner"].map(room)
        return self._worked_through(told.assign(first=first))

    def _worked_through(self, told: pd.DataFrame) -> pd.DataFrame:
        """Return a list of customers as people get it: with whether they may be contacted."""
        found = told.assign(contact=self._contact[told.index].astype("string"))
        found.attrs["list"] = True
        return found

    @part
    def most_lost(self) -> dict[str, object]:
        """The segment that lost most of its customers in a quarter, with its interval, and how many all others lost."""
        told = self._losses.drop(index=INACTIVE, errors="ignore")
        told = told[told["there"] >= self._smallest]
        if told.empty:
            raise BankmineError("no segment had so many customers a quarter ago that a page may tell of them")
        worst, others = told.loc[told["rate"].idxmax()], told.drop(index=told["rate"].idxmax())
        rate = others["lost"].sum() / max(others["there"].sum(), 1)
        return {"name": worst.name, "rate": worst["rate"], "low": worst["low"], "high": worst["high"], "others": rate}

    @chart
    def map_chart(self) -> Axes:
        """Draw each segment's share of the customers beside its share of the margin."""
        told = self._map_told[["share", "of_margin"]].set_axis(["customers", "margin of a year"], axis=1)
        long = told.rename_axis("segment").reset_index().melt("segment", var_name="share of", value_name="share")
        axis = sns.barplot(long, y="segment", x="share", hue="share of", order=told.index, errorbar=None)
        for bars in axis.containers:
            axis.bar_label(bars, fmt="{:.0%}", padding=3)
        axis.legend(title="")
        return titled(axis, "Share of customers and of margin, by segment", "share", "", percent="x")

    @part
    def _labels(self) -> pd.Series:
        return self.model.assign(self.values)

    @part
    def profile(self) -> pd.DataFrame:
        """Means of each feature by segment."""
        return portrait.profile_table(portrait.profile(self.values, self._labels, self.registry))

    @chart
    def plane(self) -> Axes:
        """Draw customers on the two directions in which they differ most."""
        plane = portrait.picture(self.model, self.values, self.registry)
        axis = sns.scatterplot(plane.points, x="x", y="y", hue="segment", style="segment", s=12, linewidth=0, alpha=0.6)
        explained = sum(plane.explained)
        axis.set(title=f"Customers on the two directions in which they differ most ({explained:.0%} of all variance)")
        axis.set(xlabel=f"standard units, {plane.axes[0]}", ylabel=f"standard units, {plane.axes[1]}")
        sns.move_legend(axis, "upper center", bbox_to_anchor=(0.5, -0.14), title="", ncols=2, markerscale=3)
        return axis

    @part
    def _ruled(self) -> portrait.Rules:
        return portrait.rules(self.values, self._labels, self.registry)

    @part
    def rules(self) -> pd.DataFrame:
        """Segments as rules, without shares that tell for how few customers one is right, or wrong."""
        found = self._ruled.table
        right = (found["customers"] * found["right"]).round()
        few = [disclosure.too_few(of, self._smallest) for of in (right, found["customers"] - right)]
        words = pd.DataFrame("", found.index, ["right", "covered"]).mask(few[0] | few[1], disclosure.WITHHELD)
        return shown(disclosure.told(found, words), right=".0%", covered=".0%")

    @part
    def rules_right(self) -> dict[str, float]:
        """How often rules tell the segment, and how often naming the largest does."""
        return {"accuracy": self._ruled.accuracy, "baseline": self._ruled.baseline}

    # --- whether segments are real

    @part
    def reproduction(self) -> stability.Reproduction:
        """Segments of other samples of the same customers."""
        return stability.bootstrap(self.formed, self.values)

    @part
    def found_again(self) -> pd.DataFrame:
        """How far other samples find each segment again."""
        return stability.segments_found_again(self.formed, self.reproduction)

    @part
    def verdict(self) -> stability.Verdict:
        """What kind of segments these are, by which criteria."""
        return stability.verdict(self.formed, self.values, self.reproduction)

    @part
    def real(self) -> dict[str, object]:
        """The verdict, and how far other samples and other starts find the segments again."""
        start = stability.seeds(self.formed, self.values).agreement.mean()
        return {"kind": self.verdict.kind, "again": self.reproduction.agreement.mean(), "start": start}

    @part
    def neighbours(self) -> dict[str, float]:
        """How many customers stay in their segment from one month to the next."""
        return {"stayed": stability.stayed(self.formed, self.values, self._enough(self.month_ago))}

    def _enough(self, day: datetime.date) -> pd.DataFrame:
        values = self._values_on(day)
        if len(values) < MINIMUM:
            raise BankmineError(f"only {len(values):,} customers were active on {day}; {MINIMUM} are needed")
        return values

    # --- worth

    @part
    def _paid(self) -> pd.DataFrame:
        return self._margins([self.day, self.month_ago])

    def _margins(self, ends: list[datetime.date], **window: int) -> pd.DataFrame:
        """Return margins of the window up to each day: a row a customer, a column a day."""
        paid = margins(self.source, ends, **window)
        paid = paid.pivot_table(index="customer_id", columns="day", values="margin")
        return paid.set_axis(paid.columns.date, axis=1)

    @part
    def worth(self) -> pd.Series:
        """Margin of the last year by customer."""
        return self._worth_on(self.day)

    def _worth_on(self, day: datetime.date) -> pd.Series:
        if day not in self._paid:
            raise BankmineError(f"no customer was known on {day}")
        return self._paid[day].dropna().rename("margin")

    @part
    def tier(self) -> pd.Series:
        """Value tier by customer."""
        return tiers(self.worth)

    @part
    def margin(self) -> dict[str, object]:
        """What a customer with an account brings on average, and what is not counted."""
        lacking = "; ".join(not_counted(self.source)) or "nothing"
        holders = self._population.index[self._population[WITH_ACCOUNT]]
        return {"mean": self.worth.reindex(holders).mean(), "currency": self.source.source.currency, "lacking": lacking}

    @part
    def tiers(self) -> pd.DataFrame:
        """What each value tier brings in."""
        tier = disclosure.merged(self.tier, self._smallest)
        return shown(premium.tier_table(self.worth, tier), share=".0%", share_of_total=".0%")

    @part
    def pareto(self) -> dict[str, float]:
        """The share of all positive margin that the top fifth brings."""
        return asdict(premium.pareto_share(self.worth))

    @chart
    def capture(self) -> Axes:
        """Draw the share of the margin that the best customers hold."""
        return captured(self.worth, "Share of the margin held by the best customers", "all positive margin")

    @part
    def persistence(self) -> dict[str, float]:
        """How many of the best tenth of a half-year stay so in the next."""
        both = self._margins([self.half_year_ago, self.day], days=180).dropna()
        if both.shape[1] < 2:
            raise BankmineError("nobody was known half a year ago")
        return asdict(premium.persistence(both.iloc[:, 0], both.iloc[:, -1]))

    @part
    def overlap(self) -> dict[str, float]:
        """How many of the best tenth the balance would pick as well."""
        if "deposits" not in self.customers:
            raise BankmineError("the source has no balances of deposits")
        return asdict(premium.overlap(self.worth, self.customers["deposits"]))

    @part
    def _near(self) -> pd.Index:
        near = premium.near_premium(self.tier, self.worth)
        return near[self._population[["active", "not lost"]].all(axis=1).reindex(near)]

    @part
    def near_premium(self) -> dict[str, object]:
        """How many customers are nearly premium, how many of them may be contacted, and what they bring a year."""
        brings = self.worth.reindex(self._near)
        currency = self.source.source.currency
        may = self._near_list["contact"].eq(ALLOWED).sum()
        return {"near": len(brings), "may": may, "low": brings.min(), "high": brings.max(), "currency": currency}

    @part
    def sets_apart(self) -> dict[str, str]:
        """What sets premium customers apart."""
        return {"what": "; ".join(self.apart.index[:3]) or "not known with so few"}

    @part
    def near_list(self) -> pd.DataFrame:
        """Customers just below the premium tier who may be contacted, the nearest first."""
        return shown(self._near_to_call[["margin", "below_premium", "segment"]], margin=",.0f", below_premium=",.0f")

    @part
    def _near_to_call(self) -> pd.DataFrame:
        return may_contact(self._near_list)

    @part
    def _near_list(self) -> pd.DataFrame:
        told = self._valued.assign(segment=self.segment.astype(str)).loc[self._near]
        below = self._valued.loc[self._valued["tier"] == next(iter(TIERS)), "margin"].min() - told["margin"]
        return self._worked_through(told.assign(below_premium=below))

    @part
    def apart(self) -> pd.DataFrame:
        """Premium against nearly premium customers, by feature."""
        known = self.customers[[c for c in PORTRAIT if c in self.customers]].astype(float)
        found = premium.separation(known, self.tier.index[self.tier == "premium"], self._near)
        units = ["share" if "_share_" in name else "" for name in found.index]
        for group in ("one", "other"):
            found[group] = [portrait.told(value, unit) for value, unit in zip(found[group], units, strict=True)]
        found = found.rename(PORTRAIT)
        return found.rename(columns={"one": "premium", "other": "nearly premium"})

    # --- three views

    @part
    def _rfm(self) -> dict[datetime.date, pd.DataFrame]:
        days = [self.day, self.quarter_ago, self.half_year_ago]
        spends = rfm.fetched(self.source, days)
        by_day = spends.groupby(pd.to_datetime(spends["day"]))
        return {day.date(): rfm.scores(rows.set_index("customer_id")) for day, rows in by_day}

    @part
    def views(self) -> pd.DataFrame:
        """Segment, RFM cell, value tier and demographic group of each customer."""
        seen = pd.DataFrame({"segment": self.segment, "RFM": self._rfm[self.day]["cell"], "tier": self.tier})
        return seen.assign(group=agreement.demographic_groups(self.customers))

    def _view(self, view: str) -> pd.Series:
        """Return a view whose groups may be told of."""
        return disclosure.merged(self.views[view], self._smallest)

    @part
    def cells(self) -> pd.DataFrame:
        """Customers and margin of each RFM cell."""
        by_cell = self.worth.reindex(self.views.index).groupby(self._view("RFM"), observed=True)
        told = by_cell.agg(["size", "mean", "sum"])
        return told.rename(columns={"size": "customers", "mean": "mean margin", "sum": "margin"})

    @part
    def association(self) -> pd.DataFrame:
        """How far two views say the same."""
        return agreement.association(self.views)

    @chart
    def cells_chart(self) -> Axes:
        """Draw the segments of the customers of each RFM cell."""
        crossed = self._segments_by("RFM")
        return heat(crossed, "Segments of the customers of each RFM cell (rows add up to 100%)", tilted=True)

    @part
    def groups(self) -> pd.DataFrame:
        """Segments of the customers of each demographic group."""
        shares = self._segments_by("group")
        customers = self._view("group").value_counts()
        return shown(shares.assign(customers=customers), **dict.fromkeys(shares.columns, ".0%"))

    def _segments_by(self, view: str) -> pd.DataFrame:
        """Return the shares of segments in each group of a view, which add up to 1."""
        counts = pd.crosstab(self._view(view), self.views["segment"]).rename(columns=str)
        return disclosure.told(counts.div(counts.sum(axis=1), axis=0), disclosure.not_told(counts, self._smallest))

    @part
    def foretold(self) -> pd.DataFrame:
        """How much of next quarter's margin each view tells, out of time."""
        before, days = self._enough(self.half_year_ago), (self.half_year_ago, self.quarter_ago)
        old = fit(before, self.registry, self.half_year_ago, len(self.formed.names))
        paid = self._margins([*days, self.day], days=91)
        seen = {
            d: pd.DataFrame({
                "segments": old.assign_all(self.tables[d], self.registry), "RFM": self._rfm[d]["cell"],
                "deciles": paid[d].rank(pct=True).mul(10).round(),
            }) for d in days
        }  # fmt: skip
        then = paid[self.quarter_ago].reindex(self.tables[self.half_year_ago].index)
        later = paid[self.day].reindex(self.tables[self.quarter_ago].index)
        return stability.out_of_time(seen[days[0]], then, seen[days[1]], later, paid[self.quarter_ago])

    @part
    def foresight(self) -> dict[str, float]:
        """How much of next quarter's margin segments tell, beside the margin of the quarter before."""
        told = self.foretold["r2"]
        return {"segments": told["segments"], "naive": told[stability.NAIVE]}

    # --- life with the bank

    @part
    def _lived(self) -> pd.DataFrame:
        ends = [month_end_before(self.day, months) for months in range(12, 0, -1)]
        first = pd.Timestamp(self.source.customers.joined_on.min().to_pandas())
        days = [*(d for d in ends if pd.Timestamp(d) >= first), self.day]
        return movement.history(lifecycle.stages(self.source, days))

    @part
    def _history(self) -> pd.DataFrame:
        return self._lived.melt(var_name="day", value_name="stage", ignore_index=False).dropna()

    @part
    def stage(self) -> pd.Series:
        """Stage of life of each customer."""
        return self._lived.iloc[:, -1]

    @part
    def stages(self) -> dict[str, float]:
        """How many of all customers are in decline, lost and new, as on all pages."""
        told = self._states["customers"]
        return {name: told[name] for name in ("decline", LOST, "new")}

    @chart
    def stages_chart(self) -> Axes:
        """Draw how customers went from stage to stage, from month to month."""
        steps = self._flows(movement.transitions(self._lived), "steps", _STAGES)
        steps = steps.rename(_named).rename(columns=_named)
        return heat(steps, "Stage a month later (columns) of the customers of each stage (rows)")

    @part
    def sojourn(self) -> pd.DataFrame:
        """How long customers stay in a stage."""
        return disclosure.rows_told(movement.sojourn(self._lived).rename(_named), "spells", self._smallest)

    # --- what changed

    @part
    def _tier_before(self) -> pd.Series:
        return tiers(self._worth_on(self.month_ago))

    @part
    def movers(self) -> pd.DataFrame:
        """Customers who changed their value tier since last month, those with the largest margin first.

        `from_threshold` is how far the margin is from the threshold that was crossed, as a share of it; `may_go_back`
        whether that is no more than margins usually move in a month.
        """
        moved = movement.movers(self._tier_before, self.tier, self.worth)
        far = movement.from_threshold(moved, premium.tier_table(self.worth, self.tier)["from_margin"])
        return shown(
            moved.assign(from_threshold=far, may_go_back=far <= self._usual), from_threshold=".1%", margin=",.0f"
        )

    @part
    def _usual(self) -> float:
        """How far margins of all but the basic tier move in a month."""
        upper = self._tier_before.index[self._tier_before != list(TIERS)[-1]]
        before, now = (self._worth_on(day).reindex(upper) for day in (self.month_ago, self.day))
        return movement.usual_change(before, now)

    @part
    def moved(self) -> dict[str, float]:
        """How many customers changed their value tier since last month, and how many of these `may` go back."""
        return {"tiers": len(self.movers), "may": self.movers["may_go_back"].sum(), "usual": self._usual}

    @part
    def moved_stage(self) -> dict[str, float]:
        """How many customers changed their stage since last month, and how many of the month before are `back`."""
        if self._lived.shape[1] < 2:
            raise BankmineError("nobody was known a month ago")
        stages = movement.movers(self._lived.iloc[:, -2], self.stage, self.worth)
        return {"stages": len(stages), "back": movement.came_back(self._lived)}

    @part
    def moves(self) -> pd.DataFrame:
        """Moves between tiers, and the margin of those who moved."""
        told = self.movers.groupby(["from", "to"], observed=True)["margin"].agg(customers="size", margin="sum")
        return disclosure.rows_told(told, "customers", self._smallest, added_up=True)

    @part
    def movers_told(self) -> pd.DataFrame:
        """Customers who made a move whose number is told: a list of those who made another would tell it."""
        return movement.of_moves(self.movers, self.moves.index[self.moves["customers"].notna()])

    def _flows(self, flows: pd.DataFrame, people: str, order: list[str]) -> pd.DataFrame:
        """Return shares of flows as a matrix, without those of too few customers."""
        counts = movement.matrix(flows.assign(share=flows[people]), order)
        return disclosure.told(movement.matrix(flows, order), disclosure.not_told(counts, self._smallest))

    @chart
    def tiers_chart(self) -> Axes:
        """Draw the tier now against the tier a month ago."""
        flows = self._flows(movement.flows(self._tier_before, self.tier), "customers", list(TIERS))
        return heat(flows, "Value tier now (columns) of the customers of each tier a month ago (rows)", ".1%")

    @chart
    def segments_chart(self) -> Axes:
        """Draw the segment now against the segment a month ago."""
        before = self.model.assign_all(self.tables[self.month_ago], self.registry)
        flows = self._flows(movement.flows(before, self.segment), "customers", list(self.segment.cat.categories))
        title = "Segment now (columns) of the customers of each segment a month ago (rows)"
        return heat(flows, title, ".1%", tilted=True)

    @part
    def _drift(self) -> movement.Drift:
        if self.model.day == self.day:
            raise BankmineError("the segments were formed today, and have nothing to have moved from")
        return movement.drift(self.model, self.values)

    @part
    def drift(self) -> dict[str, object]:
        """How far the shares of segments shifted since they were formed, and how far by chance."""
        found = self._drift
        return {"day": self.model.day, "psi": found.psi, "alarm": found.alarm, "shifted": found.shifted}

    @part
    def drifted(self) -> pd.DataFrame:
        """Segments when they were formed and now."""
        return shown(self._drift.table, share_then=".1%", share_now=".1%", change="+.1pp")

    # --- for others

    @part
    def handed_on(self) -> dict[str, pd.DataFrame | str]:
        """What is handed on, as far as it is there."""
        files = {
            "segments": optional(self, "segment").to_frame("segment"),
            "value_tiers": optional(self, "_valued"),
            "lifecycle": optional(self, "stage").to_frame("stage"),
            "lifecycle_history": optional(self, "_history"),
            "movers": optional(self, "movers"),
            "segment_map": optional(self, "_map_told"),
            "near_premium": optional(self, "_near_to_call"),
            "look_after": optional(self, "_look_after"),
            "customer_states": optional(self, "_states"),
            MODEL: optional(self, "_saved"),
        }
        there = {name: content for name, content in files.items() if not isinstance(content, Lacking)}
        if not there:
            raise BankmineError(str(files["segments"].why))
        keys = {"segment_map": "segment", "customer_states": "customers who are"}
        return {n: c if isinstance(c, str) else c.rename_axis(keys.get(n, "customer_id")) for n, c in there.items()}

    @part
    def _valued(self) -> pd.DataFrame:
        return pd.DataFrame({"tier": self.tier, "margin": self.worth})

    @part
    def _saved(self) -> str:
        return to_text(self._described)

    def _facts(self) -> dict[str, object]:
        told = self.active
        return {
            "customers": told if isinstance(told, Lacking) else "{active:,} active of {customers:,}".format(**told),
            "active": self.registry.definition,
            "segments": "of an earlier report" if self._earlier[0] else "formed now",
        }
