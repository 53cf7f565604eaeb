"""Moving between channels: who has a new main one, who begins with the app, who has the branch only."""

from __future__ import annotations

import datetime

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from bankmine.bank.snapshot import Snapshot
from bankmine.errors import BankmineError
from bankmine.features import channels, touches
from bankmine.features.customers import customer_tables
from bankmine.features.spine import kept, month_end_before
from bankmine.features.value import margins
from bankmine.judging import disclosure
from bankmine.judging.event_study import BEGAN, DIFFERENCE, OTHERS, event_study
from bankmine.judging.fairness import age_bands
from bankmine.judging.intervals import shown, wilson, with_interval
from bankmine.judging.reasons import readable
from bankmine.lacking import Lacking, optional, part
from bankmine.study.charts import chart, forest, heat, titled

_MONTHS, _YEAR, _PANEL = 36, 12, 20_000
"""Months looked at, months of a year, customers whose months are looked at one by one."""
_BRANCH, _APP, _COUNTERS = "branch", "mobile", ("branch", "atm")
_ONLY, _OFFLINE, _MOSTLY = SERVED = ("branch only", "without app and web", "most at the branch")


class Moving:
    """Who moves between channels, and who does not."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.source, self._smallest = snapshot, disclosure.smallest_group(snapshot)
        self._days = {"before": month_end_before(snapshot.as_of, _YEAR), "now": snapshot.as_of}

    @part
    def main(self) -> pd.DataFrame:
        """The main channel of bookings of each customer `before`, a year ago, and `now`."""
        return channels.main(self.source, self._days)

    @part
    def shares(self) -> dict[str, dict[str, object]]:
        """Of each channel the share of customers with a main one whose it was a year ago (`before`) and is `now`."""
        counts = self.main.apply(pd.Series.value_counts).fillna(0)
        counts = counts[~disclosure.too_few(counts, self._smallest).any(axis=1)]
        if counts.empty:
            raise BankmineError("no channel is the main one of enough customers")
        shares = counts / self.main.notna().sum()
        return {name: {"channel": readable(name)} | row.to_dict() for name, row in shares.iterrows()}

    @part
    def _counts(self) -> pd.DataFrame:
        both = self.main.dropna()
        if both.empty:
            raise BankmineError("nobody has a main channel both now and a year ago")
        both = both.apply(disclosure.merged, smallest=self._smallest)
        return pd.crosstab(both["before"], both["now"])

    @part
    def moves(self) -> pd.DataFrame:
        """Customers by main channel `before` and `now`, and their `share` of those before; NaN where too few."""
        counts = self._counts.astype(float).where(disclosure.not_told(self._counts, self._smallest) == "")
        told = counts.reset_index().melt("before", var_name="now", value_name="customers")
        return told.assign(share=told["customers"] / told["before"].map(self._counts.sum(axis=1)))

    @chart
    def moves_chart(self) -> Axes:
        """Draw from which main channel to which customers moved in a year, without groups of too few."""
        shares = self._counts.div(self._counts.sum(axis=1), axis=0).astype(object)
        told = disclosure.told(shares, disclosure.not_told(self._counts, self._smallest))
        told = told.rename(index=readable, columns=readable)
        return heat(told, "Main channel a year ago (rows) and now (columns): share of a row", tilted=True)

    # --- who begins with the app

    @part
    def began(self) -> dict[str, pd.DataFrame]:
        """Errands by month before and after the first use of the app: at `counters`, and in `all`, cards aside."""
        after = pd.Timestamp(self.source.as_of) + pd.Timedelta(days=1)
        last = after.to_period("M") - 1  # the last whole month
        size = self.source.customers.count().to_pyarrow().as_py()
        share = min(1.0, _PANEL / max(size, 1))
        panel = touches.by_customer(self.source, (last - (_MONTHS - 1)).start_time.date(), share)
        panel = panel.order_by("customer_id", "month", "channel")
        rows = kept(self.source, "channels, months of a panel", [self.source.as_of], panel.to_pandas)
        rows["month"] = _number(rows["month"], last)
        rows["errands"] = rows[touches.BOOKING] + rows[touches.TICKET]
        rows["own"] = rows["errands"] + rows[touches.SESSION]
        rows = rows[(rows["month"] <= 0) & (rows["own"] > 0)]
        if rows.empty:
            raise BankmineError("no channel was used in a whole month")
        joined = self.source.customers.select("customer_id", "joined_on").to_pandas()
        since = _number(joined.set_index("customer_id")["joined_on"], last) + 1
        start = rows[rows["channel"] == _APP].groupby("customer_id")["month"].min()
        wide = {
            "counters": rows[rows["channel"].isin(_COUNTERS)], "all": rows[rows["channel"] != "pos"],
        }  # fmt: skip
        months, who = range(int(rows["month"].min()), 1), pd.Index(rows["customer_id"].unique())
        active = _wide(rows, "own", who, months) > 0
        given = (start.reindex(who).fillna(_MONTHS).to_numpy() - months[0], since.reindex(who).to_numpy() - months[0])
        return {n: event_study(_wide(own, "errands", who, months), *given, active) for n, own in wide.items()}

    def _began_chart(self, of: str, what: str) -> Axes:
        found = self.began[of].dropna(subset="month")
        axis = sns.lineplot(found, x="month", y="value", hue="who", style="who", markers=True)
        for _who, own in found.groupby("who"):
            axis.fill_between(own["month"], own["low"], own["high"], color="0.5", alpha=0.2)
        axis.axvline(0, color="0.5", linestyle=":", linewidth=1)
        axis.set_ylim(0, None)
        axis.get_legend().set_title("")
        return titled(axis, f"{what} around the first month in the app (95 %)", "months since", "a customer and month")

    @chart
    def counters_chart(self) -> Axes:
        """Draw errands at branch and cash machine around the first month in the app, beside who did not begin."""
        return self._began_chart("counters", "Errands at branch and cash machine")

    @chart
    def all_chart(self) -> Axes:
        """Draw all errands around the first month in the app, beside who did not begin."""
        return self._began_chart("all", "All errands, card payments aside,")

    @part
    def began_facts(self) -> dict[str, object]:
        """How errands at counters and in all change after the first month, beside the others: `counters`, `all`."""
        told: dict[str, object] = {}
        for name, found in self.began.items():
            change = found[found["month"].isna()].set_index("who")
            more = change.loc[DIFFERENCE]
            told |= {name: more["value"], f"{name}_low": more["low"], f"{name}_high": more["high"]}
            told |= {f"{name}_began": change.loc[BEGAN, "value"], f"{name}_others": change.loc[OTHERS, "value"]}
            told["customers"] = int(more["customers"])
        if told["customers"] < self._smallest:
            raise BankmineError("too few customers began with the app to be told of")
        words = (
            "fewer" if told["counters_high"] < 0 else "more" if told["counters_low"] > 0 else "neither more nor fewer"
        )
        return told | {"words": words}

    # --- who is served by the branch only

    @part
    def _people(self) -> pd.DataFrame:
        since = self.source.as_of - datetime.timedelta(days=364)
        used = touches.serving(self.source, since).order_by("customer_id")
        used = kept(self.source, "channels, who is served", [self.source.as_of], used.to_pandas)
        used = used.set_index("customer_id").astype(float)
        used = used[used.sum(axis=1) > 0]
        if not used[_BRANCH].any() or (used.gt(0).sum() > 0).sum() < 2:
            raise BankmineError(
                "customers are told of at one channel that serves them, or at no branch: none to compare"
            )
        others = used.drop(columns=_BRANCH)
        groups = {
            _ONLY: others.sum(axis=1) == 0, _OFFLINE: used[list(touches.ONLINE)].sum(axis=1) == 0,
            _MOSTLY: used[_BRANCH] > others.max(axis=1),
        }  # fmt: skip
        table = customer_tables(self.source, list(self._days.values()))[self.source.as_of]
        return table.reindex(used.index).assign(**groups)

    @part
    def served(self) -> pd.DataFrame:
        """Customers served by the branch alone, without app or web, or mostly by it: how many, and what they hold."""
        people, found = self._people, {}
        paid = optional(self, "_margins")
        for name in SERVED:
            hits = int(people[name].sum())
            told = {"customers": hits, "value": hits / len(people)}
            told |= dict(zip(("low", "high"), wilson(hits, len(people)), strict=True))
            if "deposits" in people and people["deposits"].sum() > 0:
                told["of deposits"] = people["deposits"][people[name]].sum() / people["deposits"].sum()
            if not isinstance(paid, Lacking) and paid.sum() > 0:
                told["of the margin"] = paid[people[name]].sum() / paid.sum()
            if "age_years" in people:
                told["median age"] = people["age_years"][people[name]].median()
            found[name] = told
        table = pd.DataFrame.from_dict(found, orient="index")
        return disclosure.rows_told(table, "customers", self._smallest, len(people))

    @part
    def _margins(self) -> pd.Series:
        paid = margins(self.source, [self.source.as_of]).set_index("customer_id")["margin"]
        return paid.reindex(self._people.index).fillna(0.0)

    @part
    def served_table(self) -> pd.DataFrame:
        """The same as it is shown."""
        share = with_interval(self.served.fillna({"value": np.nan}), "value", ".1%")
        table = self.served.drop(columns=["value", "low", "high"]).assign(**{"of all served": share})
        return shown(table, **{"of deposits": ".1%", "of the margin": ".1%", "median age": ".0f"})

    @part
    def branch_only(self) -> dict[str, object]:
        """How many customers the branch alone serves, and how many it serves most: `customers`, `share`, `most`, …."""
        own, most = self.served.loc[_ONLY], self.served.loc[_MOSTLY]
        if pd.isna(own["value"]) or pd.isna(most["value"]):
            raise BankmineError("too few customers are served by the branch alone to be told of")
        told = {"customers": int(own["customers"]), "share": own["value"], "low": own["low"], "high": own["high"]}
        told |= {"most": most["value"], "most_low": most["low"], "most_high": most["high"]}
        return told | {"deposits": own.get("of deposits", np.nan), "most_deposits": most.get("of deposits", np.nan)}

    @part
    def served_by(self) -> pd.DataFrame:
        """Share of customers whom the branch serves most, by age and by tier of city or region."""
        people, found = self._people, []
        if "age_years" in people:
            people = people.assign(age=age_bands(people["age_years"]))
        groups = [name for name in ("age", "city_tier", "region") if name in people][:2]
        for name in groups:
            group = disclosure.merged(people[name], self._smallest)
            counts = people.groupby(group, observed=True)[_MOSTLY].agg(["sum", "size"])
            told = counts.assign(rest=counts["size"] - counts["sum"])[["sum", "rest"]]
            counts = counts[(disclosure.not_told(told, self._smallest, ()) == "").all(axis=1)]
            for value, hits, n in counts.itertuples():
                found.append((f"{readable(name)}: {value}", n, hits / n, *wilson(hits, n)))
        if not found:
            raise BankmineError("neither age, tier of city nor region is known of enough customers")
        return pd.DataFrame(found, columns=["name", "customers", "value", "low", "high"])

    @chart
    def served_chart(self) -> Axes:
        """Draw which share of customers the branch serves most, by age and place."""
        whole = self._people[_MOSTLY].mean()
        title = "Customers whom the branch serves most (95 %); dashed: of all"
        return titled(forest(self.served_by, whole, 0), title, "share of customers", "", percent="x")


def _number(days: pd.Series, last: pd.Period) -> pd.Series:
    """Return the numbers of the months of days: 0 for the last one, below it the ones before."""
    when = pd.to_datetime(days)
    return (when.dt.year - last.year) * 12 + when.dt.month - last.month


def _wide(rows: pd.DataFrame, of: str, who: pd.Index, months: range) -> np.ndarray:
    found = rows.pivot_table(index="customer_id", columns="month", values=of, aggfunc="sum")
    return found.reindex(index=who, columns=months).fillna(0.0).to_numpy(float)
