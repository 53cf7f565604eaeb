"""A fraud model that judges transactions one by one: trees, calibration, threshold and reasons, kept as plain JSON.

The file holds XGBoost's own JSON, the names of the features in order, what the state must measure for them, the
threshold, and the words of the reasons. Nothing in it is executed, so that a file from elsewhere can do no harm; a
checksum tells a damaged one.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import platform
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import xgboost
from pandas.api.types import is_numeric_dtype
from sklearn.pipeline import Pipeline
from xgboost import Booster, DMatrix

from bankmine.errors import BankmineError
from bankmine.judging.contributions import contributions
from bankmine.judging.reasons import LEAST, Dictionary, Spoken, spoken, themes_of, wrong_with
from bankmine.learning.encoding import Encode, single_precision
from bankmine.learning.fitting import Calibrator
from bankmine.privacy.sealing import read_sealed
from bankmine.topics.fraud.features import derive
from bankmine.topics.fraud.measures import DELAY, KINDS, SPECIFICATION, Specification
from bankmine.topics.fraud.stream_state import Transaction, columns_of


@dataclass(frozen=True)
class Phrase:
    """How a predictor is given as a reason."""

    theme: str
    """Predictors of one theme are one reason."""
    spoken: Spoken
    typical: float
    """Median of the rows learnt from: what is above it is high; of a word 0."""
    low: float
    high: float
    """Ends of the middle half of the rows learnt from, within which a number is no reason; of a word 0."""


@dataclass(frozen=True)
class Word:
    """A predictor that is a word, as columns of ones and zeros."""

    name: str
    columns: dict[str, int]
    """Number of the column of each category, -1 where it has none; "" stands for a missing word."""
    other: int
    """Column of categories that were rare or not there when the model learnt; -1 where there is none."""
    width: int

    def encode(self, values: np.ndarray) -> np.ndarray:
        """Return the columns of some values, shape (rows, width)."""
        found = [self.columns.get("" if value is None else str(value), self.other) for value in values]
        return (np.array(found)[:, None] == np.arange(self.width)).astype(np.float32)


@dataclass(frozen=True)
class FraudModel:
    """A model and all that is needed to apply it to a transaction as it arrives."""

    booster: Booster
    features: tuple[str, ...]
    """Numbers it takes, in order, as `derive` gives them."""
    words: tuple[Word, ...]
    """What it takes of the transaction itself, behind the numbers."""
    known: tuple[str, ...]
    """Columns of the history that it learnt from: what a source lacked is not measured in real time either."""
    delay: int
    """Days by which labels are late."""
    kinds: tuple[str, ...]
    """Kinds of transactions that are judged; empty where the source tells none."""
    threshold: float
    """Chance from which there is an alert."""
    factor: float
    """By what the odds that the trees tell are multiplied, to undo thinning and weights."""
    day: datetime.date
    """Last day of what it learnt from."""
    phrases: tuple[Phrase, ...]
    """One for each of the numbers, then of the words."""
    calibrator: Calibrator | None = None
    """Makes a rate of the chance."""
    attributes: tuple[str, ...] = ()
    """Features and words that are no measures: a transaction has to bring them along."""

    @cached_property
    def spoken(self) -> frozenset[str]:
        """Names of the words."""
        return frozenset(word.name for word in self.words)

    @property
    def specification(self) -> Specification:
        """What is to be measured of each transaction."""
        return replace(SPECIFICATION, delay=self.delay).possible(self.known)

    def matrix(self, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        """Put features and words in the order of the model, in single precision, shape (rows, columns)."""
        numbers = single_precision(np.column_stack([columns[name] for name in self.features]))
        return np.hstack([numbers, *(word.encode(columns[word.name]) for word in self.words)])

    def rows(self, columns: Mapping[str, np.ndarray]) -> DMatrix:
        """Put features and words as the trees take them."""
        return DMatrix(self.matrix(columns), nthread=1)

    def chance(self, rows: DMatrix) -> np.ndarray:
        """Return the chance of fraud of each of some rows."""
        told = self.booster.predict(rows, validate_features=False).astype(np.float64)
        told = told * self.factor / (1 - told + told * self.factor)
        return told if self.calibrator is None else self.calibrator.predict(told)

    def reasons(self, columns: Mapping[str, np.ndarray], row: DMatrix, k: int = 3) -> list[str]:
        """Say what raises the chance of one row most: its strongest themes, at most `k`, as `reasons.reasons` picks.

        `columns` has arrays of length 1, `row` is the same from `rows`; themes that raise the odds by less than 5 %, or
        by no predictor that is out of the ordinary, are no reasons.
        """
        parts = self.booster.predict(row, pred_contribs=True, validate_features=False)[0, :-1].astype(np.float64)
        pushes = np.bincount(self._origin, weights=parts)
        speaking, loudest = np.where(self._unusual(columns), pushes, -np.inf), np.full(self._themes.max() + 1, -np.inf)
        np.maximum.at(loudest, self._themes, speaking)
        themes = np.where(loudest > 0, np.bincount(self._themes, weights=pushes), -np.inf)
        strongest = [t for t in np.argsort(-themes, kind="stable")[:k] if themes[t] >= LEAST]
        return [self._said(int(np.where(self._themes == t, speaking, -np.inf).argmax()), columns) for t in strongest]

    def _unusual(self, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        """Say of each predictor whether it is outside the middle half; a word, and what is missing, always is."""
        values = np.array([columns[name][0] for name in self.features], dtype=np.float64)
        low, high = self._middle
        return np.append(~((values >= low) & (values <= high)), np.ones(len(self.words), dtype=bool))

    @cached_property
    def _middle(self) -> np.ndarray:
        """The ends of the middle half of each number, shape (2, numbers)."""
        return np.array([(p.low, p.high) for p in self.phrases[: len(self.features)]]).reshape(-1, 2).T

    def _said(self, which: int, columns: Mapping[str, np.ndarray]) -> str:
        phrase = self.phrases[which]
        if which < len(self.features):
            return phrase.spoken.say(float(columns[self.features[which]][0]), phrase.typical)
        return phrase.spoken.say(columns[self.words[which - len(self.features)].name][0], None)

    @cached_property
    def _origin(self) -> np.ndarray:
        """Number of the predictor that each column of the matrix is of."""
        return np.repeat(np.arange(len(self.phrases)), [1] * len(self.features) + [word.width for word in self.words])

    @cached_property
    def _themes(self) -> np.ndarray:
        """Number of the theme of each predictor."""
        return pd.factorize(np.array([p.theme for p in self.phrases], dtype=object))[0]


def learnt_of(
    model: FraudModel, t: Transaction, measures: Mapping[str, np.ndarray], attributes: Mapping[str, float | str | None]
) -> dict[str, np.ndarray]:
    """Return the features and words of a transaction that was measured: arrays of length 1."""
    columns = columns_of(t, measures, model.known)
    brought = {name: np.array([value], dtype=object if name in model.spoken else float)
               for name, value in attributes.items()}  # fmt: skip
    return columns | derive(columns) | brought


def _measured(model: FraudModel) -> Collection[str]:
    """Tell what is there of each transaction that arrives, whatever it brings along."""
    measures = {name: np.array([np.nan]) for name in model.specification.names}
    return learnt_of(model, Transaction("", 0, 1.0, ""), measures, {})


def checked(model: FraudModel) -> FraudModel:
    """Return a model; a BankmineError says so where its parts fit neither each other nor this version's features."""
    there = {*_measured(model), *model.attributes}
    if missing := [name for name in (*model.features, *model.spoken) if name not in there]:
        raise BankmineError(f"The model takes {missing[0]!r}, which is no feature of a transaction: save it anew.")
    width = len(model.features) + sum(word.width for word in model.words)
    if model.booster.feature_names != _columns(model):
        raise BankmineError("The model's trees take other features than it names, or in another order: save it anew.")
    if model.booster.num_features() != width or len(model.phrases) != len(model.features) + len(model.words):
        raise BankmineError("The model's trees take other features than it names: save it anew.")
    if not (0 <= model.threshold <= 1 and 0 < model.factor < np.inf and 0 <= model.delay <= 365):
        raise BankmineError("The model's threshold, factor or delay is out of bounds: save it anew.")
    return model


FORMAT = "bankmine fraud model 4"
_CALIBRATION = (
    "method", "rows", "events", "centre", "slope", "intercept", "of_probabilities", "ordered", "steps",
)  # fmt: skip
"""What a calibrator has learnt, by the names of its attributes without the line behind them."""


def as_json(model: FraudModel) -> str:
    """Write a model as the text of its file."""
    told = {
        "format": FORMAT,
        "versions": {"python": platform.python_version(), "numpy": np.__version__, "xgboost": xgboost.__version__},
        "day": model.day.isoformat(),
        **{
            name: getattr(model, name)
            for name in ("features", "known", "delay", "kinds", "threshold", "factor", "attributes")
        },
        "words": [asdict(word) for word in model.words],
        "phrases": [asdict(phrase) for phrase in model.phrases],
        "calibrator": model.calibrator and {name: getattr(model.calibrator, f"{name}_") for name in _CALIBRATION},
        "trees": json.loads(model.booster.save_raw("json")),
    }
    return json.dumps(told | {"checksum": _checksum(told)}, ensure_ascii=False, allow_nan=False)


def load(path: Path) -> FraudModel:
    """Load a saved model; refuse a file that is damaged, or holds no fraud model that this version can apply."""
    if not path.is_file():
        raise BankmineError(f"There is no saved fraud model at {path}: run 08_fraud, which writes one.")
    try:
        model = _built(json.loads(read_sealed(path)))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OSError) as error:
        why = " ".join(str(error).split())[:100]
        raise BankmineError(f"{path} holds no fraud model of this version: save it anew ({why}).") from None
    return model


def _built(told: dict) -> FraudModel:
    if told.get("format") != FORMAT:
        raise ValueError(f"its format is not {FORMAT!r}")
    if told.pop("checksum", None) != _checksum(told):
        raise ValueError("it is damaged: the checksum differs")
    _check_trees(told["trees"]["learner"])  # what leads out of a tree would end the process
    booster = xgboost.Booster({"nthread": 1})
    booster.load_model(bytearray(json.dumps(told["trees"]), "utf-8"))
    if told["trees"]["learner"]["objective"]["name"] != "binary:logistic":
        raise ValueError("its trees tell no chances")
    phrases = tuple(_phrase(phrase) for phrase in told["phrases"])
    words = tuple(_word(**word) for word in told["words"])
    texts = {name: tuple(map(str, told[name])) for name in ("features", "known", "kinds", "attributes")}
    numbers = {name: float(told[name]) for name in ("threshold", "factor")}
    day = datetime.date.fromisoformat(told["day"])
    delay = int(told["delay"])
    calibrator = None if told["calibrator"] is None else _calibrator(told["calibrator"])
    return checked(
        FraudModel(
            booster, words=words, delay=delay, day=day, phrases=phrases, calibrator=calibrator, **texts, **numbers
        )
    )


def _check_trees(learner: dict) -> None:
    """Raise a ValueError where a tree leads out of itself or round in a circle, or asks for a feature beyond all."""
    features = int(learner["learner_model_param"]["num_feature"])
    for tree in learner["gradient_booster"]["model"]["trees"]:
        names = ("left_children", "right_children", "split_indices", "split_conditions", "default_left")
        left, right, asked, *rest = (np.asarray(tree[name], dtype=float) for name in names)
        if len({len(left), len(right), len(asked), *map(len, rest), int(tree["tree_param"]["num_nodes"])}) > 1:
            raise ValueError("a tree has parts of different length")
        node, leaf = np.arange(len(left)), left == -1
        inside = (left > node) & (right > node) & (left < len(left)) & (right < len(left))
        if not (inside | (leaf & (right == -1))).all() or not ((asked >= 0) & (asked < features)).all():
            raise ValueError("a tree leads out of itself")


def _columns(model: FraudModel) -> list[str]:
    """Name the columns of the matrix, so that trees and features cannot be exchanged against each other.

    By digests, as XGBoost takes not every character in a name, and reads some of its own file as others.
    """
    words = [f"{word.name}:{i}" for word in model.words for i in range(word.width)]
    return [hashlib.sha256(name.encode()).hexdigest()[:16] for name in (*model.features, *words)]


def _calibrator(told: dict) -> Calibrator:
    if set(told) != set(_CALIBRATION):
        raise ValueError("the calibration has other parts than this version knows")
    numbers = {name: float(told[name]) for name in ("centre", "slope", "intercept")}
    steps = told["steps"] and tuple(tuple(map(float, column)) for column in told["steps"])
    if not np.isfinite([*numbers.values(), *(v for column in steps or () for v in column)]).all():
        raise ValueError("the calibration is not of finite numbers")
    if steps and not (np.diff(steps[0]) > 0).all():
        raise ValueError("the steps of the calibration are not in order")
    found = Calibrator()
    for name, value in (told | numbers | {"steps": steps}).items():
        setattr(found, f"{name}_", value)
    return found


def _word(name: str, columns: dict[str, int], other: int, width: int) -> Word:
    columns = {str(category): int(column) for category, column in columns.items()}
    if not all(-1 <= column < width for column in (*columns.values(), other)):
        raise ValueError("a word has a column that is not there")
    return Word(str(name), columns, int(other), int(width))


def _phrase(told: dict) -> Phrase:
    if set(told["spoken"]) != {f.name for f in fields(Spoken)}:
        raise ValueError("the words of a reason lack a part")
    how = Spoken(**told["spoken"])
    given = {**how.parts, "name": how.name, "value": 1.0, "typical": 1.0}
    if wrong := [why for words in (how.high, how.low, how.missing) if (why := wrong_with(words, given))]:
        raise ValueError(f"a reason cannot be said: {wrong[0]}")
    return Phrase(str(told["theme"]), how, *(float(told[name]) for name in ("typical", "low", "high")))


def _checksum(told: Mapping[str, object]) -> str:
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


_EXPLAINED, _OF_THESE = 5_000, 3
"""Rows at most by which it is told what is typical; each third of them tells the importance of features."""


def streaming_model(
    model: Pipeline, predictors: pd.DataFrame, known: Collection[str], dictionary: Dictionary, *, threshold: float,
    day: datetime.date, factor: float = 1.0, calibrator: Calibrator | None = None,
    delay: int = DELAY, kinds: Sequence[str] = KINDS,
) -> FraudModel:  # fmt: skip
    """Make of a fitted model (`Encode` and XGBoost) one that is applied to transactions as they arrive.

    `predictors` are rows it learnt from, which say what is typical; `known` the columns of their history; the other
    parts are those of `FraudModel`. What else the model takes, a transaction brings along as attributes. A
    BankmineError says so if it is no XGBoost.
    """
    if not hasattr(model["model"], "get_booster"):
        raise BankmineError(f"{type(model['model']).__name__} cannot be kept for real time: keep xgboost.")
    encode = model["encode"]
    some = predictors[encode.columns_].iloc[:: max(1, len(predictors) // _EXPLAINED)]
    # SHAP values take longer than all else here
    importance = contributions(model, some.iloc[::_OF_THESE]).pushes.abs().mean()
    themes = themes_of(some, importance, dictionary)["theme"]
    phrases = tuple(Phrase(str(themes[c]), spoken(c, some[c], dictionary), *_usual(some[c])) for c in encode.columns_)
    there = tuple(c for c in ("label_at", *(f.name for f in fields(Transaction))) if c in known)
    found = FraudModel(
        model["model"].get_booster().copy(), tuple(encode.numbers_), tuple(_words(encode)), there, delay, tuple(kinds),
        threshold, factor, day, phrases, calibrator,
    )  # fmt: skip
    found.booster.feature_names = _columns(found)
    return checked(replace(found, attributes=tuple(c for c in encode.columns_ if c not in _measured(found))))


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


def _usual(values: pd.Series) -> tuple[float, float, float]:
    """Return the median and the quartiles of what is known; 0 where nothing is, or of words."""
    known = values.astype(float).dropna() if is_numeric_dtype(values.dtype) else []
    if not len(known):
        return 0.0, 0.0, 0.0
    return float(known.median()), *map(float, np.quantile(known, [0.25, 0.75]))
