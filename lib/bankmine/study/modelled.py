"""Modelled: models compared, fitted and judged, and what the one in use says of the rows scored now."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import joblib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from sklearn.pipeline import Pipeline

from bankmine.bank.flat import Flat
from bankmine.bank.flat_leaks import nearly_all
from bankmine.bank.kept import kept_analysis
from bankmine.errors import BankmineError
from bankmine.judging import drift
from bankmine.judging.contributions import steadiness
from bankmine.judging.intervals import with_interval
from bankmine.judging.leaks import sentinel
from bankmine.judging.ranking import against, of
from bankmine.judging.reasons import readable
from bankmine.lacking import Lacking, optional, part
from bankmine.learning import boosting
from bankmine.learning.columns import REFUSED
from bankmine.learning.fitting import Applied, apply_side_by_side, cross_validated
from bankmine.learning.sample import Sample
from bankmine.learning.splits import Split
from bankmine.study import charts
from bankmine.study.charts import chart
from bankmine.study.judged import Judged
from bankmine.study.leak import Leak
from bankmine.study.question import Question
from bankmine.study.why import Seen, Why

USED = "used"
"""Of a column that models learn from; of others it is `REFUSED`."""


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


class Modelled(Question):
    """A question with its models; each is made once, when it is asked for."""

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

    @cached_property
    def leak(self) -> Leak:
        """Predictors that alone tell nearly everything of the outcome, left out of a flat table unless kept."""
        if isinstance(self.source, Flat):
            return Leak(self.source.leaks, asked=True)
        suspects = optional(self, "suspects")
        auc = pd.Series(dtype=float) if isinstance(suspects, Lacking) else suspects["auc"][suspects["use"] == USED]
        return Leak(pd.DataFrame({"auc": nearly_all(auc, self.known.target), "kept": True}), asked=False)
