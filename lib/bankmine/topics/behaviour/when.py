"""When customers spend and log in: hours, paydays and festivals, with effects that have intervals."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from functools import reduce
from textwrap import fill

import ibis
import ibis.expr.types as ir
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from scipy import stats

from bankmine.bank.kept import ANALYSES
from bankmine.bank.snapshot import Snapshot
from bankmine.errors import BankmineError
from bankmine.features.paydays import paydays, purchases
from bankmine.features.spine import drawn, kept, spine_of
from bankmine.judging import disclosure
from bankmine.judging.intervals import shown, wide, with_interval
from bankmine.lacking import Lacking, optional, part
from bankmine.study.charts import chart, line, titled
from bankmine.topics.behaviour.effects import AFTER_PAY, ALL, FEWEST, Spending, after_pay
from bankmine.topics.behaviour.festivals import around_festivals, by_month_day, coming, festivals

_CUSTOMERS, _YEAR, _FOUND = 20_000, 365, 0.05
_REGULAR = 0.7
"""Share of months with pay on the usual day from which what follows it is looked at."""
_AGES = (0, 30, 45, 60, 200)
_COLUMNS = ["moment", "need", "value", "low", "high", "net", "net_low", "net_high", "p", "p_differ", "group"]
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


class When:
    """When the customers of a bank spend and log in."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.source = snapshot

    # --- what the pages show

    @part
    def effect(self) -> dict[str, float]:
        """Spending on days 1 to 5 after pay in multiples of the usual, what it adds, and what is left of that."""
        rows = self._after_pay
        found = rows[(rows["moment"] == AFTER_PAY) & (rows["need"] == ALL)].iloc[0]
        told = found[["value", "low", "high", "net", "net_low", "net_high", "p"]].rename({"value": "effect"}).to_dict()
        return told | {"gain": 5 * (told["effect"] - 1), "customers": self._of_panel()["customer"].nunique()}

    @part
    def _needs(self) -> pd.DataFrame:
        """All needs and moments: how many times the usual, how sure, and which age group leads where they differ."""
        both = [optional(self, "_after_pay"), optional(self, "_around")]
        told = [t for t in both if not isinstance(t, Lacking)]
        if not told:
            raise BankmineError("; ".join(dict.fromkeys(t.why for t in both)))
        rows = pd.concat(told, ignore_index=True).reindex(columns=[*_COLUMNS, "festival", "year"])
        rows = rows[rows["p"].notna() & rows["value"].gt(0)].reset_index(drop=True)
        festival = rows["moment"] + np.where(rows["moment"].eq("week"), " of ", " ") + rows["festival"]
        rows["when"] = festival.fillna(rows["moment"])
        for name in ("p", "p_differ"):
            rows[f"{name}_adjusted"] = stats.false_discovery_control(rows[name].fillna(1.0))
        rows["found"] = rows["p_adjusted"].lt(_FOUND) & ~(rows["low"].le(1) & rows["high"].ge(1))
        rows["whom"] = rows["group"].where(rows["p_differ_adjusted"] < _FOUND, "all ages")
        return rows

    @part
    def needs(self) -> pd.DataFrame:
        """Needs that peak or dip at a moment beyond chance, the farthest from usual first."""
        rows = self._needs[self._needs["found"]]
        if rows.empty:
            raise BankmineError("no need peaks or dips at a moment beyond chance")
        rows = rows.loc[np.log(rows["value"]).abs().sort_values(ascending=False).index]
        told = rows.assign(times=with_interval(rows, "value", ".2f")).set_index("need")
        told = told[["when", "whom", "times", "p_adjusted", "net"]]
        return shown(
            told.rename(columns={"p_adjusted": "p", "net": "days added in all"}),
            **{"p": ".3f", "days added in all": "+.1f"},
        )

    @part
    def peak(self) -> dict[str, object]:
        """The need with the highest peak, and how many of all looked at peak or dip beyond chance."""
        rows = self._needs[self._needs["found"] & self._needs["need"].ne(ALL) & self._needs["value"].gt(1)]
        if rows.empty:
            raise BankmineError("no need peaks at a moment beyond chance")
        found = rows.loc[rows["value"].idxmax(), ["need", "when", "whom", "value", "low", "high"]].to_dict()
        single = self._needs[self._needs["need"] != ALL]
        return found | {"found": int(single["found"].sum()), "rows": len(single)}

    @part
    def coming(self) -> dict[str, object]:
        """The next moment at which needs peak: `when` it `begins` and `ends`, and which `needs`, the highest first."""
        peaks = self._needs[self._needs["found"] & self._needs["need"].ne(ALL) & self._needs["value"].gt(1)]
        ahead = coming(self.source.as_of).merge(peaks, on=["festival", "moment"])
        if ahead.empty:
            raise BankmineError("no need is known to peak at a festival of the year to come")
        own = ahead[ahead["begins"] == ahead["begins"].min()].sort_values("value", ascending=False)
        ends = {name: own[name].iloc[0].date() for name in ("begins", "ends")}
        told = ", ".join(f"{need} {times:.1f}" for need, times in zip(own["need"], own["value"], strict=True))
        whole = self._needs[self._needs["festival"].eq(own["festival"].iloc[0]) & self._needs["need"].eq(ALL)]
        week = whole.set_index("moment").loc["week", ["value", "net", "net_low", "net_high"]].rename({"value": "week"})
        return ends | week.to_dict() | {"when": own["when"].iloc[0], "needs": told}

    @part
    def each_year(self) -> pd.DataFrame:
        """Needs in the week of each festival, year by year and pooled."""
        rows = self._around[self._around["moment"].eq("week")]
        year = rows["year"].map("{:.0f}".format, na_action="ignore").fillna("pooled")
        return wide(rows.assign(year=year), spec=".2f", index=["festival", "need"], columns="year")

    @chart
    def pay_chart(self) -> Axes:
        """Draw spending by days since the customer's own pay came, in multiples of ordinary days."""
        axis = line(self._after_pay[self._after_pay["moment"] == ""], "day", "value")
        axis.axhline(1, color="0.5", linestyle=":")
        return titled(axis, "Spending by days since the customer's own pay", "days since pay", "times the usual")

    @chart
    def needs_chart(self) -> Axes:
        """Draw what peaks or dips when; what could be chance is left blank."""
        rows = self._needs.pivot_table(index="need", columns="when", values="value")
        found = self._needs.pivot_table(index="need", columns="when", values="found").astype(bool)
        order = self._needs["when"].unique()
        axis = plt.figure(figsize=(8, 4.2)).subplots()
        written = rows.map("{:.2f}×".format).where(found, "")[order]
        shade = np.log2(rows[order].clip(lower=1 / 3, upper=3)).where(found[order])
        sns.heatmap(shade, annot=written, fmt="", cmap="PuOr_r", center=0, cbar=False, ax=axis)
        axis.set_xticklabels([fill(label, 11) for label in order], rotation=0, fontsize=7)
        return titled(axis, "Spending in multiples of the usual; blank: could be chance", "", "")

    @chart
    def aligned_chart(self) -> Axes:
        """Draw all spending by days from each festival, years together."""
        rows = self._around[self._around["moment"] == ""]
        for festival, own in rows.groupby("festival"):
            axis = line(own, "day", "value", label=festival)
        axis.axhline(1, color="0.5", linestyle=":")
        return titled(axis, "Spending by days from the festival's first day", "days from it", "times the usual")

    @part
    def month_days(self) -> pd.DataFrame:
        """Spending on each day of the month in multiples of the mean day, net of weekday and month, with intervals."""
        return self._kept("days of the month", lambda: by_month_day(self._spent))

    @chart
    def month_chart(self) -> Axes:
        """Draw spending by day of the month."""
        axis = line(self.month_days, "day", "value")
        axis.axhline(1, color="0.5", linestyle=":")
        return titled(axis, "Spending by day of the month, net of weekday", "day of the month", "times the mean day")

    # --- hours

    @part
    def _bought_at(self) -> ir.Table:
        """When each purchase was made, where the time of day is known: not at midnight sharp."""
        t = purchases(self.source)
        return t.filter(t["at"] != t["at"].truncate("D")).select("customer_id", "at")

    @part
    def _log_ins(self) -> ir.Table:
        """When each session began; without sessions, each hour with a visit."""
        self.source.require("events.at")
        e = self.source.tables["events"]
        if "session_id" in e.columns:
            return e.group_by("customer_id", "session_id").agg(at=e["at"].min()).select("customer_id", "at")
        return e.select("customer_id", at=e["at"].truncate("h")).distinct()

    def _week(self, times: ir.Table) -> pd.DataFrame:
        """Share of a week's purchases or log-ins in each hour of each weekday."""
        at = times["at"]
        found = times.group_by(hour=at.hour(), weekday=at.day_of_week.index()).agg(n=times.count()).to_pandas()
        if found.empty:
            raise BankmineError("no time of day is known")
        if times.customer_id.nunique().to_pyarrow().as_py() < disclosure.smallest_group(self.source):
            raise BankmineError("hours are known of too few customers to be told")
        told = found.pivot_table(index="hour", columns="weekday", values="n").reindex(index=range(24), columns=range(7))
        return (told / found["n"].sum()).fillna(0.0).set_axis(_DAYS, axis=1)

    @part
    def purchase_hours(self) -> pd.DataFrame:
        """Share of purchases by hour and weekday."""
        return self._week(self._bought_at)

    @part
    def log_in_hours(self) -> pd.DataFrame:
        """Share of log-ins by hour and weekday."""
        return self._week(self._log_ins)

    @part
    def busiest(self) -> dict[str, object]:
        """The hours of the week with most purchases and most log-ins."""
        found: dict[str, object] = {}
        for name, told in (("buy", self.purchase_hours), ("log", self.log_in_hours)):
            hour, day = divmod(int(told.to_numpy().argmax()), 7)
            found |= {f"{name}_day": _DAYS[day], f"{name}_hour": hour, f"{name}_share": told.iloc[hour, day]}
        return found

    @chart
    def week_chart(self) -> Axes:
        """Draw when in the week customers buy and log in."""
        told = {"purchases": optional(self, "purchase_hours"), "log-ins": optional(self, "log_in_hours")}
        told = {name: t for name, t in told.items() if not isinstance(t, Lacking)}
        if not told:
            raise BankmineError("no time of day is known of purchases or log-ins")
        _, axes = plt.subplots(1, len(told), figsize=(4 * len(told), 5), squeeze=False, layout="constrained")
        for axis, (name, shares) in zip(axes[0], told.items(), strict=True):
            sns.heatmap(shares * 100, cmap="viridis", ax=axis, cbar_kws={"label": f"% of {name}"})
            axis.set(title=f"Share of {name} by hour and weekday", xlabel="", ylabel="hour of the day")
        return axes[0, 0]

    # --- what is handed on

    @part
    def customers(self) -> pd.DataFrame:
        """Payday of each customer, how regular it is, and the hour around which most is bought or looked at."""
        keys = spine_of(self.source).select("customer_id").to_pandas()["customer_id"].sort_values()
        told = pd.DataFrame(index=pd.Index(keys, name="customer_id"))
        pay, hours = optional(self, "_paydays"), optional(self, "_hours")
        if not isinstance(pay, Lacking):
            last = pay.drop_duplicates("customer_id", keep="last").set_index("customer_id")
            told["payday"] = last["payday"].where(last["regular"].notna()).astype(float)
            told["payday_regular"] = last["regular"]
        if not isinstance(hours, Lacking):
            told["favourite_hour"] = hours
        if told.columns.empty:
            raise BankmineError(f"{pay.why}; {hours.why}")
        return told

    @part
    def _hours(self) -> pd.Series:
        """The hour around which each customer bought or logged in most in a year, an hour to each side counted in."""
        told = [optional(self, name) for name in ("_bought_at", "_log_ins")]
        times = reduce(ir.Table.union, [t for t in told if not isinstance(t, Lacking)])
        times = times.filter(times["at"] > ibis.literal(self.source.as_of - datetime.timedelta(days=_YEAR)))
        found = times.group_by("customer_id", hour=times["at"].hour()).agg(n=times.count()).to_pandas()
        if found.empty:
            raise BankmineError("no time of day is known of purchases or log-ins")
        counts = found.pivot_table(index="customer_id", columns="hour", values="n").reindex(columns=range(24)).fillna(0)
        near = counts + np.roll(counts, 1, axis=1) + np.roll(counts, -1, axis=1)
        return near.idxmax(axis=1).astype(float)

    def files(self) -> dict[str, pd.DataFrame]:
        """Hand on needs by moment, all that were looked at, and spending day by day around pay."""
        rows, curve = self._needs, self._after_pay
        found = {} if isinstance(rows, Lacking) else {"behaviour_needs": rows}
        return found if isinstance(curve, Lacking) else found | {"behaviour_pay": curve[curve["moment"] == ""]}

    # --- how it is computed

    @part
    def _paydays(self) -> pd.DataFrame:
        return paydays(self.source)

    @part
    def _spent(self) -> Spending:
        """What customers bought, by day and category; of a large bank what a panel of them bought."""
        bought = purchases(self.source)
        share = _CUSTOMERS / max(self.source.customers.count().to_pyarrow().as_py(), 1)
        if share < 1:
            bought = bought.filter(drawn(bought.customer_id, share))
        named = {"category": bought.category if "category" in bought.columns else ibis.literal("purchases")}
        keys = {"customer_id": bought.customer_id, "date": bought["at"].cast("date"), **named}
        rows = bought.group_by(**keys).agg(amount=bought.amount.sum()).to_pandas().dropna(subset="category")
        if rows["customer_id"].nunique() < FEWEST:
            raise BankmineError(f"fewer than {FEWEST} customers bought by card, too few to tell when they spend")
        rows = rows.sort_values(["customer_id", "date", "category"], ignore_index=True)
        customer, names = pd.factorize(rows["customer_id"])
        category, categories = pd.factorize(rows["category"], sort=True)
        day = (pd.to_datetime(rows["date"]) - pd.Timestamp(0)).dt.days
        found = pd.DataFrame({"customer": customer, "day": day, "category": category, "amount": rows["amount"]})
        return Spending(found, list(categories), self._ages.reindex(names))

    @property
    def _ages(self) -> pd.Series:
        """Age group of each customer, merged where too few."""
        known = self.source.customers
        people = known.select("customer_id", *(["birth_date"] if "birth_date" in known.columns else [])).to_pandas()
        born = pd.to_datetime(people.get("birth_date", pd.Series(pd.NaT, people.index)))
        age = (pd.Timestamp(self.source.as_of) - born).dt.days / _YEAR
        labels = ["under 30", "30 to 44", "45 to 59", "60 and over"]
        group = pd.cut(age, _AGES, right=False, labels=labels).set_axis(people["customer_id"])
        return disclosure.merged(group, disclosure.smallest_group(self.source)).astype(object)

    def _of_panel(self) -> pd.DataFrame:
        """Regular pay of those who bought, by position."""
        place = pd.Series(range(len(self._spent.groups)), self._spent.groups.index)
        pay = self._paydays[self._paydays["regular"] >= _REGULAR]
        day = (pay["date"] - pd.Timestamp(0)).dt.days
        return pd.DataFrame({"customer": pay["customer_id"].map(place), "day": day, "month": pay["month"]}).dropna()

    @part
    def _after_pay(self) -> pd.DataFrame:
        return self._kept("what pay does", lambda: after_pay(self._spent, self._of_panel()))

    @part
    def _around(self) -> pd.DataFrame:
        """What festivals do, net of pay where it is told."""
        if self.source.source.currency != "CNY":
            raise BankmineError("Chinese New Year and Golden Week are looked at where amounts are in CNY")
        return self._kept("what festivals do", self._festivals)

    def _festivals(self) -> pd.DataFrame:
        told = optional(self, "_after_pay")
        pay = pd.DataFrame({"customer": [], "day": []}) if isinstance(told, Lacking) else self._of_panel()
        curve = pd.Series(dtype=float) if isinstance(told, Lacking) else _curve(told).set_index("day")["value"]
        first = datetime.date(1970, 1, 1) + datetime.timedelta(days=self._spent.first)
        last = first + datetime.timedelta(days=self._spent.days - 1)
        return around_festivals(self._spent, pay, curve, festivals(first, last))

    def _kept(self, what: str, make: Callable[[], pd.DataFrame]) -> pd.DataFrame:
        return kept(self.source, what, [self.source.as_of], make, rooms=ANALYSES)


def _curve(told: pd.DataFrame) -> pd.DataFrame:
    return told[told["moment"] == ""]
