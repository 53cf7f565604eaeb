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
from sklearn.pipeline import Pipeline

from bankmine.bank.kept import ANALYSES
from bankmine.bank.snapshot import Snapshot
from bankmine.errors import BankmineError
from bankmine.features import visits
from bankmine.features.consent import agreed_to_be_treated_personally
from bankmine.features.spine import KEYS, kept
from bankmine.features.visits import AHEAD, COMPARE, JUDGE, PRESENT, PRODUCT, TEACH, WINDOWS
from bankmine.judging.choices import FIRST, Choices
from bankmine.judging.reasons import readable
from bankmine.lacking import Lacking, optional, part
from bankmine.learning import models, sequences, splits
from bankmine.learning.encoding import Encode
from bankmine.learning.next_item import POPULAR, next_chances
from bankmine.learning.sample import Sample
from bankmine.learning.splits import Parts
from bankmine.study.judged import Judged
from bankmine.study.nets import Nets
from bankmine.topics.behaviour.offers import Offering

TRAIN, TUNE, TEST, EVERY = 6, 2, 3, 2
"""Month ends to learn from, to calibrate by and to be judged by, and months from one of the first to the next."""
MOST = 10_000
"""Visitors that are learnt from and judged, about: of a larger bank some at random."""
MARKOV = "markov"


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


class NextStep(Offering):
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

    @property
    def rate(self) -> dict[str, object]:
        """As of any study, of customers who came lately."""
        return super().rate | {"whom": f"the visitors looked at {self.when(self.known)}"}

    @part
    def outlook(self) -> dict[str, object]:
        """How many of the `visitors` are `expected` to apply, which share of all (`mean`) and of the likeliest `tenth`.

        Of those expected so many may be shown an offer, `allowed`. `value`, `low` and `high` are the share of those who
        applied that the tenth held when it was judged.
        """
        chances = self.scores.sort_values(ascending=False)
        told = {"visitors": len(chances), "expected": chances.sum(), "mean": chances.mean()}
        told |= {"allowed": chances[self.may_be_shown].sum(), "tenth": chances.head(-(-len(chances) // 10)).mean()}
        return self.judged.metric("caught_10").to_dict() | told

    # --- sequence models

    @part
    def nets(self) -> Nets:
        """Nets of each kind and seed on the rows to calibrate by and judged, beside the other models."""
        sequences.require_jax()
        rows, split, target = self.told[list(KEYS)], self.split, self.sample.target

        def made() -> pd.DataFrame:
            steps = sequences.steps_before(rows, visits.daily(self.source, self.pages, self.known), WINDOWS[-1])
            asked = np.concatenate([split.tune, split.test])
            return sequences.foretold(steps, target.to_numpy(), split.train, asked)

        said = kept(self.source, "sequence models", rows, made, (self.pages, split), ANALYSES)
        return Nets(said, target.loc[split.tune], self.judged, self.compared.table.loc[self.chosen, "seconds"])

    @part
    def all_judged(self) -> Judged:
        """All models on the rows judged, nets too where there are any."""
        return self.judged if isinstance(nets := optional(self, "nets"), Lacking) else nets.beside

    @part
    def aucs(self) -> dict[str, dict[str, object]]:
        """Of each model its `auc` with `low` and `high`, for findings."""
        models = self.all_judged.probability
        return {m: {"model": m} | self.all_judged.metric("auc", m).rename({"value": "auc"}).to_dict() for m in models}

    # --- which product page comes next

    @part
    def product_chances(self) -> dict[str, pd.DataFrame]:
        """Chance of each product page to be the next one looked at, rows of the sample by pages, of each model."""
        last, coming, views = self.told["last_product"], self.told["next_product"], f"_views_{WINDOWS[-1]}d"
        if coming.isna().all():
            raise BankmineError(f"no page that anybody came to begins with {PRODUCT!r}")
        seen = self.sample.predictors.filter(like=views).rename(columns=lambda name: name.removesuffix(views))
        return next_chances(last, coming, self.split.train, seen)

    def _products(self, rows: np.ndarray) -> Choices:
        return Choices(self.product_chances, self.told["next_product"].iloc[rows], self.sample.entity, POPULAR)

    @part
    def products(self) -> Choices:
        """Models of the next product page on the rows judged."""
        return self._products(self.split.test)

    @part
    def product_used(self) -> dict[str, object]:
        """Model of the next product page in use, and why; `pages` it names, and how often one of them came: `value`.

        As many pages at random, of all `items`, would hold it in the share `random`.
        """
        used, gains = self._products(self.split.tune).best, self.products.gains
        shown = [gains["high"] < 0, gains["low"] > 0]
        than = np.select(shown, ["worse than", "better than"], "not shown to differ from")
        words = "; ".join(f"{how} {POPULAR}: {', '.join(own.index)}" for how, own in gains.groupby(than, sort=False))
        words += "; so all get the same chances" if used == POPULAR else f"; each gets chances of their own, by {used}"
        chances = self.product_chances[used].loc[self.today.target.index].mean()
        pages = chances.nlargest(FIRST).index
        told = {"pages": ", ".join(readable(page.removeprefix(f"{PRODUCT}_")) for page in pages)}
        told |= {"used": used, "words": words, "items": len(chances), "random": len(pages) / len(chances)}
        return self.products.mean("first").loc[used].to_dict() | told

    # --- for others

    @part
    def _agreed(self) -> pd.Series:
        return agreed_to_be_treated_personally(self.people, self.source.unseen)

    @part
    def withheld(self) -> dict[str, object]:
        """Of how many `visitors` of today no chances are handed on."""
        return {"withheld": self.counted(self._agreed)[False], "visitors": len(self.scores)}

    @part
    def customers(self) -> pd.DataFrame:
        """Chances of today's visitors who agreed: to apply, and of product pages where these are each one's own."""
        told, used = self.scores.rename("next_application").to_frame(), optional(self, "product_used")
        if used and used["used"] != POPULAR:
            told = told.join(self.product_chances[used["used"]].add_prefix("next_"))
        return told.set_index(self.today.entity.rename("customer_id"))[self._agreed.to_numpy()]

    def files(self) -> dict[str, pd.DataFrame]:
        """Hand on what each model foretold of the rows judged, and what came; and chances that are the same for all."""
        judged, used = self.all_judged, optional(self, "product_used")
        rows = judged.probability.add_prefix("chance_").assign(day=judged.rows.day, outcome=judged.rows.target)
        found = {}
        if used:
            scored = self.products.scored
            rows = rows.join(scored.set_axis([f"product_{what}_{model}" for what, model in scored], axis=1))
            if used["used"] == POPULAR:
                found["behaviour_next_pages"] = self.product_chances[POPULAR].iloc[0].rename("chance").to_frame()
        return found | {"behaviour_next_judged": rows.set_index(judged.rows.entity.rename("customer_id"))}
