"""When customers spend and log in: hours, paydays and festivals, with effects that have intervals."""

from __future__ import annotations

import datetime
from functools import reduce
from textwrap import fill

import ibis.expr.types as ir
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from bankmine.bank.snapshot import Snapshot
from bankmine.errors import BankmineError
from bankmine.features import hours
from bankmine.features.festivals import coming
from bankmine.features.paydays import usual_payday
from bankmine.features.purchases import chosen
from bankmine.features.spine import spine_of
from bankmine.judging import disclosure
from bankmine.judging.after_pay import AFTER_PAY
from bankmine.judging.daily import ALL
from bankmine.judging.intervals import wide, with_interval
from bankmine.judging.moments import Moments, compared
from bankmine.judging.numbers import formatted
from bankmine.lacking import Lacking, optional, part
from bankmine.study.charts import chart, line, titled

LOG_INS = "log-ins"
_NO_CHANGE = "no net change shown"
_YEAR = datetime.timedelta(days=365)


class When:
    """When the customers of a bank spend and log in."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.source = snapshot
        self._spending = Moments(snapshot, ALL, lambda: chosen(snapshot), "bought by card")
        self._logging_in = Moments(snapshot, LOG_INS, lambda: hours.log_ins(snapshot).mutate(amount=1.0), "logged in")

    # --- what pay and festivals do

    @part
    def effect(self) -> dict[str, float]:
        """Spending on days 1 to 5 after pay in multiples of the usual, what it adds, and what is left of that."""
        rows = self._spending.after_pay
        found = rows[rows["moment"].eq(AFTER_PAY) & rows["need"].eq(ALL)].iloc[0].rename({"value": "effect"})
        told = found[["effect", "low", "high", "net", "net_low", "net_high", "p"]].to_dict()
        return told | {"gain": 5 * (told["effect"] - 1), "customers": int(found["customers"])}

    @part
    def _needs(self) -> pd.DataFrame:
        return compared([self._spending, self._logging_in])

    @part
    def needs(self) -> pd.DataFrame:
        """Needs that peak or dip at a moment beyond chance, the farthest from usual first."""
        rows = self._needs[self._needs["found"]]
        if rows.empty:
            raise BankmineError("no need peaks or dips at a moment beyond chance")
        rows = rows.loc[np.log(rows["value"]).abs().sort_values(ascending=False).index]
        p = np.where(rows["at_most"], "≤ ", "") + rows["p_adjusted"].map(lambda p: formatted(p, ".3f"))
        told = rows.assign(times=with_interval(rows, "value", ".2f"), p=p).set_index("need")
        return told[["when", "whom", "times", "p"]]

    @part
    def added(self) -> pd.DataFrame:
        """Days' worth of the usual that pay and each festival add in all, over the days that are shown around them."""
        rows = self._needs.drop_duplicates(["need", "festival"])
        rows = rows.assign(around=rows["festival"].fillna("pay")).drop(columns=["value", "low", "high"])
        named = {"net": "value", "net_low": "low", "net_high": "high"}
        return wide(rows.rename(columns=named), spec="+.1f", index="need", columns="around")

    @property
    def _single(self) -> pd.DataFrame:
        """What moments do to single needs of spending: to neither all of it nor log-ins."""
        return self._needs[~self._needs["need"].isin([ALL, LOG_INS])]

    @property
    def _peaks(self) -> pd.DataFrame:
        return self._single[self._single["found"] & self._single["value"].gt(1)]

    @part
    def peak(self) -> dict[str, object]:
        """The need with the highest peak, and how many of all looked at peak or dip beyond chance."""
        peaks, found = self._peaks, self._single["found"]
        if peaks.empty:
            raise BankmineError("no need peaks at a moment beyond chance")
        highest = peaks.loc[peaks["value"].idxmax(), ["need", "when", "whom", "value", "low", "high"]]
        return highest.to_dict() | {"found": int(found.sum()), "rows": len(found)}

    @part
    def log_ins(self) -> dict[str, object]:
        """Log-ins at the moment at which they are farthest from usual, and whether that is more than chance."""
        rows, paid = self._needs[self._needs["need"] == LOG_INS], optional(self._logging_in, "after_pay")
        if rows.empty:
            raise BankmineError(paid.why if isinstance(paid, Lacking) else "log-ins are too few to tell when they come")
        found = int(rows["found"].sum())
        looked = rows[rows["found"] | (found == 0)]
        farthest = looked.loc[np.log(looked["value"]).abs().idxmax(), ["when", "value", "low", "high"]]
        return farthest.to_dict() | {"times": f"at {found or 'none'} of {len(rows)} times"}

    @part
    def coming(self) -> dict[str, object]:
        """The next moment at which needs peak: `when` it `begins` and `ends`, and which `needs`, the highest first.

        Of all spending how many times the usual it then is, `whole`, and in the `week` itself, with the `highest` need;
        and the `net` of the weeks around with its interval and in words, `change`.
        """
        ahead = coming(self.source.as_of).merge(self._peaks, on=["festival", "moment"])
        if ahead.empty:
            raise BankmineError("no need is known to peak at a festival of the year to come")
        own = ahead[ahead["begins"] == ahead["begins"].min()].sort_values("value", ascending=False)
        ends = {name: own[name].iloc[0].date() for name in ("begins", "ends")}
        told = ", ".join(f"{times:.1f} on {need}" for need, times in zip(own["need"], own["value"], strict=True))
        told = told.replace(" on ", " times the usual on ", 1)
        around = self._needs[self._needs["festival"] == own["festival"].iloc[0]].set_index("need")
        whole = around.loc[[ALL]].set_index("moment")
        week = whole.loc["week", ["value", "net", "net_low", "net_high"]].rename({"value": "week"})
        change = "more in all" if week["net_low"] > 0 else "less in all" if week["net_high"] < 0 else _NO_CHANGE
        highest = self._peaks[lambda peaks: peaks["when"].eq(whole.loc["week", "when"])].nlargest(1, "value")
        most = "".join(f", {need} {times:.1f}" for need, times in zip(highest["need"], highest["value"], strict=True))
        logged_in = around.loc[around.index == LOG_INS, "found"]
        log_ins = "a change shown" if logged_in.any() else "no change shown" if len(logged_in) else "not known"
        told = {"when": own["when"].iloc[0], "needs": told, "whole": whole.loc[own["moment"].iloc[0], "value"]}
        return ends | week.to_dict() | told | {"change": change, "highest": most, "log_ins": log_ins}

    def _both(self, name: str) -> dict[str, pd.DataFrame]:
        """Return a part of spending and, where they are known, of log-ins."""
        told = {"spending": getattr(self._spending, name), LOG_INS: optional(self._logging_in, name)}
        return {what: rows for what, rows in told.items() if not isinstance(rows, Lacking)}

    @part
    def each_year(self) -> pd.DataFrame:
        """Needs in the week of each festival, year by year and pooled."""
        rows = pd.concat(self._both("around").values())
        rows = rows[rows["moment"].eq("week")].sort_values("year", na_position="first", kind="stable")
        year = rows["year"].map("{:.0f}".format, na_action="ignore").fillna("pooled")
        return wide(rows.assign(year=year), spec=".2f", index=["festival", "need"], columns="year")

    @part
    def _by_pay(self) -> pd.DataFrame:
        rows = pd.concat(self._both("after_pay"), names=["what"])
        return rows[rows["moment"] == ""]

    @chart
    def pay_chart(self) -> Axes:
        """Draw spending and log-ins by days since the customer's own pay came, in multiples of ordinary days."""
        rows = dict(list(self._by_pay.groupby("what", sort=False)))
        return _drawn(rows, "What is done by days since the customer's own pay", "days since pay")

    @chart
    def aligned_chart(self) -> Axes:
        """Draw all spending by days from each festival, years together."""
        rows = self._spending.around[lambda rows: rows["moment"] == ""]
        title = "Spending by days from the festival's first day"
        return _drawn(dict(list(rows.groupby("festival"))), title, "days from it")

    @chart
    def month_chart(self) -> Axes:
        """Draw spending and log-ins by day of the month, festivals included."""
        title = "What is done by day of the month, net of weekday and month"
        return _drawn(self._both("month_days"), title, "day of the month", "times the mean day")

    @chart
    def needs_chart(self) -> Axes:
        """Draw what peaks or dips when; what could be chance is left blank."""
        rows = self._needs.assign(value=self._needs["value"].where(self._needs["found"]))
        found = rows.pivot_table(index="need", columns="when", values="value", dropna=False, sort=False)
        written = found.map("{:.2f}×".format, na_action="ignore").fillna("")
        axis = plt.figure(figsize=(8, 4.4)).subplots()
        shade = np.log2(found.clip(1 / 3, 3))
        sns.heatmap(shade, annot=written, fmt="", cmap="PuOr_r", center=0, cbar=False, ax=axis)
        axis.set_xticklabels([fill(label, 11) for label in found], rotation=0, fontsize=7)
        return titled(axis, "Spending and log-ins in multiples of the usual; blank: could be chance", "", "")

    # --- hours

    def _week(self, times: ir.Table) -> pd.DataFrame:
        count, customers = hours.by_week(times)
        return disclosure.shares(count, customers, disclosure.smallest_group(self.source))

    @part
    def _bought_at(self) -> ir.Table:
        return hours.timed(chosen(self.source), self.source.as_of - _YEAR)

    @part
    def _logged_in_at(self) -> ir.Table:
        return hours.timed(hours.log_ins(self.source), self.source.as_of - _YEAR)

    @part
    def purchase_hours(self) -> pd.DataFrame:
        """Share of purchases of the last year by hour and weekday."""
        return self._week(self._bought_at)

    @part
    def log_in_hours(self) -> pd.DataFrame:
        """Share of log-ins of the last year by hour and weekday."""
        return self._week(self._logged_in_at)

    @part
    def busiest(self) -> dict[str, object]:
        """The hours of the week with most purchases and most log-ins."""
        found: dict[str, object] = {}
        for name, told in (("buy", self.purchase_hours), ("log", self.log_in_hours)):
            hour, day = divmod(int(np.nanargmax(told.to_numpy(float))), 7)
            found |= {f"{name}_day": told.columns[day], f"{name}_hour": hour, f"{name}_share": told.iloc[hour, day]}
        return found

    @chart
    def week_chart(self) -> Axes:
        """Draw when in the week customers buy and log in."""
        told = {"purchases": optional(self, "purchase_hours"), LOG_INS: optional(self, "log_in_hours")}
        told = {name: t for name, t in told.items() if not isinstance(t, Lacking)}
        if not told:
            raise BankmineError("no time of day is known of purchases or log-ins")
        few = f"; blank: fewer than {disclosure.smallest_group(self.source)} customers"
        _, axes = plt.subplots(1, len(told), figsize=(4 * len(told), 5), squeeze=False, layout="constrained")
        for axis, (name, shares) in zip(axes[0], told.items(), strict=True):
            sns.heatmap(shares.astype(float) * 100, cmap="viridis", ax=axis, cbar_kws={"label": f"% of {name}"})
            title = f"Share of {name} by hour and weekday, last year" + few * bool(shares.isna().any(axis=None))
            axis.set(title=fill(title, 40), xlabel="", ylabel="hour of the day")
        return axes[0, 0]

    # --- what is handed on

    @part
    def customers(self) -> pd.DataFrame:
        """Payday of each customer, how regular it is, and the hour around which most is bought or looked at."""
        found = [optional(self, "_paydays"), optional(self, "_hours")]
        told = [one for one in found if not isinstance(one, Lacking)]
        if not told:
            raise BankmineError("; ".join(one.why for one in found))
        keys = spine_of(self.source).select("customer_id").to_pandas()["customer_id"].sort_values()
        return pd.concat(told, axis=1).reindex(pd.Index(keys, name="customer_id"))

    @part
    def _paydays(self) -> pd.DataFrame:
        return usual_payday(self.source)

    @part
    def _hours(self) -> pd.Series:
        """The hour around which each customer bought or logged in most in the last year."""
        told = [optional(self, name) for name in ("_bought_at", "_logged_in_at")]
        return hours.favourite(reduce(ir.Table.union, [times for times in told if not isinstance(times, Lacking)]))

    def files(self) -> dict[str, pd.DataFrame]:
        """Hand on needs by moment, all that were looked at, and spending and log-ins day by day around pay."""
        found = {"behaviour_needs": optional(self, "_needs"), "behaviour_pay": optional(self, "_by_pay")}
        return {name: rows for name, rows in found.items() if not isinstance(rows, Lacking)}


def _drawn(rows: dict[str, pd.DataFrame], title: str, x: str, y: str = "times the usual") -> Axes:
    """Draw multiples day by day with intervals, each under its name, and where nothing is unusual."""
    for name, own in rows.items():
        axis = line(own, "day", "value", label=name)
    axis.axhline(1, color="0.5", linestyle=":")
    return titled(axis, title, x, y)
