"""Offers: what those are expected to earn that may be made, and when and through which channel to make them."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from bankmine.bank.contract import DEBTS
from bankmine.deciding.offers import BELIEVED, HIGH, LOW, MOVED
from bankmine.errors import BankmineError
from bankmine.features.consent import agreed
from bankmine.judging import disclosure, fairness
from bankmine.judging.intervals import of_belief, shown
from bankmine.judging.reasons import readable
from bankmine.lacking import Lacking, optional, part
from bankmine.study.charts import chart, titled
from bankmine.study.received import received_table
from bankmine.topics.recommendation.eligible import Eligible

ANY_DAY, UNKNOWN = "any day", "not known"
_CONTACTS = ("mobile", "online", "sms", "branch", "call_centre")
"""Channels through which a customer can be spoken to; a cash machine says little."""
_OF_SEGMENT = "taken of late by customers of the same age and years with the bank"
_USUAL = "nothing stands out: worth the contact at a usual chance"
_DRAWS = 10_000
_LIST = ["product", "chance", "gain", "gain_low", "gain_high", "when", "channel", "reason"]


class Offers(Eligible):
    """Offers to customers of today: one each at most, the one that is expected to earn most."""

    @part
    def removed(self) -> pd.DataFrame:
        """How many of all offers that could be made each rule removes, in their order, and what is left."""
        left = pd.DataFrame(True, self.moment.customers, self._products.history.products)
        rows = {"all customers × products": {"offers": left.size, "remark": ""}}
        for name, told in self.barred.items():
            remark = f"not known: {self.unasked[name]}" if name in self.unasked else ""
            rows[name] = {"offers": int((left & told).to_numpy().sum()), "remark": remark}
            left &= ~told
        pays = left & self._gain.gt(0)
        rows["not expected to earn the contact"] = {"offers": int((left & ~pays).to_numpy().sum()), "remark": ""}
        best = int(pays.any(axis=1).sum())
        rows["another offer to the same customer earns more"] = {
            "offers": int(pays.to_numpy().sum()) - best,
            "remark": "",
        }
        made = optional(self, "made")
        count = 0 if isinstance(made, Lacking) else len(made)
        rows["held back at random"] = {"offers": best - count, "remark": "to learn what offers move"}
        rows["offers made"] = {"offers": count, "remark": ""}
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis("rule")

    @part
    def removed_table(self) -> pd.DataFrame:
        """The same as it is shown: no count of too few, nor what would tell it."""
        return shown(disclosure.rows_told(self.removed, "offers", self._smallest, added_up=True), offers=",.0f")

    @property
    def _smallest(self) -> int:
        return disclosure.smallest_group(self.source)

    @property
    def not_asked(self) -> dict[str, object] | Lacking | None:
        """Rules that could not be asked, and why, for an alert; None where all were."""
        found = self.unasked
        if not found:
            return found if isinstance(found, Lacking) else None
        return {"count": len(found), "rules": "; ".join(f"{name} ({why})" for name, why in found.items())}

    # --- what offers earn

    @part
    def _gain(self) -> pd.DataFrame:
        return self.rules.gain(self.chances)

    @part
    def planned(self) -> pd.DataFrame:
        """A row an offer, by customer, the highest gain first: product, chance, gain with its ends, when and how.

        `held_back` is a share of the offers of each product, drawn at random: what these customers take unasked is what
        the others would have taken.
        """
        gain = self._gain.where(self.allowed)
        gain = gain[gain.gt(0).any(axis=1)]
        if gain.empty:
            raise BankmineError("no offer is expected to earn more than the contact costs, by data/offers.yml")
        product = gain.idxmax(axis=1)
        found = pd.DataFrame({"product": product, "chance": _picked(self.chances, product)})
        for end in MOVED:
            found[f"gain_{end}"] = _picked(self.rules.gain(self.chances.loc[gain.index], end), product)
        found = found.rename(columns={"gain_believed": "gain"})
        found["when"], found["channel"] = self.when.reindex(found.index), self.channel.reindex(found.index)
        found["reason"] = _OF_SEGMENT
        if self._by_models:
            reason = _picked(self._products.reasons.reindex(found.index, fill_value=""), product)
            found["reason"] = reason.replace("", _USUAL)
        drawn = pd.Series(np.random.default_rng(self.source.as_of.toordinal()).permutation(len(found)), found.index)
        drawn = drawn.groupby(product)
        found["held_back"] = drawn.rank() <= np.ceil(self.rules.control * drawn.transform("size"))
        return found.sort_values("gain", ascending=False, kind="stable").rename_axis("customer_id")

    @part
    def made(self) -> pd.DataFrame:
        """Offers that are made."""
        return self.planned.loc[~self.planned["held_back"], _LIST]

    @part
    def held(self) -> pd.DataFrame:
        """Offers that are held back."""
        return self.planned.loc[self.planned["held_back"], _LIST]

    @part
    def _luck(self) -> np.ndarray:
        """What offers may earn by luck, and by how many they move, which is believed to lie between two ends."""
        rng, moved = np.random.default_rng(self.source.as_of.toordinal()), self.rules.moved
        share = rng.triangular(*(moved[end] for end in MOVED), _DRAWS) if moved[LOW] < moved[HIGH] else moved[LOW]
        own = self.made.groupby("product")["chance"].sum()
        worth = np.array([self.rules.products[name].worth for name in own.index])
        return rng.poisson(np.outer(share, own)) @ worth - self.rules.contact * len(self.made)

    @part
    def headline(self) -> dict[str, object]:
        """How many offers to how many of the `customers`, what they are expected to bring, and who decides."""
        found, by = self.made, self.by_product
        first = "; ".join(
            f"{int(own['offers']):,} {readable(name)}" for name, own in by.iterrows() if own["offers"] > 0
        )
        measured = "a trial measured" if self.rules.status == "trial" else "nobody has measured"
        moved = self.rules.moved[BELIEVED]
        told = {"offers": len(found), "by_product": first, "measured": measured, "moved": moved}
        told |= {"more": (found["chance"] * moved).sum(), "customers": len(self.moment.customers)}
        low, high = of_belief(self._luck)
        told |= {"gain": found["gain"].sum(), "low": float(low), "high": float(high), "held": len(self.held)}
        told["loses"] = float((self._luck < 0).mean())
        return told | {"owner": self.rules.owner, "currency": self.currency}

    @part
    def credit(self) -> dict[str, object] | None:
        """How many offers are of `credit`, and how many of these customers 07 has `scored`; None where none is."""
        whose = self.made.index[self.made["product"].isin(DEBTS)]
        return {"credit": len(whose), "scored": int(whose.isin(self.scored).sum())} if len(whose) else None

    @part
    def exposure(self) -> dict[str, pd.DataFrame]:
        """How often each group by age, gender and size of city, of those who may be offered anything, is offered it."""
        here = self.allowed.index[self.allowed.any(axis=1)]
        known = self.known.reindex(columns=["age_years"]).join(self.people.reindex(columns=["gender", "city_tier"]))
        offered = pd.Series(here.isin(self.planned.index), here)
        return fairness.exposure(offered, known.loc[here].dropna(axis=1, how="all"), self._smallest)

    @part
    def exposure_table(self) -> pd.DataFrame:
        """The same as it is shown."""
        return fairness.exposure_shown(self.exposure, "may be offered something", "offered it")

    @part
    def by_product(self) -> pd.DataFrame:
        """Offers and what they are expected to earn, a row a product; without numbers of too few customers."""
        found = self.made.groupby("product").agg(
            offers=("gain", "size"), chance=("chance", "mean"), gain=("gain", "sum"), gain_low=("gain_low", "sum"),
            gain_high=("gain_high", "sum"),
        )  # fmt: skip
        found = found.reindex(self._products.history.products).fillna(
            {"offers": 0, "gain": 0, "gain_low": 0, "gain_high": 0}
        )
        return disclosure.rows_told(found.sort_values("gain", ascending=False), "offers", self._smallest, added_up=True)

    @part
    def by_product_table(self) -> pd.DataFrame:
        """The same as it is shown."""
        money = {"gain": f"gain, {self.currency}", "gain_low": "if it moves fewer", "gain_high": "if it moves more"}
        found = self.by_product.rename(columns={"chance": "mean chance"} | money).rename(index=readable)
        return shown(found, offers=",.0f", **{"mean chance": ".1%"} | dict.fromkeys(money.values(), ",.0f"))

    @chart
    def by_product_chart(self) -> Axes:
        """Draw what the offers of each product are expected to earn, from what is thought possible at least to most."""
        found = self.by_product.dropna().iloc[::-1]
        names = [f"{readable(name)} ({int(own['offers']):,})" for name, own in found.iterrows()]
        axis = pd.Series(found["gain"].to_numpy(), names).plot.barh(color="C0", zorder=2)
        spread = [found["gain"] - found["gain_low"], found["gain_high"] - found["gain"]]
        axis.errorbar(found["gain"], range(len(found)), xerr=spread, fmt="none", ecolor="0.35", zorder=3)
        title = "Gain by product (offers made); lines: few to many moved"
        return titled(axis, title, f"gain, {self.currency}", "")

    @part
    def first(self) -> pd.DataFrame:
        """The list of offers as a page shows it, the highest gain first."""
        found, money = self.made, f"gain, {self.currency}"
        told = found[["product", "chance", "gain", "when", "channel", "reason"]].rename(columns={"gain": money})
        told["product"], told["channel"] = told["product"].map(readable), told["channel"].map(readable)
        return shown(told, chance=".1%", **{money: ",.2f"})

    @part
    def not_offered(self) -> dict[str, object] | None:
        """Products that are offered to nobody, or to too few to tell of: `names`, each with why; None without one."""
        few = self.by_product.index[~self.by_product["offers"].gt(0)]
        barred = ~self.allowed.any()
        why = {True: "the rules bar all who lack it", False: "a contact costs more, or another offer earns more"}
        told = [f"{readable(name)} ({why[bool(barred[name])]})" for name in few]
        return {"names": "; ".join(told)} if told else None

    # --- when and how

    @part
    def _behaviour(self) -> pd.DataFrame:
        found = received_table(self._received, "05_behaviour", "behaviour", self.source).reindex(self.moment.customers)
        return found.assign(favourite_channel=found.get("favourite_channel"))

    @part
    def _by_12(self) -> pd.Series:
        told = received_table(self._received, "12_channels", "channel_for", self.source)
        best = told.sort_values("net", ascending=False, kind="stable")
        return best[~best.index.duplicated()]["channel"].reindex(self.moment.customers)

    @part
    def when(self) -> pd.Series:
        """The day of the month on which each is usually paid, and the usual hour, by 05."""
        found, told = optional(self, "_behaviour"), pd.Series("", self.moment.customers)
        if isinstance(found, Lacking):
            return told.replace("", ANY_DAY)
        for name, words in (("payday", "from day {:.0f}, when paid"), ("favourite_hour", "about {:.0f}:00")):
            own = found.get(name, pd.Series(float("nan"), found.index)).map(words.format, na_action="ignore")
            told = told.str.cat(own.fillna(""), sep=", ").str.strip(", ")
        return told.replace("", ANY_DAY)

    @part
    def channel(self) -> pd.Series:
        """The channel of 12, or else the main one by 05, if it is one through which a customer can be spoken to."""
        found = pd.Series(np.nan, self.moment.customers, dtype=object)
        for told in (optional(self, "_by_12"), optional(self, "_behaviour")):
            if not isinstance(told, Lacking):
                own = told["favourite_channel"] if isinstance(told, pd.DataFrame) else told
                found = found.fillna(own.where(own.isin(_CONTACTS)))
        return found.fillna(UNKNOWN)

    @part
    def reached(self) -> dict[str, object]:
        """To which share of the offers a day or hour and a channel is told, and what is lacking."""
        timed, known = self.made["when"].ne(ANY_DAY), self.made["channel"].ne(UNKNOWN)
        asked = {"habits": optional(self, "_behaviour"), "the best channel": optional(self, "_by_12")}
        lacking = [f"nothing tells {of} ({own.why})" for of, own in asked.items() if isinstance(own, Lacking)]
        told = {"offers": len(self.made), "timed": timed.mean(), "known": known.mean()}
        return told | {"lacking": f"; {'; '.join(lacking)}" if lacking else ""}

    @part
    def channels(self) -> pd.DataFrame:
        """Offers by channel, without counts of too few."""
        found = self.made["channel"].map(readable).value_counts().rename("offers").to_frame()
        return shown(disclosure.rows_told(found, "offers", self._smallest, added_up=True), offers=",.0f")

    # --- the option without a profile

    @part
    def for_everybody(self) -> pd.DataFrame:
        """What is shown to who agreed to offers and not to personal treatment: the same to all of an age.

        Products with rules, in the order of how many customers took them in the last half year.
        """
        took = pd.Series(self.moment.recent.sum(axis=0), self._products.history.products)
        named = took.reindex(self.rules.products).dropna().sort_values(ascending=False, kind="stable")
        if named.empty:
            raise BankmineError("data/offers.yml names no product that customers take")
        ages = ["{} to {}".format(*self.rules.products[name].ages) for name in named.index]
        found = pd.DataFrame(
            {"taken in the last half year": named.to_numpy(), "shown at age": ages}, named.index.map(readable)
        )
        found = disclosure.rows_told(found, "taken in the last half year", self._smallest)
        return shown(found.rename_axis("product"), **{"taken in the last half year": ",.0f"})

    @part
    def without_profile(self) -> dict[str, object]:
        """How many agreed to offers and not to personal treatment, and what all of them are shown first."""
        self.source.require("customers.marketing_consent", "customers.profiling_consent")
        offers = agreed(self.source.customers, ["marketing_consent"]).to_pandas()["customer_id"]
        both = agreed(self.source.customers, ["marketing_consent", "profiling_consent"]).to_pandas()["customer_id"]
        here = self.moment.customers
        count = pd.DataFrame({"customers": [int((here.isin(offers) & ~here.isin(both)).sum())]})
        told = disclosure.told(count, disclosure.not_told(count, self._smallest, ()))["customers"][0]
        return {"customers": told, "first": ", ".join(self.for_everybody.index[:3])}


def _picked(values: pd.DataFrame, product: pd.Series) -> pd.Series:
    """Take of each customer the value of one product."""
    rows, columns = values.index.get_indexer(product.index), values.columns.get_indexer(product)
    return pd.Series(values.to_numpy()[rows, columns], product.index)
