"""Decide: through which channel to contact whom, by what a contact is expected to bring net of its cost, if any."""

from __future__ import annotations

import datetime

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from bankmine.bank.snapshot import Snapshot
from bankmine.errors import BankmineError
from bankmine.features.channels import could_move
from bankmine.features.consent import ALLOWED, contact_allowed
from bankmine.features.customers import some_known
from bankmine.features.spine import spine_of
from bankmine.judging import disclosure
from bankmine.judging.intervals import means, of_belief, shown, with_interval
from bankmine.judging.reasons import readable
from bankmine.judging.ways import brought
from bankmine.lacking import part
from bankmine.learning import arms
from bankmine.learning.arms import Arms
from bankmine.learning.encoding import Encode, SignedLog
from bankmine.learning.sample import CONFIDENCE
from bankmine.study.charts import chart, forest, titled
from bankmine.topics.channels.costs import BELIEVED, HIGH, LOW, load_costs
from bankmine.topics.channels.effects import KNOWN, MONTH, Effects

NONE, CHOSEN, AS_NOW = "no contact", "channel of each", "as now"
_LEARNT = 2 / 3
"""Share of contacts, the first ones, from which is learnt what the others judge."""
_YEAR, _SHIFTED, _BLOCK = 365, 0.1, 20_000
BRANCH, APP, WEB = "branch", "mobile", "online"


class Decide:
    """The channel for each kind of contact and customer, and what errands at the branch would cost in the app."""

    def __init__(self, snapshot: Snapshot, effects: Effects) -> None:
        self.source, self._effects, self.currency = snapshot, effects, snapshot.source.currency

    # --- what a contact brings

    def _names(self, kind: str) -> list[str]:
        return [NONE, *self._effects.costs(kind).index]

    def _learnt(self, kind: str, rows: pd.DataFrame) -> tuple[Arms, float]:
        """Learn from contacts, and those held back, who responds to what; and what a response brings."""
        answered = rows["responded"] == 1
        worth = rows.loc[answered, "revenue"].mean()
        if np.isnan(worth):
            raise BankmineError("nothing tells what a response is worth: no channel can be chosen by what it brings")
        known = self._effects.known.loc[rows.index]
        return arms.fit(known, _arm(rows), rows["responded"], rows["customer_id"], self._names(kind)), float(worth)

    def _choose(self, kind: str, learnt: tuple[Arms, float], known: pd.DataFrame) -> pd.DataFrame:
        """Choose the `channel` of each row; what it brings above no contact is `net`, its cost off, with its ends.

        That is the one that brings most of all customers together; another one, or no contact, only where that surely
        brings more of this one: most contacts cost too little for less evidence to tell channels apart.
        """
        (model, worth), names = learnt, pd.Index(self._names(kind))
        costs = np.append(0.0, self._effects.costs(kind).to_numpy(float))
        whole = model.chances(known, draws=False)[0]
        best_of_all = int(((whole - whole[:, :1]) * worth - costs).sum(axis=0).argmax())
        parts = []
        for block in np.array_split(np.arange(len(known)), -(-len(known) // _BLOCK)):
            chances = model.chances(known.iloc[block])
            net, place = (chances - chances[..., :1]) * worth - costs, np.arange(len(block))
            best = net[0].argmax(axis=1)
            ahead = net[1:, place, best] - net[1:, :, best_of_all]
            arm = np.where((ahead > 0).mean(axis=0) >= CONFIDENCE, best, best_of_all)
            drawn = net[:, place, arm]
            low, high = of_belief(drawn[1:])
            told = {"channel": names[arm], "net": drawn[0], "low": low, "high": high}
            parts.append(pd.DataFrame(told, known.index[block]))
        return pd.concat(parts)

    # --- whom to contact how

    @part
    def people(self) -> pd.DataFrame:
        """What is known today of customers with an open account who agreed to be contacted and treated personally."""
        told = self.source.customers.to_pandas().drop_duplicates("customer_id").set_index("customer_id").sort_index()
        contact = contact_allowed(told, self.source.unseen)
        keys = spine_of(self.source).to_pandas().sort_values("customer_id", ignore_index=True)
        keys = keys.assign(day=pd.to_datetime(keys["day"]).astype("datetime64[us]"))
        found = some_known(self.source, keys, KNOWN).set_axis(pd.Index(keys["customer_id"]))
        found = found[(found["accounts"] > 0) & contact.reindex(found.index).eq(ALLOWED)]
        if found.empty:
            raise BankmineError("nobody with an open account is known to have agreed to be contacted personally")
        return found

    @part
    def channel_for(self) -> pd.DataFrame:
        """The channel of each customer who may be contacted, by `kind`: `net` of one contact, with `low` and `high`."""
        parts = []
        for kind in self._effects.compared:
            own = self._choose(kind, self._learnt(kind, self._effects.rows(kind)), self.people)
            parts.append(own.assign(kind=kind)[["kind", "channel", "net", "low", "high"]])
        return pd.concat(parts)

    @part
    def counts(self) -> pd.DataFrame:
        """How many customers each channel is best for, by kind of contact; too few are not told of."""
        found = pd.crosstab(self.channel_for["kind"], self.channel_for["channel"])
        smallest = disclosure.smallest_group(self.source)
        words = disclosure.not_told(found, smallest, (disclosure.ACROSS,))
        return disclosure.told(found, words).rename(index=readable, columns=readable).rename_axis(None, axis=1)

    # --- judged on later contacts

    @part
    def _judged(self) -> tuple[pd.DataFrame, pd.Series]:
        """What ways of choosing bring a contact, a column each, on rows later than those learnt from, and whose."""
        kind = self._effects.kind
        rows, names = self._effects.rows(kind), self._names(kind)
        first = rows["contacted_on"] <= rows["contacted_on"].quantile(_LEARNT)
        earlier, later = rows[first], rows[~first]
        if later.empty:
            raise BankmineError("all contacts are of one day: none are left to judge a choice by")
        model, worth = learnt = self._learnt(kind, earlier)
        known = self._effects.known.loc[later.index]
        chances, arm = model.chances(known, draws=False)[0], pd.Index(names).get_indexer(_arm(later))
        costs = np.append(0.0, self._effects.costs(kind).to_numpy(float))
        got = later["revenue"].fillna(worth * later["responded"]).to_numpy(float) - costs[arm]
        best = pd.Index(names).get_indexer(self._choose(kind, learnt, known)["channel"])
        ways = {CHOSEN: best} | {_all(n): np.full(len(later), i) for i, n in enumerate(names)}
        likely = self._likely(earlier, known, names[1:])
        found = brought(ways, arm, likely, chances * worth - costs, got).set_axis(later.index)
        made = later["treated"]
        return found.assign(**{AS_NOW: np.where(made, got, 0.0) / made.mean()}), later["customer_id"]

    def _likely(self, earlier: pd.DataFrame, known: pd.DataFrame, channels: list[str]) -> np.ndarray:
        """Foretell how likely each arm was: the channel by what was known, and held back by the share of all."""
        model = make_pipeline(Encode(), SignedLog(), StandardScaler(), LogisticRegression(max_iter=500))
        model.fit(self._effects.known.loc[earlier.index], earlier["channel"])
        made = earlier["treated"].mean()
        chance = pd.DataFrame(model.predict_proba(known), columns=model.classes_)[channels].to_numpy()
        return np.column_stack([np.full(len(known), 1 - made), chance * made]).clip(0.01)

    @part
    def policies(self) -> pd.DataFrame:
        """What 1,000 contacts bring by way of choosing, and how far that is `ahead` of the way they are made now."""
        values, entity = self._judged
        found = means(values, entity)
        ahead = means(values.sub(values[AS_NOW], axis=0), entity).add_prefix("ahead_")
        return 1000 * found.join(ahead.rename(columns={"ahead_value": "ahead"})).rename_axis("way")

    @part
    def policies_table(self) -> pd.DataFrame:
        """The same as it is shown, with what is spent on contacts taken off."""
        told = {f"earns, {self.currency}": with_interval(self.policies, "value", ",.0f")}
        told["more than now"] = with_interval(self.policies, "ahead", "+,.0f").drop(AS_NOW)
        return pd.DataFrame(told).loc[self.policies.index].fillna("").rename_axis("way of choosing")

    @chart
    def policies_chart(self) -> Axes:
        """Draw what 1,000 contacts bring by way of choosing."""
        found = self.policies.rename_axis("name").reset_index()
        axis = forest(found, 0, self.policies.loc[AS_NOW, "value"])
        title = "What 1,000 contacts earn, net of cost (95 %); dotted: as now"
        return titled(axis, title, self.currency, "")

    @part
    def headline(self) -> dict[str, object]:
        """Which channel for how many, and what that brings a month more than now, judged on later contacts."""
        kind, found = self._effects.kind, self.policies.loc[CHOSEN]
        rows = self._effects.rows(kind)
        since = rows["contacted_on"].max() - pd.Timedelta(days=_YEAR)
        a_month = float((rows["treated"] & (rows["contacted_on"] > since)).sum() / _YEAR * MONTH)
        own = self.counts.loc[readable(kind)]
        told = {out: found[of] * a_month / 1000 for out, of in
                (("more", "ahead"), ("low", "ahead_low"), ("high", "ahead_high"))}  # fmt: skip
        told |= {"contacts": a_month, "currency": self.currency, "kind": readable(kind), "customers": len(self.people)}
        shown_ = "" if told["low"] > 0 else ", not shown to be above 0"
        return told | {"channels": "; ".join(f"{c}: {n:,}" for c, n in own.items()), "shown": shown_}

    @part
    def against(self) -> dict[str, object]:
        """How the choice compares with everybody by the best single channel, per 1,000 contacts."""
        values, entity = self._judged
        single = self.policies.drop([CHOSEN, AS_NOW])["value"].idxmax()
        found = means((values[[CHOSEN]].sub(values[single], axis=0)), entity).loc[CHOSEN] * 1000
        words = (
            "more" if found["low"] > 0 else "less" if found["high"] < 0 else "not told apart from it, which is simpler"
        )
        return dict(found) | {"single": single, "words": words, "currency": self.currency}

    # --- errands at the branch

    @part
    def errands(self) -> pd.DataFrame:
        """Errands at the branch in a year that are done in the app as well, by kind, as of `could_move`."""
        return could_move(self.source, self.source.as_of - datetime.timedelta(days=_YEAR - 1), BRANCH, APP, (WEB,))

    @part
    def errands_table(self) -> pd.DataFrame:
        """The same as it is shown."""
        names = {"there": "at the branch", "elsewhere": "in the app", "could": "of who also uses app or web"}
        found = self.errands.rename(columns=names, index=readable)
        return shown(found, **dict.fromkeys(names.values(), ",.0f"))

    @part
    def shift(self) -> dict[str, object]:
        """What a tenth of the errands that could be done in the app, done there, would save a year: low to high."""
        costs, found = load_costs(self.currency), self.errands
        moved = _SHIFTED * found["could"].sum()
        branch, app = costs.errand.loc[BRANCH], costs.errand.loc[APP]
        saves = {
            "saves": branch[BELIEVED] - app[BELIEVED],
            "low": branch[LOW] - app[HIGH],
            "high": branch[HIGH] - app[LOW],
        }
        told = {name: moved * each for name, each in saves.items()}
        return told | {
            "errands": int(found["could"].sum()), "share": _SHIFTED, "moved": moved, "currency": self.currency,
            "owner": costs.owner, "left": int((found["there"] - found["could"]).sum()),
            "measured": "assumed" if costs.status == "assumption" else "measured",
        }  # fmt: skip


def _arm(rows: pd.DataFrame) -> pd.Series:
    return rows["channel"].where(rows["treated"], NONE)


def _all(arm: str) -> str:
    return f"all {readable(arm)}" if arm == NONE else f"all by {readable(arm)}"
