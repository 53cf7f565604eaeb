"""Decide: through which channel to contact whom, by what a contact is expected to bring net of its cost, if any."""

from __future__ import annotations

import datetime
from collections.abc import Collection

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
from bankmine.judging.trials import FEWEST
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

    def _choose(
        self, kind: str, learnt: tuple[Arms, float], known: pd.DataFrame, tried: Collection[str] | None = None
    ) -> pd.DataFrame:
        """Choose the `channel` of each row; what it brings above no contact is `net`, its cost off, with its ends.

        That is the one that brings most of all customers together, where it is expected to bring anything of this one;
        another one of those `tried` only where that surely brings more: less evidence does not tell channels apart.
        """
        (model, worth), names = learnt, pd.Index(self._names(kind))
        costs = np.append(0.0, self._effects.costs(kind).to_numpy(float))
        whole = model.chances(known, draws=False)[0]
        best_of_all = int(((whole - whole[:, :1]) * worth - costs).sum(axis=0).argmax())
        may = np.isin(names, list(names if tried is None else tried)) | (np.arange(len(names)) == best_of_all)
        parts = []
        for block in np.array_split(np.arange(len(known)), -(-len(known) // _BLOCK)):
            chances = model.chances(known.iloc[block])
            net, place = (chances - chances[..., :1]) * worth - costs, np.arange(len(block))
            best = np.where(may, net[0], -np.inf).argmax(axis=1)
            ahead = net[1:, place, best] - net[1:, :, best_of_all]
            usual = np.where(net[0, :, best_of_all] > 0, best_of_all, 0)
            arm = np.where((ahead > 0).mean(axis=0) >= CONFIDENCE, best, usual)
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
            judged = self._tried if kind == self._effects.kind else [NONE]
            own = self._choose(kind, self._learnt(kind, self._effects.rows(kind)), self.people, judged)
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
    def _split(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Contacts of the kind looked at: the first, to learn from, and later ones of whom may be contacted today."""
        rows = self._effects.rows(self._effects.kind)
        first = rows["contacted_on"] <= rows["contacted_on"].quantile(_LEARNT)
        later = rows[~first & rows["customer_id"].isin(self.people.index)]
        if later.empty:
            raise BankmineError("no contact is later than those learnt from, by which a choice could be judged")
        return rows[first], later

    @part
    def _earlier(self) -> tuple[Arms, float]:
        return self._learnt(self._effects.kind, self._split[0])

    @part
    def _chosen(self) -> pd.Series:
        """The channel that the choice would have named for each later contact."""
        known = self._effects.known.loc[self._split[1].index]
        return self._choose(self._effects.kind, self._earlier, known)["channel"]

    @part
    def _tried(self) -> list[str]:
        """Channels that the choice named for enough customers of later contacts to be judged by them."""
        people = self._split[1]["customer_id"].groupby(self._chosen).nunique()
        return [NONE, *people.index[people >= FEWEST]]

    @part
    def _judged(self) -> tuple[pd.DataFrame, pd.Series]:
        """What ways of choosing bring a contact, a column each, on rows later than those learnt from, and whose."""
        (earlier, later), (model, worth) = self._split, self._earlier
        kind, known = self._effects.kind, self._effects.known.loc[later.index]
        names = self._names(kind)
        chances, arm = model.chances(known, draws=False)[0], pd.Index(names).get_indexer(_arm(later))
        costs = np.append(0.0, self._effects.costs(kind).to_numpy(float))
        got = later["revenue"].fillna(worth * later["responded"]).to_numpy(float) - costs[arm]
        ways = {CHOSEN: pd.Index(names).get_indexer(self._chosen)}
        ways |= {_all(n): np.full(len(later), i) for i, n in enumerate(names)}
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
        """What 1,000 contacts bring by way of choosing, and how far that is `ahead` of now, and `above` no contact."""
        values, entity = self._judged
        parts = [means(values, entity)]
        for name, base in (("ahead", AS_NOW), ("above", _all(NONE))):
            apart = means(values.sub(values[base], axis=0), entity)
            parts.append(apart.rename(columns={"value": name, "low": f"{name}_low", "high": f"{name}_high"}))
        return 1000 * pd.concat(parts, axis=1).rename_axis("way")

    @part
    def policies_table(self) -> pd.DataFrame:
        """The same as it is shown, with what is spent on contacts taken off."""
        told = {f"earns, {self.currency}": with_interval(self.policies, "value", ",.0f")}
        told["more than now"] = with_interval(self.policies, "ahead", "+,.0f").drop(AS_NOW)
        told["more than no contact"] = with_interval(self.policies, "above", "+,.0f").drop(_all(NONE))
        return pd.DataFrame(told).loc[self.policies.index].fillna("").rename_axis("way of choosing")

    @chart
    def policies_chart(self) -> Axes:
        """Draw what ways of choosing bring above no contact, without those that lose for sure."""
        found = self.policies.drop(_all(NONE))[["above", "above_low", "above_high"]]
        found = found.set_axis(["value", "low", "high"], axis=1).rename_axis("name").reset_index()
        axis = forest(found[(found["high"] > 0) | found["name"].eq(AS_NOW)], 0, 0)
        title = "What 1,000 contacts bring above no contact (95 %)"
        return titled(axis, title, f"{self.currency}, cost taken off", "")

    @part
    def headline(self) -> dict[str, object]:
        """Which channel for how many, what that brings a month more than now, and whether contacting brings any."""
        kind, found = self._effects.kind, self.policies.loc[CHOSEN]
        rows = self._effects.rows(kind)
        since = rows["contacted_on"].max() - pd.Timedelta(days=_YEAR)
        here = rows["customer_id"].isin(self.people.index)
        a_month = float((rows["treated"] & here & (rows["contacted_on"] > since)).sum() / _YEAR * MONTH)
        own = self.counts.loc[readable(kind)]
        told = {out: found[of] * a_month / 1000 for out, of in
                (("more", "ahead"), ("low", "ahead_low"), ("high", "ahead_high"), ("above", "above"),
                 ("above_low", "above_low"), ("above_high", "above_high"))}  # fmt: skip
        told |= {"contacts": a_month, "currency": self.currency, "kind": readable(kind), "customers": len(self.people)}
        shown_ = "" if told["low"] > 0 else ", not shown to be above 0"
        pays = "more" if told["above_low"] > 0 else "less" if told["above_high"] < 0 else "not shown to be more"
        return told | {"channels": "; ".join(f"{c}: {n:,}" for c, n in own.items()), "shown": shown_, "pays": pays}

    @part
    def against(self) -> dict[str, object]:
        """How the choice compares with everybody by the single channel that brings most, per 1,000 contacts."""
        values, entity = self._judged
        single = self.policies.drop([CHOSEN, AS_NOW])["value"].idxmax()
        found = means((values[[CHOSEN]].sub(values[single], axis=0)), entity).loc[CHOSEN] * 1000
        words = "more" if found["low"] > 0 else "less" if found["high"] < 0 else "not told apart; that is simpler"
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
