"""Fraud models kept: saved as JSON that anybody can read, and loaded without running code.

The file holds XGBoost's own JSON, the names of the features in order, what the state must measure for them, the
threshold, and the words of the reasons. Nothing in it is executed, so that a file from elsewhere can do no harm; a
checksum tells a damaged one.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import platform
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path

import numpy as np
import xgboost

from bankmine.errors import BankmineError
from bankmine.judging.reason_dictionary import Spoken, wrong_with
from bankmine.topics.fraud.stream_model import FraudModel, Phrase, Word, checked

FORMAT = "bankmine fraud model 1"


def save(model: FraudModel, path: Path) -> Path:
    """Save a model as one file of JSON, whole or not at all.

    Returns
    -------
    Path
        The file.
    """
    told = {
        "format": FORMAT,
        "versions": {"python": platform.python_version(), "numpy": np.__version__, "xgboost": xgboost.__version__},
        "day": model.day.isoformat(),
        **{name: getattr(model, name) for name in ("features", "known", "delay", "kinds", "threshold", "factor")},
        "words": [asdict(word) for word in model.words],
        "phrases": [asdict(phrase) for phrase in model.phrases],
        "trees": json.loads(model.booster.save_raw("json")),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.write_text(json.dumps(told | {"checksum": _checksum(told)}, ensure_ascii=False, allow_nan=False), "utf-8")
    return part.replace(path)


def load(path: Path) -> FraudModel:
    """Load a saved model.

    Raises
    ------
    BankmineError
        If there is no such file, it is damaged, or it holds no fraud model that this version can apply.
    """
    if not path.is_file():
        raise BankmineError(f"There is no saved fraud model at {path}: run 08_fraud, which writes one.")
    try:
        model = _built(json.loads(path.read_text("utf-8")))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OSError) as error:
        why = " ".join(str(error).split())[:100]
        raise BankmineError(f"{path} holds no fraud model of this version: save it anew ({why}).") from None
    return model


def _built(told: dict) -> FraudModel:
    if told.get("format") != FORMAT:
        raise ValueError(f"its format is not {FORMAT!r}")
    if told.pop("checksum", None) != _checksum(told):
        raise ValueError("it is damaged: the checksum differs")
    booster = xgboost.Booster({"nthread": 1})
    booster.load_model(bytearray(json.dumps(told["trees"]), "utf-8"))
    if told["trees"]["learner"]["objective"]["name"] != "binary:logistic":
        raise ValueError("its trees tell no chances")
    phrases = tuple(_phrase(phrase) for phrase in told["phrases"])
    words = tuple(_word(**word) for word in told["words"])
    texts = {name: tuple(map(str, told[name])) for name in ("features", "known", "kinds")}
    numbers = {name: float(told[name]) for name in ("threshold", "factor")}
    day = datetime.date.fromisoformat(told["day"])
    delay = int(told["delay"])
    return checked(FraudModel(booster, words=words, delay=delay, day=day, phrases=phrases, **texts, **numbers))


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
    return Phrase(str(told["theme"]), how, float(told["typical"]))


def _checksum(told: Mapping[str, object]) -> str:
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
