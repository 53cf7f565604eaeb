"""How customers bank: channels, what sessions are for, and paths to an application."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from functools import partial

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from threadpoolctl import threadpool_limits

from bankmine.bank.contract import CHANNELS
from bankmine.bank.kept import ANALYSES
from bankmine.bank.snapshot import Snapshot
from bankmine.errors import BankmineError
from bankmine.features.customers import customer_tables
from bankmine.features.spine import kept, month_end_before
from bankmine.judging import disclosure
from bankmine.judging.intervals import draws, interval, shown, with_interval
from bankmine.lacking import Lacking, optional, part
from bankmine.study.charts import chart, heat, titled
from bankmine.topics.behaviour import paths, states

_MONTHS, _DAY, _OWN = 24, datetime.timedelta(days=1), tuple(c for c in CHANNELS if c != "internal")


class How:
    """How the customers of a bank use its channels, app and web."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.source = snapshot
        self._since = month_end_before(snapshot.as_of, _MONTHS) + _DAY

    def _kept(self, what: str, make: Callable[[], pd.DataFrame]) -> pd.DataFrame:
        with threadpool_limits(1):  # threads wait for each other longer than so few rows take
            return kept(self.source, f"behaviour, {what}", [self.source.as_of], make, rooms=ANALYSES)

    @part
    def customers(self) -> pd.DataFrame:
        """Favourite channel of each customer, and the most common state of sessions, where each is known."""
        found = [optional(self, "_favourite"), optional(self, "_usual")]
        if not (told := [one for one in found if not isinstance(one, Lacking)]):
            raise BankmineError(found[0].why)
        return pd.concat(told, axis=1).rename_axis("customer_id")

    def files(self) -> dict[str, pd.DataFrame]:
        """Hand on, beside the table of customers, states by session and moves between them."""
        found = {f"behaviour_{name}": optional(self, name) for name in ("sessions", "transitions")}
        return {n: frame.set_index(frame.columns[0]) for n, frame in found.items() if not isinstance(frame, Lacking)}

    # --- channels

    @part
    def _by_channel(self) -> pd.DataFrame:
        self.source.require("transactions.channel")
        rows = self.source.transactions
        rows = rows.filter(rows.channel.isin(_OWN), rows.at >= pd.Timestamp(self._since))
        counted = rows.group_by(month=rows.at.truncate("M"), channel=rows.channel).agg(bookings=rows.count())
        found = self._kept("bookings by channel", counted.order_by("month", "channel").to_pandas)
        wide = found.pivot_table(index="month", columns="channel", values="bookings", fill_value=0.0)
        if wide.empty:
            raise BankmineError("no booking of two years tells its channel")
        return wide.div(wide.sum(axis=1), axis=0)

    @chart
    def channels_chart(self) -> Axes:
        """Draw the share of bookings by channel, by month."""
        axis = sns.lineplot(self._by_channel, dashes=True, markers=True)
        axis.figure.autofmt_xdate()
        return titled(axis, "Share of bookings that customers started, by channel and month", "", "share", percent="y")

    def _main(self, day: datetime.date) -> pd.Series:
        counts = self._on_days[day].reindex(columns=[f"channel_{c}_count_90d" for c in _OWN]).fillna(0)
        counts.columns = list(_OWN)
        return counts.idxmax(axis=1).where(counts.sum(axis=1) > 0)

    @part
    def _on_days(self) -> dict[datetime.date, pd.DataFrame]:
        self.source.require("transactions.channel")
        return customer_tables(self.source, [self.source.as_of, month_end_before(self.source.as_of, 12)])

    @part
    def _favourite(self) -> pd.Series:
        return self._main(self.source.as_of).rename("favourite_channel")

    @part
    def _moves(self) -> pd.DataFrame:
        before, now = self._main(month_end_before(self.source.as_of, 12)), self._favourite
        both = pd.concat({"before": before, "now": now}, axis=1).dropna()
        if both.empty:
            raise BankmineError("nobody booked both now and a year ago")
        return both

    @part
    def moved(self) -> dict[str, object]:
        """How many had a branch or cash machine as their main channel, and which share still do."""
        left = self._moves[self._moves["before"].isin(["branch", "atm"])]
        if len(left) < disclosure.smallest_group(self.source):
            raise BankmineError("too few customers had a branch or cash machine as their main channel a year ago")
        return {"customers": len(left), "stayed": float(left["now"].isin(["branch", "atm"]).mean())}

    @chart
    def moves_chart(self) -> Axes:
        """Draw from which main channel to which customers moved in a year, without groups of too few."""
        smallest = disclosure.smallest_group(self.source)
        both = self._moves.replace(["branch", "atm"], "branch or atm").apply(disclosure.merged, smallest=smallest)
        counts = pd.crosstab(both["before"], both["now"])
        words = disclosure.not_told(counts, smallest)
        shares = counts.div(counts.sum(axis=1), axis=0)
        return heat(disclosure.told(shares.astype(object), words), "Main channel of 90 days a year ago (rows) and now")

    # --- states of sessions

    @part
    def _rows(self) -> pd.DataFrame:
        return self._kept("sessions by page", partial(states.counted, self.source, self._since))

    @part
    def _cut(self) -> pd.Timestamp:
        """From when on sessions are later: the last quarter of the time, on which names are tested."""
        first, last = self._rows["at"].min(), self._rows["at"].max()
        return first + 0.75 * (last - first)

    @part
    def _earlier(self) -> pd.DataFrame:
        return self._rows[self._rows["at"] < self._cut]

    @part
    def _tried(self) -> pd.DataFrame:
        def choose() -> pd.DataFrame:
            found, best = states.tried(states.sampled(self._earlier, 0))
            return found.assign(model=[states.packed(model) for model in best])

        return self._kept("numbers of states", choose)

    @part
    def choice(self) -> pd.DataFrame:
        """Log-likelihood and BIC by number of states, the best of ten seeds."""
        found = self._tried.drop(columns="model")
        found["chosen"] = np.where(found["bic"] == found["bic"].min(), "chosen", "")
        return shown(found, log_likelihood=",.0f", bic=",.0f")

    @part
    def _model(self) -> states.Chain:
        best = self._tried.loc[self._tried["bic"].idxmin()]
        return states.unpacked(best["model"], int(best["states"]))

    @part
    def names(self) -> pd.DataFrame:
        """The name of each state by the pages over-represented in it, and what the rule says of later months."""

        def name() -> pd.DataFrame:
            pages = self._rows.columns[3:]
            model = self._model
            told = states.named(pd.DataFrame(model.lambdas_, columns=pages), model.get_stationary_distribution())
            later = self._decoded[self._decoded["at"] >= self._cut]
            seen = (
                self._rows.loc[later.index].groupby(later["number"])[list(pages)].mean().reindex(told.index).fillna(0)
            )
            share = later["number"].value_counts(normalize=True).reindex(told.index).fillna(0)
            again = states.named(seen + 1e-9, share.to_numpy())
            return told.assign(
                share=share, later=again["name"], later_lift=again["lift"], holds=again["name"] == told["name"]
            )

        return shown(self._kept("names of states", name), lift=".1f", share=".0%", later_lift=".1f")

    @part
    def _decoded(self) -> pd.DataFrame:
        def decode() -> pd.DataFrame:
            x, lengths = states.arrays(self._rows)
            number = self._model.decode(x, lengths, algorithm="map")[1]
            return self._rows[["customer_id", "session", "at"]].assign(number=number.astype("int8"))

        return self._kept("decoded sessions", decode)

    @part
    def sessions(self) -> pd.DataFrame:
        """Each session with its state."""
        found = self._decoded.rename(columns={"session": "session_id"})
        return found.assign(state=found["number"].map(self.names["name"])).drop(columns="number")

    @part
    def _usual(self) -> pd.Series:
        return pd.crosstab(self.sessions["customer_id"], self.sessions["state"]).idxmax(axis=1).rename("state")

    @part
    def transitions(self) -> pd.DataFrame:
        """Chances from state to state, with intervals by customers, of customers that the model was not fitted on."""

        def count() -> pd.DataFrame:
            rows = states.sampled(self._rows, 2)
            sums = self._model.by_sequence(*states.arrays(rows))[1]
            drawn = np.tensordot(draws(len(sums), 500).T, sums, axes=1)
            shares = drawn / drawn.sum(axis=2, keepdims=True)
            low, high = interval(shares)
            size = len(low)
            at = np.indices((size, size)).reshape(2, -1)
            found = {"share": shares[0], "low": low, "high": high}
            return pd.DataFrame({"from": at[0], "to": at[1]} | {name: told.ravel() for name, told in found.items()})

        found = self._kept("transitions", count)
        return found.assign(**{end: found[end].map(self.names["name"]) for end in ("from", "to")})

    @chart
    def transitions_chart(self) -> Axes:
        """Draw chances from state to state, with their intervals."""
        order = list(self.names["name"])
        told = with_interval(self.transitions, "share", ".0%").str.replace(" (", "\n(", regex=False)
        shares, words = (  # rows of transitions are in order of states
            pd.DataFrame(values.to_numpy().reshape(len(order), -1), order, order)
            for values in (self.transitions["share"], told)
        )
        axis = plt.subplots(figsize=(7.5, 4.2), layout="constrained")[1]
        sns.heatmap(shares.astype(float), annot=words, fmt="", cbar=False, cmap="Blues", vmin=0, ax=axis)
        axis.tick_params(axis="x", rotation=15)
        axis.set(title="What the next session (columns) is for after one (rows), with 95 % intervals")
        return axis

    @part
    def stays(self) -> pd.DataFrame:
        """How many sessions in a row customers stay in each state, from the chance to stay."""
        own = self.transitions[self.transitions["from"] == self.transitions["to"]]
        length = 1 / (1 - own[["share", "low", "high"]])
        return pd.DataFrame({"state": own["from"], "sessions": with_interval(length, "share", ".2f")}).set_index(
            "state"
        )

    @part
    def stability(self) -> pd.DataFrame:
        """Whether other seeds, and other customers, lead to the same states of the same sessions."""

        def compare() -> pd.DataFrame:
            train, other = states.sampled(self._earlier, 0), states.sampled(self._earlier, 1)
            size = self._model.n_components
            models = {f"seed {s}": states.polished(states.fit(train, size, s, 10), train) for s in (11, 12, 13)}
            models["other customers"] = states.polished(states.copied(self._model), other)
            models["other customers, other seed"] = states.polished(states.fit(other, size, 14, 10), other)
            return states.agreement(states.sampled(self._earlier, 2), models, self._model)

        return shown(self._kept("stability", compare), adjusted_rand=".2f", same_state=".0%")

    @part
    def held_out(self) -> pd.DataFrame:
        """Log-likelihood a session on customers held out, against models that know less."""
        parts = (states.sampled(self._earlier, which) for which in (0, 2))
        found = self._kept("held out", lambda: states.held_out(*parts, self._model))
        told = found.assign(ahead=with_interval(found, "ahead", ".4f")).drop(columns=["low", "high"])
        told.loc[0, "ahead"] = ""
        return shown(told, log_likelihood=".3f")

    @part
    def found(self) -> dict[str, object]:
        """How many states, how common they are, and how far fits agree."""
        alike = self.stability["adjusted_rand"]
        share = self.names.set_index("name")["share"].sort_values(ascending=False)
        rest = ", ".join(f"{name} ({one:.0%})" for name, one in share.iloc[1:].items())
        told = {
            "states": len(share),
            "since": self._cut.date(),
            "most": share.index[0],
            "share": share.iloc[0],
            "rest": rest,
        }
        alike = {"lowest": alike.min(), "highest": alike.max(), "held": int(self.names["holds"].sum())}
        return told | alike | {"fitted": states.SAMPLE}

    @part
    def renamed(self) -> dict[str, object]:
        """Which page took another's place, and when."""
        found = self._kept("renamed pages", lambda: states.renamed(states.events_of(self.source, self._since)))
        if found.empty:
            raise BankmineError("no page took another's place in two years")
        last = found.iloc[-1]
        names = {"old": "page", "new": "page_new", "channel": "channel"}
        return {name: last[column] for name, column in names.items()} | {"day": last["first_new"].date()}

    @chart
    def occupancy_chart(self) -> Axes:
        """Draw the share of sessions in each state, by month."""
        month = self.sessions["at"].dt.to_period("M").dt.to_timestamp()
        axis = sns.lineplot(pd.crosstab(month, self.sessions["state"], normalize="index"), markers=True)
        axis.set_ylim(0, 1)
        sns.move_legend(axis, "center left", bbox_to_anchor=(1, 0.5), title="")
        axis.figure.autofmt_xdate()
        return titled(axis, "Share of sessions by what they are for, by month", "", "share of sessions", percent="y")

    # --- paths to an application

    @part
    def _funnel(self) -> pd.DataFrame:
        found, smallest = (
            self._kept("paths", partial(paths.funnel, self.source)),
            disclosure.smallest_group(self.source),
        )
        if disclosure.too_few(found["customers"], smallest).any():
            raise BankmineError(f"a step of the way was taken by fewer than {smallest} customers")
        return found

    @part
    def funnel(self) -> pd.DataFrame:
        """Sessions of a year by step, which share went on, and opened or filled a form soon, with intervals."""
        found, names = self._funnel, ("went_on", "opened_soon", "filled_soon")
        told = {name: with_interval(found, name, ".1%") for name in names}
        return shown(found[["step", "sessions", "customers"]].assign(**told), sessions=",", customers=",")

    @part
    def leak(self) -> dict[str, object]:
        """After which step of those of a path most sessions break off, and how many apply all the same in a month."""
        steps = self._funnel.iloc[1:-1]
        worst = steps.loc[steps["went_on"].idxmin()]
        stopped = {name: 1 - worst[end] for name, end in (("stopped", "went_on"), ("low", "high"), ("high", "low"))}
        soon = {"soon": worst["opened_soon"], "any": self._funnel["opened_soon"].iloc[0]}
        return {"step": worst["step"], "days": paths.DAYS} | stopped | soon

    @part
    def last_pages(self) -> pd.DataFrame:
        """The last page of sessions that looked at a product and opened no form."""
        found = self._kept("last pages", partial(paths.broken_off, self.source))
        told = disclosure.rows_told(found, "customers", disclosure.smallest_group(self.source))
        return shown(told.head(10), share=".1%")

    @chart
    def funnel_chart(self) -> Axes:
        """Draw how many sessions took each step of a path to an application."""
        found = self._funnel.iloc[1:]
        axis = plt.subplots(figsize=(7.5, 0.5 * len(found) + 1))[1]
        axis.barh(found["step"], found["sessions"])
        for row, count in enumerate(found["sessions"]):
            axis.text(count, row, f" {count:,}", va="center")
        axis.set(title="Sessions of a year that took each step, and all before it", xlabel="sessions")
        axis.invert_yaxis()
        return axis
