"""What was tried: whether each campaign was a trial, what it did, and what that cost."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from bankmine.errors import BankmineError
from bankmine.judging import trials
from bankmine.judging.intervals import shown, with_interval
from bankmine.judging.reasons import readable
from bankmine.lacking import Lacking, optional, part
from bankmine.study.charts import chart, forest, titled
from bankmine.topics.campaign.rows import LEFT, MARGIN, OUTCOMES, RESPONDED, REVENUE, CampaignRows

TRIAL, BROKEN, NO_CONTROL, UNCHECKED = "a trial", "refused: no trial", "no control", "arms alike, no plan told"
_TESTS = (
    "share", "plan", "p of the share", "p of the balance", "p of the unknown", "p of other contacts",
    "largest difference",
)  # fmt: skip


class Tried:
    """Campaigns that have been, each looked at as a trial."""

    def __init__(self, rows: CampaignRows, currency: str) -> None:
        self._rows, self.currency = rows, currency

    @property
    def outcomes(self) -> tuple[str, ...]:
        """Outcomes that are told."""
        return self._rows.outcomes

    @part
    def arms(self) -> pd.DataFrame:
        """A row a campaign and customer."""
        return self._rows.arms()

    @part
    def by_campaign(self) -> dict[str, pd.DataFrame]:
        """Rows of each campaign, the oldest first."""
        days = self.arms.groupby("campaign")["day"].min().fillna(pd.Timestamp(0)).sort_values(kind="stable")
        return {name: self.arms[self.arms["campaign"] == name] for name in days.index}

    @part
    def known(self) -> dict[str, pd.DataFrame]:
        """What was known of the customers of each campaign with a control, before."""
        return {n: self._rows.known(rows) for n, rows in self.by_campaign.items() if rows["held"].any()}

    def told_before(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return what was known of customers of a campaign without a control, before."""
        return self._rows.known(rows)

    @part
    def prepared(self) -> dict[str, pd.DataFrame]:
        """The same as numbers on one scale."""
        return {name: trials.prepared(known) for name, known in self.known.items()}

    # --- was it a trial?

    @part
    def checks(self) -> pd.DataFrame:
        """A row a campaign: how many were contacted and held back, the tests of the draw, and the `verdict`."""
        return pd.DataFrame([self._check(name, rows) for name, rows in self.by_campaign.items()]).set_index("campaign")

    def _check(self, name: str, rows: pd.DataFrame) -> dict[str, object]:
        sizes = {"customers": len(rows), "contacts": rows["treated"].sum(), "held back": rows["held"].sum()}
        told: dict[str, object] = {"campaign": name} | sizes | dict.fromkeys(_TESTS, np.nan) | {"of": ""}
        try:
            trials.refuse_small(rows)
        except BankmineError as error:
            return told | {"verdict": f"{NO_CONTROL}: {error}" if rows["held"].any() else NO_CONTROL}
        ratio, (table, p) = self._ratio(rows), trials.balance(rows, self.prepared[name])
        beside = [self._same(rows, of) for of in ("unknown", "also")]
        broken, first = ratio["off"] or np.nanmin([p, *beside]) < trials.SURELY, table.iloc[0]
        verdict = BROKEN if broken else UNCHECKED if np.isnan(ratio["p"]) else TRIAL
        tests = (ratio["share"], ratio["plan"], ratio["p"], p, *beside, first["difference"])
        told |= dict(zip(_TESTS, tests, strict=True))
        return told | {"of": readable(first["known before"]), "verdict": verdict}

    def _ratio(self, rows: pd.DataFrame) -> dict[str, object]:
        if rows["planned"].isna().any():
            share = rows["treated"].sum() / (rows["treated"] + rows["held"]).sum()
            return {"share": share, "plan": np.nan, "p": np.nan, "off": False}
        return trials.sample_ratio(rows)

    def _same(self, rows: pd.DataFrame, of: str) -> float:
        """Return p of what should be alike in both arms: lost outcomes, contacts of others; NaN where none is."""
        return trials.effect(rows, of)["p"] if rows[[f"treated_{of}", f"held_{of}"]].to_numpy().any() else np.nan

    @part
    def trials(self) -> list[str]:
        """Names of campaigns that count as evidence."""
        found = self.checks.index[self.checks["verdict"].isin([TRIAL, UNCHECKED])].tolist()
        if not found:
            raise BankmineError(
                "no campaign is a trial: " + "; ".join(f"{n}: {v}" for n, v in self.checks["verdict"].items())
            )
        return found

    @part
    def checks_table(self) -> pd.DataFrame:
        """The same as it is shown."""
        formats = {c: ".3f" for c in self.checks if c.startswith("p of")} | {"share": ".1%", "plan": ".1%"}
        return shown(self.checks, **formats, **{"largest difference": "+.2f"})

    @part
    def draw(self) -> dict[str, object]:
        """How many campaigns were tried, how many are trials, and the one whose share is farthest from its plan."""
        tested = self.checks.dropna(subset=["p of the share"])
        if tested.empty:
            raise BankmineError("contacts do not tell which share the plan treats")
        worst = tested.loc[tested["p of the share"].idxmin()]
        counts = {"campaigns": len(self.checks), "trials": int(self.checks["verdict"].isin([TRIAL, UNCHECKED]).sum())}
        told = worst[["share", "plan", "verdict"]].to_dict()
        return counts | told | {"name": readable(worst.name), "p": worst["p of the share"]}

    @property
    def broken(self) -> dict[str, object] | None:
        """Campaigns that are refused as evidence, for an alert, with figures of the first; None without one."""
        found = optional(self, "checks")
        if isinstance(found, Lacking) or not (own := found[found["verdict"] == BROKEN]).size:
            return None
        told = {"refused": " and ".join(map(readable, own.index)), "largest": own.iloc[0]["of"]}
        return told | own.iloc[0][["share", "plan"]].to_dict()

    @part
    def balance(self) -> pd.DataFrame:
        """What differed most between the arms of each campaign before, in standard deviations, five of each."""
        parts = [
            trials.balance(self.by_campaign[name], known)[0].head(5).assign(campaign=name)
            for name, known in self.prepared.items()
        ]
        found = pd.concat(parts).assign(**{"known before": lambda t: t["known before"].map(readable)})
        return shown(found.set_index("campaign"), difference="+.2f")

    # --- did it work?

    @part
    def effects(self) -> pd.DataFrame:
        """Effects of each trial on each outcome, a contact, what was known before taken out: as of `trials.effect`.

        `plain` with its ends is without that; where all had the same outcome, or it is not known yet, there is no row.
        """
        return pd.concat([self._effects(name, self.by_campaign[name]) for name in self.trials])

    def _effects(self, name: str, rows: pd.DataFrame) -> pd.DataFrame:
        contacts = rows["treated"] + rows["held"]
        totals = {o: rows[f"treated_{o}"] + rows[f"held_{o}"] for o in self.outcomes}
        once = contacts.max() == 1  # what a customer does is of all its contacts, and tells of no single one
        told = {o: t / contacts for o, t in totals.items()
                if t.notna().all() and np.ptp(t) > 0 and (once or o not in (MARGIN, LEFT))}  # fmt: skip
        before = trials.foretold_before(pd.DataFrame(told), self.prepared[name], rows["customer_id"])
        parts = []
        for outcome in told:
            plain, found = trials.effect(rows, outcome), trials.effect(rows, outcome, before[outcome])
            ends = {f"plain{end}": plain[key] for end, key in (("", "value"), ("_low", "low"), ("_high", "high"))}
            parts.append({"campaign": name, "outcome": outcome} | found | ends)
        return pd.DataFrame(parts).set_index(["campaign", "outcome"])

    @part
    def each(self) -> dict[str, dict[str, object]]:
        """Of each trial the effect on responses in points, for findings: `name`, `effect`, `low`, `high`, `words`."""
        return {name: self._told(name) for name in self.trials}

    def _told(self, name: str) -> dict[str, object]:
        own, money = self.effects.loc[(name, RESPONDED)], optional(self, "returns")
        words = (
            "it works" if own["low"] > 0 else "it drives customers away" if own["high"] < 0
            else f"no effect shown, though one of {100 * own['seen']:.1f} would be"
        )  # fmt: skip
        if not isinstance(money, Lacking):
            net = money.loc[name]
            words += (
                "; it pays" if net["net_low"] > 0 else "; it loses money" if net["net_high"] < 0
                else "; not shown to pay"
            )  # fmt: skip
        told = {"name": readable(name), "words": words} | own[["with_", "without"]].to_dict()
        return told | {out: 100 * own[of] for out, of in (("effect", "value"), ("low", "low"), ("high", "high"))}

    @property
    def losing(self) -> dict[str, object] | None:
        """The trial whose contacts surely lose most: its `name`, `cost` and what was `lost`; None without one."""
        found = optional(self, "returns")
        if isinstance(found, Lacking) or not (own := found[found["net_high"] < 0]).size:
            return None
        worst = own.loc[(own["net"] * own["contacts"]).idxmin()]
        ends = (("lost", "net"), ("low", "net_high"), ("high", "net_low"))
        told = {"name": readable(worst.name), "contacts": int(worst["contacts"]), "currency": self.currency}
        told |= {out: -worst[of] * worst["contacts"] for out, of in ends}
        return told | {"cost": worst["cost"] * worst["contacts"]}

    @part
    def returns(self) -> pd.DataFrame:
        """What a contact of each trial cost and brought, and what one additional response cost.

        `cost`, `brought` and `net` (with `low` and `high`) a contact, in the currency; `each more` is the cost of one
        customer who would not have responded otherwise, with its ends where the effect is surely above 0.
        """
        if REVENUE not in self.outcomes:
            raise BankmineError("nothing tells what a response is worth")
        parts = []
        for name in self.trials:
            rows, hit = self.by_campaign[name], self.effects.loc[(name, RESPONDED)]
            cost = self.cost(name)
            brought = self.effects.loc[(name, REVENUE)]
            sure = hit["low"] > 0
            parts.append({
                "campaign": name, "contacts": rows["treated"].sum(), "cost": cost, "brought": brought["value"],
                "net": brought["value"] - cost, "net_low": brought["low"] - cost, "net_high": brought["high"] - cost,
                "each more": cost / hit["value"] if sure else np.nan,
                "each more_low": cost / hit["high"] if sure else np.nan,
                "each more_high": cost / hit["low"] if sure else np.nan,
                "a response": cost * rows["treated"].sum() / rows[f"treated_{RESPONDED}"].sum(),
            })  # fmt: skip
        return pd.DataFrame(parts).set_index("campaign")

    def cost(self, name: str) -> float:
        """Return what a contact of a campaign costs, by those whose cost is told."""
        rows = self.by_campaign[name]
        if not (told := rows["treated_costed"].sum()):
            raise BankmineError(f"nothing tells what a contact of {readable(name)} costs")
        return float(rows["treated_cost"].sum() / told)

    @part
    def returns_table(self) -> pd.DataFrame:
        """The same as it is shown, with intervals."""
        found = self.returns
        told = found[["contacts", "cost", "brought", "a response"]].assign(
            **{name: with_interval(found, name, ".2f") for name in ("net", "each more")}
        )
        return shown(told, cost=".2f", brought=".2f", **{"a response": ".2f"})

    @part
    def paid(self) -> dict[str, object]:
        """The trial with the highest net a contact: `name`, `net` with `low` and `high`, `each_more`, `currency`."""
        best = self.returns.loc[self.returns["net"].idxmax()]
        told = {"net": best["net"], "low": best["net_low"], "high": best["net_high"], "each_more": best["each more"]}
        return told | {"name": readable(best.name), "a_response": best["a response"], "currency": self.currency}

    @part
    def effects_table(self) -> pd.DataFrame:
        """All effects as they are shown: responses and leaving in points, money in the currency."""
        found, told = self.effects.copy(), []
        share = found.index.get_level_values("outcome").isin([RESPONDED, LEFT])
        columns = ["value", "low", "high", "plain", "plain_low", "plain_high", "seen"]
        found.loc[share, columns] *= 100
        for names in (["value", "low", "high"], ["plain", "plain_low", "plain_high"]):
            told.append(with_interval(found[names].set_axis(["value", "low", "high"], axis=1), "value", "+.2f"))
        table = pd.DataFrame({
            "effect": told[0], "without adjusting": told[1], "p": found["p"], "would have been seen": found["seen"],
            "unit": np.where(share, "points", self.currency),
        }, found.index).reset_index()  # fmt: skip
        table["outcome"] = table["outcome"].map(OUTCOMES)
        return shown(table.set_index("campaign"), p=".3f", **{"would have been seen": ".2f"})

    @chart
    def effects_chart(self) -> Axes:
        """Draw the effect of each trial on responses."""
        found = self.effects.xs(RESPONDED, level="outcome") * 100
        axis = forest(found.reset_index().assign(name=lambda t: t["campaign"].map(readable)), 0, 0)
        return titled(axis, "What a contact adds to the share that responds (95 %)", "percentage points", "")
