"""The study of fraud: which payments to look at today, of a bank or of a flat table of transactions.

Payments are judged block by block, each by models fitted on what was known when the block began. The model of the last
block is the one in use: it has never seen its block, so that the figures of that block are its own. What would leave if
the recipe were fitted on the newest labels stands beside it.

The chosen model, the anomaly detector and the expert rules go back over many blocks, the `history`, in which a new
scheme can begin and be seen. All other ways to rank are held against them in the newest blocks, the `backtest`, and the
figures of the headlines are of these.
"""

from __future__ import annotations

import datetime
from dataclasses import replace
from functools import cached_property
from typing import ClassVar

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from sklearn.pipeline import Pipeline

from bankmine.bank.flat import Flat, is_flat, open_flat
from bankmine.bank.flat_transactions import AS_IN_CONTRACT
from bankmine.bank.snapshot import Snapshot, open_source
from bankmine.errors import BankmineError
from bankmine.judging import drift
from bankmine.judging.intervals import shown, wide, with_interval
from bankmine.judging.leaks import Twin
from bankmine.judging.leaks import lies as twins_lie
from bankmine.judging.reasons import load_reasons, readable
from bankmine.lacking import Lacking, optional, part
from bankmine.learning import blocks as in_blocks
from bankmine.learning import boosting, models
from bankmine.learning.blocks import Block, Plan
from bankmine.learning.fitting import Applied
from bankmine.learning.personal import personal_attributes
from bankmine.learning.sample import Sample
from bankmine.learning.splits import Parts, Split
from bankmine.study.charts import chart
from bankmine.study.earlier import Finder
from bankmine.study.modelled import Compared
from bankmine.study.question import by_month
from bankmine.study.study import Refit
from bankmine.study.validation import Failed
from bankmine.topics.fraud import burden, desk, leaks
from bankmine.topics.fraud.alerts import (
    REASONS,
    Signs,
    caught_by,
    list_of_alerts,
    weekly,
)
from bankmine.topics.fraud.backtest import ANOMALY, CHOSEN, LEARNERS, Backtest, calibrated, cut, judge, judge_newest
from bankmine.topics.fraud.desk import BY_RULES, BY_SAVING, DeskRules
from bankmine.topics.fraud.judged import WORDS, AtTheDesk
from bankmine.topics.fraud.listed import Listed
from bankmine.topics.fraud.measures import KINDS
from bankmine.topics.fraud.payments import (
    FraudSample,
    payments_of_bank,
    payments_of_table,
    require_frauds,
)
from bankmine.topics.fraud.rules import ExpertRule, hits, load_rules
from bankmine.topics.fraud.stream_model import FraudModel, as_json, streaming_model

REFERENCE = 8
"""Weeks of reported frauds that later ones are held against."""
COMPARED = 3
"""Blocks in which all ways to rank are compared, where no number is given."""
_MONTH = 30.4
"""Days."""
_ONCE = 0.95
"""Accounts, of so many payments, from which on each is taken for one that comes once."""


def study(
    source: str, as_of: str | datetime.date, target: str = "", positive: str = "", id: str = "", time: str = "",
    amount: str = "", merchant: str = "", delay: int = 14, days: int = 390, train: int = 90, test: int = 28,
    blocks: int = 8, compared: int = COMPARED, settled: int = 30, decimal: str = "", dates: str = "",
    clock: str = "", encoding: str = "", keep: str = "", earlier: Finder | None = None,
) -> FraudStudy:  # fmt: skip
    """Open a source and set up the study of its fraud; nothing is fitted before it is asked for.

    Parameters
    ----------
    source : str
        Name or path of a bank, or of a flat table of transactions.
    as_of : str or date
        Last day to know.
    target, positive, id, time, decimal, dates, clock, encoding, keep : str
        As for `open_flat`, for a flat table: `id` is the customer, `time` the moment.
    amount, merchant : str
        Columns of a flat table.
    delay : int
        Days after which a payment of which nobody complained counts as genuine.
    days : int
        Days up to the as-of day whose payments are looked at.
    train, test, blocks, settled : int
        As for `blocks.Plan`, in days but for the number of blocks.
    compared : int
        Of the blocks the last ones in which all ways to rank are compared; headlines are of these.
    earlier : callable, optional
        Finds the lists of earlier reports, to judge them: `report.handed_on.earlier_lists`.

    Raises
    ------
    BankmineError
        If the source cannot be used, or holds no payment. Where there is too little to learn from, the study's parts
        are lacking and say so.
    """
    plan = Plan(train, delay, test, blocks, settled)
    if is_flat(source):
        own = (amount, merchant, *AS_IN_CONTRACT)
        flat = open_flat(source, target, positive, id, time, as_of, decimal, dates, clock, encoding, keep, own)
        payments = payments_of_table(flat, amount, merchant, delay, days, settled)
        found = FraudStudy(flat, flat.event, payments, plan, compared=compared)
    else:
        found = of_bank(open_source(source).as_of(as_of), plan, days, compared=compared)
    found.find_lists = earlier
    return found


def of_bank(
    snapshot: Snapshot, plan: Plan | None = None, days: int | None = None, compared: int = COMPARED
) -> FraudStudy:
    """Set up the study of a bank's fraud, of the last `days` or of all."""
    plan = plan or Plan()
    found = payments_of_bank(snapshot, plan.delay, days, settled=plan.settled)
    return FraudStudy(snapshot, "confirmed fraud", found, plan, compared)


class FraudStudy(Listed):
    """The fraud among payments: what was known of each at its moment, and which are known as fraud."""

    name: ClassVar[str] = "fraud"
    purpose: ClassVar[str] = "a daily list of payments to look at; no customer is refused or judged by it"
    action: ClassVar[str] = "look at"
    explained: ClassVar[tuple[str, ...]] = (CHOSEN,)
    chosen: ClassVar[str] = CHOSEN
    reasons = REASONS
    per: ClassVar[str] = "a day"
    lied_in: ClassVar[str] = "ap"

    def __init__(
        self, source: Snapshot | Flat, event: str, found: FraudSample, plan: Plan, compared: int = COMPARED
    ) -> None:
        super().__init__(source, event, found.sample)
        self.found, self.plan, self.newest, self.delay = found, plan, compared, plan.delay
        self.payments, self.share = found.payments, found.panel.share

    @cached_property
    def desk(self) -> DeskRules:
        """What looking at payments costs and saves, in the source's currency."""
        return desk.load_desk(self.source.source.currency)

    @cached_property
    def rules(self) -> list[ExpertRule]:
        """The expert rules."""
        return load_rules()

    @cached_property
    def _digest(self) -> str:
        """Names the payments by what they were measured from, where that has a name: to read them all takes longer."""
        return self.found.key or super()._digest

    # --- payments

    @cached_property
    def known(self) -> Sample:
        """Payments whose outcome is known, without predictors: there are too many to copy them."""
        rows = self.sample.known & self.found.panel.rows
        return replace(self.sample, predictors=self.sample.predictors[[]]).at(rows)

    @cached_property
    def rate(self) -> dict[str, object]:
        """`rate` of known fraud among payments old enough for their label, `frauds` and `rows`."""
        told = super().rate
        return told | {"frauds": told["events"]}

    @property
    def panel(self) -> dict[str, float] | None:
        """Which `share` of the customers the payments judged are of; None where they are of all."""
        return {"share": self.share} if self.share < 1 else None

    @part
    def trend(self) -> pd.DataFrame:
        """Rate of fraud by month, of payments whose labels have settled: of younger ones only frauds are known."""
        last = pd.Timestamp(self.source.as_of) - pd.Timedelta(days=self.plan.settled)
        return by_month(self.known.at((self.known.day <= last).to_numpy()))

    @part
    def funnel(self) -> pd.DataFrame:
        """Payments that customers start, up to those known as fraud: how many, and their amount."""
        return shown(self.found.funnel * self.stands_for, transactions=",.0f", amount=",.0f")

    @property
    def left_out(self) -> dict[str, str]:
        """What was `left` out of a flat table, in words."""
        return {"left": " ".join(f"{r}." for r in self.found.remarks) or "Nothing was left out of them."}

    @part
    def late(self) -> dict[str, float]:
        """How late labels are: `median` of days, and the `share` that is known within the `delay`."""
        if not self.found.dated:
            raise BankmineError(f"the table has no fraud_known_on: delay={self.delay} days stand for it")
        days = (self.payments.known_on - self.payments.day).dt.days.dropna()
        if not len(days):
            raise BankmineError("no payment is known as fraud")
        return {"median": days.median(), "share": (days <= self.delay).mean(), "delay": self.delay}

    @part
    def young(self) -> dict[str, object]:
        """`when` the payments of the headlines are of (`first`, `last`), and how many `younger` ones are not judged."""
        judging = self.backtest.blocks
        return {
            "first": judging[0].start.date(), "last": (judging[-1].end - pd.Timedelta(days=1)).date(),
            "younger": int((self.sample.day >= judging[-1].end).sum()), "settled": self.plan.settled,
            "when": self.told_of,
        }  # fmt: skip

    # --- blocks

    @part
    def blocks(self) -> tuple[list[Block], list[Block]]:
        """The block before those judged, where there is one, and those judged."""
        require_frauds(self.source, self.found)
        return cut(self.sample, self.payments.known_on, self.plan, self.found.panel)

    def divide(self) -> Parts:
        """Take the window of the last block to learn from, the block before it to calibrate by, and all blocks."""
        before, judging = self.blocks
        last, day, ours = judging[-1], self.sample.day, self.found.panel.rows
        tune = [block.test for block in [*before, *judging[:-1]]][-1:]
        until = last.end - pd.Timedelta(days=self.plan.delay)
        newer = day.between(until - pd.Timedelta(days=self.plan.train), until, inclusive="left")
        after = np.flatnonzero(day >= last.end)
        judged = np.concatenate([block.test for block in judging])
        none = np.array([], dtype=int)
        plan = self.plan
        how = (
            f"{_counted(len(judging), 'block')} of {_counted(plan.test, 'day')} rolled forward; each model learns from "
            f"{_counted(plan.train, 'day')} up to {_counted(plan.delay, 'day')} before its block, with the labels "
            f"known when the block begins; all ways to rank are compared in {self.told_of}"
        )
        split = self._split(last.train[ours[last.train]], tune[0] if tune else none, judged)
        return Parts(split, [], self._split(np.flatnonzero(newer & ours), last.test, after), how)

    def _split(self, *parts: np.ndarray) -> Split:
        days = [tuple(np.sort(self.sample.day.iloc[rows].unique())) for rows in parts]
        named = dict(zip(("train", "tune", "test"), ([pd.Timestamp(d) for d in of] for of in days), strict=True))
        return Split(*parts, {name: tuple(of) for name, of in named.items()})

    @part
    def rows(self) -> pd.DataFrame:
        """What each block could learn from on its first day, and what it was judged by."""
        return shown(in_blocks.table(self.blocks[1], self.sample), rate=".2%")

    @part
    def history(self) -> Backtest:
        """Payments judged block by block, by all models in the newest blocks; what the other parts are made from."""
        require_frauds(self.source, self.found)
        panel, keep = self.found.panel, self._kept
        return judge(self.sample, self.payments, self.plan, self.rules, compared=self.newest, keep=keep, panel=panel)

    @part
    def backtest(self) -> Backtest:
        """The newest blocks alone: those of the headlines."""
        return self.history.newest

    @property
    def told_of(self) -> str:
        """Which blocks the headlines are of, in words."""
        number = min(self.newest, len(self.blocks[1]))
        return "the last block" if number == 1 else f"the last {number} blocks"

    @part
    def compared(self) -> Compared:
        """Lack a choice: the model was chosen before, and others are held against it in the blocks judged."""
        raise BankmineError("models are compared in the blocks that they are judged by")

    @part
    def fitted(self) -> tuple[Applied]:
        """The model of the last block, and what the chosen models of all blocks said of theirs."""
        tested = self.backtest
        last, by = tested.fitted.models[CHOSEN], tested.calibrators[-1]
        said = tested.probability.rename(CHOSEN).to_frame()
        return (Applied(tested.sample, {CHOSEN: last}, {CHOSEN: by}, tested.scores[[CHOSEN]], said),)

    def chances(self, rows: Sample) -> pd.Series:
        """Return the calibrated chance of fraud of payments, by the model in use."""
        return calibrated(self.backtest.fitted.chance(CHOSEN, rows), self.backtest.calibrators[-1])

    @property
    def months(self) -> float:
        """Of the payments judged: blocks begin on any day."""
        return self.judged.rows.day.nunique() / _MONTH

    @property
    def how_calibrated(self) -> str:
        """By which method chances were made rates, in words."""
        by = self.backtest.calibrators[-1]
        return "not calibrated, as no fraud of an earlier block was known" if by is None else by.reason

    @cached_property
    def baseline(self) -> str:
        """What needs no model: expert rules, or the amount where none of them ever holds and it alone ranks."""
        return "rules" if self.backtest.fired.holds.any(axis=None) else "amount"

    @property
    def simple(self) -> str:
        """The baseline in words."""
        return "expert rules" if self.baseline == "rules" else "the amount alone, as no expert rule ever holds"

    @cached_property
    def repeats(self) -> bool:
        """Whether accounts come again, so that one can be stopped."""
        account = self.backtest.payments.account
        return account.nunique() < _ONCE * len(account)

    @part
    def judged(self) -> AtTheDesk:
        """All ways to rank payments, on blocks that none of the models has seen."""
        tested = self.backtest
        ranked = tested.scores if self.baseline == "rules" else tested.scores.drop(columns="rules")
        scores = ranked.assign(**{CHOSEN: tested.probability})
        chances = [name for name in scores if name in LEARNERS and name != ANOMALY]
        order = desk.order_of(tested.payments, scores, chances, self.desk)
        desk_of = tested.payments, order, self.desk.capacity, self.stands_for
        return AtTheDesk(tested.sample, scores, CHOSEN, self.baseline, *desk_of)

    @part
    def sooner(self) -> pd.DataFrame:
        """By way to rank, days until an attack is seen; an attack has more than one payment."""
        if not self.repeats:
            raise BankmineError("nearly every payment is of an account of its own, which nobody can stop")
        return self.judged.sooner

    @part
    def rule_hits(self) -> pd.DataFrame:
        """Expert rules: how often each holds and is right."""
        found = hits(self.backtest.fired, self.backtest.payments.target, self.rules).set_index("rule")
        return shown(found.loc[:, found.ne("").any()], precision=".1%", recall=".1%")

    # --- what is handed on, and what does not

    @part
    def by_block(self) -> pd.DataFrame:
        """What the lists of each block were worth, and of the newest; the model of the last one is in use."""
        block = self.history.block
        rows = {f"{start:%Y-%m-%d}": block.index[block == start] for start in block.unique()}
        told = {name: self._of_rows(self._judged_before.of(index)) for name, index in rows.items()}
        told[self.told_of] = self._of_rows(self.judged)
        return pd.DataFrame.from_dict(told, "index")

    @part
    def _judged_before(self) -> AtTheDesk:
        """The chosen way alone, in all blocks."""
        tested, chance = self.history, self.history.probability.to_frame(CHOSEN)
        order = desk.order_of(tested.payments, chance, [CHOSEN], self.desk)
        desk_of = tested.payments, order, self.desk.capacity, self.stands_for
        return AtTheDesk(tested.sample, chance, CHOSEN, self.baseline, *desk_of)

    def _of_rows(self, own: AtTheDesk) -> dict[str, str]:
        """Say what the lists of some of the payments judged were worth."""
        earned = self._of_a_day(self.looked.loc[own.rows.target.index, ["alerted"]])
        told = own.told(["alerts_a_day"], ".1f").join(own.told(["alert_precision", "value_saved"], ".0%"))
        saved = with_interval(earned, "profit", ",.0f").iloc[0]
        slope = wide(own.deviations[own.deviations["metric"] == "slope"], spec=".2f")["slope"].iloc[0]
        counts = {"frauds foretold": f"{own.probability[CHOSEN].sum():,.0f}", "came": f"{own.rows.target.sum():,.0f}"}
        return told.loc[CHOSEN].to_dict() | {"saved a day": saved} | counts | {"slope": slope}

    @part
    def leaves(self) -> dict[str, object]:
        """Which model is in use: `first` and `last` day of its block, last day `learnt`, its own figures."""
        last = self.backtest.blocks[-1]
        until = last.start - pd.Timedelta(days=self.plan.delay + 1)
        own = self.by_block.loc[f"{last.start:%Y-%m-%d}"]
        return {
            "first": last.start.date(), "last": (last.end - pd.Timedelta(days=1)).date(), "learnt": until.date(),
            "saved": own["saved a day"], "right": own[WORDS["alert_precision"]], "currency": self.currency,
        }  # fmt: skip

    @part
    def thresholds(self) -> pd.DataFrame:
        """By block, the chance that filled the capacity of the block before: what alerting from it on came to."""
        tested = self.history
        found = desk.alerts_above(
            tested.scores[CHOSEN], tested.block, tested.before, tested.payments, self.desk.capacity
        )
        counted = ["capacity", "alerts", "busiest"]
        found = found.assign(**found[counted] * self.stands_for)
        by = dict(zip((block.start for block in tested.blocks), tested.calibrators, strict=True))
        chance = [calibrated(pd.Series([t]), by[start]).iloc[0] for start, t in found["threshold"].items()]
        shares = dict.fromkeys(("days_over", "precision", "value"), ".0%")
        words = {"threshold": ".2%", "capacity": ".1f", "alerts": ".1f", "busiest": ".0f"}
        return shown(found.assign(threshold=chance), **words, **shares)

    @part
    def threshold(self) -> float:
        """Chance from which a payment is alerted as it arrives: it filled the capacity before the last block."""
        if len(self.thresholds):
            return float(self.thresholds["threshold"].iloc[-1])
        return desk.threshold(self.backtest.probability, self.desk.capacity)

    @part
    def as_they_arrive(self) -> dict[str, float]:
        """What the `threshold` came to in the block of the model in use: `alerts`, `capacity`, `precision`."""
        if not len(self.thresholds):
            raise BankmineError("no block has one before it, by which the threshold could be tried")
        if not self.thresholds["alerts"].iloc[-1]:
            raise BankmineError(f"from the threshold of {self.threshold:.1%} on, nothing was alerted in the last block")
        return self.thresholds.iloc[-1][["alerts", "capacity", "precision"]].to_dict() | {"threshold": self.threshold}

    @part
    def live_model(self) -> FraudModel:
        """The model in use, as it judges payments one by one."""
        fitted, columns = self.backtest.fitted, self.found.columns
        return streaming_model(
            self.model, fitted.learnt.predictors, columns, load_reasons(self.reasons), threshold=self.threshold,
            day=(self.backtest.blocks[-1].start - pd.Timedelta(days=1)).date(), factor=fitted.factor,
            calibrator=self.backtest.calibrators[-1], delay=self.delay,
            kinds=KINDS if self.snapshot and "kind" in columns else (),  # of a table all rows are judged
        )  # fmt: skip

    @property
    def attributes(self) -> dict[str, str] | None:
        """Names of the `fields` that a transaction must bring along to be judged as it arrives; None if none."""
        names = () if isinstance(self.handed_on, Lacking) else self.live_model.attributes
        return {"fields": ", ".join(map(str, names))} if names else None

    @part
    def refit(self) -> Refit:
        """The same recipe on the newest labels: what would change on the newest day if it left the house instead."""
        given = self.sample, self.payments, self.plan, self.backtest, self.day
        block, fitted, anew = judge_newest(*given, panel=self.found.panel)
        own, last = self.scores[anew.index], self.backtest.blocks[-1]
        keys = self.found.beside[["transaction_id"]]
        lists = [list_of_alerts(self.payments.of(c.index), c, keys, self.desk) for c in (own, anew)]
        sides = zip((last, block), (self.backtest.fitted, fitted), (own, anew), lists, strict=True)
        table = pd.DataFrame({
            name: self._side(*side)
            for name, side in zip(("in use", "fitted anew, stays"), sides, strict=True)
        })  # fmt: skip
        shared = lists[0].index.isin(lists[1].index)
        same = float(shared.mean()) if len(shared) else float("nan")
        return Refit(table, float(own.corr(anew, method="spearman")), same)

    def _side(self, block: Block, fitted: object, chance: pd.Series, listed: pd.DataFrame) -> dict[str, object]:
        """Say of a model what it learnt from, how far its inputs have moved since, and what it lists."""
        ours = block.train[self.found.panel.rows[block.train]]
        learnt = self.sample.at(block.train)
        moved = self.moved if block is self.backtest.blocks[-1] else self._moved_since(ours)
        return {
            "learnt from": f"{len(learnt):,} payments up to {learnt.day.max():%Y-%m-%d}",
            "frauds known then": f"{int(block.known.sum()):,}",
            "judged on a block": "yes" if block.end <= self.day else "not yet",
            "mean chance on the newest day": f"{chance.mean():.2%}", "alerts": f"{len(listed):,}",
            "expected saving": f"{listed['expected_saving'].sum():,.0f}",
            "predictors that shifted since": f"{int(moved['shifted'].sum())} of {len(moved)}",
        }  # fmt: skip

    # --- on whom false alarms fall

    @part
    def burdens(self) -> dict[str, pd.DataFrame]:
        """By age band and gender, which of the genuine payments judged the lists would have held: `burden.burden`."""
        own, groups = self.backtest, burden.groups_of(self.source, self.backtest.sample)
        if not groups:
            raise BankmineError("the source tells neither age nor gender")
        genuine = own.payments.target == 0
        listed, whose = self.acted.loc[genuine, BY_SAVING], own.payments.entity[genuine]
        first = self.desk.reference
        told = {n: self.told_group(group[genuine], whose) for n, group in groups.items()}
        return {n: burden.burden(listed, group, whose, first.get(n, "")) for n, group in told.items()}

    @part
    def heaviest(self) -> dict[str, object]:
        """The group on whom most false alarms fall, against its reference: `burden.heaviest`."""
        return burden.heaviest(self.burdens)

    @part
    def burden_table(self) -> pd.DataFrame:
        """Groups by how many of their genuine payments were listed, with intervals and verdict."""
        return burden.page(self.burdens)

    @chart
    def burden_chart(self) -> Axes:
        """Draw the same."""
        return burden.forest(self.burdens)

    # --- frauds missed, and new ones

    @part
    def missed(self) -> pd.DataFrame:
        """By kind of payment, which frauds the lists caught and missed: `alerts.caught_by`."""
        there = [c for c in ("kind", "channel") if c in self.sample.predictors]
        own = self.backtest
        found = caught_by(own.payments, self.acted[BY_SAVING], own.sample.predictors[there])
        counted = ["payments", "alerts", "frauds"]
        told = found.assign(lost=found["lost"] * self.stands_for)
        return told.assign(**(found[counted] * self.stands_for).round().astype(int))

    @part
    def missed_table(self) -> pd.DataFrame:
        """By kind of payment, frauds found, and the amount of those missed."""
        told = self.missed.assign(found=with_interval(self.missed, "found", ".0%"))
        told = told.rename(columns={"value_found": WORDS["value_held"]})
        columns = ["kind", "payments", "alerts", "frauds", "found", "lost", WORDS["value_held"]]
        told["by"] = told["by"].map(readable)
        return shown(told.set_index("by")[columns], **{WORDS["value_held"]: ".0%", "lost": ",.0f"})

    @part
    def signs(self) -> Signs:
        """Signs of a new scheme by week, against the first weeks."""
        tested, seen = self.history, self.looked
        explained = tested.fired.holds.any(axis=1)
        return weekly(tested.payments, seen["likely"], seen["strange_twice"], explained, REFERENCE)

    @part
    def looked(self) -> pd.DataFrame:
        """Which payments of all blocks each way of looking would have shown, with `transaction_id` and `day`.

        `alerted` by the list, `rules` by expert rules, `likely` by the chance and `strange` by the anomaly detector
        alone at the same capacity, and `strange_twice` at twice of it, as these are only counted.
        """
        tested, capacity = self.history, self.desk.capacity
        day = tested.payments.day
        listed = desk.policies(tested.payments, tested.probability, tested.scores["rules"], self.desk)
        alone = desk.within_capacity(tested.scores[[CHOSEN, ANOMALY]], day, capacity)
        twice = desk.within_capacity(tested.scores[[ANOMALY]], day, 2 * capacity)[ANOMALY]
        ids = self.found.beside["transaction_id"].loc[day.index]
        return pd.DataFrame({
            "transaction_id": ids, "day": day, "alerted": listed[BY_SAVING], "rules": listed[BY_RULES],
            "likely": alone[CHOSEN], "strange": alone[ANOMALY], "strange_twice": twice,
        })  # fmt: skip

    # --- for others

    def candidates(self, rows: Sample) -> dict[str, Pipeline]:
        """Set up the models that twins are made of."""
        return models.candidates(rows)

    @part
    def twins(self) -> list[Twin]:
        """Toy twins that make mistakes common in public work on fraud, the honest one first."""
        return leaks.twins(self.sample, self.backtest.blocks[-1], self.payments.moment, self.found.beside)

    @part
    def lies(self) -> pd.DataFrame:
        """What each twin claims and delivers, by the recipe that is used, which takes the columns of the twin, too."""
        recipe = boosting.settled(self.model).set_params(encode__columns=None)
        given = recipe, self.backtest.blocks[-1].start
        return self._kept("leak lab", given, lambda: twins_lie(recipe, self.twins).set_index("twin"))

    def answers(self) -> dict[str, object]:
        """Say what is particular to fraud for a validator."""
        known, right, late = self.rate, optional(self, "list_quality"), optional(self, "late")
        saved, worst = self.saved, optional(self, "most_lost")
        by_name = ", ".join(personal_attributes(map(str, self.sample.predictors))) or "no attribute of people by name"
        return {
            "definition": f"{self.event}, as far as reported",
            "definition_sensitivity": "value found by capacity, and by kind of payment",
            "data": f"{known['rows']:,} payments old enough for their label, {known['frauds']:,} known as fraud",
            "funnel": "from payments to known frauds",
            "windows": "windows end strictly before the payment; labels count from the midnight after they are known",
            "leak_lab": f"toy twins claim up to {self.lies['ap_claims'].max():.2f} of average precision",
            "fairness": self._evenly,
            "label_delay": late and f"half of the known frauds are known within {late['median']:.0f} days",
            "split": self.parts.how,
            "stability": "block by block, and week by week",
            "sensitive": f"how the customer pays, and {by_name}; ids are no predictors",
            "comparison": f"{self.judged.probability.shape[1]} ways to rank the same payments",
            "baseline": right and f"{self.simple}: {right['rules']:.0%} of the alerts by it are fraud",
            "reasons": "in words for each alert",
            "performance": right and "{value:.0%} of the alerts are fraud ({low:.0%} to {high:.0%})".format(**right),
            "decision": f"{saved['profit']:,.0f} a day saved ({saved['low']:,.0f} to {saved['high']:,.0f})",
            "profit_sensitivity": "by capacity",
            "schemes": worst and f"most is lost where the {worst['by']} is {worst['kind']}; no data name schemes",
            "explanation": "reasons in words beside each alert; a person looks and decides",
        }  # fmt: skip

    @property
    def _evenly(self) -> str | Lacking:
        """On whom false alarms fall, in words."""
        found = optional(self, "heaviest")
        if isinstance(found, Lacking):
            return found
        told = (
            "{rate:.0f} of {per:,} genuine payments alerted where {attribute} is {group}, {usual:.0f} where {reference}"
        )
        words = told.format(**found)
        return Failed(words) if found["uneven"] else words

    def facts(self) -> dict[str, float]:
        """Return what is watched; the score is held against that of the last block judged."""
        tested = self.backtest
        last = tested.block.index[tested.block == tested.block.max()]
        then, now = tested.probability[last].to_frame(CHOSEN), self.scores.to_frame(CHOSEN)
        moved = drift.psi_table(then, now, tested.payments.entity[last], self.today.entity).iloc[0]
        late = optional(self, "late")
        return {
            "score_psi": moved["psi"], "score_psi_above": moved["alarm"],
            "label_delay_days": late["median"] if late else np.nan, "label_delay_days_above": float(self.delay),
        }  # fmt: skip

    def files(self) -> dict[str, pd.DataFrame | str]:
        """Hand on the alerts since the days judged and the model that made them, what was judged, and signs by week."""
        today = self.list_of_day.set_index("customer")
        today.attrs["list"] = True  # people work through it
        files = {"fraud_today": today, "fraud_alerts": self.lists.set_index("customer")}
        files |= {"fraud_judged": self._judged_rows}
        signs = optional(self, "signs")
        if not isinstance(signs, Lacking):
            files["fraud_signs"] = signs.alarms
        return files | {"fraud_model.json": as_json(self.live_model)}

    @part
    def _judged_rows(self) -> pd.DataFrame:
        """Payments of all blocks by customer, with all that the figures of the page are computed from."""
        tested, own = self.history, self.history.payments
        rows = self.looked.assign(
            compared=tested.block >= self.backtest.blocks[0].start, block=tested.block, account=own.account,
            chance=tested.probability, amount=own.amount, outcome=own.target, known_on=own.known_on,
            expected_saving=self._gains["expected"], saved=self._gains["saved"],
        )  # fmt: skip
        return rows.set_index(own.entity.rename("customer"))


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")
