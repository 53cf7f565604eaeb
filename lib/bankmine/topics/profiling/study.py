"""The study of profiling: who the customers are, which tags they hold, and what one of them looks like."""

from __future__ import annotations

import datetime

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from bankmine.bank.regions import in_english
from bankmine.bank.snapshot import Snapshot, open_source
from bankmine.errors import BankmineError
from bankmine.features import lifecycle
from bankmine.features.bookings import fell_silent
from bankmine.features.consent import ALLOWED, agreed_to_be_treated_personally, may_contact
from bankmine.features.customers import customer_tables
from bankmine.features.population import (
    ALL,
    LOST,
    LOST_OPEN,
    NOT_LOST,
    WITH_ACCOUNT,
    history,
    load_win_back,
    population,
    states,
    waterfall,
)
from bankmine.features.spine import month_end_before, spine_of
from bankmine.judging import disclosure
from bankmine.judging.intervals import shown
from bankmine.lacking import Lacking, optional, part
from bankmine.study.charts import captured, chart, heat
from bankmine.study.heading import Headed
from bankmine.topics.profiling import portraits, tags, winback

WATCHED_DAYS = 90
"""Days after which it is looked at what became of the holders of tags."""
_YEAR = 12
"""Months by which the base is held against what it was."""
SHAKY_KEPT, SHAKY_HOLDERS = 0.7, 30
"""Share of holders kept within a month below which a tag is shaky, and the holders from which this says something."""


def study(source: str, as_of: str | datetime.date, customer: str = "") -> Profile:
    """Open a source and set up the portrait of its customers; nothing is computed before it is asked for.

    Parameters
    ----------
    source : str
        Name or path of a bank.
    as_of : str or date
        Last day to know.
    customer : str
        Key of the customer to portray; where it is empty, the most typical one of those who agreed to it.

    Raises
    ------
    BankmineError
        If the source cannot be used.
    """
    return Profile(open_source(source).as_of(as_of), customer)


class Profile(Headed):
    """Who the customers of a bank are on one day; where `customer` is empty, a typical one who agreed is portrayed."""

    def __init__(self, snapshot: Snapshot, customer: str = "") -> None:
        known = snapshot.customers.customer_id == customer
        if customer and not snapshot.customers.filter(known).count().to_pyarrow().as_py():
            raise BankmineError(f"No customer {customer!r} is known on this day: give an id of the source's table.")
        self.source, self._customer = snapshot, customer
        self.day, self.month_before = snapshot.as_of, month_end_before(snapshot.as_of)
        self.watched_from = self.day - datetime.timedelta(days=WATCHED_DAYS)

    @part
    def _on_day(self) -> dict[datetime.date, pd.DataFrame]:
        return customer_tables(self.source, [self.day, self.month_before, self.watched_from])

    @part
    def customers(self) -> pd.DataFrame:
        """All customers on the day, with their features and what the bank knows of the person."""
        return self._on_day[self.day]

    @part
    def handed_on(self) -> dict[str, pd.DataFrame]:
        """What was measured of each customer, in numbers, how many are what, and whom to win back, if that is known."""
        handed = {"portraits": self.customers.select_dtypes("number"), "customer_states": self._states}
        back = optional(self, "_win_back")
        return handed if isinstance(back, Lacking) else handed | {"win_back": may_contact(back)}

    # --- how many there are, and who they are

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
        """How all customers add up from states, and how many of each are active, present or silent."""
        return shown(waterfall(self._states), share=".1%")

    @part
    def words(self) -> pd.DataFrame:
        """By which words all pages speak of customers, how many each holds for, and which page acts on it."""
        told = self._states[["customers", "kind", "name_zh", "definition", "page"]]
        return told.rename(columns={"name_zh": "中文"})

    @chart
    def waterfall_chart(self) -> Axes:
        """Draw how all customers add up from states."""
        written = self.waterfall["customers"].map("{:,}".format)
        told = self.waterfall["customers"].astype(float).fillna(0).astype(int)
        axis = plt.subplots(figsize=(7.5, 0.45 * len(told) + 0.8))[1]
        left = told[ALL] - told.where(told.index != ALL, 0).cumsum()
        axis.barh(told.index, told, left=left.where(told.index != ALL, 0), color=["0.6", *["C0"] * (len(told) - 1)])
        for row, (count, start) in enumerate(zip(told, left.where(told.index != ALL, 0), strict=True)):
            axis.text(start + count + 0.01 * told[ALL], row, written.iloc[row], va="center")
        axis.set(title=f"All customers on {self.day}, and the states they are in", xlabel="customers", ylabel="")
        axis.set_xlim(0, 1.1 * max(told[ALL], 1))
        axis.invert_yaxis()
        return axis

    # --- whether the base shrinks, and whom to win back

    @part
    def _history(self) -> pd.DataFrame:
        """States of customers at the month ends of a year, and on the day."""
        first = pd.Timestamp(self.source.customers.joined_on.min().to_pandas()).date()
        ends = [month_end_before(self.day, months) for months in range(_YEAR, 0, -1)]
        return history(self.source, [*(day for day in ends if day >= first), self.day])

    @part
    def changed(self) -> dict[str, object]:
        """How many customers are not lost, how many were a year ago, and who came and went."""
        since = self._history.columns[0]
        if since == self.day:
            raise BankmineError("nobody was known on an earlier month end")
        return winback.changed(self._history[since], self._history[self.day]) | {
            "customers": len(self.customers),
            "since": since,
        }

    @chart
    def base_chart(self) -> Axes:
        """Draw how many customers are not lost, and how many lost with an account open, by month."""
        counts = self._history.apply(lambda day: day.value_counts()).T.reindex(columns=[NOT_LOST, LOST_OPEN]).fillna(0)
        axes = plt.subplots(2, 1, sharex=True, figsize=(7.5, 4.5), layout="constrained")[1]
        for axis, name in zip(axes, counts, strict=True):
            axis.plot([f"{day:%Y-%m}" for day in counts.index], counts[name], marker="o")
            axis.set(title=f"Customers who are {name}, by month end", ylabel="customers")
            axis.yaxis.set_major_locator(plt.MaxNLocator(4, integer=True))
        axes[-1].set_xticks(range(0, len(counts), 3))
        return axes[0]

    @part
    def _win_back(self) -> pd.DataFrame:
        self.source.require("balances.balance")
        lost = self._population[LOST_OPEN]
        if not lost.any():
            raise BankmineError(f"nobody is {LOST_OPEN}")
        life = lifecycle.stages(self.source, [self.day]).set_index("customer_id")
        return winback.listed(self.customers[lost], life, load_win_back()["calls_a_month"], self.source.unseen)

    @part
    def win_back(self) -> dict[str, object]:
        """How many to call, what they and all others lost with an account open hold, and who may not be called."""
        told = self._win_back
        if len(why := told["contact"].unique()) == 1 and why[0] != ALLOWED:
            raise BankmineError(f"nobody is to be called; {why[0]}")
        called, all_ = told.loc[told["call"], "deposits"], told["deposits"].clip(lower=0).sum()
        barred = told["contact"].ne(ALLOWED) & (told["deposits"] >= called.min())
        return {
            "calls": len(called), "held": called.sum() / 1e6, "share": called.sum() / all_ if all_ else float("nan"),
            "lost_open": len(told), "barred": barred.sum(),
            "currency": self.source.source.currency, "owner": load_win_back()["owner"],
        }  # fmt: skip

    @part
    def win_back_first(self) -> pd.DataFrame:
        """The first of those to be called."""
        told = self._win_back[self._win_back["call"]].drop(columns=["call", "contact"])
        return shown(told, deposits=",.0f", years_with_us=".1f")

    @part
    def came_back(self) -> dict[str, object]:
        """What became, without any list, of those who were lost with an account open a quarter ago."""
        day = month_end_before(self.day, 3)
        if day not in self._history or not (self._history[day] == LOST_OPEN).any():
            raise BankmineError(f"nobody was {LOST_OPEN} on {day}")
        return winback.became(self._history[day], self._history[self.day]) | {"day": day}

    @part
    def _holders(self) -> pd.DataFrame:
        """Customers with an account: what follows is said of them."""
        held = _with_account(self.customers)
        if held.empty:
            raise BankmineError("no customer holds an account")
        return held

    @part
    def base(self) -> dict[str, float]:
        """How many there are, with an account, lost, so with an account open, and new; half joined `tenure` ago."""
        counts = self._states["customers"]
        words = {"customers": ALL, "holders": WITH_ACCOUNT, LOST: LOST, "lost_open": LOST_OPEN, "new": "new"}
        return {name: counts[word] for name, word in words.items()} | {
            "tenure": self._holders["tenure_days"].median() / 365.25
        }

    @part
    def ages(self) -> dict[str, float]:
        """Ages of the middle half, and the share whose age is not known."""
        self.source.require("customers.birth_date")
        ages = self._holders["age_years"].dropna()
        low, high = ages.quantile(0.25), ages.quantile(0.75)
        return {"low": low, "high": high, "unknown": 1 - len(ages) / len(self._holders)}

    @chart
    def by_age(self) -> Axes:
        """Draw customers by age group and gender."""
        self.source.require("customers.birth_date", "customers.gender")
        told = portraits.by_age(self._holders, self._smallest)
        axis = sns.barplot(told, y="age", x="customers", hue="gender")
        axis.set(title=f"Customers by age and gender on {self.day}", xlabel="customers", ylabel="age in years")
        return axis

    @part
    def regions(self) -> pd.DataFrame:
        """Customers by region."""
        self.source.require("customers.region")
        known = pd.Series(in_english(pd.Index(self._holders["region"].fillna("unknown")), both=True))
        counts = disclosure.merged(known, self._smallest).value_counts()
        return shown(pd.DataFrame({"customers": counts, "share": counts / counts.sum()}), share=".1%")

    # --- what they hold and do

    @part
    def held(self) -> dict[str, float]:
        """Customers with one product only, and how many products those with an account hold on average."""
        products = self._holders["products"]
        return {"single": (products == 1).mean(), "mean": products.mean()}

    @part
    def products(self) -> pd.DataFrame:
        """Products, the most common first, and how many others their holders have."""
        told = disclosure.rows_told(portraits.holdings(self._holders), "customers", self._smallest, len(self._holders))
        return shown(told, share=".1%", other_products=".2f")

    @chart
    def by_product(self) -> Axes:
        """Draw the share of customers who hold each product."""
        axis = sns.barplot(self.products, y="product", x="share", color=sns.color_palette()[0])
        axis.set(
            title=f"Share of customers who hold each product on {self.day}", xlabel="share of customers", ylabel=""
        )
        axis.xaxis.set_major_formatter("{x:.0%}")
        return axis

    @part
    def activity(self) -> dict[str, float]:
        """Share of customers with an account who are silent, and how often the median one books."""
        silent = self._states.loc[WITH_ACCOUNT, "silent"] / len(self._holders)
        return {"silent": silent, "bookings": self._holders["transactions_30d"].median()}

    @chart
    def by_bookings(self) -> Axes:
        """Draw customers by their bookings a month."""
        monthly = self._holders["transactions_90d"] / 3
        axis = sns.histplot(monthly.clip(upper=monthly.quantile(0.99)), bins=40)
        axis.set(title="Bookings a month, mean of 90 days (cut at the 99th percentile)")
        axis.set(xlabel="bookings a month", ylabel="customers")
        return axis

    # --- where they bank

    @part
    def _mix(self) -> pd.DataFrame:
        self.source.require("transactions.channel")
        return portraits.channel_mix(self._holders, self._smallest)

    @part
    def main_channel(self) -> dict[str, object]:
        """The channel with the most bookings, and its share of them."""
        told = self._mix.loc["all"]
        return {"channel": told.idxmax(), "share": told.max()}

    @chart
    def by_channel(self) -> Axes:
        """Draw the share of channels in bookings, by age group."""
        axis = heat(self._mix, "Share of channels in the bookings of 90 days, by age group")
        axis.set(ylabel="age in years")
        return axis

    # --- who holds the money

    @part
    def _deposits(self) -> pd.Series:
        self.source.require("balances.balance")
        return self._holders["deposits"]

    @part
    def top_tenth(self) -> dict[str, float]:
        """Share of all deposits that the tenth of customers with the largest ones holds."""
        return {"share": portraits.concentration(self._deposits)}

    @chart
    def by_deposits(self) -> Axes:
        """Draw the share of deposits that the largest customers hold."""
        return captured(self._deposits, f"Deposits on {self.day}: share held by the largest customers", "deposits")

    @chart
    def by_month_end(self) -> Axes:
        """Draw what all customers held at each month end."""
        self.source.require("balances.balance")
        told = portraits.by_month_end(self.source) / 1e6
        axis = told.plot(style=["-", "--"])
        axis.set(title="Deposits and debts of all customers at each month end", xlabel="")
        axis.set(ylabel=f"million {self.source.source.currency}")
        axis.axhline(0, color="grey", linewidth=0.8)
        return axis

    @part
    def money(self) -> pd.DataFrame:
        """What customers move and hold, by quantiles, in the source's currency."""
        told = portraits.quantiles(self._holders, ["inflow_90d", "outflow_90d", "deposits", "debts"], self._smallest)
        return shown(told, **dict.fromkeys(told, ",.0f"))

    # --- tags

    @part
    def _register(self) -> list[tags.Tag]:
        return tags.load_tags()

    def _tags_on(self, day: datetime.date) -> pd.DataFrame:
        return tags.assign(self._register, _with_account(self._on_day[day]))

    @part
    def _tags(self) -> pd.DataFrame:
        return self._tags_on(self.day)

    @part
    def _coverage(self) -> pd.DataFrame:
        return tags.coverage(self._register, self._tags, self._tags_on(self.month_before))

    @part
    def tagged(self) -> dict[str, float]:
        """Tags that can be assigned, of all in the register, and the share of customers with at least one."""
        share = self._tags.any(axis=1).mean()
        return {"available": self._tags.shape[1], "tags": len(self._register), "share": share}

    @part
    def steadiness(self) -> pd.DataFrame:
        """Who holds each tag, and how steady it is from the month before."""
        told = self._coverage[["tag", "标签", "customers", "share", "kept", "agreement"]]
        told = disclosure.rows_told(told, "customers", self._smallest, len(self._tags))
        return shown(told, customers=",.0f", share=".1%", kept=".0%", agreement=".0%")

    @part
    def meanings(self) -> pd.DataFrame:
        """What each tag means, and who answers for it."""
        return self._coverage[["tag", "kind", "definition", "owner", "refresh"]]

    @part
    def shaky(self) -> dict[str, object]:
        """Tags that lost too many of their holders within a month."""
        told = self._coverage
        shaky = told.loc[(told["kept"] < SHAKY_KEPT) & (told["customers"] >= SHAKY_HOLDERS), "tag"]
        return {"shaky": len(shaky), "which": ", ".join(shaky) or "none"}

    @chart
    def after_tags(self) -> Axes:
        """Draw the share of each tag's holders who fell silent in the days since, with intervals."""
        silent = fell_silent(self.source, spine_of(self.source, [self.watched_from])).to_pandas()
        held = self._tags_on(self.watched_from)
        outcome = silent.set_index("customer_id")["fell_silent"].reindex(held.index)
        told = tags.outcome_by_tag(self._register, held, outcome)
        if told.empty:
            raise BankmineError("no tag had enough holders on that day")
        axis = told.plot.scatter(x="rate", y="tag", zorder=3)
        axis.hlines(told["tag"], told["low"], told["high"])
        axis.axvline(outcome.mean(), color="grey", linestyle="--")
        title = f"Share that moved no money out in the {WATCHED_DAYS} days after {self.watched_from}, by tag"
        axis.set(title=title, ylabel="", xlabel="share of the holders, with 95% interval; dashed: all customers")
        axis.xaxis.set_major_formatter("{x:.0%}")
        axis.invert_yaxis()
        return axis

    # --- one customer

    @part
    def customer(self) -> str:
        """Key of the customer who is portrayed."""
        if self._customer:
            return self._customer
        agreed = agreed_to_be_treated_personally(self._holders, self.source.unseen)
        return portraits.typical_customer(self._holders, agreed)

    @part
    def portrait(self) -> pd.DataFrame:
        """The customer beside all others."""
        beside = self.customers[self._population[WITH_ACCOUNT] | (self.customers.index == self.customer)]
        return shown(portraits.portrait(beside, self.customer), rank=".0%")

    @part
    def own_tags(self) -> pd.DataFrame:
        """The tags that the customer holds."""
        if self.customer not in self._tags.index:
            raise BankmineError(f"no customer {self.customer!r} is known on this day")
        return tags.tags_of(self._register, self._tags, self.customer)


def _with_account(customers: pd.DataFrame) -> pd.DataFrame:
    return customers[customers["accounts"] > 0]
