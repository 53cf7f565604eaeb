"""Study: what every supervised question has in common, from rows to what is handed on.

A topic supplies rows, event, candidates, baseline, costs and words by a subclass, as `question.py` asks; the rest is
in `modelled.py` and here, once. Parts are made when they are first asked for, each once, and are `Lacking` where they
cannot be. The model that a page judges is the model whose scores, thresholds and limits are handed on; one fitted anew
on the newest rows stands beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from bankmine.deciding import costs as money
from bankmine.deciding import policies
from bankmine.errors import BankmineError
from bankmine.judging import disclosure, fairness
from bankmine.judging.intervals import shown, with_interval
from bankmine.judging.leaks import Twin, honest, leaking_column, lies, random_rows, same_rows
from bankmine.judging.reasons import readable
from bankmine.lacking import Lacking, optional, part
from bankmine.learning import boosting
from bankmine.learning.sample import Sample, thinned
from bankmine.learning.splits import Split
from bankmine.privacy.register import load_register
from bankmine.study import charts, validation
from bankmine.study.charts import chart
from bankmine.study.modelled import Modelled
from bankmine.study.question import BY_LOT, BY_PROFIT, BY_RISK

_NOT_BETTER = "not shown to be better than"


@dataclass(frozen=True)
class Refit:
    """The same recipe on the newest rows whose outcome is known; it stays in the house."""

    table: pd.DataFrame
    """A row for what differs: of the model in use and of the one fitted anew."""
    agreement: float
    """Rank correlation of the two models' chances for the rows to be scored now."""
    same_actions: float
    """Share of the rows acted on by the model in use which the other would act on, too; NaN without costs."""

    @property
    def summary(self) -> dict[str, float]:
        """`agreement` and `same` actions, for a finding."""
        return {"agreement": self.agreement, "same": self.same_actions}


class Study(Modelled):
    """A supervised question with its models, what acting on them earns, on whom it falls, and what is handed on.

    A topic is a subclass: what it supplies is told in `Question`.
    """

    # --- decision

    def _acted(self, chance: pd.Series, rows: Sample) -> pd.Series:
        return self.policies(chance, rows).iloc[:, 0].astype(bool)

    @part
    def acted(self) -> pd.DataFrame:
        """On which of the rows judged by each policy would have acted, the one that is used first."""
        rows = self.fitted[0].rows
        return self.policies(self.fitted[0].probability[self.chosen], rows)

    @part
    def acted_now(self) -> pd.Series:
        """Whether each row scored now is acted on."""
        return self._acted(self.scores, self.today)

    @part
    def earned(self) -> pd.DataFrame:
        """What each policy would have earned as it turned out: of one month where there are days, else in all.

        As of `policies.profit_of`: `actions`, `profit`, `low`, `high`, and how far it is `behind` the first.
        """
        rows = self.fitted[0].rows
        gain = money.realised(rows.target, self.costs(rows))
        return policies.profit_of(self.acted, gain, rows.entity, rows.day) * self.stands_for

    @part
    def profit(self) -> dict[str, object]:
        """What the policy that is used would have earned, with its interval, for a finding; of which `days`."""
        rows = self.fitted[0].rows
        told = {"per": self.per, "currency": self.currency, "when": self.when(rows)}
        return {**self.earned.iloc[0][["profit", "low", "high"]], **told}

    @part
    def other_policies(self) -> dict[str, object]:
        """What acting on the riskiest first and at random would have earned, and whether the policy used does better.

        `verdict` and `verdict_lot` say so in words, by the interval of the difference on the same resamples.
        """
        earned = self.earned["profit"]
        told = {"risky": earned[BY_RISK], "lot": earned[BY_LOT], "currency": self.currency}
        return told | {"verdict": self._better_than(BY_RISK), "verdict_lot": self._better_than(BY_LOT)}

    def _better_than(self, policy: str) -> str:
        ahead = self.earned.loc[policy]
        return "better than" if ahead["behind_low"] > 0 else "worse than" if ahead["behind_high"] < 0 else _NOT_BETTER

    @property
    def months(self) -> float:
        """How many months the rows judged are of; 1 where rows have no days."""
        day = self.judged.rows.day
        return 1 if day is None else max(day.dt.to_period("M").nunique(), 1)

    @property
    def per(self) -> str:
        """What profit is counted by, in words."""
        return "a month" if self.sample.day is not None else "on the rows judged"

    @part
    def earned_table(self) -> pd.DataFrame:
        """Policies by what they earned, with intervals, for a page; the one that is used first."""
        told = self._counted()
        told["profit"] = with_interval(self.earned, "profit", ",.0f")
        told["behind the first"] = with_interval(self.earned, "behind", ",.0f")
        return told

    def _counted(self) -> pd.DataFrame:
        """Say on how many rows each policy acts."""
        return shown(pd.DataFrame({"acted on": self.earned["actions"]}), **{"acted on": ",.0f"})

    @chart
    def profit_curve(self) -> Axes:
        """Draw profit against the share of rows acted on."""
        rows, chance = self.fitted[0].rows, self.fitted[0].probability[self.chosen]
        gain = money.realised(rows.target, self.costs(rows))
        ranked = pd.DataFrame({BY_PROFIT: money.expected(chance, self.costs(rows)), BY_RISK: chance})
        curve = policies.profit_curve(ranked, gain, rows.entity, rows.day)
        counted = ["actions", "profit", "low", "high"]
        return charts.profit(curve.assign(**curve[counted] * self.stands_for), self.per, self.currency)

    # --- evidence

    @part
    def impact(self) -> dict[str, pd.DataFrame]:
        """By protected attribute, how often each group of the rows judged is acted on: `fairness.adverse_impact`.

        The reference is the one of `references`, or the largest group of the rows learnt from: it is named before any
        row is judged.
        """
        if not self.groups():
            raise BankmineError("no protected attribute is told")
        return self.impact_of(self.acted.iloc[:, 0].astype(bool), self.fitted[0].rows)

    def impact_of(self, acted: pd.Series, rows: Sample) -> dict[str, pd.DataFrame]:
        index, acted = rows.target.index, acted if self.acting_favours else ~acted
        before, groups = self.sample.at(self.split.train).target.index, self.groups()
        most = {n: str(g.loc[before].astype(object).mode().get(0, "")) for n, g in groups.items()}
        named = {n: r if (r := self.references().get(n)) in set(g.astype(str)) else most[n] for n, g in groups.items()}
        told = {n: self.told_group(g.loc[index], rows.entity) for n, g in groups.items()}
        held = {n: told[n][g.loc[index].astype(str) == named[n]].astype(str) for n, g in groups.items()}
        named = {n: next(iter(own), named[n]) for n, own in held.items()}  # as it is called once merged
        return {n: fairness.adverse_impact(acted, g, rows.entity, named[n]) for n, g in told.items()}

    @cached_property
    def smallest_group(self) -> int:
        """Customers that a group must have for a page to tell of it."""
        return disclosure.smallest_group(self.source)

    def told_group(self, group: pd.Series, entity: pd.Series) -> pd.Series:
        """Merge groups of too few customers with others, so that a page may tell of them."""
        return disclosure.merged(group, self.smallest_group, entity)

    def _groups_told(self, told: pd.DataFrame, rows: Sample) -> pd.DataFrame:
        """Return figures of groups, but of the smallest of an attribute that too few customers lack.

        These would follow from a total; put into a group, they would move its rates. A share with its interval tells of
        how many it is, so it goes with their number.
        """
        words = pd.DataFrame("", told.index, ["rows"])
        for name, group in self.groups().items():
            lacking = rows.entity[group.loc[rows.target.index].isna()].nunique()
            if 0 < lacking < self.smallest_group:
                words.loc[[(name, told.loc[name, "rows"].idxmin())]] = disclosure.WITHHELD
        counts = disclosure.told(told[["rows"]], words)["rows"]
        return told.mask(counts.isna()).assign(rows=counts, verdict=told["verdict"].mask(counts.isna(), "not told"))

    @part
    def fair(self) -> pd.DataFrame:
        """Groups by how often they are acted on, against the reference, with intervals and verdict."""
        told = self._groups_told(pd.concat(self.impact, names=["attribute"]), self.fitted[0].rows)
        share = f"share {self.favoured}"
        told[share] = with_interval(told, "share", ".1%")
        told["impact ratio"] = with_interval(told, "ratio", ".2f")
        return told[["rows", share, "impact ratio", "verdict"]]

    @chart
    def impact_chart(self) -> Axes:
        """Draw the impact ratios of all groups with their intervals, as `fairness.ranked`."""
        told = fairness.ranked(self.impact)
        told = told[told["verdict"] != fairness.REFERENCE]
        if not len(told):
            raise BankmineError("no two groups are large enough to compare")
        found = pd.DataFrame({
            "name": [f"{readable(a)}: {g}" for a, g in told.index], "value": told["ratio"].to_numpy(),
            "low": told["ratio_low"].to_numpy(), "high": told["ratio_high"].to_numpy(),
        })  # fmt: skip
        axis = charts.forest(found, fairness.FOUR_FIFTHS, 1.0)
        title = f"Share {self.favoured} against that of the reference, intervals of 95 %"
        return charts.titled(axis, title, "ratio; dashed: four fifths", "")

    @part
    def same_score(self) -> pd.DataFrame:
        """Whether rows of the same chance have the event alike, whatever their group."""
        if not self.groups():
            raise BankmineError("no protected attribute is told")
        rows, chance = self.judged.rows, self.judged.probability[self.chosen]
        index = rows.target.index
        known = {n: g.loc[index].where(rows.target.notna()) for n, g in self.groups().items()}
        known = {n: self.told_group(g, rows.entity) for n, g in known.items()}
        found = {n: fairness.same_score(rows.target, chance, g, rows.entity) for n, g in known.items()}
        told = self._groups_told(pd.concat(found, names=["attribute"]), rows)
        told["came out"] = with_interval(told, "observed", ".1%")
        return shown(told[["rows", "predicted", "came out", "verdict"]], predicted=".1%")

    @part
    def twins(self) -> list[Twin]:
        """Toy twins that make one mistake each, the honest one first."""
        sample, split = self.sample, self.split
        train, test = sample.mask(split.train), sample.mask(split.test)
        few = thinned(sample, train)
        makers = [honest, same_rows] + [random_rows] * (sample.day is not None)
        found = [make(sample, few, test) for make in makers]
        column = self.suspicious_column()
        return found if column is None else [*found, leaking_column(sample, few, test, column)]

    @part
    def lies(self) -> pd.DataFrame:
        """What each twin claims and delivers: `leaks.lies`, indexed by twin."""
        given = boosting.settled(self.model), self.twins
        return self._kept("leak lab", given, lambda: lies(*given).set_index("twin"))

    @part
    def lies_table(self) -> pd.DataFrame:
        """What each twin claims and delivers, with the interval of the lie."""
        columns = ["mistake", f"{self.lied_in}_claims", f"{self.lied_in}_delivers"]
        told = self.lies[columns].set_axis(["mistake", "claims", "delivers"], axis=1)
        told["lie"] = with_interval(self.lies, f"{self.lied_in}_lie", "+.3f")
        return shown(told, claims=".3f", delivers=".3f")

    @part
    def boldest(self) -> pd.Series:
        """The twin whose claim is farthest from what it delivers; one tested on its own rows only if no other is."""
        others = self.lies.drop(index=["honest", "same rows"], errors="ignore")
        told = others if len(others) else self.lies.drop(index="honest")
        return told.loc[told[f"{self.lied_in}_lie"].idxmax()]

    @part
    def validation(self) -> validation.Validation:
        """A validator's questions against what this study found, assumptions, and what is watched from now on."""
        return validation.of_study(self)

    @property
    def alerts(self) -> dict[str, object] | Lacking | None:
        """The limits of the monitoring plan that are crossed today; None where none is."""
        found = self.validation.crossed
        return found if isinstance(found, Lacking) or found["count"] else None

    @part
    def reviewer(self) -> dict[str, object]:
        """Who explains a decision and has a person look at it again: its `owner`, within how many `days`."""
        found = load_register(self.source.source.folder).review(self.name)
        return {"owner": found.owner, "days": found.days}

    @part
    def handed_on(self) -> dict[str, pd.DataFrame | str]:
        """What is handed on: the topic's files, all by the model that is judged here, and its monitoring limits."""
        return self.files() | {f"{self.name}_monitoring": self.validation.plan.rename_axis("number")}

    # --- the model fitted anew

    @part
    def refit(self) -> Refit:
        """The same recipe on the newest rows: what would change if it left the house instead."""
        if self.parts.scoring.train is self.split.train or np.array_equal(self.parts.scoring.train, self.split.train):
            raise BankmineError("there are no newer rows whose outcome is known")
        anew = self.fitted[1]
        chance, own = anew.probability[self.chosen], self.scores
        table = pd.DataFrame({
            "in use": self._described(self.split, own, self._moved_since_learnt),
            "fitted anew": self._described(self.parts.scoring, chance, self._moved_since(self.parts.scoring.train)),
        })  # fmt: skip
        acted = optional(self, "acted_now")
        same = float("nan") if isinstance(acted, Lacking) else float(self._acted(chance, self.today)[acted].mean())
        return Refit(table, float(own.corr(chance, method="spearman")), same)

    def _described(self, split: Split, chance: pd.Series, moved: pd.DataFrame) -> dict[str, object]:
        """Say of a model what it learnt from, how far its inputs have moved since, and on whom its actions fall."""
        learnt, days = self.sample.at(split.train), split.days["train"]
        told = {
            "learnt from": f"{len(learnt):,} rows" + (f" up to {days[-1]:%Y-%m-%d}" if days else ""),
            "events learnt from": int(learnt.target.sum()), "mean chance now": f"{chance.mean():.2%}",
            "predictors that shifted since": f"{int(moved['shifted'].sum())} of {len(moved)}",
        }  # fmt: skip
        if self.groups() and not isinstance(optional(self, "acted_now"), Lacking):
            told |= self.impact_now(self.impact_of(self._acted(chance, self.today), self.today))
        return told

    def impact_now(self, impact: dict[str, pd.DataFrame]) -> dict[str, str]:
        """Say on whom actions on the rows scored now fall least, by a model of which `impact` is."""
        worst = "{2:.2f} ({0}: {1})".format(*fairness.worst_ratio(impact))
        return {"lowest adverse impact ratio, of all scored today": worst}
