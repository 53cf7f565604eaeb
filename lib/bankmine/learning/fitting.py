"""The recipe: models learn from one part of a sample, are calibrated by the next and applied to the last."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
from sklearn.pipeline import Pipeline

from bankmine.learning.calibrator import Calibrator, fit_calibrator
from bankmine.learning.models import fit_side_by_side, learnable, scores
from bankmine.learning.sample import Sample
from bankmine.learning.splits import Split


@dataclass(frozen=True)
class Applied:
    """Models that were fitted, calibrated and applied.

    Attributes
    ----------
    rows : Sample
        What they were applied to.
    fitted : dict of Pipeline
        By the name of the model.
    calibrators : dict of Calibrator
        Likewise.
    raw, probability : pd.DataFrame
        Scores as the models give them, and calibrated: rows × models.
    """

    rows: Sample
    fitted: dict[str, Pipeline]
    calibrators: dict[str, Calibrator]
    raw: pd.DataFrame
    probability: pd.DataFrame

    def chances(self, model: str, rows: Sample) -> pd.Series:
        """Return the calibrated chance of other rows by one of the models."""
        raw = scores({model: self.fitted[model]}, rows)[model]
        return pd.Series(self.calibrators[model](raw), index=raw.index, name=model)


def apply_models(candidates: dict[str, Pipeline], sample: Sample, split: Split) -> Applied:
    """Fit models on `split.train`, calibrate them by `split.tune` and apply them to `split.test`.

    Parameters
    ----------
    candidates : dict of Pipeline
        From `models.candidates`; they are not changed.
    sample : Sample
        All rows.
    split : Split
        Of it.
    """
    return apply_side_by_side([(candidates, split)], sample)[0]


def apply_side_by_side(tasks: list[tuple[dict[str, Pipeline], Split]], sample: Sample) -> list[Applied]:
    """Do as `apply_models` with several splits of a sample, fitting the models of all at the same time.

    Parameters
    ----------
    tasks : list of (dict of Pipeline, Split)
        Models, and the split to apply them to.
    sample : Sample
        All rows.
    """
    learnt = [learnable(sample.at(split.train)) for _, split in tasks]
    fits = [(model, rows) for (models, _), rows in zip(tasks, learnt, strict=True) for model in models.values()]
    found = iter(fit_side_by_side(fits))
    return [_applied({name: next(found)[0] for name in models}, sample, split) for models, split in tasks]


def _applied(fitted: dict[str, Pipeline], sample: Sample, split: Split) -> Applied:
    tuned, rows = sample.at(split.tune), sample.at(split.test)
    calibrators = {name: fit_calibrator(tuned.target, found) for name, found in scores(fitted, tuned).items()}
    raw = scores(fitted, rows)
    probability = pd.DataFrame({name: calibrators[name](raw[name]) for name in raw}, index=raw.index)
    return Applied(rows, fitted, calibrators, raw, probability)
