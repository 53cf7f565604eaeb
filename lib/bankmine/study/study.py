"""Study: what every supervised question has in common, from rows to what is handed on.

A topic supplies rows, event, candidates, baseline, costs and words by a subclass; everything else is here, once. Parts
are made when they are first asked for, each once, and are `Lacking` where they cannot be. The model that a page judges
is the model whose scores, thresholds and limits are handed on; one fitted anew on the newest rows stands beside it.
"""

from __future__ import annotations

import datetime
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import joblib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from scipy import stats
from sklearn.pipeline import Pipeline

from bankmine.bank.flat import Flat
from bankmine.bank.flat_leaks import nearly_all
from bankmine.bank.kept import kept_analysis
from bankmine.bank.snapshot import Snapshot
from bankmine.bank.sources import SOURCES
from bankmine.deciding import costs as money
from bankmine.deciding import policies
from bankmine.deciding.costs import Costs
from bankmine.errors import BankmineError
from bankmine.judging import disclosure, drift, fairness
from bankmine.judging.contributions import steadiness
from bankmine.judging.intervals import CONFIDENCE, shown, wilson_clustered, with_interval
from bankmine.judging.leaks import Twin, honest, leaking_column, lies, random_rows, same_rows, sentinel
from bankmine.judging.ranking import against, of
from bankmine.judging.reasons import readable
from bankmine.lacking import Lacking, optional, part
from bankmine.learning import boosting, models
from bankmine.learning.columns import REFUSED
from bankmine.learning.fitting import Applied, apply_side_by_side, cross_validated
from bankmine.learning.sample import Sample, thinned
from bankmine.learning.splits import Parts, Split, at_random, in_order
from bankmine.privacy.register import load_register
from bankmine.study import charts, earlier, validation
from bankmine.study.charts import chart
from bankmine.study.earlier import Became, EarlierLists, Finder
from bankmine.study.heading import Headed
from bankmine.study.judged import RANKS, Judged
from bankmine.study.leak import Leak
from bankmine.study.validation import FALSE_ALARMS
from bankmine.study.why import Seen, Why
from bankmine.workspace import WORKSPACE

USED = "used"
"""Of a column that models learn from; of others it is `REFUSED`."""
_NOT_BETTER = "not shown to be better than"
BY_PROFIT, BY_RISK, BY_LOT = "by expected profit", "highest chance first", "at random"


@dataclass(frozen=True)
class Compared:
    """Candidates on the same folds before the rows that they are judged by."""

    table: pd.DataFrame
    """A row a model: means over the folds with intervals, and seconds a fit."""
    chosen: str
    """Of the models that can be explained, the simplest; another one only if it ranks better beyond chance."""
    why: str
    """Why it is that one, in words."""

    @property
    def facts(self) -> dict[str, str]:
        """`chosen` and `why`, for a finding."""
        return {"chosen": self.chosen, "why": self.why}


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


class Study(Headed):
    """A supervised question about a bank or a flat table.

    `event` says in words what is foretold; `sample` has all rows with what was known of each on its day, and as outcome
    NaN where it is not known by now.
    """

    name: ClassVar[str]
    """Begins the study's metrics, and names its kind of model in `data/validation.yml`."""
    purpose: ClassVar[str]
    """What the model is for and what it is not for."""
    action: ClassVar[str] = "act on"
    """What is done about a row that is likely to have the event, as `call`."""
    explained: ClassVar[tuple[str, ...]] = ("logistic", "xgboost")
    """Models that tell reasons, and of which one is chosen; the simplest first."""
    baseline: ClassVar[str] = models.RULE
    """Candidate that the others are held against."""
    challenger: ClassVar[str] = ""
    """A candidate that is shown beside the chosen one, month by month and in curves, where there is one."""
    ranks: ClassVar[tuple[str, ...]] = RANKS
    """Metrics by which candidates are shown."""
    trend_of: ClassVar[str] = "Share of rows with the event, by month"
    """Title of the chart of the rate over time."""
    favoured: ClassVar[str] = "acted on"
    """What groups are compared by: how often they are acted on, or what becomes of those who are not."""
    lied_in: ClassVar[str] = "auc"
    """Metric in which twins are held against each other: `auc`, or `ap` where events are very rare."""
    acting_favours: ClassVar[bool] = True
    """Whether being acted on is good for whom it is done to, as a call is and a refusal is not."""
    rule: str | None = None
    """Predictor of the simple rule; None lets the rule choose on training rows."""
    reasons: ClassVar[Path] = WORKSPACE / "data" / "reasons.yml"
    """Words for what moves the risk."""
    explains: ClassVar[type[Why]] = Why
    """How the reasons of rows are found."""
    delay: int = 0
    """Days after which the outcome of a row is known."""
    find_lists: Finder | None = None
    """Finds the lists that reports of earlier days handed on, as `report.handed_on.earlier_lists`."""
    share: float = 1.0
    """Which part of a large bank's customers is learnt from and judged, drawn at random."""

    def __init__(self, source: Snapshot | Flat, event: str, sample: Sample) -> None:
        self.source, self.event, self.sample = source, event, sample

    # --- what a topic may say otherwise

    def divide(self) -> Parts:
        """Say what models learn from, are calibrated by and judged by; as here for a flat table."""
        return at_random(self.sample) if self.sample.day is None else in_order(self.sample, self.delay)

    def candidates(self, rows: Sample) -> dict[str, Pipeline]:
        """Set up the models to compare, unfitted."""
        return models.candidates(rows, self.rule)

    def costs(self, rows: Sample) -> Costs:
        """Say what acting and not acting on rows costs; as here what a flat table tells, or a `BankmineError`."""
        told = self.source.costs if isinstance(self.source, Flat) else None
        if told is None:
            raise BankmineError("the table tells no costs: describe it by a source.yml that has `costs`")
        return money.told_costs(told.loc[rows.target.index])

    def policies(self, chance: pd.Series, rows: Sample) -> pd.DataFrame:
        """Say on which rows each policy acts, the one that is used first: whether, or with which probability."""
        acted = money.expected(chance, self.costs(rows)) > 0
        share = pd.Series(acted.mean(), index=chance.index)
        everybody = pd.Series("all", chance.index)
        return pd.DataFrame({
            BY_PROFIT: acted, BY_RISK: money.choose(chance, [everybody], share), BY_LOT: share,
        })  # fmt: skip

    def groups(self) -> dict[str, pd.Series]:
        """Return groups of protected attributes by the sample's index; no attribute where none is told."""
        return {}

    def references(self) -> dict[str, str]:
        """Name groups that others are held against, by attribute; of others it is the largest of those learnt from."""
        return {}

    def refused(self) -> pd.DataFrame:
        """Return columns that are kept out of models since they may know the future, by the sample's index."""
        return pd.DataFrame(index=self.sample.target.index)

    def suspicious_column(self) -> pd.Series | None:
        """Return a column that is kept out of models since it may know the future, to show what it would do."""
        return None

    def answers(self) -> dict[str, object]:
        """Say what is particular to the topic for a validator: keys of `data/validation.yml`."""
        return {}

    def facts(self) -> dict[str, float | str]:
        """Return what is particular to the topic and watched from now on, as it is today."""
        return {}

    def files(self) -> dict[str, pd.DataFrame | str]:
        """Return what is handed on beside the limits: name of the file -> table or text."""
        return {}

    # --- rows

    @property
    def stands_for(self) -> float:
        """How many customers of the bank each of those judged is one of; what is counted a month or a day is of all."""
        return 1 / self.share

    @property
    def snapshot(self) -> Snapshot | None:
        """The bank's tables; None for a flat table."""
        return self.source if isinstance(self.source, Snapshot) else None

    @property
    def currency(self) -> str:
        """Of all amounts."""
        return self.source.source.currency or "units of the table"

    @cached_property
    def known(self) -> Sample:
        """Rows whose outcome is known."""
        return self.sample.at(self.sample.known)

    @property
    def rate(self) -> dict[str, object]:
        """`rate` of the event among known outcomes, `events`, `rows`, `entities`, and `whom` it is of, in words."""
        target = self.known.target
        return {
            "rate": target.mean(), "events": int(target.sum()), "rows": len(target),
            "entities": self.known.entity.nunique(), "whom": f"the rows {self.when(self.known)}",
        }  # fmt: skip

    def when(self, rows: Sample) -> str:
        """Say of which days rows are: no rate is told without its window."""
        if rows.day is None:
            return "in a table without days"
        if rows.day.empty:
            return "of no day"
        first, last = f"{rows.day.min():%Y-%m-%d}", f"{rows.day.max():%Y-%m-%d}"
        return f"from {first} to {last}" if first != last else f"of {last}"

    def portrait_of(self, customer: object) -> dict[str, str]:
        """Say by which `command` a customer of a list is portrayed: in a folder apart, not over the month's report."""
        source = self.source.source
        named = source.name if source.folder == SOURCES / source.name else str(source.folder)
        words = ["--source", named, "--as-of", str(self.source.as_of), "-p", f"customer={customer}"]
        return {"command": shlex.join(["bankmine", "run", "02_profiling", *words, "--out", "portraits"])}

    def lists_judged(
        self, file: str, columns: Mapping[str, type], became: Callable[[pd.DataFrame, datetime.date], Became],
        **words: str,
    ) -> EarlierLists:  # fmt: skip
        """Hold the lists that earlier reports handed on as a file against what became of them: `earlier.judged`."""
        if self.find_lists is None:
            raise BankmineError("lists of earlier reports were not asked for")
        return earlier.judged(self.find_lists(file, self.source), columns, became, self.source.as_of, **words)

    @part
    def parts(self) -> Parts:
        """Which rows models learn from, are calibrated by and judged by, and which are scored now."""
        return self.divide()

    @part
    def split(self) -> Split:
        """Rows to learn from, to calibrate by and to be judged by."""
        return self.parts.split

    @cached_property
    def leak(self) -> Leak:
        """Predictors that alone tell nearly everything of the outcome, left out of a flat table unless kept."""
        if isinstance(self.source, Flat):
            return Leak(self.source.leaks, asked=True)
        suspects = optional(self, "suspects")
        auc = pd.Series(dtype=float) if isinstance(suspects, Lacking) else suspects["auc"][suspects["use"] == USED]
        return Leak(pd.DataFrame({"auc": nearly_all(auc, self.known.target), "kept": True}), asked=False)

    @property
    def obstacle(self) -> dict[str, str] | None:
        """`why` no model can be made; None where one can."""
        return {"why": self.split.why} if isinstance(self.split, Lacking) else None

    @part
    def rows(self) -> pd.DataFrame:
        """Rows of each part: days, entities, events and rate."""
        return shown(self.split.table(self.sample), rate=".2%")

    @part
    def trend(self) -> pd.DataFrame:
        """Rate of the event by month of the row, with intervals: `day`, `rows`, `events`, `rate`, `low`, `high`."""
        if self.known.day is None:
            raise BankmineError("the table tells no days")
        return by_month(self.known)

    @part
    def rising(self) -> dict[str, object]:
        """Rate of the newest month against that of a year before, or the first one, for a finding.

        `now` with `low` and `high` on `day`, `then` on `since`, their `change` in percentage points with `change_low`
        and `change_high` (Newcombe, Statistics in Medicine 17, 1998), and the `limit` that a rate as before exceeds by
        chance in one of a hundred months.
        """
        last = self.trend.iloc[-1]
        year_ago = self.trend["day"] == last["day"] - pd.offsets.MonthEnd(12)
        first = (self.trend[year_ago] if year_ago.any() else self.trend).iloc[0]
        change = last["rate"] - first["rate"]
        down = np.hypot(last["rate"] - last["low"], first["high"] - first["rate"])
        up = np.hypot(last["high"] - last["rate"], first["rate"] - first["low"])
        return {
            "then": first["rate"], "since": first["day"].date(), "now": last["rate"], "low": last["low"],
            "high": last["high"], "day": last["day"].date(), "change": 100 * change,
            "change_low": 100 * (change - down), "change_high": 100 * (change + up),
            "limit": first["rate"] + down * stats.norm.ppf(1 - FALSE_ALARMS) / stats.norm.ppf((1 + CONFIDENCE) / 2),
        }  # fmt: skip

    @property
    def risen(self) -> dict[str, object] | None:
        """The same where the newest month is above the limit, for an alert; None where it is not."""
        found = self.rising
        return found if not isinstance(found, Lacking) and found["now"] > found["limit"] else None

    @chart
    def trend_chart(self) -> Axes:
        """Draw the rate of the event by month."""
        return charts.rate_over_time(self.trend, f"{self.trend_of} (intervals of 95 %)")

    # --- models

    @part
    def recipes(self) -> dict[str, Pipeline]:
        """Candidates, unfitted, for the rows to learn from."""
        return self.candidates(self.sample.at(self.split.train))

    @part
    def compared(self) -> Compared:
        """Compare candidates on the same earlier folds, and choose one of those that can be explained."""
        recipes, folds = self.recipes, self.parts.folds
        able = [name for name in self.explained if name in recipes]
        simplest = able[0]
        found = self._kept(
            "models compared", (recipes, folds, self.baseline, simplest),
            lambda: cross_validated(recipes, self.sample, folds).table(self.baseline, simplest),
        )  # fmt: skip
        names = {"auc": "AUC", "average_precision": "average precision", "auc_gain": f"AUC above {self.baseline}"}
        names |= {"ahead": f"AUC above {simplest}"} if simplest != self.baseline else {}
        told = {w: with_interval(found, n) for n, w in names.items()}
        table = pd.DataFrame(told).assign(seconds=found["seconds"])
        best = found.loc[able, "auc"].idxmax()
        ahead = found.loc[best]
        by = f"{ahead['ahead']:.3f} of AUC ({ahead['ahead_low']:+.3f} to {ahead['ahead_high']:+.3f})"
        if best == simplest:
            return Compared(table, simplest, "of the models that can be explained it is the simplest and ranks best")
        if ahead["ahead_low"] > 0:
            return Compared(table, str(best), f"it ranks better than {simplest} by {by}")
        return Compared(table, simplest, f"{best} is not shown to rank better: it is ahead by {by}")

    def _kept(self, what: str, given: object, make: Callable[[], pd.DataFrame]) -> pd.DataFrame:
        """Return what follows from the study's rows and what else is given, kept from before or made now."""
        return kept_analysis(f"{self.source.source.name}, {self.name}: {what}", (self._digest, given), make)

    @cached_property
    def _digest(self) -> str:
        return joblib.hash(self.sample)

    @part
    def setting(self) -> dict[str, str]:
        """`told`: how boosted trees were set, searched within the rows learnt from, for a finding."""
        told = {name: boosting.in_words(model) for name, model in self.fitted[0].fitted.items()}
        if not (found := [f"{name}: {words}" for name, words in told.items() if words]):
            raise BankmineError("no candidate searches its setting")
        return {"told": "; ".join(found)}

    @part
    def led(self) -> str:
        """Whether the model in use is also the one that ranks best of those explained where judged."""
        judged = self.judged
        names = [name for name in self.explained if name in judged.probability]
        best = max(names, key=lambda name: judged.metric("auc", name)["value"])
        if best == self.chosen:
            return f"on the rows judged {best} leads, too"
        pair = judged.probability[[self.chosen, best]]
        ahead = of(against(judged.rows.target, pair, self.chosen, judged.rows.entity), best).loc["auc"]
        told = "which chance explains" if ahead["low"] <= 0 else "which chance does not explain"
        by = f"{ahead['difference']:.3f} of AUC ({ahead['low']:+.3f} to {ahead['high']:+.3f})"
        return f"on the rows judged {best} is ahead by {by}, {told}"

    @property
    def powerless(self) -> pd.Series | None:
        """AUC with its interval where a model is not shown to rank better than at random, for an alert; else None."""
        found = self.judged
        auc = None if isinstance(found, Lacking) else found.metric("auc")
        return None if auc is None or auc["low"] > 0.5 else auc

    @property
    def lead(self) -> dict[str, object] | Lacking | None:
        """What most often moves the riskiest, for a finding; None where the model has nothing to say."""
        return self.why.lead if self.powerless is None else None

    @part
    def chosen(self) -> str:
        """The model in use."""
        return self.explained[0] if len(self.explained) == 1 else self.compared.chosen

    @part
    def fitted(self) -> tuple[Applied, Applied]:
        """Models on the rows judged by, and the chosen one fitted anew for the rows scored now.

        Of those that are neither explained nor the challenger, what they say is kept and they are not there.
        """
        needed = {*self.explained, self.challenger}
        ours = {name: model for name, model in self.recipes.items() if name in needed}
        others = {name: model for name, model in self.recipes.items() if name not in needed}
        tasks = [(ours, self.deciding), ({self.chosen: ours[self.chosen]}, self.parts.scoring)]
        done: list[Applied] = []

        def tell() -> pd.DataFrame:
            done.extend(apply_side_by_side([*tasks, (others, self.deciding)], self.sample))
            return done.pop().probability

        said = self._kept("what other models say", (others, self.deciding), tell)
        judged, anew = done or apply_side_by_side(tasks, self.sample)
        return replace(judged, probability=judged.probability.join(said)[list(self.recipes)]), anew

    @property
    def deciding(self) -> Split:
        """The split whose test rows are decided on, also those whose outcome never becomes known."""
        return self.split

    @part
    def model(self) -> Pipeline:
        """The fitted model in use."""
        return self.fitted[0].fitted[self.chosen]

    def chances(self, rows: Sample) -> pd.Series:
        """Return the calibrated chance of the event for rows, by the model in use."""
        return self.fitted[0].chances(self.chosen, rows)

    @part
    def judged(self) -> Judged:
        """All models on rows that none of them has seen."""
        applied = self.fitted[0]
        known = applied.rows.at(applied.rows.known)
        return Judged(
            known,
            applied.probability.loc[known.target.index],
            self.chosen,
            self.baseline,
            challenger=self.challenger,
            ranks=self.ranks,
        )

    @part
    def since_learnt(self) -> Judged:
        """The model in use on all rows that it has not seen whose outcome is known by now: as here, those judged."""
        return self.judged

    @property
    def months_since_judged(self) -> float:
        """Months since the newest outcome that judged the model was known; 0 where rows have no days."""
        day, now = self.judged.rows.day, pd.Timestamp(self.source.as_of)
        return 0.0 if day is None else (now - day.max() - pd.Timedelta(days=self.delay)).days / 30.44

    @part
    def calibrated(self) -> pd.Series:
        """Whether chances are rates: slope (`value`), `level`, `foretold` and `observed` events, and `how` they became.

        `low` and `high` are of the slope, `level_low` and `level_high` of the level.
        """
        slope, level = self.judged.deviation("slope"), self.judged.deviation("in_the_large")
        foretold, target = self.judged.probability[self.chosen], self.judged.rows.target
        told = {"foretold": foretold.sum(), "observed": int(target.sum())}
        told |= slope[["value", "low", "high"]].to_dict()
        told |= {f"level{end}": level[name] for end, name in (("", "value"), ("_low", "low"), ("_high", "high"))}
        return pd.Series(told | {"how": self.how_calibrated})

    @part
    def foretold(self) -> dict[str, object]:
        """Events `foretold` and `observed` in the rows judged, and in words whether chances were right.

        `since` is how many today's level foretells for the same rows, where it is another.
        """
        found = self.calibrated
        words = "too low" if found["level_low"] > 0 else "too high" if found["level_high"] < 0 else "about right"
        since = "".join(f"; {name}: {chance.sum():,.0f}" for name, chance in list(self.levels().items())[1:])
        told = {"foretold": found["foretold"], "observed": found["observed"], "told": words, "since": since}
        return told | {"when": self.when(self.judged.rows)}

    def levels(self) -> pd.DataFrame:
        """Return the chances of the rows judged as they were judged, and at today's level where it is another."""
        return self.judged.probability[[self.chosen]].set_axis(["as judged"], axis=1)

    @chart
    def reliability(self) -> Axes:
        """Draw observed against foretold rates of the rows judged, at each of `levels`."""
        return charts.reliability(self.judged.rows.target, self.levels())

    @property
    def how_calibrated(self) -> str:
        """By which method and by how many rows chances were made rates, in words."""
        return self.fitted[0].calibrators[self.chosen].reason

    @part
    def seen(self) -> Seen:
        """What the challenger sees in the rows judged, or the model in use where there is no challenger."""
        applied = self.fitted[0]
        return Seen(applied.fitted[self.challenger or self.chosen], applied.rows)

    @part
    def steadiness(self) -> pd.DataFrame:
        """Whether the same model would give the same importance again."""
        recipe, learnt = boosting.settled(self.seen.model), self.sample.at(self.split.train)
        given = recipe, learnt, self.judged.rows.predictors
        return self._kept("steadiness", given, lambda: steadiness(*given))

    # --- rows scored now

    @part
    def today(self) -> Sample:
        """Rows to be scored now."""
        return self.sample.at(self.parts.scoring.test)

    @part
    def scores(self) -> pd.Series:
        """Chance of the event of each row to be scored now, by the model in use."""
        return self.chances(self.today)

    @part
    def scores_as_judged(self) -> pd.Series:
        """The same by the calibration that was judged, where it was made anew since."""
        return self.scores

    @part
    def why(self) -> Why:
        """What moves the chances of the rows scored now, by the model in use, in words."""
        return self.explains(self.model, self.today, self.scores, self.reasons)

    @part
    def moved(self) -> pd.DataFrame:
        """Predictors of the rows scored now against those learnt from, by stability index, most moved first."""
        return self._moved_since_learnt.sort_values("psi", ascending=False, ignore_index=True)

    @part
    def _moved_since_learnt(self) -> pd.DataFrame:
        return self._moved_since(self.split.train)

    def _moved_since(self, train: np.ndarray) -> pd.DataFrame:
        learnt = self.sample.at(train)
        return drift.psi_table(learnt.predictors, self.today.predictors, learnt.entity, self.today.entity)

    @part
    def drift(self) -> dict[str, object]:
        """How many of the `columns` have `shifted` since the rows learnt from, and the `names` of those most."""
        names = [readable(column) for column in self.moved["column"][:3]]
        return {"shifted": self.moved["shifted"].sum(), "columns": len(self.moved), "names": ", ".join(names)}

    @part
    def moved_most(self) -> pd.DataFrame:
        """The predictors that shifted most."""
        return self.moved.head(8)

    @part
    def suspicion(self) -> dict[str, object]:
        """How many columns are `suspected` (`names`): those `refused`, and of the `columns` used the `suspicious`."""
        found = self.suspects[self.suspects["suspicious"].astype(bool)]
        used = found.index[found["use"] == USED]
        which, names = (f": {', '.join(map(str, told))}" if len(told) else "" for told in (used, found.index))
        return {
            "suspicious": len(used), "columns": self.sample.predictors.shape[1], "which": which,
            "suspected": len(found), "refused": len(found) - len(used), "names": names,
        }  # fmt: skip

    @part
    def suspects(self) -> pd.DataFrame:
        """Columns that alone know most, whether that is suspicious, and their `use`: used, or refused before."""
        learnt, today, refused = self.sample.at(self.split.train), self.today, self.refused()
        rows, scored = (s.predictors.assign(**refused.loc[s.target.index]) for s in (learnt, today))
        found = sentinel(replace(learnt, predictors=rows), scored)
        return found.assign(use=np.where(found.index.isin(refused.columns), REFUSED, USED))

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

    def _facts(self) -> dict[str, object]:
        told = self.rate
        panel = (
            f"customers drawn at random, {self.share:.0%} of all, are learnt from and judged; amounts and numbers a "
            "month or a day are those of the whole bank, and lists are of all"
        )
        return ({"panel": panel} if self.share < 1 else {}) | {
            "event": self.event,
            "rows": f"{len(self.sample):,}, {told['rows']:,} with a known outcome; {told['rate']:.2%} of "
            f"{told['whom']} have the event",
            "split": self.parts if isinstance(self.parts, Lacking) else self.parts.how,
        }


def by_month(known: Sample) -> pd.DataFrame:
    """Return the rate of the event by month of the row, with intervals, as of `Study.trend`."""
    if not len(known):
        raise BankmineError("no outcome is known")
    month = known.day.dt.to_period("M").dt.to_timestamp("M").dt.normalize()
    rows = [
        (day, len(part), int(part.sum()), part.mean(), *wilson_clustered(part == 1, known.entity[part.index]))
        for day, part in known.target.groupby(month)
    ]
    table = pd.DataFrame(rows, columns=["day", "rows", "events", "rate", "low", "high"])
    return shown(table, rate=".2%", low=".2%", high=".2%")
