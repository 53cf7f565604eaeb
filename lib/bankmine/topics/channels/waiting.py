"""Waiting and failing by channel: sessions that went wrong, complaints, and the days until they are settled."""

from __future__ import annotations

import datetime

import pandas as pd
from ibis import _
from matplotlib.axes import Axes

from bankmine.bank.contract import CHANNELS
from bankmine.bank.snapshot import Snapshot
from bankmine.errors import BankmineError
from bankmine.features import sessions, touches
from bankmine.features.spine import kept
from bankmine.judging import disclosure
from bankmine.judging.intervals import mean_by_cluster, share_by_cluster, shown, with_interval
from bankmine.judging.reasons import readable
from bankmine.judging.waited import median_waited
from bankmine.lacking import part
from bankmine.study.charts import chart, forest, titled

_YEAR = 364
"""Days before the last one that are looked at."""
_FAILS = {
    "failed": "something failed", "asked": "asked for help", "given_up": "a step cancelled", "single": "one view only",
    "unfinished": "form not sent",
}  # fmt: skip
"""What may go wrong in a session -> in words; the last of those in which a form was opened."""


class Waiting:
    """Where customers wait, or fail."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.source, self._smallest = snapshot, disclosure.smallest_group(snapshot)
        self._since = snapshot.as_of - datetime.timedelta(days=_YEAR)

    @part
    def sessions(self) -> pd.DataFrame:
        """What went wrong in sessions of a year, by `channel` and `what`: `sessions`, share (`value`) and interval."""
        days = [self.source.as_of]
        found = kept(self.source, "sessions that failed", days, lambda: sessions.broken_off(self.source, self._since))
        rows = []
        for channel, own in found.groupby("channel"):
            for name in (n for n in _FAILS if n in own):
                of = own["forms" if name == "unfinished" else "sessions"].to_numpy(float)
                hits = own[name].to_numpy(float)
                people = (hits > 0).sum()
                if people and not disclosure.too_few(pd.Series([people, (of > 0).sum()]), self._smallest).any():
                    rows.append((readable(channel), _FAILS[name], of.sum(), *share_by_cluster(hits, of)))
        if not rows:
            raise BankmineError("no session tells by its pages or actions that something went wrong")
        return pd.DataFrame(rows, columns=["channel", "what", "sessions", "value", "low", "high"])

    @chart
    def sessions_chart(self) -> Axes:
        """Draw which share of sessions went wrong, by channel."""
        told = self.sessions.assign(name=self.sessions["what"] + ", " + self.sessions["channel"])
        axis = forest(told.sort_values(["what", "channel"]), 0, 0)
        title = "Sessions that went wrong, of a year (forms: of those opened)"
        return titled(axis, title, "share of sessions (95 %)", "", percent="x")

    @part
    def worst(self) -> dict[str, object]:
        """The `channel` in which most sessions failed, by share, with `low` and `high`, beside the `next` one."""
        own = self.sessions[self.sessions["what"] == _FAILS["failed"]].sort_values("value", ascending=False)
        if own.empty:
            raise BankmineError("no page or action tells by its name that something failed")
        first = own.iloc[0]
        told = {"channel": first["channel"], "share": first["value"], "low": first["low"], "high": first["high"]}
        return told | {"others": own["value"].iloc[1:].max(), "sessions": int(first["sessions"])}

    @part
    def _complaints(self) -> pd.DataFrame:
        """Complaints of a year, and months in which something was done, of each customer and channel."""
        self.source.require("feedback.channel", "feedback.kind")
        told = self.source.feedback.filter(_.kind == "complaint", _["at"].cast("date") >= self._since)
        told = told.group_by("customer_id", "channel").agg(complaints=_.count())
        rows = touches.by_customer(self.source, self._since)
        own = rows[touches.BOOKING] + rows[touches.SESSION] + rows[touches.TICKET] > 0
        months = rows.filter(own).group_by("customer_id", "channel").agg(months=_.month.nunique())
        both = months.left_join(told, ["customer_id", "channel"])
        both = both.select("customer_id", "channel", "months", complaints=both.complaints.fill_null(0))
        make = both.order_by("customer_id", "channel").to_pandas
        return kept(self.source, "complaints by channel", [self.source.as_of], make)

    @part
    def complaints(self) -> pd.DataFrame:
        """Complaints by channel, for 1,000 customers active in it in a month: `value` with `low` and `high`."""
        rows = []
        for channel, own in self._complaints.groupby("channel"):
            people = int((own["complaints"] > 0).sum())
            if people >= self._smallest:
                rate = mean_by_cluster(own[["complaints"]] * 1000.0, own["months"].to_numpy(float)).iloc[0]
                rows.append((readable(channel), int(own["complaints"].sum()), *rate))
        if not rows:
            raise BankmineError("too few customers complained by any channel in a year")
        found = pd.DataFrame(rows, columns=["name", "complaints", "value", "low", "high"])
        return found.sort_values("value", ascending=False, ignore_index=True)

    @chart
    def complaints_chart(self) -> Axes:
        """Draw complaints for 1,000 customers active in a channel and month."""
        title = "Complaints, for 1,000 customers active by the channel in a month (95 %)"
        return titled(forest(self.complaints, 0, 0), title, "complaints", "")

    @part
    def loudest(self) -> dict[str, object]:
        """The channel with most complaints for its customers (`rate`), and the one with most of all (`most`)."""
        first, most = self.complaints.iloc[0], self.complaints.loc[self.complaints["complaints"].idxmax()]
        told = {"channel": first["name"], "rate": first["value"], "low": first["low"], "high": first["high"]}
        return told | {"most": most["name"], "most_rate": most["value"], "complaints": int(most["complaints"])}

    @part
    def settled(self) -> pd.DataFrame:
        """Days until half of the complaints of a year are settled, by channel; those still open count as such."""
        self.source.require("feedback.channel", "feedback.kind", "feedback.resolved_on")
        told = self.source.feedback.filter(_.kind == "complaint", _["at"].cast("date") >= self._since)
        told = told.filter(_.channel.isin(CHANNELS))
        until = told.resolved_on.fill_null(self.source.as_of)
        told = told.mutate(days=until.delta(told["at"].cast("date"), unit="day"), settled=told.resolved_on.notnull())
        counted = told.group_by("channel", "days", "settled").agg(complaints=_.count())
        rows = counted.order_by("channel", "days", "settled").to_pandas()
        if rows.empty:
            raise BankmineError("no complaint of a year tells a channel that is known")
        people, found = self._complaints[self._complaints["complaints"] > 0].groupby("channel").size(), {}
        for channel, own in rows.groupby("channel"):
            told = {"customers": people.get(channel, 0), "complaints": own["complaints"].sum()}
            told["open"] = own["complaints"][~own["settled"]].sum()
            middle = median_waited(own["days"].to_numpy(), own["settled"].to_numpy(), own["complaints"].to_numpy())
            found[readable(channel)] = told | dict(zip(("value", "low", "high"), middle, strict=True))
        table = disclosure.rows_told(pd.DataFrame.from_dict(found, orient="index"), "customers", self._smallest)
        table = table.assign(**{"days until half are settled": with_interval(table, "value", ".0f")})
        return shown(table.drop(columns=["value", "low", "high"]).rename_axis("channel"), complaints=",.0f")
