"""What customers do next: who opens an application form within 30 days, and which product page is looked at next.

The event is the application form, not any product page: it is rarer, and who opens one has a need now. Which product
that may be is a second question, with an answer of its own: a chance of each product page.

All models see the same customers on the same days, and of these the same half year of visits. A model is judged by
customers of whom it has seen no row, on later days; visits are counted by day, as few banks know where one ends.
"""

from __future__ import annotations

import datetime
from dataclasses import replace
from functools import cached_property
from typing import ClassVar

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd
from ibis import _
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from bankmine.bank.kept import ANALYSES
from bankmine.bank.snapshot import Snapshot
from bankmine.deciding.costs import Costs
from bankmine.errors import BankmineError
from bankmine.features.spine import KEYS, by_period, kept, spine_of
from bankmine.judging.intervals import around, clustered_error, shown, with_interval
from bankmine.judging.ranking import against, of
from bankmine.judging.reasons import readable
from bankmine.lacking import Lacking, optional, part
from bankmine.learning import models, splits
from bankmine.learning.encoding import Encode
from bankmine.learning.fitting import Calibrator
from bankmine.learning.sample import Sample, drawn
from bankmine.learning.splits import Parts
from bankmine.study.judged import Judged
from bankmine.study.study import Study
from bankmine.topics.behaviour import sequences

APPLICATION, PRODUCT = "application", "product"
"""How pages begin on which customers apply, and which show a product."""
AHEAD, WINDOWS, _OF_A_PAGE = 30, (7, 30, 90, 180), (30, 180)
"""Days looked ahead, and back, in all and at each page; only who came in the last `_PRESENT` days is looked at."""
_PRESENT = 90
TRAIN, TUNE, TEST, EVERY = 6, 2, 3, 2
MOST = 10_000
"""Customers that are learnt from and judged, about: of a larger bank some at random."""
_JUDGED, _TESTED = 0.4, 0.6
"""Customers up to this share of the panel judge models, those up to the next one compare them, all others teach."""
_PAGES = 40
"""Pages told apart, the most frequent ones; a page of another name is only a view."""
MARKOV, POPULAR, _FIRST = "markov", "popularity", 3
_DRAWN_BY = 20
"""Views at the general shares that are added to those that followed a page."""
_STAMP = 12


def next_step(snapshot: Snapshot) -> NextStep:
    """Set up the question what customers of a bank do next; an error where the bank tells of no visits."""
    snapshot.require("events.page")
    days = splits.month_ends(snapshot.as_of, AHEAD, TRAIN, TUNE, TEST, EVERY)
    here = snapshot.events.filter(_["at"].cast("date") > snapshot.as_of - datetime.timedelta(days=_PRESENT))
    share = min(1.0, MOST / max(here.customer_id.nunique().execute(), 1))
    pages = _pages(snapshot, days)
    rows = kept(snapshot, "next steps", days, lambda: _rows(snapshot, days, pages, share), (pages, share), ANALYSES)
    rows["last_page"] = rows["last_page"].astype("category")
    if rows.empty:
        raise BankmineError(f"nobody came in the {_PRESENT} days before one of these month ends")
    return NextStep(snapshot, rows, pages, share)


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
        folds = [(learnt[who[learnt] == 2], tested[who[tested] == 1]) for learnt, tested in folds]
        split = replace(
            split, **{n: r[who[r] > 0] for n in ("train", "tune") for r in [getattr(split, n)]},
            test=split.test[who[split.test] == 0],
        )  # fmt: skip
        for rows, purpose in ((split.train, "learn from"), (split.tune, "calibrate by"), (split.test, "judge by")):
            models.learnable(sample.at(rows), purpose)
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
        split, known, asked = self.split, self.known, np.concatenate([self.split.tune, self.split.test])

        def made() -> pd.DataFrame:
            visits = sequences.visits_before(self.told[list(KEYS)], _daily(self.source, self.pages, known), WINDOWS[-1])
            return sequences.foretold(visits, self.sample.target.to_numpy(), split.train, asked)

        return kept(self.source, "sequence models", self.told[list(KEYS)], made, (self.pages, split), ANALYSES)

    @part
    def _nets_mean(self) -> pd.DataFrame:
        """Log odds by rows asked and kind of net, of all seeds together."""
        return self.nets.pivot_table(index="row", columns="model", values="odds", sort=False)

    @part
    def with_nets(self) -> Judged:
        """All models on the rows judged, nets by the mean of their seeds, calibrated as all others."""
        said, tuned, judged = self._nets_mean, self.sample.at(self.split.tune), self.judged
        curves = {name: Calibrator().fit(odds.loc[self.split.tune], tuned.target) for name, odds in said.items()}
        rows = judged.rows.target.index
        nets = {name: pd.Series(curve.predict(said.loc[rows, name]), rows) for name, curve in curves.items()}
        return Judged(judged.rows, judged.probability.assign(**nets), self.chosen, self.baseline)

    @part
    def nets_table(self) -> pd.DataFrame:
        """Kinds of nets: AUC of all seeds together, least and most of one alone, behind the model in use, and cost."""
        target, whose = self.judged.rows.target, self.judged.rows.entity
        held = against(target, self.with_nets.probability, self.chosen, whose)
        told = {}
        for model, nets in self.nets.groupby("model", sort=False):
            alone = nets.pivot_table(index="row", columns="seed", values="odds").loc[target.index]
            each = [roc_auc_score(target, odds) for _, odds in alone.items()]
            cost = nets.drop_duplicates("seed")
            told[model] = {
                **self.with_nets.metric("auc", model), **of(held, model).loc["auc"].add_prefix("ahead_"),
                "least": min(each), "most": max(each), "slope": self.with_nets.deviation("slope", model)["value"],
                "weights": cost["weights"].iloc[0], "seconds": cost["seconds"].sum(),
            }  # fmt: skip
        return pd.DataFrame(told).T

    @part
    def nets_shown(self) -> pd.DataFrame:
        """The same for a page."""
        found = self.nets_table.rename(columns={"ahead_difference": "ahead"})
        told = pd.DataFrame({"AUC": with_interval(found, "value")})
        told[f"AUC above {self.chosen}"] = with_interval(found, "ahead", "+.3f")
        told["one net alone"] = found["least"].map("{:.3f} to ".format) + found["most"].map("{:.3f}".format)
        return shown(told.join(found[["slope", "weights", "seconds"]]), slope=".2f", weights=",.0f", seconds=".0f")

    @part
    def verdict(self) -> dict[str, object]:
        """Whether the better kind of net (`net`, by the rows to calibrate by) is worth it, against the model in use.

        By how much of AUC it is `ahead`, with `low` and `high`, and what both cost in seconds of processor time.
        """
        tuned = self.sample.target.loc[self.split.tune]
        net = max(self._nets_mean, key=lambda name: roc_auc_score(tuned, self._nets_mean.loc[tuned.index, name]))
        found = self.nets_table.loc[net]
        words = (
            "it ranks better beyond chance" if found["ahead_low"] > 0
            else "it ranks worse beyond chance: aggregates are enough" if found["ahead_high"] < 0
            else "it is not shown to rank better: aggregates are enough"
        )  # fmt: skip
        return {
            "net": net, "ahead": found["ahead_difference"], "low": found["ahead_low"], "high": found["ahead_high"],
            "words": words, "seconds": found["seconds"], "nets": sequences.SEEDS, "chosen": self.chosen,
            "own": self.compared.table.loc[self.chosen, "seconds"],
        }  # fmt: skip

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
        follows = pd.crosstab(before, told).reindex(columns=pages, fill_value=0)
        follows = follows.add(_DRAWN_BY * popular).div(follows.sum(axis=1) + _DRAWN_BY, axis=0)
        counts = [f"{page}_views_{w}d" for page in pages.intersection(self.pages) for w in _OF_A_PAGE]
        model = make_pipeline(StandardScaler(), LogisticRegression(C=1 / len(counts), max_iter=500))
        views = np.log1p(self.sample.predictors[counts].to_numpy(float))
        said = model.fit(views[learnt], told).predict_proba(views)
        return {
            POPULAR: everywhere, "same as last": again.div(again.sum(axis=1), axis=0),
            "markov": follows.reindex(last).set_axis(last.index).fillna(popular),
            "logistic": pd.DataFrame(said, last.index, model.classes_)[pages],
        }  # fmt: skip

    def _of_products(self, rows: np.ndarray) -> pd.DataFrame:
        """Return of rows after which a product page was seen each model's log `loss`, and whether it was of its `first`."""
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
        """Chance of each visitor of today to apply, of each product page to come next, and the three likeliest pages."""
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


def _means(values: pd.DataFrame, entity: pd.Series) -> pd.DataFrame:
    """Return the `value` of the mean of each column, with `low` and `high` by customers."""
    mean = values.mean()
    low, high = around(mean, clustered_error(((values - mean) / len(values)).to_numpy(), entity))
    return pd.DataFrame({"value": mean, "low": low, "high": high})


def _pages(snapshot: Snapshot, days: list[datetime.date]) -> list[str]:
    """Name the most frequent pages up to the last day learnt from; a BankmineError where nobody could apply."""
    pages = snapshot.events.filter(_["at"].cast("date") <= days[:TRAIN][-1], _.page.notnull())
    told = pages.group_by("page").agg(views=_.count()).order_by(_.views.desc(), "page").limit(_PAGES)
    found = told.to_pandas()["page"].tolist()
    if not any(page.startswith(APPLICATION) for page in found):
        raise BankmineError(f"no page that was seen often begins with {APPLICATION!r}")
    return found


def _rows(snapshot: Snapshot, days: list[datetime.date], pages: list[str], share: float) -> pd.DataFrame:
    """Fetch a row a visitor and day: what came of it, and what was looked at in windows before."""
    spine, last = spine_of(snapshot, days), max(days)
    if share < 1:
        spine = spine.filter((_.day == last) | drawn(_.customer_id, share))
    periods = by_period(
        _views(snapshot), spine, (-AHEAD, 0, *WINDOWS),
        {"views": _.count(), "visit_days": _.date.nunique(), "visited": _.date.max(), "seen": _.stamped.max()}
        | {f"{kind}_pages": _.page.startswith(kind).sum() for kind in (APPLICATION, PRODUCT)}
        | {f"{kind}_on": _.date.max(where=_.page.startswith(kind)) for kind in (APPLICATION, PRODUCT)}
        | {"shown_first": _.stamped.min(where=_.page.startswith(PRODUCT))}
        | {"shown_last": _.stamped.max(where=_.page.startswith(PRODUCT)), "mobile_views": _.mobile.sum()}
        | {f"page_{i}": (_.page == page).sum() for i, page in enumerate(pages)},
    )  # fmt: skip
    past = periods.age >= 0
    sums = ["views", "visit_days", "mobile_views", f"{APPLICATION}_pages", f"{PRODUCT}_pages"]
    pairs = [(s, w) for s in sums for w in WINDOWS] + [(f"page_{i}", w) for i in range(len(pages)) for w in _OF_A_PAGE]
    columns = {f"{s}_{w}d": periods[s].sum(where=past & (periods.age < w)).fill_null(0) for s, w in pairs}
    since = {"visit": "visited", "application": f"{APPLICATION}_on", "product": f"{PRODUCT}_on"}
    columns |= {f"days_since_{n}": periods.day.delta(periods[c], unit="day").min(where=past) for n, c in since.items()}
    table = periods.group_by(*KEYS).agg(
        **columns, applies=(periods[f"{APPLICATION}_pages"].sum(where=~past).fill_null(0) > 0).cast("float64"),
        last_page=periods.seen.max(where=past).substr(_STAMP),
        last_product=periods.shown_last.max(where=past).substr(_STAMP),
        next_product=periods.shown_first.min(where=~past).substr(_STAMP),
    )  # fmt: skip
    who = _.customer_id
    table = table.filter(table[f"visit_days_{_PRESENT}d"] > 0).mutate(
        part=drawn(who, _JUDGED * share).ifelse(0, drawn(who, _TESTED * share).ifelse(1, 2))
    )
    rows = table.to_pyarrow().to_pandas(date_as_object=False).sort_values(list(KEYS), ignore_index=True)
    rows["day"] = pd.to_datetime(rows["day"])
    rows["applies"] = rows["applies"].where(rows["day"] + pd.Timedelta(days=AHEAD) <= pd.Timestamp(snapshot.as_of))
    names = {f"page_{i}_{w}d": f"{page}_views_{w}d" for i, page in enumerate(pages) for w in _OF_A_PAGE}
    return rows.rename(columns=names)


def _views(snapshot: Snapshot) -> ir.Table:
    """Return views by day; `stamped` is the page after its time, so that the first and the last one can be found."""
    events = snapshot.events
    mobile = (events.channel == "mobile").cast("int32") if snapshot.has("events.channel") else ibis.literal(0)
    page = events.page.fill_null("")
    stamp = events["at"].epoch_seconds().cast("string").lpad(_STAMP, "0")
    return events.select("customer_id", date=events["at"].cast("date"), page=page, mobile=mobile, stamped=stamp + page)


def _daily(snapshot: Snapshot, pages: list[str], rows: Sample) -> pd.DataFrame:
    """Fetch days with a visit of customers who are learnt from or judged: views of each page, on a phone, in all."""
    since = rows.day.min() - pd.Timedelta(days=max(WINDOWS))
    views = _views(snapshot).filter(_.date > since.date())
    views = views.semi_join(ibis.memtable(pd.DataFrame({"customer_id": rows.entity.unique()})), "customer_id")
    counts = {f"page_{i}": (_.page == page).sum() for i, page in enumerate(pages)}
    daily = views.group_by("customer_id", day=_.date).agg(views=_.count(), mobile_views=_.mobile.sum(), **counts)
    found = daily.to_pyarrow().to_pandas(date_as_object=False)
    return found.assign(day=pd.to_datetime(found["day"]))
