"""Use of channels: how each is used month by month, what it costs, and what comes with it."""

from __future__ import annotations

import datetime
from collections.abc import Callable

import numpy as np
import pandas as pd
from ibis import _
from matplotlib.axes import Axes

from bankmine.bank.snapshot import Snapshot
from bankmine.errors import BankmineError
from bankmine.features import touches
from bankmine.features.contacts import stands
from bankmine.features.spine import kept
from bankmine.features.value import margins
from bankmine.judging import disclosure
from bankmine.judging.intervals import of_mean, share_by_cluster, shown, with_interval
from bankmine.judging.reasons import readable
from bankmine.lacking import Lacking, optional, part
from bankmine.study.charts import chart, forest, shares_by_month, titled
from bankmine.topics.channels.costs import BELIEVED, HIGH, LOW, ChannelCosts, load_costs
from bankmine.topics.channels.moving import Moving
from bankmine.topics.channels.waiting import Waiting

_ALONE = "fewer than two channels are told of: there is nothing to compare"
_MONTHS, _YEAR, _APP = 24, 12, "mobile"
"""Months looked at, months added up, the channel that costs of others are held against."""


class Use:
    """How the channels of a bank are used."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.source, self.currency = snapshot, snapshot.source.currency
        self.moving, self.waiting = Moving(snapshot), Waiting(snapshot)
        self._smallest = disclosure.smallest_group(snapshot)
        after = pd.Timestamp(snapshot.as_of) + pd.Timedelta(days=1)
        self._last = after.to_period("M") - 1  # the last whole month
        self._since = (self._last - (_MONTHS - 1)).start_time.date()

    def _kept(self, what: str, make: Callable[[], pd.DataFrame]) -> pd.DataFrame:
        return kept(self.source, f"channels, {what}", [self.source.as_of], make)

    def files(self) -> dict[str, pd.DataFrame]:
        """Hand on the use of each channel by month, and moves between main channels."""
        found = {"channel_use": optional(self, "monthly"), "channel_moves": optional(self.moving, "moves")}
        return {n: frame.set_index(frame.columns[0]) for n, frame in found.items() if not isinstance(frame, Lacking)}

    # --- use and cost

    @part
    def costs(self) -> ChannelCosts:
        """What an errand and a contact are assumed to cost by channel."""
        return load_costs(self.currency)

    @part
    def monthly(self) -> pd.DataFrame:
        """Use and cost by `month` and `channel`: customers `active`, a column a kind of touch.

        Errands are bookings and tickets; `cost` is of these, as it is believed, with `cost_low` and `cost_high`. NaN
        where fewer customers were active than may be told.
        """
        rows = touches.by_month(self.source, self._since)
        found = self._kept("use by month", rows.order_by("month", "channel").to_pandas)
        found = found.assign(month=pd.to_datetime(found["month"])).astype(dict.fromkeys(touches.KINDS, float))
        found = found[found["month"].dt.to_period("M") <= self._last].reset_index(drop=True)
        if found.empty:
            raise BankmineError("no channel was used in a whole month")
        found["errands"] = found[touches.BOOKING] + found[touches.TICKET]
        prices, names = optional(self, "costs"), {BELIEVED: "cost", LOW: "cost_low", HIGH: "cost_high"}
        for name, column in names.items():
            each = np.nan if isinstance(prices, Lacking) else found["channel"].map(prices.errand[name])
            found[column] = found["errands"] * each
        numbers = found.columns.difference(["month", "channel"])
        few = {n: touches.CONTACT if n == touches.CONTACT else "active" for n in numbers}  # of whom each is told
        return found.assign(
            **{n: found[n].astype(float).mask(disclosure.too_few(found[of], self._smallest)) for n, of in few.items()}
        )

    def _year(self, column: str, back: int = 0) -> pd.Series:
        """Add a column of `monthly` up by channel, over a year that ended so many months ago."""
        months = self.monthly["month"].dt.to_period("M")
        own = self.monthly[months.between(self._last - (back + _YEAR - 1), self._last - back)]
        return own.groupby("channel")[column].sum()

    @part
    def by_channel(self) -> pd.DataFrame:
        """A row a channel: use a month over the last year, what an errand costs, and what they cost together."""
        names = ["active", *touches.KINDS, "errands", "cost"]
        told = pd.DataFrame({name: self._year(name) / _YEAR for name in names}).sort_values("errands", ascending=False)
        told = told[told["active"] > 0]
        told.columns = ["active customers", *touches.KINDS, "errands", "cost"]
        prices = optional(self, "costs")
        if not isinstance(prices, Lacking):
            own = prices.errand.reindex(told.index).rename(columns={BELIEVED: "value"})
            told["an errand"] = with_interval(own, "value", ".2f")
            told["per active customer"] = told["cost"] / told["active customers"]
        counts = dict.fromkeys(["active customers", *touches.KINDS, "errands", "cost"], ",.0f")
        return shown(told.rename(index=readable), **counts, **{"per active customer": ".2f"})

    def _shares(self, column: str) -> pd.DataFrame:
        wide = self.monthly.pivot_table(index="month", columns="channel", values=column, aggfunc="sum", fill_value=0.0)
        wide = wide.loc[:, wide.sum() > 0].rename(columns=readable)
        if len(wide.columns) < 2:
            raise BankmineError(_ALONE)
        return wide.div(wide.sum(axis=1), axis=0)

    @chart
    def errands_chart(self) -> Axes:
        """Draw the share of each channel in errands, by month."""
        return shares_by_month(self._shares("errands"), "Share of errands (bookings and tickets) by channel", "share")

    @chart
    def cost_chart(self) -> Axes:
        """Draw the share of each channel in what errands cost, by month."""
        title = f"Share of the cost of errands by channel (of one: {self.costs.status})"
        return shares_by_month(self._shares("cost"), title, "share of the cost")

    @part
    def dearest(self) -> dict[str, object]:
        """The channel that costs most in a year: its `share` of `cost`, of `errands`, and the cost of an `errand`."""
        cost, errands, prices = self._year("cost"), self._year("errands"), self.costs.errand
        if (cost > 0).sum() < 2:
            raise BankmineError(_ALONE)
        name = cost.idxmax()
        told = {"channel": readable(name), "cost": cost[name], "share": cost[name] / cost.sum()}
        told |= {
            "status": self.costs.status,
            "errands": errands[name] / errands.sum(),
            "errand": prices[BELIEVED][name],
            "currency": self.currency,
        }
        return told | {"low": prices[LOW][name], "high": prices[HIGH][name], "app": prices[BELIEVED].get(_APP, np.nan)}

    @part
    def online(self) -> dict[str, object]:
        """The share of errands by app and web, card payments aside, in the last year (`now`) and the one `before`."""
        told = {}
        for when, back in (("now", 0), ("before", _YEAR)):
            errands = self._year("errands", back).drop("pos", errors="ignore")
            told[when] = errands.reindex(touches.ONLINE).sum() / errands.sum() if errands.sum() else np.nan
        if np.isnan(list(told.values())).any():
            raise BankmineError("errands of two whole years are not told of")
        return told | {"points": 100 * (told["now"] - told["before"])}

    # --- result

    @part
    def responses(self) -> pd.DataFrame:
        """Responses to contacts made by channel, of those whose outcome is known; no effect of the contact."""
        self.source.require("contacts.channel", "contacts.responded")
        over = self.source.as_of - datetime.timedelta(days=stands(self.source.contacts))
        rows = touches.made(self.source).filter(_.channel.notnull(), _.responded.notnull(), _.contacted_on <= over)
        sums = {"contacts": _.count(), "responded": _.responded.sum()}
        costs = {"cost": _.cost.sum(), "costed": _.cost.count()} if self.source.has("contacts.cost") else {}
        each = rows.group_by("channel", "customer_id").agg(**sums, **costs).order_by("channel", "customer_id")
        each, found = self._kept("responses", each.to_pandas), {}
        for name, own in each.groupby("channel"):
            share, low, high = share_by_cluster(own["responded"].to_numpy(float), own["contacts"].to_numpy(float))
            told = {"customers": len(own), "contacts": own["contacts"].sum(), "value": share, "low": low, "high": high}
            if costs and own["costed"].sum():
                told["a contact"] = own["cost"].sum() / own["costed"].sum()
                told["a response"] = told["a contact"] / share if share else np.nan
            found[readable(name)] = told
        if not found:
            raise BankmineError("no contact that was made has an outcome that is known")
        table = pd.DataFrame.from_dict(found, orient="index").rename_axis("channel")
        table = table.assign(responded=with_interval(table, "value", ".1%")).drop(columns=["value", "low", "high"])
        table = disclosure.rows_told(table, "customers", self._smallest)
        return shown(table, customers=",.0f", contacts=",.0f", **{"a contact": ".2f", "a response": ".2f"})

    @part
    def margins(self) -> pd.DataFrame:
        """Margin of a year of customers by their main channel now, with intervals: who they are, not what it does."""
        paid = margins(self.source, [self.source.as_of]).set_index("customer_id")["margin"]
        groups = {n: own for n, own in paid.groupby(self.moving.main["now"]) if len(own) >= max(self._smallest, 2)}
        if len(groups) < 2:
            raise BankmineError("fewer than two channels are the main one of enough customers")
        rows = [(readable(n), len(own), own.mean(), *of_mean(own.to_numpy())) for n, own in groups.items()]
        return pd.DataFrame(rows, columns=["name", "customers", "value", "low", "high"])

    @chart
    def margins_chart(self) -> Axes:
        """Draw the mean margin of a year by main channel."""
        title = "Margin a customer and year by main channel (95 %)"
        return titled(forest(self.margins, 0, 0), title, self.currency, "")
