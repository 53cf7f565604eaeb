"""Listed: the payments to look at, what such lists were worth as it turned out, and what they let pass.

What lists are worth is told of the newest blocks judged, the `backtest`, and by week of all of them, the `history`.
"""

from __future__ import annotations

import datetime

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from bankmine.deciding import costs as money
from bankmine.deciding import policies as by_policy
from bankmine.deciding.actions import action_of
from bankmine.deciding.costs import Costs
from bankmine.errors import BankmineError
from bankmine.judging.intervals import shown, with_interval
from bankmine.judging.reasons import readable
from bankmine.lacking import Lacking, optional, part
from bankmine.learning.sample import Sample
from bankmine.study import charts
from bankmine.study.charts import chart
from bankmine.study.earlier import Became, EarlierLists
from bankmine.study.study import Study
from bankmine.study.why import Why
from bankmine.topics.fraud import desk
from bankmine.topics.fraud.alerts import FATES, amount_bands, fates, list_of_alerts
from bankmine.topics.fraud.backtest import CHOSEN
from bankmine.topics.fraud.cautions import cautions
from bankmine.topics.fraud.desk import BY_RULES, BY_SAVING
from bankmine.topics.fraud.rules import fired, in_words

_WHAT = ("kind", "channel")
_SAID = 2
"""Reasons of an alert that a page shows, the strongest."""
_SHARES = (0.001, 0.002, 0.01, 0.02)
"""Of a day's payments: capacities that are tried beside the desk's."""


class Listed(Study):
    """What `FraudStudy` tells of lists; it has the payments, the models and what these said."""

    def costs(self, rows: Sample) -> Costs:
        """Say what looking at each payment and letting it pass costs."""
        return desk.costs(self.payments.amount.loc[rows.target.index], self.desk)

    @part
    def acted(self) -> pd.DataFrame:
        """On which of the payments judged each policy would have had the desk look, the list's first."""
        tested = self.backtest
        found = desk.policies(tested.payments, tested.probability, tested.scores["rules"], self.desk)
        return found if self.baseline == "rules" else found.drop(columns=BY_RULES)

    def caution(self, name: str) -> dict[str, object] | None:
        """Return the facts of a caution of `cautions`, for an alert; None where it is not due."""
        return dict(self._cautions).get(name)

    @part
    def _cautions(self) -> dict[str, dict[str, object]]:
        return cautions(self)

    @part
    def lists(self) -> pd.DataFrame:
        """Payments to look at on each day since those judged, with reasons and actions, by day and rank."""
        listed = self._listed
        held = fired(self.rules, self.today.predictors.loc[listed.index])
        theme = self.why.strongest
        return listed.assign(
            reasons=self.why.lines, theme=theme.astype(object), rules=in_words(held, self.rules, listed.index),
            action=action_of(theme, self.desk.actions),
        )  # fmt: skip

    @part
    def _listed(self) -> pd.DataFrame:
        keys = self.found.beside.drop(columns=["amount", "at", "known_on"])
        told = self.today.predictors[[c for c in _WHAT if c in self.today.predictors]].astype(object)
        keys = keys.loc[told.index].join(told)
        payee = [keys[c] for c in ("merchant", "counterparty") if c in keys]
        keys = keys.assign(paid_to=payee[-1].fillna(payee[0])) if payee else keys
        return list_of_alerts(self.payments.of(self.scores.index), self.scores, keys, self.desk)

    @part
    def today(self) -> Sample:
        """Payments since the last block judged, which are scored now."""
        if not len(self.parts.scoring.test):
            raise BankmineError("there is no payment after those judged: let labels settle for a day or more")
        return self.sample.at(self.parts.scoring.test)

    @part
    def acted_now(self) -> pd.Series:
        """Whether each payment scored now is on a list."""
        return pd.Series(self.scores.index.isin(self.lists.index), index=self.scores.index)

    @part
    def why(self) -> Why:
        """What moves the chances of the payments on the lists; high and low are against all payments scored."""
        listed, asked = self._listed.index, self.today
        typical = asked.predictors.select_dtypes("number").median()
        rows = asked.at(asked.target.index.get_indexer(listed))
        return Why(self.model, rows, self.scores[listed], self.reasons, typical)

    @part
    def day(self) -> pd.Timestamp:
        """The newest day with payments: that of the list."""
        return self.sample.day.max()

    @part
    def list_of_day(self) -> pd.DataFrame:
        """The alerts of the newest day, the first first."""
        return self.lists[self.lists["day"] == self.day]

    @part
    def to_look_at(self) -> dict[str, object]:
        """How many `alerts` the newest `day` has, the `saving` by their chances, and `came`, what of such sums did."""
        rows, saving, share = self.list_of_day, self.list_of_day["expected_saving"].sum(), self._realised
        came = f"; {share:.0%} of such sums came, which makes {share * saving:,.0f}" if np.isfinite(share) else ""
        return {
            "alerts": len(rows), "day": self.day.date(), "saving": saving, "came": came, "currency": self.currency,
        }  # fmt: skip

    @property
    def _realised(self) -> float:
        """Which share of what was expected of the lists they saved; NaN where nothing was judged."""
        saved = optional(self, "saved")
        return np.nan if isinstance(saved, Lacking) else saved["share"]

    def first(self, number: int = 10) -> pd.DataFrame | Lacking:
        """Return the first of the list of the newest day, in short; the file has a column for all that is told."""
        rows = self.list_of_day
        if isinstance(rows, Lacking):
            return rows
        rows = rows.set_index("rank").head(number)
        told = pd.DataFrame({
            "payment": [_payment(row) for _, row in rows.iterrows()], "amount": rows["amount"],
            "chance of fraud": rows["probability"], "expected saving": rows["expected_saving"],
            "what to do, and why": [_advice(row) for _, row in rows.iterrows()],
        }, index=rows.index)  # fmt: skip
        return shown(told, **{"amount": ",.0f", "chance of fraud": ".0%", "expected saving": ",.0f"})

    @property
    def portrait(self) -> dict[str, str] | None:
        """By which `command` the first on the list is portrayed; None where there is none."""
        listed = self.list_of_day
        if not self.snapshot or isinstance(listed, Lacking) or not len(listed):
            return None
        return self.portrait_of(listed["customer"].iloc[0])

    @part
    def earlier_lists(self) -> EarlierLists:
        """The lists of earlier reports, held against what is known of their payments by now."""
        return self.lists_judged(
            "fraud_alerts.parquet",
            {"transaction_id": str, "day": pd.Timestamp, "probability": float},
            self._became,
            acted="listed",
            others="all other payments of those days",
            event="were fraud",
            so_far="are known as fraud so far",
        )

    def _became(self, listed: pd.DataFrame, day: datetime.date) -> Became:
        """Say which payments of the days of a list are known as fraud; `acted` are those on it."""
        if listed["transaction_id"].duplicated().any():
            raise BankmineError("it names a payment twice")
        ids, own = self.found.beside["transaction_id"], self.sample
        chance = listed.set_index("transaction_id")["probability"].reindex(ids).set_axis(ids.index)
        days = own.day.between(listed["day"].min(), listed["day"].max())
        rows = days & (chance.notna() | self.found.panel.rows)
        fraud = (own.target[rows] == 1).astype(object)
        known_on = pd.Timestamp(day) + pd.Timedelta(days=self.plan.settled)
        return Became(chance[rows].notna(), fraud, chance[rows], own.entity[rows], known_on)

    @part
    def _gains(self) -> pd.DataFrame:
        """Of each payment judged, what looking was `expected` to save when it was listed, and what it `saved`."""
        tested = self.history
        terms = self.costs(tested.sample)
        hoped = money.expected(tested.probability, terms)
        return pd.DataFrame({"expected": hoped, "saved": money.realised(tested.payments.target, terms)})

    def _of_a_day(self, acted: pd.DataFrame) -> pd.DataFrame:
        """Say of each column of lists what a day of them came to: as of `policies.profit_of`, with `expected`."""
        own, gains = self.history.payments.of(acted.index), self._gains.loc[acted.index]
        found = by_policy.profit_of(acted, gains["saved"], own.entity, own.day)
        hoped = {name: gains["expected"][listed].sum() / own.day.nunique() for name, listed in acted.items()}
        return found.assign(expected=pd.Series(hoped)) * self.stands_for

    @part
    def saved(self) -> dict[str, object]:
        """What lists as today's saved in a day: `profit`, `low`, `high`, the `share` of what was expected, `when`."""
        told = self._of_a_day(self.acted[[BY_SAVING]]).iloc[0]
        return told[["profit", "low", "high"]].to_dict() | {
            "share": told["profit"] / told["expected"], "currency": self.currency, "when": self.told_of,
        }  # fmt: skip

    @part
    def list_quality(self) -> dict[str, object]:
        """Of a day's `alerts`, how many were fraud (`right`), which share of all fraud (`found`), and false (`wrong`).

        `value`, `low` and `high` are the share that was right, `rules` that of the baseline, `simple` in words.
        """
        judged = self.judged
        alerts, right = judged.metric("alerts_a_day")["value"], judged.metric("alert_precision")
        if not alerts:
            raise BankmineError(f"no payment was worth looking at in {self.told_of}")
        told = {"alerts": alerts, "right": alerts * right["value"], "wrong": alerts * (1 - right["value"])}
        told["found"] = self.acted[BY_SAVING][self.backtest.payments.target == 1].mean()
        rules = judged.metric("alert_precision", self.baseline)["value"]
        return told | right[["value", "low", "high"]].to_dict() | {"rules": rules, "simple": self.simple}

    @part
    def ranked(self) -> dict[str, object]:
        """Average precision over all payments: `value`, `low`, `high`, and `rules`: that of the baseline, `simple`."""
        own, rules = (self.judged.metric("average_precision", name) for name in (CHOSEN, self.baseline))
        return own[["value", "low", "high"]].to_dict() | {"rules": rules["value"], "simple": self.simple}

    @part
    def reached(self) -> dict[str, object]:
        """Share of the frauds' amount that is listed or stopped: `value`, `low`, `high`, with so many `alerts` a day.

        `kept` is the money saved as a share of the same amount: less what would be recovered anyway, what looking
        does not stop, what later payments of stopped accounts would have been, and the costs of the desk, as far as
        these are known for the currency: `less` says it. `how` says what of the value is reached: where accounts do not
        come again, none can be stopped.
        """
        own, judged = self.backtest.payments, self.judged
        lost = self.stands_for * own.amount[own.target == 1].sum() / own.day.nunique()
        told = judged.metric("value_saved" if self.repeats else "value_held")[["value", "low", "high"]].to_dict()
        how = "listed, or stopped by an earlier alert on the account" if self.repeats else "listed"
        known = "less what is recovered anyway, what looking fails to stop, and what the desk costs"
        unknown = "and nothing is taken off, as data/fraud.yml tells no costs for this currency"
        less = known if self.desk.counted else unknown
        kept = self.saved["profit"] / lost
        return told | {"alerts": judged.metric("alerts_a_day")["value"], "kept": kept, "less": less, "how": how}

    @part
    def promise(self) -> dict[str, object]:
        """Which `share` of what was expected of the lists they saved, and what the newest is `likely` to save."""
        share = self.saved["share"]
        if not np.isfinite(share):
            raise BankmineError(f"no payment was worth looking at in {self.told_of}")
        likely = share * self.to_look_at["saving"]
        return {"share": share, "likely": likely, "currency": self.currency, "less": self.reached["less"]}

    @part
    def promise_by_amount(self) -> pd.DataFrame:
        """What was expected of the alerts of a day and what they saved, by amount."""
        band = amount_bands(self.backtest.payments.amount)
        listed = {str(name): self.acted[BY_SAVING] & (band == name) for name in band.cat.categories}
        found = self._of_a_day(pd.DataFrame(listed))
        told = pd.DataFrame({"alerts a day": found["actions"], "expected": found["expected"]}).rename_axis("amount")
        told["saved"] = with_interval(found, "profit", ",.0f")
        return shown(told, **{"alerts a day": ".1f", "expected": ",.0f"})

    @part
    def weeks(self) -> pd.DataFrame:
        """By week of all blocks, what lists saved in a day: `profit`, `low`, `high`, and what was `expected`."""
        day = self.history.payments.day
        week = day - pd.to_timedelta((day - day.min()).dt.days % 7, unit="D")
        groups = week.groupby(week).groups
        rows = {start: self._of_a_day(self.looked.loc[index, ["alerted"]]).iloc[0] for start, index in groups.items()}
        return pd.DataFrame.from_dict(rows, "index")[["profit", "low", "high", "expected"]].rename_axis("week")

    @chart
    def weeks_chart(self) -> Axes:
        """Draw by week what the lists saved in a day, and what they were expected to."""
        if len(self.weeks) < 2:
            raise BankmineError("all days judged are of one week")
        words = "as it turned out, with 95 % interval", "as expected when listed"
        axis = charts.line(self.weeks.reset_index(), "week", "profit", words[0], expected=words[1])
        axis.axhline(0, color="0.6", linewidth=0.8)
        axis.set_ylim(top=1.25 * axis.get_ylim()[1])  # room for the legend
        axis.set(title="What the lists saved in a day, by week judged", xlabel="first day of the week")
        axis.set(ylabel=f"saved a day, {self.currency}")
        axis.figure.autofmt_xdate()
        return axis

    @part
    def hands(self) -> pd.DataFrame:
        """By capacity: `actions` and `profit` of a day with `low` and `high`, and what the `next_alert` earned."""
        tested = self.backtest
        found = desk.by_capacity(tested.payments, tested.probability, self.desk, _SHARES)
        counted = ["actions", "profit", "low", "high"]
        return found.assign(**found[counted] * self.stands_for)

    @chart
    def hands_chart(self) -> Axes:
        """Draw by capacity what is saved in a day, and which share of the alerts is fraud."""
        found = self.hands.reset_index()
        _, (money_of, right) = plt.subplots(2, 1, sharex=True, figsize=(7.5, 5), layout="constrained")
        plt.sca(money_of)
        charts.line(found, "capacity", "profit")
        charts.titled(money_of, "What lists save in a day, by capacity; dotted: today's", "", self.currency)
        plt.sca(right)
        charts.line(found.assign(low=found["right_low"], high=found["right_high"]), "capacity", "right")
        charts.titled(right, "Share of the alerts that is fraud", "share of a day's payments looked at", "", "xy")
        for axis in (money_of, right):
            axis.axvline(self.desk.capacity, color="0.3", linestyle=":")
            axis.xaxis.set_major_formatter(PercentFormatter(1, decimals=2))
        right.set_ylim(0, None)
        return right

    @part
    def hands_table(self) -> pd.DataFrame:
        """By capacity, what is saved, and what one alert more a day saves."""
        found = self.hands
        told = pd.DataFrame({"alerts a day": found["actions"]})
        told["saved a day"] = with_interval(found, "profit", ",.0f")
        told["saved by one more alert"], told["right"] = found["next_alert"], with_interval(found, "right", ".0%")
        told = told.set_axis(told.index.map("{:.1%}".format).rename("capacity"))
        return shown(told, **{"alerts a day": ",.1f", "saved by one more alert": ",.0f"})

    @part
    def fates(self) -> pd.DataFrame:
        """By kind of payment, what became of a day's fraud: `alerts.fates`, in the currency."""
        own = self.backtest.payments
        of_day = self.stands_for / own.day.nunique()
        return fates(desk.saved(own, self.acted[BY_SAVING]), self._kinds(own.amount)) * of_day

    def _kinds(self, amount: pd.Series) -> pd.DataFrame:
        """Return by what kinds of payment are told apart, for some payments: kind and channel where there are any."""
        there = self.backtest.sample.predictors[[c for c in _WHAT if c in self.sample.predictors]]
        return there.assign(amount=amount_bands(amount))

    @part
    def most_lost(self) -> dict[str, object]:
        """By which kind of payment most gets through: `by`, `kind`, the amount `lost` a day, its `share` of fraud."""
        if not len(self.fates):
            raise BankmineError("there is no fraud among the payments judged")
        by, kind = self.fates["lost"].idxmax()
        own = self.fates.loc[(by, kind)]
        told = {"by": readable(by), "kind": kind, "lost": own["lost"], "share": own["lost"] / own.sum()}
        return told | {"currency": self.currency}

    @chart
    def fates_chart(self) -> Axes:
        """Draw what became of a day's fraud by kind of payment, or by amount where the source tells no kinds."""
        if not len(self.fates):
            raise BankmineError("there is no fraud among the payments judged")
        by = self.fates.index.get_level_values("by")[0]
        told = self.fates.loc[by].iloc[::-1].rename(columns=FATES)
        axis = plt.figure(figsize=(7.5, 1.6 + 0.5 * len(told)), layout="constrained").subplots()
        colours = dict(zip(FATES.values(), ("C0", "C1", "C3"), strict=True))  # what got through is no green
        told = told.loc[:, told.gt(0).any()]
        told.plot.barh(stacked=True, width=0.7, ax=axis, edgecolor="white", legend=False, color=colours)
        axis.figure.legend(*axis.get_legend_handles_labels(), loc="outside lower center", ncols=len(FATES))
        return charts.titled(axis, f"Fraud tried in a day, by {readable(by)}", f"{self.currency} a day", "")


def _payment(row: pd.Series) -> str:
    """Say of a payment when and through which channel it was made, from which account and to whom."""
    told = f"{row['at']:%H:%M}" + (f" {row['channel']}" if pd.notna(row.get("channel")) else "")
    told += f": {row['account']}" + (f" of {row['customer']}" if row["customer"] != row["account"] else "")
    return told + (f" to {row['paid_to']}" if pd.notna(row.get("paid_to")) else "")


def _advice(row: pd.Series) -> str:
    """Say what to do about an alert, and the strongest reasons for it."""
    return f"{row['action']}. Why: {'; '.join(row['reasons'].split('; ')[:_SAID])}"
