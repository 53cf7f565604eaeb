"""What contacts through each channel do: compared like with like, and as a trial tells it where some were held back."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from bankmine.bank.snapshot import Snapshot
from bankmine.errors import BankmineError
from bankmine.features.contacts import each_contact
from bankmine.features.customers import some_known
from bankmine.judging import adjusted, disclosure
from bankmine.judging.adjusted import DOUBLY_ROBUST, NAIVE, Contrast
from bankmine.judging.intervals import with_interval
from bankmine.judging.reasons import readable
from bankmine.judging.trials import FEWEST
from bankmine.judging.uplift import brought, mean
from bankmine.lacking import Lacking, optional, part
from bankmine.learning.uplift import Trial
from bankmine.study.causes import graph
from bankmine.study.charts import chart, forest, titled
from bankmine.study.compared import Compared, balance, compared, evidence, side_by_side, told
from bankmine.topics.channels.costs import BELIEVED, load_costs

KNOWN = (
    "age_years", "tenure_days", "accounts", "products", "deposits", "debts", "inflow_90d", "salary_90d",
    *(f"channel_{c}_count_90d" for c in ("mobile", "online", "branch", "call_centre", "atm", "pos")),
)  # fmt: skip
"""Features by which contacts and customers are compared, beside complaints, visits and earlier contacts."""
TRIAL = "trial"
ONE, MONTH = "one channel only: cannot be told", 30
_ESTIMATES = {
    NAIVE: "as it looks", adjusted.REGRESSION: "regression", adjusted.WEIGHTED: "weighted",
    DOUBLY_ROBUST: "like with like", TRIAL: "held back, made alike",
}  # fmt: skip


class Effects:
    """Contacts of one kind, by the channel through which they were meant to be made."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.source, self.currency = snapshot, snapshot.source.currency

    # --- what was tried

    @part
    def contacts(self) -> pd.DataFrame:
        """Contacts whose outcome is known, a row each, as of `each_contact`."""
        return each_contact(self.source)

    @part
    def known(self) -> pd.DataFrame:
        """What was known of the customer of each contact at the month end before."""
        return some_known(self.source, self.contacts, KNOWN)

    @part
    def kinds(self) -> pd.DataFrame:
        """Kinds of contacts, those with most first: how many, their `channels`, and whether these can be compared."""
        made = self.contacts[self.contacts["treated"]]
        people = made.groupby(["offer", "channel"])["customer_id"].nunique().reset_index()
        enough = people[people["customer_id"] >= FEWEST].groupby("offer")["channel"].agg(list)
        found = made.groupby("offer").size().rename("contacts").to_frame()
        channels = enough.reindex(found.index).map(lambda told: told if isinstance(told, list) else [])
        found["channels"] = channels.map(lambda told: ", ".join(map(readable, told)))
        found["verdict"] = np.where(channels.map(len) >= 2, "compared", ONE)
        return found.sort_values("contacts", ascending=False, kind="stable")

    @part
    def kinds_table(self) -> pd.DataFrame:
        """The same as it is shown, without kinds of contacts made to too few customers."""
        people = self.contacts[self.contacts["treated"]].groupby("offer")["customer_id"].nunique()
        smallest = disclosure.smallest_group(self.source)
        return self.kinds[people.reindex(self.kinds.index) >= smallest].rename(index=readable).rename_axis("kind")

    @part
    def compared(self) -> list[str]:
        """Kinds of which more than one channel was tried, those with most contacts first."""
        found = self.kinds.index[self.kinds["verdict"] != ONE].tolist()
        if not found:
            raise BankmineError(f"{ONE}: no kind of contact was made through two, by {FEWEST} customers each")
        return found

    def rows(self, kind: str) -> pd.DataFrame:
        """Return contacts of a kind through channels that at least `FEWEST` customers were reached by."""
        own = self.contacts[self.contacts["offer"] == kind]
        people = own[own["treated"]].groupby("channel")["customer_id"].nunique()
        return own[own["channel"].isin(people.index[people >= FEWEST])]

    def costs(self, kind: str) -> pd.Series:
        """Return what a contact of a kind costs by channel, the cheapest first: as contacts or the register tell."""
        made = self.rows(kind)[lambda t: t["treated"]]
        told = made.groupby("channel")["cost"].mean()
        if told.isna().any():
            register = load_costs(self.currency).contact[BELIEVED]
            told = told.fillna(register.reindex(told.index))
        if lacks := told.index[told.isna()].tolist():
            raise BankmineError(f"nothing tells what a contact by {readable(lacks[0])} costs: add it to channels.yml")
        return told.sort_values(kind="stable")

    # --- each channel against the cheapest

    @part
    def kind(self) -> str:
        """The kind of contact that is looked at closely: the one with most contacts."""
        return self.compared[0]

    @part
    def base(self) -> str:
        """The cheapest channel, against which the others are held."""
        return str(self.costs(self.kind).index[0])

    @part
    def _pairs(self) -> dict[str, Compared]:
        """Of each other channel: all contacts meant for it or for the cheapest, those held back included."""
        rows, found = self.rows(self.kind), {}
        for channel in self.costs(self.kind).index.drop(self.base):
            pair = rows[rows["channel"].isin([channel, self.base])]
            contrast = Contrast(
                self.known.loc[pair.index], pair["channel"] == channel, pair["responded"], pair["customer_id"]
            )
            found[channel] = compared(contrast, pair["treated"])
        return found

    @part
    def _made(self) -> dict[str, Compared]:
        """The same of contacts that were made."""
        treated = self.contacts["treated"].to_numpy(bool)
        made = {c: treated[self.contacts.index.get_indexer(p.models.index)] for c, p in self._pairs.items()}
        return {c: Compared(pair.rows.at(made[c]), pair.models[made[c]]) for c, pair in self._pairs.items()}

    @part
    def estimates(self) -> pd.DataFrame:
        """What each channel adds to the chance to respond above the cheapest one, by `channel` and `estimate`.

        The plain difference is of all contacts made, the others of those that might have gone either way; the last one
        is what those held back at random say of the same.
        """
        parts, why = {}, []
        by_trial = optional(self, "worth_of_contacts")
        for channel, made in self._made.items():
            try:
                parts[channel] = made.estimates.copy()
            except BankmineError as error:
                why.append(f"{readable(channel)}: {error}")
                continue
            if not isinstance(by_trial, Lacking):  # who they are is weighed, not what came: that was drawn
                pair = self._pairs[channel]
                parts[channel].loc[TRIAL] = pair.weighted(by_trial[pair.models.index])
        if not parts:
            raise BankmineError("; ".join(why))
        return pd.concat(parts, names=["channel", "estimate"])

    @part
    def _draw(self) -> dict[str, Trial]:
        """Contacts meant for each channel as the trial that they are."""
        found = {}
        for channel, own in self.rows(self.kind).groupby("channel"):
            if min(own.groupby("treated")["customer_id"].nunique().reindex([True, False], fill_value=0)) < FEWEST:
                raise BankmineError(f"fewer than {FEWEST} customers were held back from {readable(channel)}")
            share = float(own["treated"].mean())
            found[channel] = Trial(own[["revenue"]], own["treated"], own["responded"], own["customer_id"], share)
        return found

    @part
    def worth_of_contacts(self) -> pd.Series:
        """What each contact did to the chance to respond, right on average over the draw of who was held back."""
        return pd.concat([brought(trial) for trial in self._draw.values()])

    @part
    def contrasts(self) -> dict[str, dict[str, object]]:
        """Of each channel against the cheapest in points, for findings: `naive`, `adjusted`, each with its ends."""
        return {channel: self._told(channel) for channel in self.estimates.index.unique("channel")}

    def _told(self, channel: str) -> dict[str, object]:
        own = self.estimates.loc[channel] * 100
        found = {"name": readable(channel), "base": readable(self.base)} | told(own)
        if TRIAL not in own.index:
            return found | {"trial_words": "Nobody was held back at random"}
        value, low, high = own.loc[TRIAL, ["value", "low", "high"]]
        words = f"By those held back, made alike: {value:+.1f} ({low:+.1f} to {high:+.1f})"
        return found | {"trial_words": words}

    @part
    def each_more(self) -> dict[str, dict[str, object]]:
        """What one more response costs by each channel that surely brings more than the cheapest, with its ends."""
        best, costs = self.estimates.xs(DOUBLY_ROBUST, level="estimate"), self.costs(self.kind)
        best, told_ = best[best["low"] > 0], {}
        if best.empty:
            raise BankmineError("no channel surely brings more responses than the cheapest")
        for channel, own in best.iterrows():
            more = costs[channel] - costs[self.base]
            ends = {"each": more / own["value"], "each_low": more / own["high"], "each_high": more / own["low"]}
            ends["sure"] = self._also_by_trial(channel, more)
            names = {"name": readable(channel), "base": readable(self.base), "currency": self.currency}
            told_[channel] = ends | names
        return told_

    def _also_by_trial(self, channel: str, more: float) -> str:
        """Say what one more response costs by those held back."""
        if TRIAL not in self.estimates.loc[channel].index:
            return "nobody was held back to confirm it"
        value, low = self.estimates.loc[(channel, TRIAL), ["value", "low"]]
        if low <= 0:
            return "those held back do not show that there is one more"
        return f"by those held back {more / value:,.0f}, at most {more / low:,.0f}"

    @part
    def trial(self) -> pd.DataFrame:
        """What contacts did among those meant for each channel, by those held back: points, and net money."""
        told = {}
        for channel, trial in self._draw.items():
            counts = {"contacts": int(trial.treated.sum()), "held back": int((~trial.treated).sum())}
            found = np.array(mean(self.worth_of_contacts[trial.known.index], trial.entity)) * 100
            counts |= dict(zip(("value", "low", "high"), found, strict=True))
            money = mean(brought(trial, trial.known["revenue"].fillna(0.0)), trial.entity)
            net = np.array(money) - self.costs(self.kind)[channel]
            told[readable(channel)] = counts | dict(zip(("net", "net_low", "net_high"), net, strict=True))
        return pd.DataFrame.from_dict(told, orient="index").rename_axis("meant for")

    @part
    def trial_table(self) -> pd.DataFrame:
        """The same as it is shown."""
        found = self.trial[["contacts", "held back"]].assign(adds=with_interval(self.trial, "value", "+.1f"))
        money = f"net of a contact, {self.currency}"
        return found.assign(**{money: with_interval(self.trial, "net", "+.2f")}).rename(
            columns={"adds": "adds, points"}
        )

    @part
    def losing(self) -> dict[str, object]:
        """Channels whose contacts surely lose money, by those held back: `names`, and what is `lost` a month in all."""
        own = self.trial[self.trial["net_high"] < 0]
        if own.empty:
            raise BankmineError("those held back show of no channel that its contacts surely lose money")
        days = np.ptp(self.rows(self.kind)["contacted_on"]).days + 1
        a_month = own["contacts"] / days * MONTH
        lost = float(-(own["net"] * a_month).sum())
        half = float(np.hypot.reduce((own["net_high"] - own["net_low"]) / 2 * a_month))
        told = {"names": " and ".join(own.index), "kind": readable(self.kind), "contacts": a_month.sum()}
        return told | {"lost": lost, "low": lost - half, "high": lost + half, "currency": self.currency}

    @part
    def pairs(self) -> dict[str, object]:
        """Which channels the trial alone tells apart, each among those meant for it, in words."""
        found, error = self.trial, (self.trial["high"] - self.trial["low"]) / 2
        names, apart, alike = found.index, [], []
        for i, one in enumerate(names):
            for other in names[i + 1 :]:
                half = np.hypot(error[one], error[other])
                own = apart if abs(found["value"][one] - found["value"][other]) > half else alike
                own.append(f"{one} and {other}")
        return {"apart": ", ".join(apart) or "none", "alike": ", ".join(alike) or "none"}

    # --- how far that holds

    @part
    def evidence(self) -> pd.DataFrame:
        """Overlap, balance and sensitivity of each comparison."""
        return evidence({readable(channel): made for channel, made in self._made.items()})

    @part
    def balance(self) -> pd.DataFrame:
        """What differed most before between contacts of each channel and of the cheapest, before and after weighing."""
        return balance({readable(channel): made for channel, made in self._made.items()}, 4)

    @part
    def comparable(self) -> pd.DataFrame:
        """Contacts made: `contact_id`, `contrast`, and whether each might have gone either way, `inside`."""
        parts = []
        for channel, made in self._made.items():
            inside = adjusted.comparable(made.rows, made.models["chance"]).to_numpy(bool)
            ids = self.contacts.loc[made.models.index, ["contact_id"]]
            parts.append(ids.assign(contrast=channel, inside=inside))
        return pd.concat(parts, ignore_index=True)

    # --- drawn

    @chart
    def estimates_chart(self) -> Axes:
        """Draw what each channel adds above the cheapest: as it looks, like with like, and by the trial."""
        found = (self.estimates * 100).reset_index()
        found = found[found["estimate"].isin([NAIVE, DOUBLY_ROBUST, TRIAL])]
        short = {NAIVE: "as it looks", DOUBLY_ROBUST: "alike", TRIAL: "held back"}
        names = [f"{readable(c)}, {short[e]}" for c, e in zip(found["channel"], found["estimate"], strict=True)]
        axis = forest(found.assign(name=names), 0, 0)
        title = f"More that respond than by {readable(self.base)} (95 %)"
        return titled(axis, title, "percentage points", "")

    @part
    def estimates_table(self) -> pd.DataFrame:
        """All estimates side by side, in points."""
        return side_by_side(self.estimates * 100, "channel", _ESTIMATES).rename(index=readable)

    @chart
    def causes_chart(self) -> Axes:
        """Draw what is assumed to cause what."""
        return graph(("age", "digital habits", "activity"), "channel", "response", "not recorded")
