"""Payments judged block by block, each by models that learnt what was known when its block began.

The probability of the chosen model is calibrated by the block before, as far as the labels of that had settled by then;
so are thresholds. An extra block before the first serves only for that. Blocks must be longer than the delay for it:
else nothing of a block has settled when the next begins, and odds are corrected only for thinning and weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from sklearn.utils.parallel import Parallel, delayed

from bankmine.learning.blocks import Block, Plan, blocks, newest
from bankmine.learning.calibrator import Calibrator, fit_calibrator
from bankmine.learning.sample import Sample
from bankmine.topics.fraud import rules as fraud_rules
from bankmine.topics.fraud.metrics import Payments
from bankmine.topics.fraud.models import LEARNERS, Fitted, fit
from bankmine.topics.fraud.payments import FraudSample
from bankmine.topics.fraud.rules import ExpertRule

CHOSEN = "xgboost"


@dataclass(frozen=True)
class Judged:
    """Payments and what models said of them before their labels were known.

    Attributes
    ----------
    blocks : list of Block
        Oldest first.
    sample : Sample
        The payments judged.
    payments : Payments
        Of the same rows.
    scores : pd.DataFrame
        Baselines (`random`, `amount`, `rules`), learners, and always the anomaly detector; those of learners are
        probabilities.
    probability : pd.Series
        Of the chosen model, calibrated by the block before.
    before : dict of pd.Timestamp to pd.Series
        First day of a block -> what the chosen model had said of the payments of the block before it.
    fired : fraud_rules.Fired
        Expert rules that hold of each payment.
    fitted : list of Fitted
        One a block.
    block : pd.Series
        First day of the block of each payment.
    """

    blocks: list[Block]
    sample: Sample
    payments: Payments
    scores: pd.DataFrame
    probability: pd.Series
    before: dict[pd.Timestamp, pd.Series]
    fired: fraud_rules.Fired
    fitted: list[Fitted]
    block: pd.Series


def payments_of(found: FraudSample) -> Payments:
    """Bring what stands beside a sample into the form that is judged; a customer is one account where none is told."""
    beside, sample = found.beside, found.sample
    account = beside.get("account", sample.entity)
    own = {"amount": beside["amount"], "moment": beside["at"], "known_on": beside["known_on"], "account": account}
    return Payments(target=sample.target, day=sample.day, entity=sample.entity, **own)


def lateness(payments: Payments, days: Sequence[int] = (1, 3, 7, 14, 30)) -> pd.Series:
    """Return which share of the frauds known by now was known within some days; others may still come."""
    late = (payments.known_on - payments.day).dt.days.dropna()
    return pd.Series({d: float((late <= d).mean()) if len(late) else np.nan for d in days}).rename_axis("days")


def judge(
    sample: Sample,
    payments: Payments,
    plan: Plan,
    rules: list[ExpertRule],
    learners: Sequence[str] = LEARNERS,
    chosen: str = CHOSEN,
    seed: int = 0,
) -> Judged:
    """Judge the newest payments whose labels are settled, block by block.

    Parameters
    ----------
    sample : Sample
        All payments with features.
    payments : Payments
        Of the same index.
    plan : Plan
        Blocks.
    rules : list of ExpertRule
        From `fraud_rules.load_rules`.
    learners : sequence of str
        Models to fit, the chosen one among them.
    chosen : str
        The model by which alerts are raised.
    seed : int
        Of all draws.

    Raises
    ------
    BankmineError
        As of `fraud_blocks.blocks`.
    """
    cut = blocks(sample, payments.known_on, replace(plan, blocks=plan.blocks + 1))
    warm = cut[: -plan.blocks] if len(cut) > plan.blocks else []
    judging = cut[len(warm) :]
    tasks = [(block, [chosen]) for block in warm] + [(block, list(learners)) for block in judging]
    cores = Parallel(n_jobs=-1, backend="threading")
    # each block begins with draws of its own, whatever the number of blocks, so that a block can be judged alone
    done = cores(delayed(_one)(sample, block, names, seed) for block, names in tasks)
    told = dict(zip([block.start for block, _ in tasks], done, strict=True))
    return _put_together(sample, payments, plan, rules, judging, told, chosen, seed)


def judge_now(
    sample: Sample, payments: Payments, plan: Plan, judged: Judged, start: pd.Timestamp, chosen: str = CHOSEN
) -> tuple[Fitted, pd.Series]:
    """Judge the payments from a day on, whose labels are not known yet, by a model of that day.

    Returns
    -------
    fitted : Fitted
        The model.
    probability : pd.Series
        Of each payment, calibrated by the last block judged.
    """
    block = newest(sample, payments.known_on, plan, start)
    fitted, scores = _one(sample, block, [chosen], 0)
    calibrated = _calibrated(scores[chosen], judged.scores[chosen], judged.payments, start, plan.delay)
    return fitted, calibrated


def _one(sample: Sample, block: Block, learners: list[str], seed: int) -> tuple[Fitted, pd.DataFrame]:
    fitted = fit(sample, block, learners, seed=seed)
    return fitted, fitted.scores(sample.at(block.test))


def _put_together(
    sample: Sample, payments: Payments, plan: Plan, rules: list[ExpertRule], judging: list[Block],
    told: dict[pd.Timestamp, tuple[Fitted, pd.DataFrame]], chosen: str, seed: int,
) -> Judged:  # fmt: skip
    rows = sample.at(np.concatenate([block.test for block in judging]))
    own = payments.of(rows.target.index)
    fired = fraud_rules.fired(rules, rows.predictors)
    learnt = pd.concat([told[block.start][1] for block in judging])
    at_random = pd.Series(np.random.default_rng(seed).random(len(rows)), index=rows.target.index)
    simple = {"random": at_random, "amount": own.amount, "rules": fraud_rules.score(fired, own.amount)}
    before = {block.start: _before(told, block.start, chosen) for block in judging}
    probability = [
        _calibrated(told[block.start][1][chosen], before[block.start], payments, block.start, plan.delay)
        for block in judging
    ]
    starts = pd.Series({i: block.start for block in judging for i in sample.target.index[block.test]})
    return Judged(
        judging, rows, own, pd.DataFrame(simple).join(learnt), pd.concat(probability), before, fired,
        [told[block.start][0] for block in judging], starts,
    )  # fmt: skip


def _before(told: dict[pd.Timestamp, tuple[Fitted, pd.DataFrame]], start: pd.Timestamp, chosen: str) -> pd.Series:
    """Return what the chosen model had said in the block before one; nothing where there is none."""
    earlier = [s for s in told if s < start]
    return told[max(earlier)][1][chosen] if earlier else pd.Series(dtype=float)


def _calibrated(score: pd.Series, before: pd.Series, payments: Payments, start: pd.Timestamp, delay: int) -> pd.Series:
    """Calibrate scores by those of an earlier block, with the labels that were known at a day."""
    calibrator = _calibrator(before, payments, pd.Timestamp(start), delay)
    return score if calibrator is None else pd.Series(calibrator(score), index=score.index, name=score.name)


def _calibrator(before: pd.Series, payments: Payments, start: pd.Timestamp, delay: int) -> Calibrator | None:
    """Fit a calibrator on the payments that were a delay old; None where not one of them was known as fraud."""
    own = payments.of(before.index)
    old = own.day + pd.Timedelta(days=delay) < start
    known = (own.known_on < start)[old].astype(float)
    return fit_calibrator(known, before[old]) if 0 < known.sum() < len(known) else None
