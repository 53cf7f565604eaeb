"""Keeping: makes of a model fitted in a notebook one that judges transactions as they arrive."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Sequence
from dataclasses import fields

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype
from sklearn.pipeline import Pipeline

from bankmine.errors import BankmineError
from bankmine.judging.contributions import contributions
from bankmine.judging.reason_dictionary import Dictionary, spoken, themes_of
from bankmine.learning.encoding import Encode
from bankmine.topics.fraud.history import KINDS
from bankmine.topics.fraud.spec import DELAY
from bankmine.topics.fraud.stream_model import FraudModel, Phrase, Word, checked
from bankmine.topics.fraud.transaction import Transaction

_EXPLAINED = 5_000
"""Rows at most by which the importance of features is told."""


def kept_model(
    model: Pipeline, predictors: pd.DataFrame, known: Collection[str], dictionary: Dictionary, *, threshold: float,
    day: datetime.date, factor: float = 1.0, delay: int = DELAY, kinds: Sequence[str] = KINDS,
) -> FraudModel:  # fmt: skip
    """Make of a fitted model one that can be saved and applied to transactions as they arrive.

    Parameters
    ----------
    model : Pipeline
        `Encode` and XGBoost, as in `models.candidates`.
    predictors : pd.DataFrame
        Rows it learnt from, as in `fraud_sample`: they say what is typical.
    known : collection of str
        Columns of the history of the rows: `history(…).columns`.
    dictionary : Dictionary
        Words of the reasons.
    threshold, day, factor, delay, kinds
        See `FraudModel`.

    Raises
    ------
    BankmineError
        If the model is no XGBoost, or takes what cannot be had of a transaction as it arrives.
    """
    if not hasattr(model["model"], "get_booster"):
        raise BankmineError(f"{type(model['model']).__name__} cannot be kept for real time: keep xgboost.")
    encode = model["encode"]
    some = predictors[encode.columns_].iloc[:: max(1, len(predictors) // _EXPLAINED)]
    importance = contributions(model, some).pushes.abs().mean()
    themes = themes_of(some, importance, dictionary)["theme"]
    phrases = tuple(Phrase(str(themes[c]), spoken(c, some[c], dictionary), _typical(some[c])) for c in encode.columns_)
    there = tuple(c for c in ("label_at", *(f.name for f in fields(Transaction))) if c in known)
    found = FraudModel(
        model["model"].get_booster(), tuple(encode.numbers_), tuple(_words(encode)), there, delay, tuple(kinds),
        threshold, factor, day, phrases,
    )  # fmt: skip
    return checked(found)


def _words(encode: Encode) -> list[Word]:
    """Find out by trial which column each category has."""
    found, start = [], 0
    for place, name in enumerate(encode.words_):
        width = int((encode.origin_ == len(encode.numbers_) + place).sum())
        categories = [str(c) for c in encode.categories_.categories_[place]]
        tried = np.full((len(categories) + 1, len(encode.words_)), "", dtype=object)
        tried[:, place] = [*categories, "\0 never seen"]
        ones = encode.categories_.transform(tried)[:, start : start + width]
        columns = np.where(ones.any(axis=1), ones.argmax(axis=1), -1).tolist()
        found.append(Word(str(name), dict(zip(categories, columns[:-1], strict=True)), columns[-1], width))
        start += width
    return found


def _typical(values: pd.Series) -> float:
    """Return the median of what is known; 0 where nothing is, or of words."""
    if not is_numeric_dtype(values.dtype):
        return 0.0
    known = values.astype(float).dropna()
    return float(known.median()) if len(known) else 0.0
