"""Whom contacts move: effects on single customers, learnt from trials and judged on customers held out."""

from __future__ import annotations

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from bankmine.bank.kept import kept_analysis
from bankmine.errors import BankmineError
from bankmine.judging import uplift as judging
from bankmine.judging.intervals import shown, with_interval
from bankmine.judging.reasons import readable
from bankmine.lacking import part
from bankmine.learning import uplift
from bankmine.learning.uplift import FOREST, RANDOM, RESPONSE, T_LEARNER, X_LEARNER, Trial
from bankmine.study.charts import chart, line, titled
from bankmine.topics.campaign.rows import RESPONDED
from bankmine.topics.campaign.tried import Tried

SIMPLEST = (RESPONSE, T_LEARNER, X_LEARNER, FOREST)
"""Rankings by which customers could be chosen, the simplest first."""
_SURELY = 0.05


class Moved:
    """Effects of contacts on single customers, of trials in which each is contacted once."""

    def __init__(self, tried: Tried) -> None:
        self._tried = tried

    @part
    def trials(self) -> dict[str, Trial]:
        """Trials to learn from; an error says why there is none."""
        found = {name: self._trial(name) for name in self._tried.trials if self._once(name)}
        if not found:
            raise BankmineError("no trial contacts each customer once, from which an effect on single ones is learnt")
        return found

    def _once(self, name: str) -> bool:
        rows = self._tried.by_campaign[name]
        return bool((rows["treated"] + rows["held"]).max() == 1)

    def _trial(self, name: str) -> Trial:
        rows = self._tried.by_campaign[name]
        rows = rows[(rows["treated_unknown"] + rows["held_unknown"]).eq(0)]
        share = rows["planned"] if rows["planned"].notna().all() else rows["treated"]
        hit = (rows[f"treated_{RESPONDED}"] + rows[f"held_{RESPONDED}"]).astype(float)
        known = self._tried.known[name].loc[rows.index]
        return Trial(known, rows["treated"] > 0, hit, rows["customer_id"], float(share.mean()))

    @part
    def scores(self) -> dict[str, pd.DataFrame]:
        """What each learner foretells of each customer of a trial, having seen nothing of this customer."""
        found = {}
        for name, trial in self.trials.items():
            given = trial.known, trial.treated, trial.outcome, trial.entity, trial.share
            found[name] = kept_analysis("uplift", given, lambda trial=trial: uplift.cross_fitted(trial))
        return found

    # --- judged on customers held out

    @part
    def _worth(self) -> pd.Series:
        return pd.concat([judging.brought(trial) for trial in self.trials.values()])

    @part
    def _entity(self) -> pd.Series:
        return pd.concat([trial.entity for trial in self.trials.values()])

    @part
    def _ranked(self) -> pd.DataFrame:
        """Scores of all trials as shares of their own trial's customers, so that trials are ranked alike."""
        return pd.concat([scores.rank(pct=True) for scores in self.scores.values()])

    @part
    def _gains(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        return judging.gains(self._worth, self._ranked, self._entity, RESPONSE)

    @part
    def qini(self) -> pd.DataFrame:
        """Qini and AUUC a head by learner, all trials together, and how far each is ahead of the response model."""
        return self._gains[1]

    @part
    def qini_table(self) -> pd.DataFrame:
        """The same in responses among 1,000 customers, beside those of single trials."""
        parts = {"all trials": self.qini}
        for name, scores in self.scores.items():
            worth = self._worth[scores.index]
            parts[readable(name)] = judging.gains(worth, scores, self._entity[scores.index], RESPONSE)[1]
        columns = ["value", "low", "high", "ahead", "ahead_low", "ahead_high"]
        told = {}
        for name, table in parts.items():
            own = table[table["metric"] == "qini"].set_index("model")[columns] * 1000
            told[name] = with_interval(own, "value", ".1f")
            if name == "all trials":
                told["ahead of the response model"] = with_interval(own, "ahead", "+.1f").drop(RESPONSE)
        return pd.DataFrame(told).loc[[RANDOM, *SIMPLEST]].fillna("").rename_axis("model")

    @part
    def learners(self) -> dict[str, dict[str, float]]:
        """Qini of each learner, a head, with its ends, for findings."""
        own = self.qini[self.qini["metric"] == "qini"].set_index("model")
        names = {"value": "qini", "low": "low", "high": "high"}
        return {
            model: {names[k]: 1000 * own.loc[model, k] for k in names} | {"model": readable(model)}
            for model in own.index
        }

    @chart
    def gains_chart(self) -> Axes:
        """Draw what contacting the first of each ranking brings, by learner, with the band of the one in use."""
        curve = self._gains[0].assign(gain=lambda t: t["gain"] * 1000)
        axis = sns.lineplot(curve, x="share", y="gain", hue="model", style="model")
        own = self._gains[0][self._gains[0]["model"] == self.chosen]
        axis.fill_between(own["share"], own["low"] * 1000, own["high"] * 1000, alpha=0.2)
        end = curve["gain"].iloc[-1]
        axis.plot([0, 1], [0, end], linestyle=":", color="0.5")
        title = "Responses gained among 1,000 customers by share contacted; dotted: at random"
        return titled(axis, title, "share contacted, the highest first", "responses gained of 1,000", percent="x")

    # --- the ranking in use

    def chooses(self, entity: pd.Series) -> pd.Series:
        """Say of each row whether its customer, one of half of all, chooses a ranking; the others judge it."""
        people = np.sort(self._entity.unique())
        half = np.random.default_rng(0).permutation(len(people))[: len(people) // 2]
        return entity.isin(people[half])

    @part
    def chosen(self) -> str:
        """The simplest ranking that no other one beats beyond chance among the half of customers who choose."""
        rows = self.chooses(self._entity)
        worth, scores, entity = self._worth[rows], self._ranked[rows], self._entity[rows]
        for model in SIMPLEST:
            table = judging.gains(worth, scores, entity, model)[1]
            if not (table.loc[table["metric"] == "qini", "ahead_low"] > 0).any():
                return model
        return SIMPLEST[-1]

    @part
    def choice(self) -> dict[str, object]:
        """The ranking in use, its Qini among the other half of customers with its ends, and `why`, for a finding."""
        rows = ~self.chooses(self._entity)
        table = judging.gains(self._worth[rows], self._ranked[rows], self._entity[rows], RESPONSE)[1]
        own = table[(table["metric"] == "qini") & (table["model"] == self.chosen)].iloc[0]
        why = (
            "no way of learning effects ranks better beyond chance" if self.chosen == RESPONSE
            else "it ranks better than who is likeliest to respond"
        )  # fmt: skip
        told = {name: 1000 * own[name] for name in ("value", "low", "high")}
        return told | {"chosen": readable(self.chosen), "why": why}

    @part
    def found(self) -> pd.DataFrame:
        """Whether differences foretold come true, a row a trial: as of `heterogeneity`, of the ranking in use."""
        rows = {n: judging.heterogeneity(self._worth[s.index], s[self.chosen], self._entity[s.index])
                for n, s in self.scores.items()}  # fmt: skip
        return pd.DataFrame(rows).T.rename_axis("campaign")

    @part
    def effects(self) -> pd.DataFrame:
        """Effect of a contact on each customer of a trial, as they come true: `campaign`, `customer_id`, `effect`."""
        parts = []
        for name, scores in self.scores.items():
            told = judging.calibrated(self.found.loc[name].to_dict(), scores[self.chosen])
            parts.append(pd.DataFrame({"campaign": name, "customer_id": self._entity[scores.index], "effect": told}))
        return pd.concat(parts)

    @part
    def tenths(self) -> pd.DataFrame:
        """Effects foretold, and what contacts did, in tenths of all trials' customers."""
        return judging.by_tenth(self._worth, self.effects["effect"], self._entity)

    @chart
    def tenths_chart(self) -> Axes:
        """Draw what contacts did against what was foretold, in tenths."""
        told = self.tenths.assign(**{c: self.tenths[c] * 100 for c in ("foretold", "value", "low", "high")})
        axis = line(told, "tenth", "value", label="came", foretold="foretold")
        axis.axhline(0, color="0.6", linewidth=0.8)
        title = "Effect of a contact in tenths of customers, by what was foretold of them (95 %)"
        return titled(axis, title, "tenth, the highest effect first", "percentage points more respond")

    @part
    def kinds(self) -> dict[str, object]:
        """Shares of customers whom a contact is expected to move, and to drive away, and whether differences are found.

        `away_effect` with its ends is what contacts did to those of whom it was foretold.
        """
        effect = self.effects["effect"]
        away = effect < 0
        told = {"moved": float((effect > 0).mean()), "away": float(away.mean()), "n": int(away.sum())}
        surely = (self.found["p"] < _SURELY).sum()
        words = f"Differences between customers come true in {surely} of {len(self.found)} trials"
        if away.sum() < 2:
            return told | {"words": words, "so": "", "away_effect": np.nan, "low": np.nan, "high": np.nan}
        mean, low, high = judging.mean(self._worth[away], self._entity[away])
        so = "" if high < 0 else ", which is not shown to differ from none"
        return told | {"words": words, "so": so, "away_effect": 100 * mean, "low": 100 * low, "high": 100 * high}

    @part
    def found_table(self) -> pd.DataFrame:
        """The same as it is shown."""
        told = self.found[["effect", "p"]].assign(slope=with_interval(self.found, "slope", ".2f"))
        told = told[["effect", "slope", "p"]].rename(columns={"p": "p of none or less"})
        return shown(told, effect="+.1%", **{"p of none or less": ".3f"})

    @part
    def handed_on(self) -> pd.DataFrame:
        """Hand on, of each customer of a trial: arm, outcome, what each learner foretold, and the `effect`."""
        parts = [
            scores.assign(treated=self.trials[name].treated, responded=self.trials[name].outcome)
            for name, scores in self.scores.items()
        ]
        return pd.concat(parts).join(self.effects).set_index("customer_id")
