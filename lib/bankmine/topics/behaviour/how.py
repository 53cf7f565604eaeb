"""How customers bank: channels, what sessions are for, and paths to an application."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from functools import partial

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from threadpoolctl import threadpool_limits

from bankmine.bank.kept import ANALYSES
from bankmine.bank.snapshot import Snapshot
from bankmine.errors import BankmineError
from bankmine.features import channels, sessions
from bankmine.features.spine import kept, month_end_before
from bankmine.judging import disclosure
from bankmine.judging.intervals import mean_by_cluster, share_by_cluster, shown, wilson, with_interval
from bankmine.lacking import Lacking, optional, part
from bankmine.learning import hidden_states
from bankmine.study.charts import chart, heat, shares_by_month
from bankmine.topics.behaviour import paths

_MONTHS, _DAY, _LATER = 24, datetime.timedelta(days=1), 0.75
"""Months looked at; which share of the time lies before the later sessions, on which names are tested."""
_SAMPLE, _COUNTERS = 400, ["branch", "atm"]
"""Customers fitted on; channels that cost most."""


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

    @chart
    def channels_chart(self) -> Axes:
        """Draw the share of bookings by channel, by month."""
        shares = self._kept("bookings by channel", partial(channels.by_month, self.source, self._since))
        return shares_by_month(shares, "Share of bookings that customers started, by channel and month", "share")

    @part
    def _main(self) -> pd.DataFrame:
        days = {"before": month_end_before(self.source.as_of, 12), "now": self.source.as_of}
        return channels.main(self.source, days)

    @part
    def _favourite(self) -> pd.Series:
        return self._main["now"].rename("favourite_channel")

    @part
    def _moves(self) -> pd.DataFrame:
        both = self._main.dropna()
        if both.empty:
            raise BankmineError("nobody has a main channel both now and a year ago")
        return both

    @part
    def moved(self) -> dict[str, object]:
        """How many customers had a branch or cash machine as their main channel and `left`, or had not and `came`."""
        there, told = self._moves.isin(_COUNTERS), {"least": channels.FEWEST}
        for name, own in (("left", there["before"]), ("came", ~there["before"])):
            n, hits = int(own.sum()), int((own & (there["before"] != there["now"])).sum())
            if n == 0 or disclosure.too_few(pd.Series([hits, n - hits]), disclosure.smallest_group(self.source)).any():
                raise BankmineError("too few customers have, or had, a branch or cash machine as their main channel")
            low, high = wilson(hits, n)
            told |= {f"{name}_of": n, name: hits / n, f"{name}_low": low, f"{name}_high": high, f"{name}_people": hits}
        return told | {"net": told["came_people"] - told["left_people"]}

    @chart
    def moves_chart(self) -> Axes:
        """Draw from which main channel to which customers moved in a year, without groups of too few."""
        smallest = disclosure.smallest_group(self.source)
        both = self._moves.replace(_COUNTERS, "branch or atm").apply(disclosure.merged, smallest=smallest)
        counts = pd.crosstab(both["before"], both["now"])
        words = disclosure.not_told(counts, smallest)
        shares = counts.div(counts.sum(axis=1), axis=0)
        return heat(disclosure.told(shares.astype(object), words), "Main channel of 90 days a year ago (rows) and now")

    # --- states of sessions

    @part
    def _rows(self) -> pd.DataFrame:
        return self._kept("sessions by page", partial(sessions.counted, self.source, self._since))

    @part
    def _cut(self) -> pd.Timestamp:
        first, last = self._rows["at"].min(), self._rows["at"].max()
        return first + _LATER * (last - first)

    def _sample(self, which: int) -> pd.DataFrame:
        """Earlier sessions of a sample of customers."""
        return _sampled(self._rows[self._rows["at"] < self._cut], which)

    @part
    def _tried(self) -> pd.DataFrame:
        return self._kept("numbers of states", lambda: hidden_states.tried(_sequences(self._sample(0))))

    @part
    def choice(self) -> pd.DataFrame:
        """Log-likelihood and BIC by number of states, the best of ten seeds."""
        found = self._tried.drop(columns="model")
        found["chosen"] = np.where(found["bic"] == found["bic"].min(), "chosen", "")
        return shown(found, log_likelihood=",.0f", bic=",.0f")

    @part
    def _model(self) -> hidden_states.Chain:
        return hidden_states.best(self._tried)

    @part
    def names(self) -> pd.DataFrame:
        """The name of each state by the pages over-represented in it, and what the rule says of later months."""

        def name() -> pd.DataFrame:
            rates = pd.DataFrame(self._model.lambdas_, columns=self._rows.columns.drop(sessions.KEYS))
            told = hidden_states.named(rates, self._model.get_stationary_distribution(), sessions.purpose_of)
            later = self._rows[self._rows["at"] >= self._cut]
            number = self._decoded["number"].loc[later.index]
            seen = later[rates.columns].groupby(number).mean().reindex(told.index, fill_value=0)
            share = number.value_counts(normalize=True).reindex(told.index, fill_value=0)
            again = hidden_states.named(seen + 1e-9, share.to_numpy(), sessions.purpose_of)
            told = told.assign(share=share, later=again["name"], later_lift=again["lift"])
            return told.assign(holds=told["name"] == told["later"]).rename(columns={"leading": "pages"})

        return shown(self._kept("names of states", name), lift=".1f", share=".0%", later_lift=".1f")

    @part
    def _decoded(self) -> pd.DataFrame:
        def decode() -> pd.DataFrame:
            number = self._model.likeliest(_sequences(self._rows))
            return self._rows[sessions.KEYS].assign(number=number.astype("int8"))

        return self._kept("decoded sessions", decode)

    @part
    def sessions(self) -> pd.DataFrame:
        """Each session with its state."""
        found = self._decoded.rename(columns={"session": "session_id"})
        return found.assign(state=found["number"].map(self.names["name"])).drop(columns="number")

    @part
    def _usual(self) -> pd.Series:
        return channels.leading(pd.crosstab(self.sessions["customer_id"], self.sessions["state"])).rename("state")

    @part
    def transitions(self) -> pd.DataFrame:
        """Chances from state to state, with intervals by customers, of customers that the model was not fitted on."""

        def count() -> pd.DataFrame:
            moves = self._model.by_sequence(_sequences(_sampled(self._rows, 2)))[1]
            pairs = list(np.ndindex(moves.shape[1:]))
            found = [(a, b, *share_by_cluster(moves[:, a, b], moves[:, a].sum(axis=1))) for a, b in pairs]
            return pd.DataFrame(found, columns=["from", "to", "share", "low", "high"])

        found = self._kept("transitions", count)
        return found.assign(**{end: found[end].map(self.names["name"]) for end in ("from", "to")})

    @chart
    def transitions_chart(self) -> Axes:
        """Draw chances from state to state, with their intervals."""
        told = self.transitions.assign(words=with_interval(self.transitions, "share", ".0%"))
        told = told.pivot_table(["share", "words"], "from", "to", "first", sort=False)
        title = "What the next session (columns) is expected to be for after one (rows)"
        return heat(told["share"], title, tilted=True, words=told["words"])

    @part
    def memory(self) -> dict[str, object]:
        """How often the most common state follows itself: `share`, as expected, and as sessions are `decoded`."""
        most, rows = self.found["most"], _sampled(self.sessions, 2)
        then = rows.groupby("customer_id")["state"].shift(-1)
        same = then[(rows["state"] == most) & then.notna()] == most
        expected = self.transitions.set_index(["from", "to"]).loc[(most, most)]
        return expected.to_dict() | {"most": most, "decoded": same.mean()}

    @part
    def stays(self) -> pd.DataFrame:
        """How many sessions in a row customers stay in each state, from the chance to stay."""
        own = self.transitions[self.transitions["from"] == self.transitions["to"]]
        length = 1 / (1 - own[["share", "low", "high"]])
        return pd.DataFrame({"sessions": with_interval(length, "share", ".2f")}).set_index(own["from"].rename("state"))

    @part
    def stability(self) -> pd.DataFrame:
        """Whether other seeds, and other customers, lead to the same states of the same sessions."""

        def compare() -> pd.DataFrame:
            found = hidden_states.stability(self._model, *(_sequences(self._sample(i)) for i in range(3)))
            return found.replace({"fit": "others"}, "other customers", regex=True)

        return shown(self._kept("stability", compare), adjusted_rand=".2f", same_state=".0%")

    @part
    def held_out(self) -> pd.DataFrame:
        """Log-likelihood a session on customers held out, and how far the chain is ahead of models that know less."""
        both = self._sample(0), self._sample(2)
        train, test = map(_sequences, both)
        seen = tuple(map(sessions.seen_before, both))
        found = self._kept("held out", lambda: hidden_states.held_out(self._model, train, test, seen))
        chain, *others = found.columns
        told = mean_by_cluster(found, test.lengths)[["value"]].rename(columns={"value": "log_likelihood"})
        ahead = mean_by_cluster(found[others].rsub(found[chain], axis=0), test.lengths)
        told = told.assign(ahead=with_interval(ahead, "value", ".4f")).fillna({"ahead": ""})
        return shown(told.rename_axis("model"), log_likelihood=".3f")

    @part
    def found(self) -> dict[str, object]:
        """How many states, how common they are, how far fits agree, and which share of sessions another seed moves."""
        share = self.names.set_index("name")["share"].sort_values(ascending=False)
        rest = ", ".join(f"{name} ({one:.0%})" for name, one in share.iloc[1:].items())
        common = {"since": self._cut.date(), "most": share.index[0], "share": share.iloc[0], "rest": rest}
        rand, held = self.stability["adjusted_rand"], int(self.names["holds"].sum())
        alike = {"lowest": rand.min(), "highest": rand.max(), "held": held, "fitted": _SAMPLE}
        other = 1 - self.stability.loc[self.stability["fit"].str.startswith("seed"), "same_state"]
        return {"states": len(share)} | common | alike | {"other_low": other.min(), "other_high": other.max()}

    @part
    def renamed(self) -> dict[str, object]:
        """Which page took another's place, and when."""
        found = sessions.renamed(self.source)
        if found.empty:
            raise BankmineError("no page took another's place")
        channel, old, new, first = found.iloc[-1]
        return {"channel": channel, "old": old, "new": new, "day": first.date()}

    @chart
    def occupancy_chart(self) -> Axes:
        """Draw the share of sessions in each state, by month."""
        month = self.sessions["at"].dt.to_period("M").dt.to_timestamp()
        shares = pd.crosstab(month, self.sessions["state"], normalize="index")
        return shares_by_month(shares, "Share of sessions by what they are for, by month", "share of sessions")

    # --- paths to an application

    @part
    def _funnel(self) -> pd.DataFrame:
        found = self._kept("paths", partial(paths.funnel, self.source))
        smallest = disclosure.smallest_group(self.source)
        if disclosure.too_few(found["customers"], smallest).any():
            raise BankmineError(f"a step of the way was taken by fewer than {smallest} customers")
        return found

    @part
    def funnel(self) -> pd.DataFrame:
        """Sessions of a year by step, which share went on, and opened or filled a form later, with intervals."""
        names = ("went_on", "missed", "opened_later", "filled_later", "of_forms")
        told = {name: with_interval(self._funnel, name, ".1%") for name in names}
        return shown(self._funnel[["step", "sessions", "customers"]].assign(**told), sessions=",", customers=",")

    @part
    def leak(self) -> dict[str, object]:
        """The `step` from which the lowest share goes on, and who comes back to it soon; after which most are lost.

        `others` and `unseen` are the shares of forms that are opened without the way, and without any product page.
        """
        rows, way = self._funnel.set_index("step"), [paths.LOOKED, paths.PRICED, paths.FORM]
        step, lost = rows.loc[way, "went_on"].idxmin(), rows.loc[way, "ended"].idxmax()
        then = dict(zip(way, [*way[1:], paths.FILLED], strict=True))
        verb, soon = ("filled", "filled_later") if step == paths.FORM else ("opened", "opened_later")
        told = {"step": step, "then": then[step], "sessions": rows.loc[step, "sessions"], "verb": verb}
        told |= {"lost": rows.loc[lost, "ended"], "lost_from": lost, "lost_to": then[lost], "days": paths.DAYS}
        told |= {"unmet": "none filled" if lost == paths.FORM else "no form opened"}
        told |= {"any": rows.loc[paths.CAME, soon], "forms": rows.loc[[paths.FORM, paths.ELSE], "sessions"].sum()}
        of = {"went_on": (step, "went_on"), "soon": (step, soon), "others": (paths.ELSE, "of_forms")}
        ends = ("", "_low", "_high")
        told |= {f"{name}{end}": rows.loc[row, f"{c}{end}"] for name, (row, c) in of.items() for end in ends}
        seen, low, high = rows.loc[paths.LOOKED, [f"of_forms{end}" for end in ends]]
        return told | {"unseen": 1 - seen, "unseen_low": 1 - high, "unseen_high": 1 - low}

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
        bars = axis.barh(found["step"], found["sessions"], color=np.where(found["step"] == paths.ELSE, "0.6", "C0"))
        axis.bar_label(bars, [f" {count:,}" for count in found["sessions"]])
        axis.margins(x=0.12)
        axis.set(title="Sessions of a year by step, each after all before it; grey: without these", xlabel="sessions")
        axis.invert_yaxis()
        return axis


def _sequences(rows: pd.DataFrame) -> hidden_states.Sequences:
    lengths = rows.groupby("customer_id", sort=False).size()
    return hidden_states.Sequences(rows.drop(columns=sessions.KEYS).to_numpy(np.int64), lengths.to_numpy())


def _sampled(rows: pd.DataFrame, which: int) -> pd.DataFrame:
    """Return the sessions of a sample of customers: 0 to fit, 1 to fit again, 2 held out; no customer is in two."""
    who = rows["customer_id"].drop_duplicates().sample(frac=1, random_state=0).to_numpy()
    size = min(_SAMPLE, len(who) // 3)
    return rows[rows["customer_id"].isin(who[which * size : (which + 1) * size])]
