"""Payments judged block by block, each by models that learnt what was known when its block began.

Frauds are a few in a thousand payments, so that all of them are learnt from and of the genuine ones a random part; that
part, and the weights, raise the odds that a model tells by known factors, which are taken out again (Dal Pozzolo,
Caelen, Johnson and Bontempi, Calibrating probability with undersampling, IEEE Symposium on Computational Intelligence
2015; King and Zeng, Political Analysis 9, 2001). What is judged is never thinned or weighted.

The probability of the chosen model is calibrated by the block before, as far as the labels of that had settled by then;
so are thresholds. An extra block before the first serves only for that. Blocks must be longer than the delay for it:
else nothing of a block has settled when the next begins, and odds are corrected only for thinning and weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.ensemble import IsolationForest
from sklearn.pipeline import Pipeline
from sklearn.utils.parallel import Parallel, delayed
from threadpoolctl import threadpool_limits

from bankmine.learning import models
from bankmine.learning.blocks import Block, Plan, blocks, newest
from bankmine.learning.encoding import Encode, SignedLog
from bankmine.learning.fitting import Calibrator
from bankmine.learning.sample import Panel, Sample
from bankmine.topics.fraud.payments import Payments
from bankmine.topics.fraud.rules import ExpertRule, Fired, fired, score

ANOMALY = "anomaly"
"""The detector alone, and the predictor that its score becomes."""
WITH_ANOMALY = "xgboost_anomaly"
LEARNERS = ("logistic", "forest", "xgboost", WITH_ANOMALY, ANOMALY)
GENUINE = 15_000
"""Genuine payments that are learnt from at most: twice as many rank no better beside a thousand frauds, and take twice
as long."""
_WATCHED = 15_000
_TREE = 512
_SETTINGS = {
    "logistic": {},
    "forest": {"model__n_estimators": 30, "model__max_depth": 12, "model__min_samples_leaf": 3},
    "xgboost": {
        "model__n_estimators": 120, "model__max_depth": 5, "model__learning_rate": 0.1, "model__subsample": 0.8,
        "model__colsample_bytree": 0.5,
    },
}  # fmt: skip


@dataclass(frozen=True)
class Fitted:
    """Models that were fitted on what was known at one time."""

    models: dict[str, Pipeline]
    """Those that tell a chance, by name."""
    detector: Pipeline | None
    """The isolation forest, where it was asked for."""
    factor: float
    """By what their odds are multiplied, to undo thinning and weights."""
    learnt: Sample
    """What they learnt from, with `ANOMALY` among the predictors where a model takes it."""

    def chance(self, name: str, sample: Sample) -> pd.Series:
        """Return the chance of fraud of each payment by a model, not calibrated."""
        return chance_of(models.scores({name: self.models[name]}, sample)[name], self.factor)

    def scores(self, sample: Sample) -> pd.DataFrame:
        """Return for each payment the chance of fraud by each model, and how strange it is by the detector (0 to 1)."""
        strange = {} if self.detector is None else {ANOMALY: _strangeness(self.detector, sample.predictors)}
        if WITH_ANOMALY in self.models:
            sample = replace(sample, predictors=sample.predictors.assign(**strange))
        told = models.scores(self.models, sample).apply(lambda chance: chance_of(chance, self.factor))
        return told.assign(**strange)


def fit(
    sample: Sample, block: Block, learners: Sequence[str] = LEARNERS, weight: float | None = None, seed: int = 0
) -> Fitted:
    """Fit models on payments and what was known of them when a block began, the detector on those just before it.

    The detector is fitted where it is among the learners, or one takes what it tells. A fraud weighs `weight` genuine
    payments, or else the root of how many are learnt from beside each: full balance makes probabilities coarse and
    ranks no better.
    """
    rng = np.random.default_rng(seed)
    watched, detector = some(block.recent, _WATCHED, rng), None
    kept, share = _thinned(block.known, rng)
    few = replace(block, train=block.train[kept], known=block.known[kept]).learns(sample)
    if {ANOMALY, WITH_ANOMALY} & set(learners):
        detector = _detector(seed).fit(sample.predictors.iloc[watched])
    if WITH_ANOMALY in learners:
        few = replace(few, predictors=few.predictors.assign(**{ANOMALY: _strangeness(detector, few.predictors)}))
    weight = weight or float(np.sqrt((few.target == 0).sum() / max(few.target.sum(), 1)))
    chosen = [name for name in LEARNERS if name in learners and name != ANOMALY]
    found = models.fit_all(_candidates(few, chosen, weight, seed), few)
    return Fitted(found, detector, share * block.share / weight, few)


def chance_of(told: pd.Series, factor: float) -> pd.Series:
    """Multiply the odds of told chances: p f / (1 − p + p f); in double precision, as in real time."""
    told = told.astype(float)
    return told * factor / (1 - told + told * factor)


def _candidates(sample: Sample, names: list[str], weight: float, seed: int) -> dict[str, Pipeline]:
    plain = [c for c in sample.predictors.columns if c != ANOMALY]
    base = models.candidates(sample, seed=seed)
    found = {}
    for name in names:
        kind = "xgboost" if name == WITH_ANOMALY else name
        model = clone(base[kind]).set_params(**_SETTINGS[kind])
        weights = {"scale_pos_weight": weight} if kind == "xgboost" else {"class_weight": {0.0: 1.0, 1.0: weight}}
        model.set_params(**{f"model__{key}": value for key, value in weights.items()})
        found[name] = model if name == WITH_ANOMALY else model.set_params(encode__columns=plain)
    return found


def _detector(seed: int) -> Pipeline:
    """Set up the isolation forest (Liu, Ting and Zhou, IEEE Conference on Data Mining 2008) on drawn-in amounts."""
    forest = IsolationForest(n_estimators=64, max_samples=_TREE, random_state=seed, n_jobs=1)
    return Pipeline([("encode", Encode()), ("unskew", SignedLog()), ("model", forest)])


def _strangeness(detector: Pipeline, predictors: pd.DataFrame) -> np.ndarray:
    return -detector.score_samples(predictors)


def _thinned(known: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, float]:
    """Return the places of all known frauds and of some other payments, in order, and the share of these."""
    others = np.flatnonzero(known == 0)
    kept = some(others, GENUINE, rng)
    return np.sort(np.concatenate([np.flatnonzero(known == 1), kept])), len(kept) / max(len(others), 1)


def some(positions: np.ndarray, most: int, rng: np.random.Generator) -> np.ndarray:
    """Return some of the positions at random, at most so many, in order."""
    return np.sort(rng.permutation(positions)[:most])


CHOSEN = "xgboost"


@dataclass(frozen=True)
class Backtest:
    """Payments and what models said of them before their labels were known.

    The chosen model, the detector and the expert rules judge all blocks, the others the newest.
    """

    blocks: list[Block]
    """Oldest first."""
    compared: int
    """Of these the last so many are judged by all learners."""
    sample: Sample
    """The payments judged."""
    payments: Payments
    """Of the same rows."""
    scores: pd.DataFrame
    """Baselines (`random`, `amount`, `rules`), learners (probabilities), and always the anomaly detector; NaN where a
    learner, or `random`, did not judge."""
    probability: pd.Series
    """Of the chosen model, calibrated by the block before."""
    before: dict[pd.Timestamp, pd.Series]
    """First day of a block -> what the chosen model had said of the payments of the block before it."""
    fired: Fired
    """Expert rules that hold of each payment."""
    fitted: Fitted
    """The models of the last block; of those the chosen one is always there."""
    calibrators: list[Calibrator | None]
    """One a block, of its chosen model; None where no fraud of the block before was known."""
    block: pd.Series
    """First day of the block of each payment."""

    @property
    def newest(self) -> Backtest:
        """The last blocks alone, which all learners judged."""
        kept = self.blocks[-self.compared :]
        index = self.block.index[self.block >= kept[0].start]
        rows = np.arange(len(self.block) - len(index), len(self.block))
        return Backtest(
            kept, self.compared, self.sample.at(rows), self.payments.of(index), self.scores.loc[index],
            self.probability[index], {block.start: self.before[block.start] for block in kept},
            replace(self.fired, holds=self.fired.holds.loc[index], points=self.fired.points[index]),
            self.fitted, self.calibrators[-self.compared :], self.block[index],
        )  # fmt: skip


def cut(sample: Sample, known_on: pd.Series, plan: Plan, panel: Panel | None = None) -> tuple[list[Block], list[Block]]:
    """Return the block before those judged, if the history reaches as far back, and the blocks judged."""
    found = blocks(sample, known_on, replace(plan, blocks=plan.blocks + 1), panel)
    warm = found[: -plan.blocks] if len(found) > plan.blocks else []
    return warm, found[len(warm) :]


Keep = Callable[[str, object, Callable[[], pd.DataFrame]], pd.DataFrame]
"""Returns what follows from what is given, by a name, kept from before or made."""


def _made(what: str, given: object, make: Callable[[], pd.DataFrame]) -> pd.DataFrame:
    return make()


def judge(
    sample: Sample, payments: Payments, plan: Plan, rules: list[ExpertRule], chosen: str = CHOSEN,
    compared: int | None = None, seed: int = 0, keep: Keep = _made, panel: Panel | None = None,
) -> Backtest:  # fmt: skip
    """Judge the newest payments whose labels are settled, block by block; errors are those of `blocks.blocks`.

    By the `chosen` one of the learners alerts are raised. It and the detector judge all blocks, the others the last
    `compared`, or all where no number is given. What they say is taken from `keep`.
    """
    warm, judging = cut(sample, payments.known_on, plan, panel)
    newest = judging[-(compared or len(judging)) :]
    names = {block.start: [chosen] for block in warm} | {block.start: [chosen, ANOMALY] for block in judging}
    names |= {block.start: list(LEARNERS) for block in newest}
    fits = []

    def tell() -> pd.DataFrame:
        # the newest take longest and begin first; each block has draws of its own, so that a block can be judged alone
        tasks = [*judging[::-1], *warm]
        done = _side_by_side(delayed(_one)(sample, block, names[block.start], seed) for block in tasks)
        fits.append(done[0][0])
        return pd.concat([said for _, said in done])

    said = keep("payments judged", (plan, chosen, len(newest), seed), tell)
    fitted = fits[0] if fits else fit(sample, judging[-1], [chosen], seed=seed)
    told = {block.start: said.loc[sample.target.index[block.test]] for block in [*warm, *judging]}
    rows = sample.at(np.concatenate([block.test for block in judging]))
    own = payments.of(rows.target.index)
    held = fired(rules, rows.predictors)
    last = rows.target.index[-sum(len(block.test) for block in newest) :]
    at_random = pd.Series(np.random.default_rng(seed).random(len(last)), index=last)
    simple = {"amount": own.amount, "rules": score(held, own.amount)}
    learnt = pd.concat([told[block.start] for block in judging])
    scores = pd.DataFrame(simple).join([at_random.rename("random"), learnt])
    columns = ["random", *simple, *(name for name in LEARNERS if name in learnt)]
    before = {block.start: _before(told, block.start, chosen) for block in judging}
    calibrators = _side_by_side(delayed(calibrator)(before[b.start], payments, b.start, plan.delay) for b in judging)
    probability = [calibrated(told[block.start][chosen], by) for block, by in zip(judging, calibrators, strict=True)]
    starts = np.repeat(pd.DatetimeIndex([b.start for b in judging]), [len(b.test) for b in judging])
    return Backtest(
        judging, len(newest), rows, own, scores[columns], pd.concat(probability), before, held,
        fitted, calibrators, pd.Series(starts, rows.target.index),
    )  # fmt: skip


def _side_by_side(tasks: Iterable) -> list:
    """Do tasks on all cores, each on one: of limits of their own each would give back what another still needs."""
    with threadpool_limits(1, user_api="blas"):
        return Parallel(n_jobs=-1, backend="threading")(tasks)


def judge_newest(
    sample: Sample, payments: Payments, plan: Plan, tested: Backtest, start: pd.Timestamp, chosen: str = CHOSEN,
    panel: Panel | None = None,
) -> tuple[Block, Fitted, pd.Series]:  # fmt: skip
    """Judge the payments from a day on, whose labels are not known yet, by a model fitted on that day.

    Returns what was learnt from and judged, the model, and the chances, calibrated by the last block judged.
    """
    block = newest(sample, payments.known_on, plan, start, panel)
    fitted, scores = _one(sample, block, [chosen], 0)
    by = calibrator(tested.scores[chosen], payments, start, plan.delay)
    return block, fitted, calibrated(scores[chosen], by)


def calibrated(score: pd.Series, by: Calibrator | None) -> pd.Series:
    """Return scores as chances, or as they are where there was nothing to calibrate by."""
    return score if by is None else pd.Series(by.predict(score), index=score.index, name=score.name)


def calibrator(before: pd.Series, payments: Payments, start: pd.Timestamp, delay: int) -> Calibrator | None:
    """Fit by payments of an earlier block that were a delay old, with the labels known on a day; None without fraud."""
    own = payments.of(before.index)
    old = own.day + pd.Timedelta(days=delay) < start
    known = (own.known_on < start)[old].astype(float)
    return Calibrator().fit(before[old], known) if 0 < known.sum() < len(known) else None


def _one(sample: Sample, block: Block, learners: list[str], seed: int) -> tuple[Fitted, pd.DataFrame]:
    fitted = fit(sample, block, learners, seed=seed)
    return fitted, fitted.scores(sample.at(block.test))


def _before(told: dict[pd.Timestamp, pd.DataFrame], start: pd.Timestamp, chosen: str) -> pd.Series:
    """Return what the chosen model had said in the block before one; nothing where there is none."""
    earlier = [s for s in told if s < start]
    return told[max(earlier)][chosen] if earlier else pd.Series(dtype=float)
