"""Products: how likely each customer is to take each product within half a year, by one model a product.

Rows are customers on month ends who have never had the product; most of them take nothing, and the chance says so.
Where too few took a product to learn from, its chance is the share that took it lately in the customer's segment.
"""

from __future__ import annotations

import datetime
from dataclasses import replace
from typing import ClassVar

import ibis
import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from bankmine.bank.snapshot import Snapshot
from bankmine.errors import BankmineError
from bankmine.features.customers import all_known
from bankmine.features.holdings import holders
from bankmine.features.spine import KEYS
from bankmine.judging.intervals import around, shown, wilson, with_interval
from bankmine.judging.ranking import against, of
from bankmine.judging.reasons import readable
from bankmine.lacking import Lacking, optional, part
from bankmine.learning import models, splits
from bankmine.learning.fitting import Applied, apply_models, scores
from bankmine.learning.recommenders import BY_SEGMENT, Scores, recommend
from bankmine.learning.sample import Sample
from bankmine.learning.splits import FEWEST, Parts
from bankmine.study.judged import Judged
from bankmine.study.study import Study
from bankmine.study.why import Why
from bankmine.topics.recommendation.history import AHEAD, History, Moment

TRAIN, TUNE, EVERY = 4, 2, 3
"""Month ends to learn from and to calibrate by, and months from one of the first to the next."""
MOST = 10_000
"""Customers that are learnt from and judged, about: of a larger bank some at random."""
_TREES = {"n_estimators": 60, "max_depth": 3, "learning_rate": 0.08}
_LIKELIEST = 0.2
"""Share of the rows scored of whom reasons are told: nobody else is likely to be made an offer."""
LOGISTIC, BOOSTED = "logistic", "xgboost"
PRODUCT_MODELS = "product_models"


class Takes(Study):
    """Who takes a product within half a year, of those who have never had it."""

    name = "recommendation"
    purpose: ClassVar[str] = "to choose what is offered to whom; not for prices, nor to grant or refuse anything"
    action: ClassVar[str] = "make an offer to"
    baseline: ClassVar[str] = LOGISTIC
    explained: ClassVar[tuple[str, ...]] = (LOGISTIC, BOOSTED)
    delay = AHEAD

    def divide(self) -> Parts:
        """Split month ends by time; each part begins when the outcomes of the one before were known."""
        sample = self.sample
        split = splits.out_of_time(sample, AHEAD, TRAIN, TUNE, 1)
        if (took := int(sample.target.iloc[split.train].sum())) < FEWEST:
            raise BankmineError(f"only {took} of the rows to learn from took it, fewer than {FEWEST}")
        for rows, purpose in ((split.tune, "calibrate by"), (split.test, "judge by")):
            models.learnable(sample.at(rows), purpose)
        folds = splits.rolling_origin(sample, np.union1d(split.train, split.tune), AHEAD)
        today = np.flatnonzero(sample.day == pd.Timestamp(self.source.as_of))
        return Parts(split, folds, replace(split, test=today), f"by time, each part {AHEAD} days after the one before")

    def candidates(self, rows: Sample) -> dict[str, Pipeline]:
        """Set up a logistic regression and a few boosted trees."""
        found = models.candidates(rows)
        found[BOOSTED].set_params(**{f"model__{name}": value for name, value in _TREES.items()})
        return {name: found[name] for name in self.explained}

    @part
    def fitted(self) -> tuple[Applied, Applied]:
        """Models on the rows judged; none is fitted anew."""
        applied = apply_models(self.recipes, self.sample, self.split)
        return applied, applied

    @part
    def said(self) -> pd.DataFrame:
        """What the models say, by row, kept: `logistic` and `xgboost` of the rows judged and of today, calibrated.

        Of the rows to calibrate by `raw` is what the model in use said before that. `reasons` are of today's likeliest.
        """
        return self._kept("chances and reasons", (self.recipes, self.parts, self.chosen), self._say)

    def _say(self) -> pd.DataFrame:
        applied, tuned = self.fitted[0], self.sample.at(self.split.tune)
        found = pd.concat(
            [applied.probability, pd.DataFrame({m: applied.chances(m, self.today) for m in self.recipes})]
        )
        raw = scores({self.chosen: self.model}, tuned)[self.chosen].astype(float)
        chance = found.loc[self.today.target.index, self.chosen]
        likeliest = self.today.at((chance >= chance.quantile(1 - _LIKELIEST)).to_numpy())
        typical = self.today.predictors.median()
        why = Why(self.model, likeliest, chance[likeliest.target.index], self.reasons, typical)
        found = found.join(raw.rename("raw"), how="outer").join(why.lines.rename("reasons"))
        return found.fillna({"reasons": ""})

    @part
    def judged(self) -> Judged:
        """Both models on rows that neither has seen."""
        rows = self.sample.at(self.split.test)
        return Judged(rows, self.said.loc[rows.target.index, list(self.explained)], self.chosen, self.baseline)


class Products:
    """Chances of all products that are worth recommending."""

    def __init__(self, snapshot: Snapshot, history: History) -> None:
        self.source, self.history = snapshot, history
        self.days = splits.month_ends(snapshot.as_of, AHEAD, TRAIN, TUNE, 1, EVERY)

    @property
    def cut(self) -> datetime.date:
        """The day on which lists are judged: the last month end of which the half year after is known."""
        return self.days[-2]

    @property
    def earlier(self) -> datetime.date:
        """The day by which models are chosen: all that came of it was known on the day judged."""
        return self.days[-3]

    @part
    def _rows(self) -> pd.DataFrame:
        """Customers with an account on each day, of a large bank some at random, but all of today."""
        found = []
        for day in self.days:
            own = holders(self.source, day).sort_values()
            if len(own) > MOST and day != self.source.as_of:
                own = own[np.random.default_rng(0).permutation(len(own))[:MOST]].sort_values()
            found.append(pd.DataFrame({"customer_id": own, "day": pd.Timestamp(day)}))
        return pd.concat(found, ignore_index=True)

    @part
    def known(self) -> pd.DataFrame:
        """What was known of each row on its day."""
        spine = ibis.memtable(self._rows.assign(day=self._rows["day"].dt.date))
        spine = spine.select("customer_id", day=spine.day.cast("date"))
        return all_known(self.source, spine, self._rows[list(KEYS)])

    def moment(self, day: datetime.date) -> Moment:
        """Return the customers of one of the days, and what each had taken by then."""
        return self.history.at(day, pd.Index(self._rows.loc[self._rows["day"] == pd.Timestamp(day), "customer_id"]))

    def known_on(self, day: datetime.date) -> pd.DataFrame:
        """Return what was known of customers on one of the days, by customer."""
        rows = self._rows[self._rows["day"] == pd.Timestamp(day)]
        return self.known.loc[rows.index].set_axis(pd.Index(rows["customer_id"]))

    @part
    def models(self) -> dict[str, Takes]:
        """The question of each product."""
        first = self.history.openings.drop_duplicates(["customer_id", "product"])
        return {product: self._takes(product, first[first["product"] == product]) for product in self.history.products}

    def _takes(self, product: str, first: pd.DataFrame) -> Takes:
        day = self._rows["customer_id"].map(first.set_index("customer_id")["day"])
        rows = self._rows[~(day <= self._rows["day"])]
        until = rows["day"] + pd.Timedelta(days=AHEAD)
        came = (day[rows.index] <= until).astype(float).where(until <= pd.Timestamp(self.source.as_of))
        known = self.known.loc[rows.index]
        known = known.loc[:, known.max() > known.min()].astype(float)
        event = f"{readable(product)} is taken within {AHEAD} days"
        return Takes(self.source, event, Sample(known, came, rows["customer_id"], rows["day"]))

    @part
    def lacking(self) -> dict[str, str]:
        """Products for which there is no model, and why."""
        said = {name: optional(model, "said") for name, model in self.models.items()}
        return {name: found.why for name, found in said.items() if isinstance(found, Lacking)}

    def shares(self, moment: Moment) -> pd.DataFrame:
        """Return the share of each one's segment that took each product of late; NaN where the customer has had it."""
        share = recommend(moment.had, moment.recent, moment.segment, models=[BY_SEGMENT])[BY_SEGMENT]
        found = pd.DataFrame(share.at(slice(None)), moment.customers, self.history.products)
        return found.mask(moment.had.toarray() > 0)

    def chances(self, moment: Moment) -> pd.DataFrame:
        """Return the chance of each product, customers by products; NaN where the customer has had it.

        Of the earlier day, by which models are calibrated, they are those that the models gave before.
        """
        found = self.shares(moment)
        for name, model in self.models.items():
            if name not in self.lacking:
                rows = model.sample.day[model.sample.day == pd.Timestamp(moment.day)].index
                told = model.said.loc[rows, "raw" if moment.day == self.earlier else model.chosen]
                found[name] = told.set_axis(model.sample.entity[rows]).reindex(found.index)
        return found.mask(moment.had.toarray() > 0)

    def scores(self, moment: Moment) -> Scores:
        """Return the chances as scores to make lists of."""
        return Scores.of(self.chances(moment).fillna(-np.inf).to_numpy())

    @part
    def reasons(self) -> pd.DataFrame:
        """Why today's likeliest are likely to take each product: customers by products, '' where nothing is said."""
        told = {}
        for name, model in self.models.items():
            if name not in self.lacking:
                own = model.said.loc[model.today.target.index, "reasons"]
                told[name] = own.set_axis(model.today.entity)
        return pd.DataFrame(told).reindex(columns=self.history.products).fillna("")

    @part
    def calibrated(self) -> pd.DataFrame:
        """A row a product: the model in use, how well it ranks, and how many were foretold to take it and did.

        `foretold` and `came` are customers of the half year judged; `came_low` and `came_high` are how many could have
        come by chance at the rate that came, and `words` compare them. `ahead` is the AUC above that of the share that
        took it lately in the customer's segment.
        """
        share = self.shares(self.moment(self.cut))
        rows = {
            name: _came(model.judged) | _ahead(model.judged, share[name])
            for name, model in self.models.items() if name not in self.lacking
        }  # fmt: skip
        if not rows:
            raise BankmineError("; ".join(f"{readable(name)}: {why}" for name, why in self.lacking.items()))
        return pd.DataFrame(rows).T.infer_objects().rename_axis("product")

    @part
    def calibrated_table(self) -> pd.DataFrame:
        """The same as it is shown."""
        found = self.calibrated
        told = pd.DataFrame({
            "model": found["model"], "customers without it": found["customers"],
            "foretold to take it": found["foretold"], "took it": with_interval(found, "came", ",.0f"),
            "chances": found["words"], "AUC": with_interval(found, "auc", ".2f"),
            "AUC above the segment's share": with_interval(found, "ahead", "+.2f"),
        })  # fmt: skip
        return shown(told.rename(index=readable), **{"foretold to take it": ",.0f"})

    @part
    def headline(self) -> dict[str, object]:
        """How many of the last half year were foretold to take something (`foretold`) and did (`came`), and misses."""
        found, off = self.calibrated, self.calibrated["words"].ne("about right")
        names = "; ".join(f"{word}: {', '.join(map(readable, own.index))}" for word, own in found[off].groupby("words"))
        judged = [model.judged for name, model in self.models.items() if name not in self.lacking]
        chance = pd.concat([one.probability[one.chosen] for one in judged])
        came, foretold = int(found["came"].sum()), found["foretold"].sum()
        low, high = around(came, np.sqrt((chance * (1 - chance)).sum()))
        in_all = "too many" if foretold > high else "too few" if foretold < low else "about right"
        told = {"foretold": foretold, "came": came, "in_all": in_all, "cut": str(self.cut), "products": len(found)}
        told |= {"better": int((found["ahead_low"] > 0).sum()), "right": int((~off).sum())}
        return told | {"misses": f" ({names})" if names else ""}

    @property
    def unlearnt(self) -> dict[str, object] | Lacking | None:
        """Products without a model, for an alert: `names` and `why` of the first; None where all have one."""
        found = self.lacking
        if isinstance(found, Lacking):
            return found
        return (
            {"names": ", ".join(map(readable, found)), "why": next(iter(found.values())).partition(":")[0]}
            if found
            else None
        )


def _came(judged: Judged) -> dict[str, object]:
    """Set what the model in use foretold beside what came."""
    chance, target = judged.probability[judged.chosen], judged.rows.target
    foretold, came, auc = chance.sum(), int(target.sum()), judged.metric("auc")
    low, high = (len(target) * end for end in wilson(came, len(target)))
    words = "too many" if foretold > high else "too few" if foretold < low else "about right"
    told = {"model": judged.chosen, "customers": len(target), "foretold": foretold, "words": words}
    told |= {"came": came, "came_low": low, "came_high": high}
    return told | {"auc": auc["value"], "auc_low": auc["low"], "auc_high": auc["high"]}


def _ahead(judged: Judged, share: pd.Series) -> dict[str, float]:
    """Say how far the model in use ranks better than shares of segments, on the same rows."""
    rows, model = judged.rows, judged.chosen
    both = pd.DataFrame({BY_SEGMENT: share.reindex(rows.entity).to_numpy(), model: judged.probability[model]})
    found = of(against(rows.target, both, BY_SEGMENT, rows.entity), model).loc["auc"]
    return {"ahead": found["difference"], "ahead_low": found["low"], "ahead_high": found["high"]}
