"""The study of value: what each customer is worth, whether that came true, and whose worth is at risk."""

from __future__ import annotations

import datetime
import io
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from bankmine.bank.flat import is_flat
from bankmine.bank.snapshot import Snapshot, open_source
from bankmine.errors import BankmineError
from bankmine.features import cohorts
from bankmine.features.consent import contact_allowed, may_contact
from bankmine.features.spine import month_end_before
from bankmine.features.value import margin_total, not_counted, tiers
from bankmine.judging import disclosure
from bankmine.judging.amounts import Amounts
from bankmine.judging.intervals import shown
from bankmine.lacking import Lacking, optional, part
from bankmine.learning.foretold import Foretold
from bankmine.learning.lasting import Lasting, fit_renewals, lasting, renewals
from bankmine.privacy.sealing import read_sealed
from bankmine.study.charts import chart, titled
from bankmine.topics.value import worth
from bankmine.topics.value.buying import Buyers
from bankmine.topics.value.expected import Valued
from bankmine.topics.value.table_study import TableValue, open_table
from bankmine.topics.value.worth import FORETOLD, NAIVE, PARTS, TREES, Worth

HALF, YEAR = 6, 12
_LISTED = 100
_TOP = ("premium", "preferred")
_SAME = 0.05
"""Chances to be closed that differ by less, as a share, do not fall."""
_NAMES = {"contracts": "accounts", "services": "services, less costs", "purchases": "purchases"}
"""Parts of what is expected, as pages call them."""
_MOVED = {
    "deposits_now": "deposits earn", "lending_now": "credit earns", "purchases_12": "purchases are expected to earn",
    "services": "fees less costs bring",
}  # fmt: skip
_LASTING = "how long its accounts are expected to last, and what is left of them"

Received = Callable[[str, str, Snapshot], Path]
"""Finds a file that a report of the same day handed on, as `report.handed_on.received`."""


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
        return open_table(source, as_of, id, time, amount, earns, written)
    return BankValue(open_source(source).as_of(as_of), received)


class BankValue(Valued):
    """What the customers of a bank are worth at the end of the last whole month."""

    whom: ClassVar[str] = "customers who may be contacted"

    def __init__(self, snapshot: Snapshot, received: Received | None = None) -> None:
        super().__init__(snapshot, worth.load_rules(snapshot.source.currency))
        self._received = received
        whole = pd.Timestamp(snapshot.as_of).is_month_end
        self.day = snapshot.as_of if whole else month_end_before(snapshot.as_of)

    # --- what is known of which day

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

    def _known(self, day: datetime.date, what: str) -> pd.DataFrame:
        """Return what was brought in before a day; an error says what for it would be needed."""
        if day not in self._brought:
            raise BankmineError(f"{what} takes bookings from {day - datetime.timedelta(days=worth.YEAR - 1)} on")
        return self._brought[day]

    @part
    def _buys_now(self) -> Foretold:
        return self._bought(self.day)

    @part
    def _buys_half(self) -> Foretold:
        return self._bought(self._ago(HALF))

    @part
    def _buys_then(self) -> Foretold:
        return self._bought(self._ago(YEAR))

    @part
    def _buys_before(self) -> Foretold:
        return self._bought(self._ago(2 * YEAR))

    def _bought(self, day: datetime.date) -> Foretold:
        self._known(day, f"what was bought before {day}")
        return worth.bought(self.source, day)

    @part
    def buyers(self) -> Buyers:
        """Customers who pay by card, looked at on three days a year apart."""
        looks = (optional(self, name) for name in ("_buys_now", "_buys_then", "_buys_before"))
        return Buyers(*looks, lambda: worth.tracked(self.source, self._buys_then, self._ago(YEAR)))

    def _worth(self, months: int, buys: Foretold | Lacking, again: pd.Series | Lacking) -> Worth:
        day = self._ago(months)
        brought = self._known(day, f"what was to be expected on {day}")
        return worth.worth(self.source, day, brought, buys, self._rules.discount, again)

    @part
    def _now(self) -> Worth:
        return self._worth(0, self._fitted("_buys_now"), optional(self.buyers, "again_now"))

    @part
    def _half_ago(self) -> Worth:
        """As of half a year ago, at the level of chances of a year ago, as what came of that time is not all known."""
        buys = self._fitted("_buys_half")
        again = self.buyers.at_level("before", buys) if buys else Lacking("no model")
        return self._worth(HALF, buys, again)

    @part
    def _year_ago(self) -> Worth:
        return self._worth(YEAR, self._fitted("_buys_then"), optional(self.buyers, "again_then"))

    @part
    def _two_years_ago(self) -> Worth:
        return self._worth(2 * YEAR, self._fitted("_buys_before"), Lacking("nothing before it is known"))

    def _fitted(self, name: str) -> Foretold | Lacking:
        """Return purchases that both models could be fitted to, or why they could not."""
        try:
            found = getattr(self, name)
            found.fit()
        except BankmineError as error:
            return Lacking(str(error))
        return found

    def _facts(self) -> dict[str, object]:
        return {"valued": f"{self.day}, by data/margin.yml and data/value.yml ({self._rules.owner})"}

    # --- whether it came true

    def _came(self, day: datetime.date, after: datetime.date) -> pd.Series:
        """Return what customers of a day brought in until another; who is not known any more brought nothing."""
        return self._brought[after]["margin"].reindex(self._brought[day].index).fillna(0.0)

    @part
    def judged(self) -> Amounts:
        """What was foretold a year ago, in three ways, and what came."""
        then = self._year_ago
        said = {NAIVE: then.table["margin"], PARTS: then.table["plain"]}
        if not isinstance(earlier := optional(self, "_earlier"), Lacking):
            before = self._two_years_ago
            given = self._brought[before.day], self._brought[then.day]
            said[TREES] = worth.trees(before, earlier.came, given[0], then, given[1])
        return Amounts(pd.DataFrame(said), self._came(self._ago(YEAR), self.day))

    @part
    def _earlier(self) -> Amounts:
        """The same of the year before."""
        before = self._two_years_ago
        said = {NAIVE: before.table["margin"], PARTS: before.table["plain"]}
        return Amounts(pd.DataFrame(said), self._came(before.day, self._ago(YEAR)))

    # --- what is expected

    @part
    def _unsteady(self) -> float:
        """Standard error of a year's total, as a share, by how unsteadily the bank's margin moved month by month."""
        return worth.unsteadiness(margin_total(self.source, self.day))

    @part
    def _unsteady_then(self) -> float:
        """The same by the months that were known a year ago."""
        return worth.unsteadiness(margin_total(self.source, self._ago(YEAR)))

    @part
    def _valued(self) -> pd.DataFrame:
        found = self._now.table.drop(columns=["plain", "level"])
        if self.way != PARTS:
            said = found["margin"] if self.way == NAIVE else self._by_trees
            said = said * (1 + self._rules.discount) ** -0.5
            year, three = found["expected_12"].sum(), found["expected_36"].sum()
            # where parts cancel, three years are no multiple of one: then each is as the first
            same = sum((1 + self._rules.discount) ** -k for k in range(worth.YEARS))
            found["expected_12"], found["expected_36"] = said, said * (three / year if 0 < year < three else same)
        return found

    @part
    def _by_trees(self) -> pd.Series:
        then, now = self._year_ago, self._now
        return worth.trees(then, self.judged.came, self._brought[then.day], now, self._brought[now.day])

    @part
    def parts_table(self) -> pd.DataFrame:
        """What is expected, by its parts, beside what each brought in the last twelve months."""
        found, v = self.value, self._now.table
        last = pd.Series({
            "contracts": (v["deposits"] + v["lending"]).sum(), "purchases": v["purchased"].sum(),
            "services": (v["fees"] - v["cost"] - v["purchased"]).sum(),
        })  # fmt: skip
        table = pd.DataFrame({
            "last 12 months": last[list(FORETOLD)], "next 12 months": [v[f"{p}_12"].sum() for p in FORETOLD],
            "next 36 months": [v[f"{p}_36"].sum() for p in FORETOLD],
        }).rename(_NAMES)  # fmt: skip
        table.loc["all"] = [found["margin"].sum(), found["expected_12"].sum(), found["expected_36"].sum()]
        return shown(table.rename_axis("part"), **dict.fromkeys(table.columns, ",.0f"))

    @chart
    def parts_chart(self) -> Axes:
        """Draw the parts of the last and of the next twelve months."""
        table = self.parts_table[["last 12 months", "next 12 months"]] / 1e6
        rows = table.reset_index().melt("part", var_name="when", value_name="margin")
        axis = sns.barplot(rows, y="part", x="margin", hue="when", errorbar=None)
        for drawn in axis.containers:
            axis.bar_label(drawn, fmt="{:,.2f}", fontsize=8, padding=2)
        axis.margins(x=0.12)
        axis.get_legend().set_title("")
        return titled(
            axis, "Margin of all customers by its parts, next 12 months discounted", f"million {self.currency}", ""
        )

    @part
    def moves_total(self) -> pd.DataFrame:
        """What moves the total of the next 12 months: each input worse and better than it is taken to be."""
        v, more = self._now.table, 1 + self._rules.discount
        stays = worth.contracts(self.source, self.day, self._rules.discount)["open"].reindex(v.index).fillna(1.0)
        moves = {
            "spreads on accounts, by a tenth": v["contracts_12"].sum() / 10,
            "fees less costs, by a tenth": abs(v["services_12"].sum()) / 10,
            "purchases, by a tenth": v["purchases_12"].sum() / 10,
            "closings, by half": (v["contracts_12"] * (1 - stays)).sum() / 2,
            "discount, by two points": self.next12["total"] * (1 - (more / (more + 0.02)) ** 0.5),
        }  # fmt: skip
        found = pd.Series(moves).sort_values(ascending=False)
        return pd.DataFrame({"worse": -found, "better": found})

    @chart
    def tornado(self) -> Axes:
        """Draw what moves the total."""
        found = self.moves_total[::-1] / 1e6
        axis = plt.figure(figsize=(7, 3.2)).subplots()
        axis.barh(found.index, found["better"], color="C0", label="better")
        axis.barh(found.index, found["worse"], color="C1", hatch="//", label="worse")
        axis.legend()
        return titled(axis, "What moves the total of the next 12 months", f"million {self.currency}", "")

    # --- how long accounts last

    @part
    def _lasting(self) -> Lasting:
        return lasting(self.source, self.day)

    @part
    def closings(self) -> pd.DataFrame:
        """Chance a year that an account is closed, by product and age, and how what is left grew within a year."""
        found = self._lasting.closings
        yearly = (1 - (1 - found["chance"].where(found["months"] > 0)) ** 12).reset_index()
        yearly = yearly.pivot_table(index="product", columns="from", values="chance", dropna=False)
        names = ["under 3 months", "3 to 12 months", "1 to 2 years", "2 to 5 years", "over 5 years"]
        held, growth = found["months"].groupby("product").sum(), self._lasting.growth
        table = yearly.set_axis(names, axis=1).assign(**{"earns after a year": growth.where(growth != 1)})
        return shown(table[held > 0], **dict.fromkeys(names, ".1%"), **{"earns after a year": ".0%"})

    @part
    def renewing(self) -> dict[str, object]:
        """What one chance to be closed for all ages would make of three years of accounts, and how chances fall."""
        seen = renewals(self.source, self.day)
        fitted = fit_renewals(seen["at_risk"].to_numpy(float), seen["lost"].to_numpy(float))
        first, tenth = (float(fitted.chance(np.array([k]))[0]) for k in (1, 10))
        total, level = (float(self._now.table[name].sum()) for name in ("contracts_36", "level"))
        told = {"first": first, "tenth": tenth, "gap": abs(total - level), "share": abs(1 - level / total)}
        falls = "fall with age" if tenth < first * (1 - _SAME) else "do not fall with age"
        return told | {"falls": falls, "less": "less" if level < total else "more", "currency": self.currency}

    # --- who holds the value, and whose is at risk

    @part
    def _chance(self) -> pd.DataFrame:
        """Chance to leave of each customer whom 06 scored, and whether 06 calls."""
        return self._of("06_churn", "churn_scores")

    def _of(self, report: str, name: str) -> pd.DataFrame:
        """Read what another report of the day handed on."""
        if self._received is None:
            raise BankmineError(f"{report} was not asked for its {name}")
        content = read_sealed(self._received(report, f"{name}.parquet", self.source))
        return pd.read_parquet(io.BytesIO(content)).set_index("customer_id").drop(columns="as_of")

    @part
    def _at_risk(self) -> pd.DataFrame:
        found = self.value.join(self._chance, how="inner")
        found["at_risk"] = found["expected_12"] * found["chance"]
        people = self.source.customers.to_pandas().set_index("customer_id").reindex(found.index)
        found["contact"] = contact_allowed(people, self.source.unseen)
        return found.sort_index().sort_values("at_risk", ascending=False, kind="stable")

    @part
    def _listed(self) -> pd.DataFrame:
        return may_contact(self._at_risk)

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
        """How many of the top fifth of half a year ago are in it still, by what was and is expected."""
        then, now = self._half_ago.table["expected_12"], self.value["expected_12"]
        both = then.index.intersection(now.index)
        first, second = tiers(then[both]), tiers(now[both])
        top, now_top = (found.isin(_TOP) for found in (first, second))
        same = (first.astype(str) == second.astype(str)).mean()
        return {"stay": now_top[top].mean(), "same": same, "since": self._ago(HALF), "top": int(top.sum())}

    # --- whose worth rose and fell

    @part
    def changes(self) -> pd.DataFrame:
        """The hundred whose expected worth rose most in half a year, and the hundred whose fell most, with why."""
        then, now = self._half_ago, self._now
        both = then.table.index.intersection(now.table.index)
        first, second = (self._movable(w).loc[both] for w in (then, now))
        moved = (second - first)[list(_MOVED)]
        change = now.table.loc[both, "expected_12"] - then.table.loc[both, "expected_12"]
        signed = moved.mul(np.sign(change), axis=0)
        why = signed.idxmax(axis=1)
        by = np.take_along_axis(moved.to_numpy(), moved.columns.get_indexer(why)[:, None], axis=1)[:, 0]
        how = np.where(by > 0, "more", "less")
        words = why.map(_MOVED) + [f" {abs(b):,.0f} {h} a year" for b, h in zip(by, how, strict=True)]
        words = words.where(signed.max(axis=1) > 0, _LASTING)  # nothing that was measured moved that way
        held = worth.contracts(self.source, self.day, self._rules.discount).index
        words = words.where(both.isin(held) | (change > 0), "no account that earns is left")
        table = pd.DataFrame({"before": then.table.loc[both, "expected_12"], "now": now.table.loc[both, "expected_12"],
                              "change": change, "why": words})  # fmt: skip
        table = table.sort_index().sort_values("change", ascending=False, kind="stable")
        rose, fell = table[table["change"] > 0].head(_LISTED), table[table["change"] < 0].tail(_LISTED)[::-1]
        return pd.concat([rose.assign(moved="rose"), fell.assign(moved="fell")]).rename_axis("customer_id")

    def _movable(self, found: Worth) -> pd.DataFrame:
        brought = self._brought[found.day]
        services = found.table["services_12"]
        return brought[["deposits_now", "lending_now"]].assign(
            purchases_12=found.table["purchases_12"], services=services
        )

    @part
    def moved(self) -> dict[str, object]:
        """By how much the hundred rose, and the hundred fell."""
        told = self.changes.groupby("moved")["change"].agg(["size", "sum"]).reindex(["rose", "fell"], fill_value=0)
        (rose, up), (fell, down) = told.to_numpy()
        ends = {"rose": int(rose), "up": up, "fell": int(fell), "down": -down}
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
    def _cohorts(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        return cohorts.joined(self.source, self._smallest)

    @chart
    def stays_chart(self) -> Axes:
        """Draw the share of each month's new customers that still has an account, by months since."""
        return _by_cohort(self._cohorts[0], "Share of those who joined in a month with an account open", ".0%")

    @chart
    def paid_chart(self) -> Axes:
        """Draw the margin summed up of a customer who joined in each month, by months since."""
        return _by_cohort(
            self._cohorts[1], f"Margin summed up of a customer who joined in a month, {self.currency}", ",.0f"
        )

    @part
    def payback(self) -> dict[str, object]:
        """When a new customer has paid back what winning one costs."""
        found = cohorts.payback(self._cohorts[1], self._rules.acquisition)
        return found | {"currency": self.currency}

    # --- what leaves

    @part
    def uncounted(self) -> dict[str, str]:
        """What the margin lacks, in words."""
        return {"lacks": "; ".join([*not_counted(self.source), "capital, overheads and taxes"])}

    def _files(self) -> dict[str, str]:
        return super()._files() | {"value_changes": "changes"}


def _by_cohort(table: pd.DataFrame, title: str, spec: str) -> Axes:
    """Draw cohorts as a heat map, a row a month of joining and a column a month since."""
    axis = plt.figure(figsize=(8, 0.19 * len(table) + 1.6)).subplots()
    found = table.set_axis(table.index.astype(str)).set_axis(table.columns + 1, axis=1)
    bar = {"format": FuncFormatter(lambda value, _: format(value, spec))}
    sns.heatmap(found, cmap="viridis", ax=axis, cbar_kws=bar, xticklabels=3, yticklabels=max(len(table) // 12, 1))
    axis.set(title=title, xlabel="month since joining", ylabel="joined in")
    return axis
