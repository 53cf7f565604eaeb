"""Journeys: which channels are touched before a product is taken, by last touch and by removal; both only describe."""

from __future__ import annotations

import datetime

import pandas as pd
from matplotlib.axes import Axes

from bankmine.bank.snapshot import Snapshot
from bankmine.errors import BankmineError
from bankmine.features import touches
from bankmine.features.spine import kept
from bankmine.judging.attribution import attributed
from bankmine.judging.intervals import with_interval
from bankmine.judging.reasons import readable
from bankmine.lacking import Lacking, optional, part
from bankmine.study.charts import chart, forest, titled

DAYS, _SPELLS, _PANEL = 60, 12, 20_000
"""Days before a product is taken that are looked at; how many spells of so many days; customers looked at."""


class Journeys:
    """Journeys over channels that end with a product taken, or with nothing."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.source = snapshot

    @part
    def _moves(self) -> pd.DataFrame:
        day = self.source.as_of
        ends = [day - datetime.timedelta(days=DAYS * i) for i in range(_SPELLS)]
        size = self.source.customers.count().to_pyarrow().as_py()
        rows = touches.moves(self.source, ends, DAYS, min(1.0, _PANEL / max(size, 1)))
        rows = rows.order_by("customer_id", "start", "end")
        return kept(self.source, f"channels, journeys of {DAYS} days", [day], rows.to_pandas)

    @part
    def attributed(self) -> pd.DataFrame:
        """A row a channel: last touch and removal effect, with intervals; see `judging.attribution.attributed`."""
        return attributed(self._moves)

    def files(self) -> dict[str, pd.DataFrame]:
        """Hand on what each channel is credited with."""
        found = optional(self, "attributed")
        return {} if isinstance(found, Lacking) else {"journeys": found}

    @part
    def table(self) -> pd.DataFrame:
        """The same as it is shown, the highest removal effect first."""
        found = self.attributed.sort_values("removal", ascending=False).rename(index=readable)
        names = {"last_touch": "last touch", "removal": "lost if removed", "share": "share by removal"}
        return pd.DataFrame({told: with_interval(found, name, ".1%") for name, told in names.items()})

    @chart
    def shares_chart(self) -> Axes:
        """Draw the shares of both ways side by side."""
        found = self.attributed.sort_values("share", ascending=False)
        parts = []
        for way, name in (("last touch", "last_touch"), ("removal", "share")):
            own = found[[name, f"{name}_low", f"{name}_high"]].set_axis(["value", "low", "high"], axis=1)
            parts.append(own.assign(name=found.index.map(readable) + f", {way}", order=range(len(own))))
        told = pd.concat(parts).sort_values("order", kind="stable")
        title = "Purchases put down to each channel (95 %), no effect of it"
        return titled(forest(told, 0, 0), title, "share of purchases", "", percent="x")

    @part
    def facts(self) -> dict[str, object]:
        """How many journeys end with a product, and the channel on which both ways disagree most, by shares."""
        ends = self._moves.groupby("end")["n"].sum().reindex([touches.TAKEN, touches.NOTHING]).fillna(0)
        apart = (self.attributed["share"] - self.attributed["last_touch"]).abs()
        if len(apart) < 2:
            raise BankmineError("one channel alone is touched: there is nothing to compare")
        own = self.attributed.loc[apart.idxmax()]
        untouched = self._moves[(self._moves["start"] == touches.BEGUN) & (self._moves["end"] == touches.TAKEN)][
            "n"
        ].sum()
        told = {"journeys": int(ends.sum()), "taken": int(ends[touches.TAKEN]), "channel": readable(apart.idxmax())}
        told |= {"last_touch": own["last_touch"], "share": own["share"], "removal": own["removal"], "days": DAYS}
        return told | {"untouched": untouched / ends[touches.TAKEN] if ends[touches.TAKEN] else 0.0}
