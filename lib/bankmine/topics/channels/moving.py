"""Moving between channels: who has a new main one, and who has the branch only."""

from __future__ import annotations

import datetime

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from bankmine.bank.snapshot import Snapshot
from bankmine.errors import BankmineError
from bankmine.features import channels, touches
from bankmine.features.customers import customer_tables
from bankmine.features.spine import kept, month_end_before
from bankmine.features.value import margins
from bankmine.judging import disclosure
from bankmine.judging.fairness import age_bands
from bankmine.judging.intervals import shown, wilson, with_interval
from bankmine.judging.reasons import readable
from bankmine.lacking import part
from bankmine.study.charts import chart, forest, heat, titled

_MONTHS, _YEAR, _DAYS = 36, 12, 365
"""Months looked at, and those and the days of a year."""
_BRANCH, _APP = "branch", "mobile"
_ONLY, _MOST, _LESS = _GROUPS = ["branch only", "most at the branch, not only", "less at the branch, or never"]
_FORMATS = {"of deposits": ".1%", "of the margin": ".1%", "median age": ".0f"}


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
        """The share of customers whose main channel each was a year ago (`before`) and is `now`, rare ones left out."""
        counts = self.main.apply(pd.Series.value_counts).fillna(0)
        counts = counts[~disclosure.too_few(counts, self._smallest).any(axis=1)]
        if len(counts) < 2 or not self.main.notna().any().all():
            raise BankmineError("fewer than two channels are the main one of enough customers, now and a year ago")
        shares = counts / counts.sum()  # of all told of, so that nobody can subtract
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

    # --- who is served by the branch only

    @part
    def _people(self) -> pd.DataFrame:
        since = self.source.as_of - datetime.timedelta(days=_DAYS - 1)
        used = touches.serving(self.source, since).order_by("customer_id")
        used = kept(self.source, "channels that serve", [self.source.as_of], used.to_pandas).set_index("customer_id")
        used = used[used.sum(axis=1) > 0].astype(float)
        others = used.drop(columns=_BRANCH)
        if not used[_BRANCH].any() or not others.to_numpy().any():
            raise BankmineError("the branch serves nobody, or nothing else does: there is nothing to compare")
        group = np.select([others.sum(axis=1) == 0, used[_BRANCH] > others.max(axis=1)], [_ONLY, _MOST], _LESS)
        table = customer_tables(self.source, list(self._days.values()))[self.source.as_of].reindex(used.index)
        return table.assign(group=group, paid=self._margin.reindex(used.index))

    @part
    def _margin(self) -> pd.Series:
        return margins(self.source, [self.source.as_of]).set_index("customer_id")["margin"]

    @part
    def served(self) -> pd.DataFrame:
        """Customers by what the branch is to them: how many, their share with its interval, and what they hold."""
        groups = self._people.groupby(self._people["group"])
        sizes = groups.size().reindex(_GROUPS, fill_value=0)
        ends = pd.DataFrame([wilson(n, sizes.sum()) for n in sizes], sizes.index, ["low", "high"])
        table = pd.DataFrame({"customers": sizes, "value": sizes / sizes.sum()}).join(ends)
        for name, column in {"of deposits": "deposits", "of the margin": "paid"}.items():
            if column in self._people and self._people[column].sum() > 0:
                table[name] = groups[column].sum() / self._people[column].sum()
        if "age_years" in self._people:
            table["median age"] = groups["age_years"].median()
        return disclosure.rows_told(table, "customers", self._smallest, added_up=True)

    @part
    def served_table(self) -> pd.DataFrame:
        """The same as it is shown."""
        table = self.served.assign(share=with_interval(self.served, "value", ".1%"))
        return shown(table.drop(columns=["value", "low", "high"]), **_FORMATS)

    @part
    def branch_only(self) -> dict[str, object]:
        """How many customers the branch alone serves (`share` of those served), and whom it serves `most`."""
        own, most = self.served.loc[_ONLY], self.served.loc[_MOST]
        if pd.isna(own["value"]) or pd.isna(most["value"]):
            raise BankmineError("too few customers are served by the branch alone, or most, to be told of")
        told = {name: row[key] for name, row, key in (
            ("share", own, "value"), ("low", own, "low"), ("high", own, "high"), ("most", most, "value"),
            ("most_low", most, "low"), ("most_high", most, "high"),
        )}  # fmt: skip
        told |= {"customers": int(own["customers"]), "most_customers": int(most["customers"])}
        return told | {"deposits": most.get("of deposits", np.nan), "margin": most.get("of the margin", np.nan)}

    @part
    def served_by(self) -> pd.DataFrame:
        """Share of customers whom the branch serves alone or most, by age and by tier of city, or region."""
        people, found = self._people, []
        if "age_years" in people:
            people = people.assign(age=age_bands(people["age_years"]))
        for name in [name for name in ("age", "city_tier", "region") if name in people][:2]:
            most = people["group"] != _LESS
            merged = disclosure.merged(people.loc[most, name], self._smallest)  # of whom the branch serves enough
            group = people[name].astype(object).map(dict(zip(people.loc[most, name], merged, strict=True)))
            group = group.astype(merged.dtype) if merged.dtype == "category" else group
            counts = most.groupby(group, observed=True).agg(["sum", "size"])
            told = counts.assign(rest=counts["size"] - counts["sum"])[["sum", "rest"]]
            counts = counts[(disclosure.not_told(told, self._smallest) == "").all(axis=1)]
            for value, hits, n in counts.itertuples():
                found.append((f"{readable(name)}: {value}", n, hits / n, *wilson(hits, n)))
        if not found:
            raise BankmineError("neither age, tier of city nor region is known of enough customers")
        return pd.DataFrame(found, columns=["name", "customers", "value", "low", "high"])

    @chart
    def served_chart(self) -> Axes:
        """Draw which share of customers the branch serves alone or most, by age and place."""
        whole = (self._people["group"] != _LESS).mean()
        title = "Customers whom the branch serves alone or most (95 %); dashed: of all"
        return titled(forest(self.served_by, whole, 0), title, "share of customers", "", percent="x")
