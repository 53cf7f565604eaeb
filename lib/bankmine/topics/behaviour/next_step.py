"""What customers do next: who opens an application form within 30 days, and which product page is looked at next.

The event is the application form, not any product page: it is rarer, and who opens one has a need now. Which product
that may be is a second question, with an answer of its own: a chance of each product page.

All models see the same customers on the same days, and of these the same half year of visits. A model is judged by
customers of whom it has seen no row, on later days.
"""

from __future__ import annotations

import datetime
from dataclasses import replace
from typing import ClassVar

import numpy as np
import pandas as pd
from ibis import _
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import Pipeline

from bankmine.bank.kept import ANALYSES
from bankmine.bank.snapshot import Snapshot
from bankmine.deciding.costs import Costs
from bankmine.errors import BankmineError
from bankmine.features import visits
from bankmine.features.spine import KEYS, kept
from bankmine.features.visits import AHEAD, COMPARE, JUDGE, PRESENT, PRODUCT, TEACH, WINDOWS
from bankmine.judging.intervals import around, clustered_error, shown, with_interval
from bankmine.judging.ranking import against, of
from bankmine.judging.reasons import readable
from bankmine.lacking import Lacking, optional, part
from bankmine.learning import models, sequences, splits
from bankmine.learning.encoding import Encode
from bankmine.learning.fitting import Calibrator
from bankmine.learning.sample import Sample
from bankmine.learning.splits import Parts
from bankmine.study.judged import Judged
from bankmine.study.study import Study

TRAIN, TUNE, TEST, EVERY = 6, 2, 3, 2
"""Month ends to learn from, to calibrate by and to be judged by, and months from one of the first to the next."""
MOST = 10_000
"""Visitors that are learnt from and judged, about: of a larger bank some at random."""
MARKOV, POPULAR, _FIRST = "markov", "popularity", 3
_DRAWN_BY = 20
"""Views at the general shares that are added to those counted, so that few of them do not make a share."""


def next_step(snapshot: Snapshot) -> NextStep:
    """Set up the question what customers of a bank do next; an error where the bank tells of no visits."""
    snapshot.require("events.page")
    days = splits.month_ends(snapshot.as_of, AHEAD, TRAIN, TUNE, TEST, EVERY)
    here = snapshot.events.filter(_["at"].cast("date") > snapshot.as_of - datetime.timedelta(days=PRESENT))
    share = min(1.0, MOST / max(here.customer_id.nunique().execute(), 1))
    pages = visits.pages_until(snapshot, days[:TRAIN][-1])
    asked = (snapshot, days, pages, share)
    rows = kept(snapshot, "next steps", days, lambda: visits.visitors(*asked), asked[2:], ANALYSES)
    if rows.empty:
        raise BankmineError(f"nobody came in the {PRESENT} days before any of the month ends looked at")
    return NextStep(snapshot, rows.astype({"last_page": "category"}), pages, share)


class NextStep(Study):
    """Who opens an application form within 30 days."""

    name = "behaviour_next"
    purpose: ClassVar[str] = "to show what visitors are about to look for, at the time; not for prices or decisions"
    action: ClassVar[str] = "show offers to"
    baseline: ClassVar[str] = MARKOV
    trend_of: ClassVar[str] = "Share of visitors who opened an application form within 30 days, by month"
    delay = AHEAD

    def __init__(self, snapshot: Snapshot, rows: pd.DataFrame, pages: list[str], share: float) -> None:
        told = ["applies", "part", "last_product", "next_product", *KEYS]
        self.pages, self.told, self.share = pages, rows[told], share
        sample = Sample(rows.drop(columns=told), rows["applies"], rows["customer_id"], rows["day"])
        super().__init__(snapshot, f"an application form is opened within {AHEAD} days", sample)

    def divide(self) -> Parts:
        """Split month ends by time, each part the delay after the one before, and customers: none is in two parts."""
        sample, who = self.sample, self.told["part"].to_numpy()
        split = splits.out_of_time(sample, AHEAD, TRAIN, TUNE, TEST)
        folds = splits.rolling_origin(sample, np.union1d(split.train, split.tune), AHEAD)
        folds = [(learnt[who[learnt] == TEACH], tested[who[tested] == COMPARE]) for learnt, tested in folds]
        train, tune, test = (r[(who[r] == JUDGE) == (r is split.test)] for r in (split.train, split.tune, split.test))
        for rows, purpose in ((train, "learn from"), (tune, "calibrate by"), (test, "judge by")):
            models.learnable(sample.at(rows), purpose)
        split = replace(split, train=train, tune=tune, test=test)
        scoring = splits.for_scoring(sample, self.source.as_of, AHEAD, TRAIN, TUNE)
        how = f"by time, each part {AHEAD} days after the last day of the one before, and judged by other customers"
        return Parts(split, folds, scoring, how)

    def candidates(self, rows: Sample) -> dict[str, Pipeline]:
        """Set up a step of a Markov chain, which knows the last page alone, and two models of all counts."""
        chain = Pipeline([("encode", Encode(["last_page"])), ("model", LogisticRegression())])
        return {MARKOV: chain} | {n: m for n, m in models.candidates(rows).items() if n in self.explained}

    def costs(self, rows: Sample) -> Costs:
        """Lack costs: no register tells them."""
        raise BankmineError("what an offer at the right time earns is measured nowhere: try it with half held back")

    @property
    def rate(self) -> dict[str, object]:
        """As of any study, of customers who came lately."""
        return super().rate | {"whom": f"the visitors looked at {self.when(self.known)}"}

    @part
    def outlook(self) -> dict[str, object]:
        """How many `visitors` there are, how many are `expected` to apply, and of whom the likeliest tenth holds most.

        `value`, `low` and `high` are the share of those who applied that the tenth held when it was judged.
        """
        return self.judged.metric("caught_10").to_dict() | {"visitors": len(self.scores), "expected": self.scores.sum()}

    # --- sequence models

    @part
    def nets(self) -> pd.DataFrame:
        """What nets of each kind and seed say of the rows to calibrate by and judged: as of `sequences.foretold`."""
        sequences.require_jax()
        rows, split, target = self.told[list(KEYS)], self.split, self.sample.target.to_numpy()

        def made() -> pd.DataFrame:
            steps = sequences.steps_before(rows, visits.daily(self.source, self.pages, self.known), WINDOWS[-1])
            return sequences.foretold(steps, target, split.train, np.concatenate([split.tune, split.test]))

        return kept(self.source, "sequence models", rows, made, (self.pages, split), ANALYSES)

    @part
    def together(self) -> pd.DataFrame:
        """Log odds by each kind of net, the mean of its seeds."""
        return self.nets.pivot_table(index="row", columns="model", values="odds", sort=False)

    @part
    def with_nets(self) -> Judged:
        """All models on the rows judged, nets calibrated as all others."""
        tuned, rows = self.sample.target.loc[self.split.tune], self.judged.rows
        curves = {name: Calibrator().fit(odds.loc[tuned.index], tuned) for name, odds in self.together.items()}
        odds = self.together.loc[rows.target.index]
        said = {name: pd.Series(curve.predict(odds[name]), odds.index) for name, curve in curves.items()}
        return Judged(rows, self.judged.probability.assign(**said), self.chosen, self.baseline)

    @part
    def nets_table(self) -> pd.DataFrame:
        """Kinds of nets: AUC of one alone, how far all together are `ahead` of the model in use, and their cost."""
        rows, nets = self.judged.rows, self.nets.set_index("row")
        alone = nets.loc[rows.target.index].groupby(["model", "seed"], sort=False)["odds"]
        alone = alone.agg(lambda odds: roc_auc_score(rows.target, odds)).groupby("model", sort=False)
        held = against(rows.target, self.with_nets.probability, self.chosen, rows.entity)
        ahead = pd.DataFrame({name: of(held, name).loc["auc"] for name in self.together}).T
        cost = nets.groupby(["model", "seed"]).first().groupby("model").agg({"weights": "first", "seconds": "sum"})
        found = pd.DataFrame({"one alone, least": alone.min(), "most": alone.max()})
        told = found.join(ahead.rename(columns={"difference": "ahead"})).join(cost)
        figures = dict.fromkeys(found, ".3f") | dict.fromkeys(("ahead", "low", "high"), "+.3f")
        return shown(told, **figures, weights=",.0f", seconds=".0f")

    @part
    def verdict(self) -> dict[str, object]:
        """Whether the better kind of net (`net`, by the rows to calibrate by) is worth it, against the model in use.

        By how much of AUC it is `ahead`, with `low` and `high`, and what both cost in seconds of processor time.
        """
        tuned = self.sample.target.loc[self.split.tune]
        net = max(self.together, key=lambda name: roc_auc_score(tuned, self.together.loc[tuned.index, name]))
        found = self.nets_table.loc[net]
        words = (
            "it ranks better beyond chance" if found["low"] > 0
            else "it ranks worse beyond chance: aggregates are enough" if found["high"] < 0
            else "it is not shown to rank better: aggregates are enough"
        )  # fmt: skip
        own = {"chosen": self.chosen, "own": self.compared.table.loc[self.chosen, "seconds"]}
        return found.to_dict() | own | {"net": net, "words": words, "nets": sequences.SEEDS}

    # --- which product page comes next

    @part
    def product_chances(self) -> dict[str, pd.DataFrame]:
        """Chance of each product page to be the next one looked at, rows of the sample by pages, of each model."""
        last, coming = self.told["last_product"], self.told["next_product"]
        learnt = coming.iloc[self.split.train].dropna().index
        if (told := coming[learnt]).nunique() < 2:
            raise BankmineError(f"fewer than two pages begin with {PRODUCT!r}, so that nothing is to be foretold")
        popular = told.value_counts(normalize=True)
        pages, before = popular.index, last[learnt]
        everywhere = pd.DataFrame(np.tile(popular, (len(last), 1)), last.index, pages)
        same = (told == before).sum() / max(before.notna().sum(), 1)
        held = (last.to_numpy()[:, None] == pages.to_numpy()).astype(float)
        again = everywhere.mul(1 - same) * (1 - held) + same * held
        follows = _drawn(pd.crosstab(before, told).reindex(columns=pages, fill_value=0), popular)
        own = self.sample.predictors.reindex(columns=[f"{page}_views_{WINDOWS[-1]}d" for page in pages], fill_value=0)
        return {
            POPULAR: everywhere, "same as last": again.div(again.sum(axis=1), axis=0),
            MARKOV: follows.reindex(last).set_axis(last.index).fillna(popular),
            "own mix": _drawn(own.set_axis(pages, axis=1), popular),
        }  # fmt: skip

    def _of_products(self, rows: np.ndarray) -> pd.DataFrame:
        """Return each model's log `loss` where a product page came next, and whether it was among its `first` ones."""
        coming, found = self.told["next_product"].iloc[rows], {}
        coming = coming[coming.isin(self.product_chances[POPULAR].columns)]
        for model, chances in self.product_chances.items():
            given = chances.loc[coming.index]
            own = given.to_numpy()[np.arange(len(given)), given.columns.get_indexer(coming)]
            found["loss", model] = -np.log(own)
            found["first", model] = (given.to_numpy() > own[:, None]).sum(axis=1) < _FIRST
        return pd.DataFrame(found, coming.index, dtype=float)

    def _gains(self, rows: np.ndarray) -> pd.DataFrame:
        """Return how much less log loss each model has than popularity, with intervals of customers."""
        loss = self._of_products(rows)["loss"]
        return _means(-loss.drop(columns=POPULAR).sub(loss[POPULAR], axis=0), self.sample.entity[loss.index])

    @part
    def products(self) -> pd.DataFrame:
        """Models of the next product page on the rows judged: how often it is one of three, and log loss."""
        found = self._of_products(self.split.test)
        told = {
            "among the first three": with_interval(_means(found["first"], self.sample.entity[found.index]), "value"),
            "log loss": with_interval(_means(found["loss"], self.sample.entity[found.index]), "value"),
            f"log loss below {POPULAR}": with_interval(self._gains(self.split.test), "value", "+.4f"),
        }
        return pd.DataFrame(told).loc[list(self.product_chances)].fillna("")

    @part
    def product_used(self) -> dict[str, object]:
        """Model of the next product page in use, the best one if calibration rows show it, and why; pages it names.

        `value`, `low`, `high`: how often one of its first three pages came next on the rows judged.
        """
        gains = self._gains(self.split.tune)
        best = gains["value"].idxmax()
        better = gains.loc[best, "low"] > 0
        used, found = best if better else POPULAR, self._of_products(self.split.test)["first"]
        words = "foretells better than how popular pages are" if better else "no model is shown to foretell better"
        pages = self.product_chances[used].loc[self.today.target.index].mean().nlargest(_FIRST).index
        return _means(found, self.sample.entity[found.index]).loc[used].to_dict() | {
            "used": used, "words": words, "pages": ", ".join(readable(page) for page in pages),
        }  # fmt: skip

    # --- for others

    @part
    def customers(self) -> pd.DataFrame:
        """Chances of each visitor of today: to apply, and of each product page to come next; the three likeliest."""
        told = pd.DataFrame({"next_application": self.scores})
        if isinstance(optional(self, "product_used"), dict):
            chances = self.product_chances[self.product_used["used"]].loc[told.index]
            first = chances.columns.to_numpy()[np.argsort(-chances.to_numpy(), axis=1, kind="stable")[:, :_FIRST]]
            told = told.join(chances.add_prefix("next_"))
            told = told.join(pd.DataFrame(first, told.index).rename(columns=lambda i: f"next_page_{i + 1}"))
        return told.set_index(self.today.entity.rename("customer_id"))

    def files(self) -> dict[str, pd.DataFrame]:
        """Hand on the rows judged: what each model foretold of them, and what came."""
        nets = optional(self, "with_nets")
        judged = self.judged if isinstance(nets, Lacking) else nets
        rows = judged.probability.add_prefix("chance_").assign(day=judged.rows.day, outcome=judged.rows.target)
        if not isinstance(optional(self, "product_chances"), Lacking):
            found = self._of_products(self.split.test)
            rows = rows.join(found.set_axis([f"product_{what}_{model}" for what, model in found], axis=1))
        return {"behaviour_next_judged": rows.set_index(judged.rows.entity.rename("customer_id"))}


def _drawn(counts: pd.DataFrame, popular: pd.Series) -> pd.DataFrame:
    """Return shares of each row, few counts drawn towards the general shares."""
    return counts.add(_DRAWN_BY * popular).div(counts.sum(axis=1) + _DRAWN_BY, axis=0)


def _means(values: pd.DataFrame, entity: pd.Series) -> pd.DataFrame:
    """Return the `value` of the mean of each column, with `low` and `high` by customers."""
    mean = values.mean()
    low, high = around(mean, clustered_error(((values - mean) / len(values)).to_numpy(), entity))
    return pd.DataFrame({"value": mean, "low": low, "high": high})
