"""Comparison: candidates on the same folds, with intervals and what fitting them costs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.pipeline import Pipeline
from sklearn.utils.parallel import Parallel, delayed

from bankmine.errors import BankmineError
from bankmine.judging.intervals import CONFIDENCE
from bankmine.learning.models import RULE, fit_side_by_side, learnable, scores
from bankmine.learning.sample import Sample

_FEWEST_FOLDS = 3


@dataclass(frozen=True)
class CrossValidated:
    """Candidates on the same folds."""

    scores: pd.DataFrame
    """Chance of the event for each row that was tested, by models that did not learn from it; one column a candidate.
    A row that was tested several times has the mean."""
    folds: pd.DataFrame
    """One row a candidate and fold: `model`, `fold`, `learnt` (rows learnt from), `rows` and `events` tested, `auc`,
    `average_precision`, and `seconds` of processor time to fit."""

    def table(self, baseline: str = RULE) -> pd.DataFrame:
        """Sum up each candidate: means over the folds with intervals of 95 %, and the gain over one of them, by fold.

        Intervals are of Student's t, with the variance that counts how much folds share (Nadeau and Bengio, Machine
        Learning 52, 2003); NaN with fewer than three folds, of which no spread can be told.

        Parameters
        ----------
        baseline : str
            The candidate that the others are held against.

        Returns
        -------
        pd.DataFrame
            Indexed by `model`: `auc`, `average_precision` and, over the baseline, `auc_gain`, each with `…_low` and
            `…_high`; `seconds` a fold.
        """
        wide = self.folds.pivot_table(index="fold", columns="model", sort=False)
        gain = wide["auc"].sub(wide["auc"][baseline], axis=0)
        shared = (self.folds["rows"] / self.folds["learnt"]).mean()
        figures = ["auc", "average_precision"]
        parts = [_over_folds(wide[name], shared).clip(0, 1).add_prefix(name) for name in figures]
        parts.append(_over_folds(gain, shared).add_prefix("auc_gain"))
        return pd.concat(parts, axis=1).assign(seconds=wide["seconds"].mean())


def cross_validated(
    candidates: dict[str, Pipeline], sample: Sample, folds: list[tuple[np.ndarray, np.ndarray]]
) -> CrossValidated:
    """Fit and test candidates on the same folds.

    Parameters
    ----------
    candidates : dict of Pipeline
        From `candidates`.
    sample : Sample
        Rows.
    folds : list of (train, test)
        Positions in the sample; rows without a known outcome are left out.

    Raises
    ------
    BankmineError
        If there is no fold, or all rows that a fold learns from or is tested on have the same outcome.
    """
    if not folds:
        raise BankmineError("There is no fold to compare models on: take more rows or fewer folds.")
    parts = [(learnable(sample.at(train)), learnable(sample.at(test), "test on")) for train, test in folds]
    tasks = [(name, fold) for name in candidates for fold in range(len(folds))]
    found = fit_side_by_side([(candidates[name], parts[fold][0]) for name, fold in tasks])
    fitted = dict(zip(tasks, found, strict=True))
    # a support vector machine takes longer to score rows than to learn
    chances = Parallel(n_jobs=-1, backend="threading")(
        delayed(scores)({name: fitted[name, fold][0] for name in candidates}, test)
        for fold, (_, test) in enumerate(parts)
    )
    rows = [
        {"model": name, "fold": fold, "learnt": len(parts[fold][0]), **_judged(parts[fold][1], chances[fold][name]),
         "seconds": seconds}
        for (name, fold), (_, seconds) in fitted.items()
    ]  # fmt: skip
    return CrossValidated(pd.concat(chances).groupby(level=0).mean(), pd.DataFrame(rows))


def _judged(test: Sample, chance: pd.Series) -> dict[str, float]:
    return {
        "rows": len(test), "events": int(test.target.sum()), "auc": roc_auc_score(test.target, chance),
        "average_precision": average_precision_score(test.target, chance),
    }  # fmt: skip


def _over_folds(values: pd.DataFrame, shared: float) -> pd.DataFrame:
    """Return the mean of each column, `_low` and `_high`; `shared` is rows tested over rows learnt from."""
    folds, mean = len(values), values.mean()
    if folds < _FEWEST_FOLDS:
        return pd.DataFrame({"": mean, "_low": np.nan, "_high": np.nan})
    half = stats.t.ppf((1 + CONFIDENCE) / 2, folds - 1) * values.std() * np.sqrt(1 / folds + shared)
    return pd.DataFrame({"": mean, "_low": mean - half, "_high": mean + half})
