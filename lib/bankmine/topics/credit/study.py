"""The study of credit: who will repay, whom to grant credit, of a bank's applications or of a flat table.

To act is to refuse, and the event is to go bad. One scorecard and one cut-off decide, on the page and in all files: the
scorecard that is judged, and the chance up to which granting paid most among applicants before those judged.
"""

from __future__ import annotations

import datetime
from dataclasses import replace
from functools import cached_property
from typing import ClassVar

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from sklearn.pipeline import Pipeline

from bankmine.bank.flat import Flat, is_flat, open_flat
from bankmine.bank.snapshot import Snapshot, open_source
from bankmine.deciding import policies as money
from bankmine.deciding.costs import Costs
from bankmine.errors import BankmineError
from bankmine.judging import disclosure, drift, fairness, leaks, proxies
from bankmine.judging.contributions import contributions
from bankmine.judging.fairness import protected_groups, two_groups
from bankmine.judging.intervals import shown, with_interval
from bankmine.judging.reasons import readable
from bankmine.lacking import Lacking, optional, part
from bankmine.learning import models
from bankmine.learning.boosting import PLAIN
from bankmine.learning.columns import ALLOWED
from bankmine.learning.sample import Sample, thinned
from bankmine.learning.splits import FEWEST, Parts, Split
from bankmine.study import charts
from bankmine.study.charts import chart
from bankmine.study.earlier import Became, EarlierLists, Finder
from bankmine.study.judged import Judged
from bankmine.study.study import Study
from bankmine.study.validation import HOLDS_ADVERSE, HOLDS_ALL, Varied
from bankmine.study.why import Why
from bankmine.topics.credit import grades, lending, points, portfolio, refused, remedy
from bankmine.topics.credit.applications import (
    Applications,
    application_funnel,
    applications,
    by_age,
    flat_applications,
    in_time,
    vintages,
)
from bankmine.topics.credit.card import Card
from bankmine.topics.credit.evidence import evidence
from bankmine.topics.credit.portfolio import Portfolio
from bankmine.topics.credit.rules import load_credit_rules, load_directions, load_form, load_grades
from bankmine.topics.credit.scorecard import CHALLENGER, SCORECARD, STANDARD, Scale, Scorecard, candidates

CUT_OFF, EACH, DECIDED, ALL = "cut-off", "each by its expected profit", "as decided", "everybody"
"""Policies: the one that is used, and what it is compared with."""
_OUTCOME_MONTHS = 12
_MOVED = 0.02
"""Share of missing values by which a column has moved so far that a page says so."""
_PILED = ["purpose", "employer_sector", "applied_through"]
"""What is told of applicants by which credits may pile up, beside the product and where they live."""


def study(
    source: str, as_of: str | datetime.date, target: str = "", positive: str = "", id: str = "", time: str = "",
    delay: int = 0, test: int = 4, base: float = 600, odds: float = 50, pdo: float = 20,
    decimal: str = "", dates: str = "", clock: str = "", encoding: str = "", keep: str = "",
    earlier: Finder | None = None,
) -> CreditStudy:  # fmt: skip
    """Open a source and set up the study of who repays; nothing is fitted before it is asked for.

    Parameters
    ----------
    source : str
        Name or path of a bank, or of a flat table.
    as_of : str or date
        Last day to know.
    target, positive, id, time, decimal, dates, clock, encoding, keep : str
        As for `open_flat`, for a flat table.
    delay : int
        Days after which the outcome of a row of a flat table is known.
    test : int
        Months of applications to be judged by, of a bank.
    base, odds, pdo : float
        The scorecard gives `base` points at odds of `odds` good to 1 bad; `pdo` points more double the odds.
    earlier : callable, optional
        Finds the lists of earlier reports, to judge them: `report.handed_on.earlier_lists`.

    Raises
    ------
    BankmineError
        If the source cannot be used. Where there is not enough to learn from, the study's parts are lacking.
    """
    scale = Scale(base, odds, pdo)
    if is_flat(source):
        flat = open_flat(source, target, positive, id, time, as_of, decimal, dates, clock, encoding, keep)
        return TableCredit(flat, delay, scale)
    found = BankCredit(open_source(source).as_of(as_of), test, scale)
    found.find_lists = earlier
    return found


class CreditStudy(Study):
    """What banks and flat tables have in common.

    `beside` has, by the sample's index, what is nothing for a model: `Applications.beside`. `columns` says the `use` of
    every column, its `reason` and `owner`.
    """

    name = "credit"
    purpose: ClassVar[str] = "decisions on applications, checked by people; not for marketing or collections"
    action: ClassVar[str] = "refuse"
    explained: ClassVar[tuple[str, ...]] = (SCORECARD,)
    baseline: ClassVar[str] = SCORECARD
    challenger: ClassVar[str] = CHALLENGER
    ranks: ClassVar[tuple[str, ...]] = ("auc", "gini", "ks", "brier")
    favoured: ClassVar[str] = "granted"
    acting_favours: ClassVar[bool] = False
    reasons = points.REGISTRY
    explains: ClassVar[type[Why]] = points.PointsLost
    per: ClassVar[str] = "on the applicants judged"
    highest: float = 1.0
    """Chance to default above which nobody is granted credit, whatever it would earn."""

    definition: str
    """What bad means."""

    def __init__(self, source: Snapshot | Flat, event: str, found: Applications, scale: Scale) -> None:
        super().__init__(source, event, found.sample)
        self.applications, self.beside, self.columns, self.scale = found, found.beside, found.columns, scale
        self.form = load_form()

    # --- what Study asks

    def candidates(self, rows: Sample) -> dict[str, Pipeline]:
        """Set up the scorecard and the models that challenge it."""
        return candidates(rows, self.scale, directions=load_directions(), told=self.form.told)

    def references(self) -> dict[str, str]:
        """Name the groups that the register names."""
        return self.form.reference

    def policies(self, chance: pd.Series, rows: Sample) -> pd.DataFrame:
        """Say whom each policy refuses; the cut-off is used, the others are compared."""
        other = {EACH: lending.granting(chance, self.costs(rows)) <= 0}
        refused_ = self.offers(chance, rows)["decision"] != lending.GRANT
        return pd.DataFrame({CUT_OFF: refused_, **other, **self.decided(rows)})

    def offers(self, chance: pd.Series, rows: Sample) -> pd.DataFrame:
        """Decide on rows by their chances, as of `lending.offers`; nothing is offered where no products are told."""
        found = np.select([self.strange(rows) != "", chance <= self.cut_off], [lending.FOR_A_PERSON, lending.GRANT],
                          lending.REFUSE)  # fmt: skip
        return pd.DataFrame({"decision": found, "why": self.strange(rows)}, rows.target.index)

    def strange(self, rows: Sample) -> pd.Series:
        """Say of each row why it is out of scope; "" where it is not.

        Rows are that have, in a column of the register's scope, a value of which none was learnt from or judged.
        """
        known = self.sample.at(np.concatenate([self.split.train, self.split.tune, self.split.test]))
        told = pd.Series("", rows.target.index)
        for name in [c for c in self.form.scope if c in rows.predictors]:
            value = rows.predictors[name].astype(object)
            new = value.notna() & ~value.isin(known.predictors[name].unique())
            told[new] = "out of scope: " + readable(name) + " " + value[new].astype(str)
        return told

    def decided(self, rows: Sample) -> dict[str, pd.Series]:
        """Say whom the policy in force refused: nobody, where a table does not tell."""
        return {ALL: pd.Series(False, rows.target.index)}

    def groups(self) -> dict[str, pd.Series]:
        """Return groups by protected attributes, which are in no model."""
        return protected_groups(self.beside[self.applications.protected])

    @property
    def before(self) -> np.ndarray:
        """Positions of the applicants by whom the cut-off is chosen: none of those judged is among them."""
        return self.split.tune

    # --- the card in use

    @part
    def scorecard(self) -> Scorecard:
        """The scorecard that is judged, and that is in use."""
        return self.model[-1].card_

    @part
    def card(self) -> Card:
        """The same as a page shows it."""
        calibrator = self.fitted[0].calibrators[SCORECARD]
        return Card(self.model[-1], calibrator, self.sample.at(self.split.train), self.judged.rows)

    @part
    def auc(self) -> dict[str, float]:
        """Its AUC with its interval, and the Gini coefficient."""
        return {**self.judged.metric("auc"), "gini": self.judged.metric("gini")["value"]}

    # --- the decision

    @part
    def cut_off(self) -> float:
        """Chance up to which credit is granted: what earned most among applicants before those judged."""
        rows = self.sample.at(self.before)
        return min(lending.cut_off(self.chances(rows), self.costs(rows)), self.highest)

    @part
    def grants_from(self) -> int:
        """The same in points: the lowest score that is granted."""
        ends = [sum(int(end(p)) for p in self.scorecard.points.values()) for end in (np.min, np.max)]
        every = np.arange(ends[0], ends[1] + 1)
        chance = self.fitted[0].calibrators[SCORECARD].predict(self.scorecard.scale.chance(every.astype(float)))
        granted = every[chance <= self.cut_off]
        return int(granted.min()) if len(granted) else ends[1] + 1

    @part
    def earned(self) -> pd.DataFrame:
        """What granting by each policy earned, where the outcome is known, as of `policies.profit_of`."""
        rows = self.fitted[0].rows
        return money.profit_of(~self.acted.astype(bool), lending.granted(rows.target, self.costs(rows)), rows.entity)

    def _counted(self) -> pd.DataFrame:
        """Say how many applicants each policy grants credit, and of how many of them the outcome is known."""
        granted = (~self.acted.astype(bool)).sum()
        told = pd.DataFrame({"granted": granted, "of known outcome": self.earned["actions"]})
        return shown(told, **{"of known outcome": ",.0f"})

    @part
    def share_granted(self) -> float:
        """Of the applicants of the months judged, by the policy that is used."""
        return float(1 - self.acted[CUT_OFF].mean())

    @part
    def decision(self) -> dict[str, object]:
        """The cut-off as chance (`cut`) and points (`score`), the `share` granted, and what it earned.

        `do` says what to do, and what waits for whom; `whose` of whom the share is, and in which `span` the `loans` of
        known outcome earned the profit.
        """
        everything, refusals = (" and ".join(found) for found in self.holding)
        do = f"Hold refusals for {refusals}, and grant credit" if refusals else "Grant credit"
        told = {
            "loans": round(self.earned["actions"].iloc[0]),
            "whose": self.whose(self.judged.rows),
            "span": self.span,
            "do": f"Hold all decisions for the {everything}; then grant credit" if everything else do,
        }
        return {"cut": self.cut_off, "score": self.grants_from, "share": self.share_granted, **self.profit, **told}

    @part
    def holding(self) -> tuple[list[str], list[str]]:
        """Who must act before any decision leaves the house, and who before refusals do, as limits are crossed."""
        found = optional(self, "validation")
        return tuple([] if isinstance(found, Lacking) else found.holding(what) for what in (HOLDS_ALL, HOLDS_ADVERSE))

    span: ClassVar[str] = "in all"
    """In which time a credit earns what is counted, in words."""

    asked: ClassVar[str] = ""
    """At which terms profit is expected, in words: what is offered may be less, and dearer, than what is asked for."""

    def whose(self, rows: Sample) -> str:
        """Say whose rows these are, in words."""
        return "the rows judged" if rows is self.judged.rows else "the rows scored"

    @part
    def beside_others(self) -> dict[str, object]:
        """How far the policy that is used is ahead of the one in force: `profit`, `low`, `high`, and its `loans`."""
        row = self.earned.loc[self._in_force]
        ahead = {"ahead": row["behind"], "low": row["behind_low"], "high": row["behind_high"]}
        return ahead | {"loans": round(row["actions"]), "profit": row["profit"], "currency": self.currency}

    @part
    def acted_before(self) -> pd.DataFrame:
        """Whom each policy refuses of the applicants before those judged."""
        rows = self.sample.at(self.before)
        return self.policies(self.chances(rows), rows)

    @part
    def earned_before(self) -> pd.DataFrame:
        """The same of the applicants before those judged, by whom policies are chosen."""
        rows = self.sample.at(self.before)
        return money.profit_of(
            ~self.acted_before.astype(bool), lending.granted(rows.target, self.costs(rows)), rows.entity
        )

    @part
    def forgone(self) -> dict[str, object] | None:
        """What deciding each by its expected profit earned `more`, with its interval; None where chance explains it.

        A policy is chosen by applicants before those it is judged by: what it earned more `before` with its interval,
        `as_before` whether it did so there, and `so` what follows.
        """
        names = ["behind", "behind_high", "behind_low"]
        now, then = (-found.loc[EACH, names].astype(float) for found in (self.earned, self.earned_before))
        if now["behind_high"] <= 0:
            return None
        as_before, so = "but not", "keep the cut-off until both agree"
        if then["behind"] > 0:
            as_before = "but not beyond chance"
        if then["behind_high"] > 0:
            as_before, so = "as", "change to it"
        told = {"more": now["behind"], "low": now["behind_high"], "high": now["behind_low"]}
        told |= {"as_before": as_before, "so": so}
        before = {"before": then["behind"], "before_low": then["behind_high"], "before_high": then["behind_low"]}
        return told | before | {"currency": self.currency}

    @property
    def _in_force(self) -> str:
        return self.acted.columns[-1]

    @part
    def decided_now(self) -> pd.DataFrame:
        """Decisions on the applicants scored now, and what each is offered, as of `offers`."""
        return self.offers(self.scores, self.today)

    @part
    def granted_now(self) -> dict[str, object]:
        """Of the `scored` applicants (`whose`), how many are `granted` (`share`), `refused`, and for a `person`."""
        counted = self.decided_now["decision"].value_counts()
        granted, no, person = (int(counted.get(n, 0)) for n in (lending.GRANT, lending.REFUSE, lending.FOR_A_PERSON))
        told = {"scored": len(self.scores), "granted": granted, "refused": no, "person": person}
        return told | {"share": granted / len(self.scores), "whose": self.whose(self.today)}

    @property
    def decided_before(self) -> dict[str, int] | None:
        """How many of the applicants scored now the bank has `decided` on, and on how many `otherwise` than here."""
        return None

    @part
    def scope(self) -> dict[str, object] | None:
        """`count` of the applicants scored now who are out of scope, their `share`, and `which`; None where none is."""
        found = self.strange(self.today)
        found = found[found != ""].str.removeprefix("out of scope: ").value_counts()
        which = ", ".join(f"{what} ({n:,})" for what, n in found.items())
        count = int(found.sum())
        return {"count": count, "share": count / len(self.today), "which": which} if count else None

    @part
    def decided_list(self) -> pd.DataFrame:
        """Applicants scored now, those nearest to the cut-off first: score, chance, decision, offer, reasons.

        People fill in the last two columns where they decide otherwise.
        """
        table = pd.DataFrame({"score": self.scorecard.score(self.today.predictors), "probability": self.scores})
        decided = optional(self, "decided_now")
        if not isinstance(decided, Lacking):
            table = table.join(decided)
            table = table.rename(columns={"expected_profit": "expected_profit_as_offered"})
            everything, refusals = (" and ".join(found) for found in self.holding)
            table["waits_for"] = everything or np.where(table["decision"] == lending.REFUSE, refusals, "")
        table = table.join(self.told_beside()).assign(reasons=self.why.lines, override="", override_reason="")
        middle = table["probability"].max() if isinstance(decided, Lacking) else self.cut_off
        found = table.loc[(table["probability"] - middle).abs().sort_values(kind="stable").index]
        found.attrs["list"] = True
        return found

    @part
    def review(self) -> dict[str, object]:
        """How many applicants are `refused`, to how many of these the list says why (`told`); who reviews, and when.

        `held` are refusals that wait for whom a crossed limit names.
        """
        refused = self.decided_list.loc[self.decided_now["decision"] == lending.REFUSE]
        told = int(refused["reasons"].fillna("").ne("").sum())
        held = int((refused["waits_for"] != "").sum())
        return self.reviewer | {"refused": len(refused), "told": told, "held": held}

    def told_beside(self) -> pd.DataFrame:
        """Return what is told of the applicants scored now beside what a model may know."""
        return pd.DataFrame(index=self.today.target.index)

    @part
    def first(self) -> pd.DataFrame:
        """The first ten of the list, for a page."""
        names = ["application_id", "score", "probability", "decision", "limit", "price", "so_far"]
        rows = self.decided_list.head(10)
        table = rows.filter(names).rename(columns={"so_far": "bank so far"})
        if "why" in rows:
            table["decision"] = rows["decision"] + rows["why"].where(rows["why"] == "", ": " + rows["why"])
            table["decision"] += rows["waits_for"].where(rows["waits_for"] == "", "; waits for " + rows["waits_for"])
        return shown(table.set_index(table.columns[0]), probability=".1%", price=".1%", limit=",.0f")

    @part
    def trade_off(self) -> pd.DataFrame:
        """How approvals, bad credits and money go together: `lending.trade_off`."""
        rows = self.fitted[0].rows
        return lending.trade_off(rows.target, self.fitted[0].probability[SCORECARD], self.costs(rows), rows.entity)

    @chart
    def profit_chart(self) -> Axes:
        """Draw the expected profit against the share granted, with the cut-off."""
        axis = sns.lineplot(self.trade_off, x="approval", y="expected_profit", marker="o")
        axis.yaxis.set_major_formatter("{x:,.0f}")
        title = "Expected profit by share of applicants whose risk is accepted; the line is the cut-off"
        return self._by_share(axis, title, f"expected profit{self.asked}, {self.currency}", percent="x")

    @chart
    def risk_chart(self) -> Axes:
        """Draw the bad rate of those granted against their share, with the cut-off."""
        beside = {"expected_bad_rate": "foretold for all"}
        axis = charts.line(self.trade_off, "approval", "bad_rate", "bad rate where known", **beside)
        title = "Bad rate of those whose risk is accepted; the line is the cut-off"
        return self._by_share(axis, title, "bad rate", percent="xy")

    def _by_share(self, axis: Axes, title: str, unit: str, percent: str) -> Axes:
        axis.axvline((self.fitted[0].probability[SCORECARD] <= self.cut_off).mean(), color="0.5", linewidth=0.8)
        return charts.titled(axis, title, "share of applicants whose risk is accepted", unit, percent)

    @part
    def profit_metrics(self) -> pd.DataFrame:
        """Profit metrics of the literature, by model."""
        rows = self.judged.rows
        return lending.credit_metrics(rows.target, self.judged.probability, self.costs(rows))

    @property
    def _exchange(self) -> tuple[pd.Series, pd.DataFrame, Costs, pd.Series, float]:
        """Scorecard and challenger as `lending` takes them, at as many approvals."""
        rows, chances = self.fitted[0].rows, self.fitted[0].probability[[SCORECARD, CHALLENGER]]
        return rows.target, chances, self.costs(rows), rows.entity, self.share_granted

    @part
    def swapped(self) -> pd.DataFrame:
        """Who is granted credit by the scorecard and by the challenger, at as many approvals."""
        found = lending.swap_set(*self._exchange)
        found = disclosure.rows_told(found, "applicants", self.smallest_group, added_up=True)
        table = found[["applicants", "known", "bad"]].copy()
        table["bad rate"] = with_interval(found, "bad_rate", ".1%")
        table["profit"] = with_interval(found, "profit", ",.0f")
        return table

    @part
    def swap(self) -> dict[str, object]:
        """What the challenger would have earned `more` than the scorecard at as many approvals."""
        found = lending.gain(*self._exchange).loc[CHALLENGER]
        more = (-found[["behind", "behind_high", "behind_low"]]).set_axis(["more", "low", "high"])
        return {**more, "share": self.share_granted, "currency": self.currency}

    # --- whom it falls on

    @part
    def worst(self) -> dict[str, object]:
        """The lowest adverse impact ratio with its interval, `who`, and whether it is `below` four fifths."""
        attribute, group, ratio = fairness.worst_ratio(self.impact)
        if not attribute:
            raise BankmineError("no group is large enough to compare")
        found = self.impact[attribute].loc[group]
        told = {"ratio": ratio, **found[["ratio_low", "ratio_high"]], "who": f"{attribute} {group}"}
        return told | {"below": bool(ratio < fairness.FOUR_FIFTHS)}

    @part
    def worst_now(self) -> dict[str, object]:
        """The same of all newest applicants by the cut-off alone, also where a person decides: `who`, its `ratio`."""
        tables = self._impact(self.acted_now, self.today)
        attribute, group, ratio = fairness.worst_ratio(tables)
        if not attribute:
            raise BankmineError("no group is large enough to compare")
        return {
            "ratio": ratio,
            **tables[attribute].loc[group, ["ratio_low", "ratio_high"]],
            "who": f"{attribute} {group}",
        }

    @part
    def remedies(self) -> pd.DataFrame:
        """What granting the group of the lowest ratio credit more often would cost: `remedy.remedies`."""
        return remedy.remedies(self)

    @part
    def remedies_table(self) -> pd.DataFrame:
        """The same for a page."""
        return remedy.table(self.remedies)

    @part
    def remedied(self) -> dict[str, object] | None:
        """What four fifths for the group of `who` would cost, None where it has them.

        `more` credits, up to a chance `up_to`, are expected to `cost` (or earn, says `effect`); `other` is the way of
        those tried that has the highest `ratio` with as many granted.
        """
        if remedy.NEXT not in self.remedies.index:
            return None
        found, others = self.remedies.loc[remedy.NEXT], self.remedies.drop([remedy.AS_IS, remedy.NEXT])
        told = {"who": self.worst["who"], "more": int(found["more"]), "up_to": found["up_to"], "asked": self.asked}
        told |= {"amount": abs(found["expected"]), "effect": "earn" if found["expected"] > 0 else "cost"}
        told |= {"currency": self.currency, "other": "no other scorecard", "ratio": np.nan}
        if len(others):
            told |= {"other": others["ratio"].idxmax(), "ratio": others["ratio"].max()}
        return told

    def _less_often(self, granted: pd.Series) -> tuple[str, pd.Series]:
        """Find an attribute of two groups, and who of the applicants told of is of the one granted less often."""
        found = two_groups({name: group.loc[granted.index] for name, group in self.groups().items()}, granted)
        if found is None:
            raise BankmineError("no protected attribute has two groups of enough applicants")
        return found

    @part
    def carried(self) -> pd.DataFrame:
        """By the group of each attribute that is granted credit least often, what tells it: `proxies.proxies`."""
        rows, found = self.fitted[0].rows, {}
        pushes = -self.scorecard.points_of(rows.predictors) / self.scorecard.scale.factor
        for name, table in self.impact.items():
            large = table.loc[table["ratio"].notna(), "share"]
            if len(large) < 2:
                continue
            group = self.groups()[name].loc[rows.target.index]
            mark = (group.astype(str) == large.idxmin()).astype(float).where(group.notna())
            if rows.entity[mark == 1].nunique() >= FEWEST:
                found[f"{readable(name)} {large.idxmin()}"] = proxies.proxies(rows, mark, pushes)
        if not found:
            raise BankmineError("no group is large enough to look for what tells it")
        return pd.concat(found, names=["group"])

    @part
    def carried_table(self) -> pd.DataFrame:
        """The same for a page: of each group what tells it most, with the part of the gap in score that it makes."""
        told = self.carried[self.carried["verdict"] != proxies.HARMLESS]
        table = pd.DataFrame({
            "tells it": with_interval(told, "tells", ".2f"), "share of the gap": told["share"],
            "foretells bad": with_interval(told, "foretells", ".2f"), "verdict": told["verdict"],
        })  # fmt: skip
        return shown(table, **{"share of the gap": ".0%"})

    @part
    def stand_ins(self) -> dict[str, object]:
        """`which` characteristics tell a group and carry it into the score, and which of them are `needless`.

        These cannot be shown to foretell bad credits by the rows judged: what tells a group and no risk has no business
        in a score.
        """
        own = self.carried[self.carried["verdict"] == proxies.PROXY]
        groups = self.carried.index.get_level_values("group").unique()
        names = {g: ", ".join(map(readable, own.loc[[g]].index.get_level_values(1))) if g in own.index else "none"
                 for g in groups}  # fmt: skip
        needless = own[~(own["foretells_low"] > 0.5)].index.get_level_values(1).unique()
        told = ", ".join(map(readable, needless))
        return {"which": "; ".join(f"{g}: {n}" for g, n in names.items()), "needless": told or "none"}

    # --- grades

    @part
    def grades(self) -> pd.DataFrame:
        """The master scale, held against what became of those judged: `grades.backtest`."""
        rows = self.judged.rows
        return grades.backtest(rows.target, self.judged.probability[self.chosen], load_grades())

    @part
    def grades_table(self) -> pd.DataFrame:
        """The same for a page, with the margin of conservatism where it is known."""
        long = optional(self, "long_run")
        return grades.table(self._grades_told, np.nan if isinstance(long, Lacking) else long["cautious"] / long["rate"])

    @chart
    def grades_chart(self) -> Axes:
        """Draw the rates foretold and observed by grade."""
        return grades.chart(self._grades_told)

    @part
    def _grades_told(self) -> pd.DataFrame:
        """The same by grades that so many customers are in that a page may tell of them."""
        rows, chance = self.judged.rows, self.judged.probability[self.chosen]
        known = rows.target.dropna().index
        return grades.backtest(
            rows.target, chance, grades.merged(load_grades(), chance[known], rows.entity[known], self.smallest_group)
        )

    @part
    def graded(self) -> dict[str, object]:
        """How many of the `used` grades were foretold too low (`wrong`), and `which`."""
        used = self.grades[self.grades["rows"] > 0]
        wrong = used.index[used["verdict"] == grades.TOO_LOW]
        return {"used": len(used), "wrong": len(wrong), "which": f": {', '.join(wrong)}" if len(wrong) else ""}

    # --- what is watched, asked and handed on

    @part
    def moved(self) -> pd.DataFrame:
        """The score and its characteristics now against training, by stability index, most moved first."""
        learnt = self.sample.at(self.split.train)
        found = drift.psi_table(self._watched(learnt), self._watched(self.today), learnt.entity, self.today.entity)
        return found.sort_values("psi", ascending=False, ignore_index=True)

    @part
    def drift(self) -> dict[str, object]:
        """How many of the `columns` have `shifted` by more than chance, and `which`, how far and above which alarm."""
        own = self.moved[self.moved["shifted"]].head(3)
        told = [f"{readable(r.column)} {r.psi:.2f}, above {r.alarm:.2f}" for r in own.itertuples()]
        gone = [f" (missing {r.missing_then:.0%} then, {r.missing_now:.0%} now)" if abs(r.missing_then - r.missing_now)
                > _MOVED else "" for r in own.itertuples()]  # fmt: skip
        which = "; ".join(map("".join, zip(told, gone, strict=True))) or "none"
        return {"shifted": int(self.moved["shifted"].sum()), "columns": len(self.moved), "which": which}

    def _watched(self, rows: Sample) -> pd.DataFrame:
        return rows.predictors[list(self.scorecard.bins)].assign(score=self.scorecard.score(rows.predictors))

    @chart
    def moved_chart(self) -> Axes:
        """Draw the stability index by month of application as a heat map; ▲ above what chance makes."""
        judged = self.judged.rows
        if judged.day is None:
            raise BankmineError("the table tells no days")
        learnt, later = self.sample.at(self.split.train), self.sample.at(self.sample.day >= judged.day.min())
        month = later.day.dt.to_period("M").dt.to_timestamp()
        found = drift.psi_by_day(self._watched(learnt), self._watched(later), month, learnt.entity, later.entity)
        found["told"] = found["psi"].map("{:.2f}".format) + found["shifted"].map({True: "▲", False: ""})
        found["day"], rows = found["day"].dt.strftime("%Y-%m"), ["score", *list(self.scorecard.bins)[:9]]
        psi, told = (found.pivot_table(index="column", columns="day", values=v, aggfunc="first").loc[rows]
                     for v in ("psi", "told"))  # fmt: skip
        figure = plt.figure(figsize=(max(6.4, 0.62 * psi.shape[1]), 1.2 + 0.4 * len(psi)))
        axis = sns.heatmap(psi, annot=told, fmt="", cmap="Blues", vmin=0, vmax=0.5, cbar=False, ax=figure.subplots(),
                           annot_kws={"fontsize": 8}, yticklabels=[readable(c) for c in psi.index])  # fmt: skip
        axis.tick_params(axis="x", rotation=60)
        return charts.titled(axis, "Stability index since training, by month; ▲ above what chance makes", "", "")

    @part
    def twins(self) -> list[leaks.Twin]:
        """Toy twins: tested on their own rows, and with weights of evidence of rows that they are tested on."""
        split = self.split
        few = thinned(self.sample, self.sample.mask(split.train))
        rows = (self.sample, few, self.sample.mask(split.test))
        return [leaks.honest(*rows), leaks.same_rows(*rows), leaks.encoded(*rows), leaks.encoded(*rows, before=False)]

    @part
    def lies(self) -> pd.DataFrame:
        """What twins of a logistic regression claim and deliver."""
        plain = models.candidates(self.sample.at(self.split.train))["logistic"]
        return leaks.lies(plain, self.twins).set_index("twin")

    @part
    def points_changed(self) -> pd.DataFrame:
        """By characteristic, fewest and most points in the card in use and in the one fitted anew."""
        self.refit  # noqa: B018 - lacking where there is nothing newer
        anew = self.fitted[1].fitted[SCORECARD][-1].card_
        told = pd.DataFrame({"in use": _spans(self.scorecard), "fitted anew": _spans(anew)})
        return told.fillna("not in it")

    @part
    def changes(self) -> dict[str, object]:
        """What the refit would change: `agreement`, `same` refusals, characteristics `kept`, and in the `anew` card."""
        told = self.points_changed
        mine, anew = ((told[name] != "not in it").sum() for name in told)
        newer = self.sample.at(self.parts.scoring.train)
        return {**self.refit.summary, "kept": mine, "anew": anew, "rows": len(self.split.train), "newer": len(newer)}

    def answers(self) -> dict[str, object]:
        """Say what is particular to credit for a validator."""
        out = self.columns.index[self.columns["use"] != ALLOWED]
        rule = self.judged.metric("auc", models.RULE)
        binned = f"{len(self.scorecard.bins)} of {len(self.model[-1].bins_)} predictors"
        return {
            "sensitive": f"kept out: {', '.join(map(str, out))}" if len(out) else "no protected column by name",
            "psi": f"{int(self.moved['shifted'].sum())} of {len(self.moved)} characteristics shifted",
            "comparison": "six models and a weak baseline on the same folds",
            "baseline": f"simple rule, AUC {rule['value']:.3f}",
            "reasons": "points of each bin, and contributions of the challenger",
            "binning": f"{binned}, with reasons; training rows",
            "profit_sensitivity": "by cut-off, and by what is assumed of the refused"
            if not isinstance(optional(self, "earned"), Lacking) else Lacking("costs are not told"),
            "reject_inference": Lacking("nobody refused is told of"),
            "explanation": "up to four reasons in words for each applicant; the score is a proposal, a person decides "
            "on request",
        }  # fmt: skip

    def facts(self) -> dict[str, float | str]:
        """Return the adverse impact and who is out of scope."""
        impact = optional(self, "impact")
        lacking = isinstance(impact, Lacking)
        attribute, group, ratio = ("", "", float("nan")) if lacking else fairness.worst_ratio(impact)
        return {
            "adverse_impact": ratio, "adverse_impact_below": fairness.FOUR_FIFTHS,
            "adverse_impact_of": f"{attribute} {group}",
            "out_of_scope": float((self.strange(self.today) != "").mean()),
        }  # fmt: skip

    def files(self) -> dict[str, pd.DataFrame | str]:
        """Return scores and decisions, the scorecard as a table and as a query, and the cut-off."""
        found, from_ = self.decided_list, optional(self, "grants_from")
        at = None if isinstance(from_, Lacking) else from_
        files = {
            "credit_scores": found.set_index(self.today.entity.loc[found.index].rename("customer_id")),
            "scorecard": self.scorecard.table.rename_axis("number"),
            "scorecard.sql": points.score_statement(self.scorecard, "applicants", grants_from=at),
        }
        if at is None:
            return files
        told = {k: v for k, v in self.decision.items() if not isinstance(v, str)}
        return files | {"credit_policy": pd.DataFrame([told], index=pd.Index([CUT_OFF], name="policy"))}


class TableCredit(CreditStudy):
    """Credit of a flat table: the outcome and, it may be, the costs are told, and nothing of the bank around them."""

    def __init__(self, flat: Flat, delay: int = 0, scale: Scale = STANDARD) -> None:
        super().__init__(flat, flat.event, flat_applications(flat), scale)
        self.delay, self.definition = delay, f"Bad means: {flat.event}."

    @part
    def funnel(self) -> pd.DataFrame:
        """Lack what a bank tells."""
        raise BankmineError("a flat table does not tell who applied and was refused")

    quarters = ages_chart = inferred = inferred_span = old_stand_ins = old_proxies = old_proxies_table = funnel
    long_run = overrides = overrides_table = overridden = earlier_lists = portrait = level = funnel

    @part
    def tiers(self) -> pd.DataFrame:
        """Lack what a bank tells."""
        raise BankmineError("a flat table tells no products, amounts and terms")

    tiers_chart = portfolio = tiers


class BankCredit(CreditStudy):
    """Credit of a bank's applicants, split by time; all applicants of the months judged are decided on."""

    delay = 365
    asked = " at the terms asked for"
    per = "at the terms agreed, on the applicants judged"

    def __init__(self, snapshot: Snapshot, test: int = 4, scale: Scale = STANDARD) -> None:
        super().__init__(snapshot, "the credit goes bad", applications(snapshot), scale)
        self.test, self.rules = test, load_credit_rules(snapshot.source.currency)
        self.definition, self.highest = self.rules.definition, self.rules.tiers[-1].up_to

    @cached_property
    def loan_costs(self) -> Costs:
        """What refusing and granting each application costs."""
        return lending.loan_costs(self.beside, self.rules)

    def costs(self, rows: Sample) -> Costs:
        """Return what refusing and granting rows costs, by `data/credit.yml`."""
        return self.loan_costs.at(rows.target.index)

    def divide(self) -> Parts:
        """Split by time: judged by the last closed months, learnt from what was known as they began."""
        return in_time(self.applications, self.test)

    @property
    def deciding(self) -> Split:
        """The split with all applicants of the months judged in `test`, also those who were refused."""
        days = self.sample.day
        span = days.iloc[self.split.test].agg(["min", "max"])
        return replace(self.split, test=np.flatnonzero(days.between(*span)))

    @property
    def before(self) -> np.ndarray:
        """Positions of all applicants between those learnt from and those judged, refused ones too."""
        day = self.sample.day
        first, end = day.iloc[self.split.tune].min(), day.iloc[self.deciding.test].min()
        return np.flatnonzero((day >= first) & (day < end))

    @part
    def since_learnt(self) -> Judged:
        """As of any study, also of the months between those learnt from and those judged: they are known by now."""
        seen = np.union1d(self.split.train, self.split.tune)
        rows = self.sample.at(np.setdiff1d(np.union1d(self.before, self.split.test), seen))
        rows = rows.at(rows.known)
        return Judged(rows, self.chances(rows).to_frame(self.chosen), self.chosen, self.chosen)

    @part
    def level(self) -> dict[str, object]:
        """Of all credits that the card has not seen: `foretold` and `came`, the `level` (log-odds), and `told`."""
        own, found = self.since_learnt, self.since_learnt.deviation("in_the_large")
        told = "too low" if found["low"] > 0 else "too high" if found["high"] < 0 else "about right"
        counts = {"rows": len(own.rows), "came": int(own.rows.target.sum())}
        counts["foretold"] = own.probability[self.chosen].sum()
        return counts | found[["value", "low", "high"]].to_dict() | {"told": told, "when": self.when(own.rows)}

    def decided(self, rows: Sample) -> dict[str, pd.Series]:
        """Say whom the bank did not grant credit."""
        return {DECIDED: ~self.applications.approved.loc[rows.target.index]}

    @part
    def funnel(self) -> pd.DataFrame:
        """From applications to those that a model can learn from."""
        return shown(application_funnel(self.sample, self.beside), share=".1%")

    @part
    def quarters(self) -> pd.DataFrame:
        """Applications by quarter; of quarters that are not closed the rate is a floor."""
        found = vintages(self.sample, self.beside)
        found["bad rate"] = with_interval(found, "rate", ".1%")
        return found[["applications", "approved", "known", "open", "bad", "closed", "bad rate"]]

    @part
    def long_run(self) -> dict[str, object]:
        """The long-run default rate and its margin of conservatism: `grades.long_run`."""
        return grades.long_run(vintages(self.sample, self.beside))

    @part
    def portfolio(self) -> Portfolio:
        """The credits that are granted to the applicants scored now."""
        index = self.today.target.index
        told = self.beside.loc[index, ["product"]].join(self.today.predictors.filter(_PILED)).join(
            self.beside.loc[index].filter(["region", "city_tier"])
        )  # fmt: skip
        return Portfolio(self.decided_now, self.scores, told, self.rules, self.smallest_group)

    @part
    def overrides(self) -> pd.DataFrame:
        """What the bank decided in the last twelve months, against this policy: `portfolio.overrides`."""
        rows = self.sample.at((self.sample.day > self._a_year_ago).to_numpy())
        decision = self.offers(self.chances(rows), rows)["decision"]
        return portfolio.overrides(decision, self.beside.loc[rows.target.index])

    @property
    def _a_year_ago(self) -> pd.Timestamp:
        return pd.Timestamp(self.source.as_of) - pd.DateOffset(months=_OUTCOME_MONTHS)

    @part
    def overrides_table(self) -> pd.DataFrame:
        """The same for a page."""
        return portfolio.overrides_table(self.overrides, self.smallest_group)

    @part
    def overridden(self) -> dict[str, object]:
        """In a year, how many the bank `granted` whom this policy refuses, and `refused` whom it grants; `share`."""
        return portfolio.otherwise(self.overrides, self.smallest_group)

    @part
    def earlier_lists(self) -> EarlierLists:
        """The lists of earlier reports, held against which of their credits have gone bad since."""
        columns = {"customer_id": str, "application_id": str, "decision": str, "probability": float}
        return self.lists_judged(
            "credit_scores.parquet", columns, self._became,
            acted="to be granted", others="not to be granted", event="went bad", so_far="have gone bad so far",
        )  # fmt: skip

    def _became(self, listed: pd.DataFrame, day: datetime.date) -> Became:
        """Say which credits that the bank granted to those on a list have gone bad; of others nothing can be known."""
        if listed["application_id"].duplicated().any():
            raise BankmineError("it names an application twice")
        known_on = pd.Timestamp(day) + pd.DateOffset(months=_OUTCOME_MONTHS)
        own = self.beside.set_index("application_id").reindex(listed["application_id"]).set_index(listed.index)
        event = own["defaulted"].eq(1).astype(object).where(own["approved"].fillna(False).astype(bool))
        if known_on <= pd.Timestamp(self.source.as_of):
            event = event.where(own["defaulted"].notna())
        return Became(
            listed["decision"] == lending.GRANT, event, listed["probability"], listed["customer_id"], known_on
        )

    @chart
    def ages_chart(self) -> Axes:
        """Draw the share that went bad by age and year of the application."""
        ages = by_age(self.sample, self.beside, pd.Timestamp(self.source.as_of), period="Y")
        axis = sns.lineplot(ages, x="months", y="rate", hue="vintage", style="vintage", marker="o")
        title = "Share of granted credits that went bad, by age and year of the application"
        return charts.titled(axis, title, "months since the application", "share that went bad", percent="y")

    def offers(self, chance: pd.Series, rows: Sample) -> pd.DataFrame:
        """Decide on rows by their chances, and say what is offered: `lending.offers`."""
        income = rows.predictors.get("stated_income")
        monthly = None if income is None else income / 12
        asked = self.beside.loc[rows.target.index]
        return lending.offers(chance, asked, self.rules, monthly, self.cut_off, self.strange(rows))

    @part
    def portrait(self) -> dict[str, str]:
        """By which `command` the first on the list is portrayed."""
        return self.portrait_of(self.today.entity.loc[self.decided_list.index[0]])

    def told_beside(self) -> pd.DataFrame:
        """Return the id of each application scored now, what was asked for, and what the bank has decided `so_far`."""
        return self.beside.loc[self.today.target.index, ["application_id", "product", "amount"]].assign(
            so_far=self._so_far
        )

    @property
    def _so_far(self) -> pd.Series:
        """What the bank has decided on each application scored now."""
        approved = self.beside.loc[self.today.target.index, "approved"]
        return approved.map({True: "granted", False: "refused"}).astype(object).fillna("open")

    @part
    def decided_before(self) -> dict[str, int] | None:
        """How many of the applicants scored now the bank has `decided` on, and on how many `otherwise` than here."""
        known = self._so_far != "open"
        ours = self.decided_now["decision"]
        same = self._so_far.eq("granted").eq(ours.eq(lending.GRANT))
        otherwise = int((known & ~same & ours.ne(lending.FOR_A_PERSON)).sum())
        return {"decided": int(known.sum()), "otherwise": otherwise} if known.any() else None

    @property
    def span(self) -> str:
        """For which time income is counted, in words."""
        return f"in {self.rules.months} months, at the terms agreed"

    def whose(self, rows: Sample) -> str:
        """Say in which months they applied."""
        first, last = rows.day.min(), rows.day.max()
        if (same := first.year == last.year) and first.month == last.month:
            return f"those who applied in {last:%B %Y}"
        return f"those who applied from {first:{'%B' if same else '%B %Y'}} to {last:%B %Y}"

    @part
    def tiers(self) -> pd.DataFrame:
        """Risk tiers of the applicants judged, with medians of the limit and the price suggested."""
        rows, chance = self.fitted[0].rows, self.fitted[0].probability[SCORECARD]
        found = lending.tier_table(self.offers(chance, rows), chance, rows.target, rows.entity)
        found = disclosure.rows_told(found, "applicants", self.smallest_group, added_up=True)
        found["bad rate"] = with_interval(found, "bad_rate", ".1%")
        columns = ["applicants", "share", "expected_bad_rate", "bad rate", "limit", "price", "expected_profit"]
        told = found[columns].rename(columns={"expected_profit": "expected profit as offered"})
        return shown(told, share=".1%", expected_bad_rate=".1%", price=".1%", **{"expected profit as offered": ",.0f"})

    @chart
    def tiers_chart(self) -> Axes:
        """Draw how many of the newest applicants are in each tier."""
        counts = self.decided_now["tier"].value_counts(sort=False).to_frame("applicants")
        counts = disclosure.rows_told(
            counts[counts["applicants"] > 0], "applicants", self.smallest_group, added_up=True
        )
        axis = sns.barplot(counts.astype(float), y="tier", x="applicants", color="C0")
        return charts.titled(axis, "Newest applicants by risk tier", "applicants", "")

    @part
    def old_proxies(self) -> pd.DataFrame:
        """Predictors that carry an attribute of two groups into the bank's own refusals before the months judged."""
        past = self.applications.decisions
        begins = self.sample.day.iloc[self.deciding.test].min()
        past = past.at(past.known & (self.sample.day < begins).to_numpy())
        # explained on the rows that it learnt from and judged by none: no setting is searched
        recipe = models.candidates(past)["xgboost"].set_params(model__n_estimators=PLAIN["n_estimators"])
        group = self._refused_more[1].loc[past.target.index]

        def found() -> pd.DataFrame:
            habits = models.fit_all({"xgboost": recipe}, past)["xgboost"]
            return proxies.proxies(past, group, contributions(habits, past.predictors).pushes)

        return self._kept("stand-ins in earlier refusals", (recipe, past, group), found)

    @part
    def old_proxies_table(self) -> pd.DataFrame:
        """The strongest of them."""
        return self.old_proxies[["tells", "gap", "share", "foretells", "lost", "verdict"]].head(6)

    @property
    def _refused_more(self) -> tuple[str, pd.Series]:
        return self._less_often(self.applications.approved)

    @part
    def old_stand_ins(self) -> dict[str, object]:
        """What made the bank refuse a group more often before, as it is `told` to a reader, if `any` predictor did."""
        attribute, group = self._refused_more[0].split(" is ")
        return _told(attribute, group, self.old_proxies, set(self.scorecard.bins))

    @part
    def inference(self) -> refused.Study:
        """What a logistic regression, which takes weights, becomes under each assumption about the refused."""
        no = self.applications.rejected
        no = no & (self.sample.day <= self.sample.day.iloc[self.split.tune].max()).to_numpy()
        learnt, rows = self.sample.at(self.split.train), self.fitted[0].rows
        plain = models.candidates(learnt)["logistic"]
        return refused.study(plain, learnt, self.sample.predictors[no], self.judged.rows, rows.predictors)

    @part
    def inferred(self) -> pd.DataFrame:
        """By assumption about the refused, whom the same cut-off grants credit: `refused.Study.decided`."""
        applied = self.fitted[0]
        own = applied.probability[SCORECARD]
        table = self.inference.decided(own, lambda chance: self.offers(chance, applied.rows))
        percent = dict.fromkeys(["assumed", "predicted", "share granted", "decided otherwise"], ".1%")
        return shown(table, **percent, **{"expected profit as offered": ",.0f"})

    @part
    def inferred_span(self) -> dict[str, float]:
        """The `low` and `high` share of applicants to whom the cut-off grants credit, by assumption."""
        found = self.inferred["share granted"]
        return {"low": found.min(), "high": found.max()}

    def files(self) -> dict[str, pd.DataFrame | str]:
        """Return also what a validator computes figures again by."""
        return super().files() | evidence(self)

    def answers(self) -> dict[str, object]:
        """Say what a bank tells beside."""
        span = optional(self, "inferred_span")
        return super().answers() | {
            "definition": "data/credit.yml: 90 days past due within a year",
            "definition_sensitivity": "bad credits of each vintage by age",
            "data": f"{len(self.sample):,} applications, {int(self.sample.known.sum()):,} with a known outcome",
            "funnel": "from applications to outcomes",
            "reject_inference": span if isinstance(span, Lacking)
            else Varied(f"approvals between {span['low']:.0%} and {span['high']:.0%}, by assumption; none is verified"),
        }  # fmt: skip


def _told(attribute: str, group: str, found: pd.DataFrame, used: set) -> dict[str, object]:
    own = found[found["verdict"] == proxies.PROXY]
    who = f"applicants of {readable(attribute)} {group}"
    if own.empty:
        return {
            "any": False,
            "told": f"Nothing that tells {readable(attribute)} made the bank refuse {who} more often.",
        }
    which, still = (", ".join(map(readable, names)) for names in (own.index, own.index[own.index.isin(used)]))
    told = (
        f"The bank earlier refused {who} more often, {own['share'].sum():.0%} of it by {which}, which gives "
        f"{readable(attribute)} away"
    )
    now = f"take {still} out of the scorecard, too" if still else "the scorecard leaves it out"
    return {"any": True, "told": f"{told}: {now}."}


def _spans(card: Scorecard) -> pd.Series:
    return pd.Series({name: f"{p.min():d} to {p.max():d}" for name, p in card.points.items()})
