"""Segments kept: saved as numbers that anybody can read, and loaded without running code.

The file is JSON: how features are made comparable, the centres and the common shape of the segments, their names, and
under which versions they were formed. Nothing in it is executed, so that a file from elsewhere can do no harm.
"""

from __future__ import annotations

import datetime
import json
import platform
from pathlib import Path

import numpy as np
import pandas as pd
import sklearn
from sklearn.pipeline import Pipeline

from bankmine.errors import BankmineError
from bankmine.topics.segmentation.comparable import Standardise, Unskew
from bankmine.topics.segmentation.groups import Groups
from bankmine.topics.segmentation.model import Segmentation

FORMAT = "bankmine segments 1"


def save(model: Segmentation, path: Path) -> Path:
    """Save segments as JSON; numbers are written in full, so that they are the same when loaded.

    Returns
    -------
    Path
        The file.
    """
    unskew, standardise = model.pipeline["unskew"], model.pipeline["standardise"]
    told = {
        "format": FORMAT,
        "day": model.day.isoformat(),
        "customers": model.customers,
        "versions": versions(),
        "names": list(model.names),
        "unskew": {"forms": unskew.forms, "centre": unskew.centre_, "floor": unskew.floor_},
        "standardise": {
            "low": standardise.low_, "high": standardise.high_, "mean": standardise.mean_,
            "deviation": standardise.deviation_,
        },
        "groups": {name: getattr(model.groups, name).tolist() for name in ("weights", "means", "precision")},
        "shares": model.shares.tolist(),
        "distances": model.distances.tolist(),
        "definitions": model.definitions,
    }  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(told, ensure_ascii=False, indent=1, allow_nan=False), "utf-8")
    return path


def load(path: Path) -> Segmentation:
    """Load saved segments.

    Raises
    ------
    BankmineError
        If there is no such file, or it does not hold segments whose numbers fit each other.
    """
    if not path.is_file():
        raise BankmineError(f"There are no saved segments at {path}: form them anew.")
    try:
        model = _built(json.loads(path.read_text("utf-8")))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BankmineError(f"{path} holds no segments of this version: form them anew ({error}).") from None
    return model


def versions() -> dict[str, str]:
    """Return the versions that segments are formed with."""
    return {
        "python": platform.python_version(), "numpy": np.__version__, "pandas": pd.__version__,
        "scikit-learn": sklearn.__version__,
    }  # fmt: skip


def _built(told: dict) -> Segmentation:
    if told["format"] != FORMAT:
        raise ValueError(f"its format is {told['format']!r}, not {FORMAT!r}")
    unskew = Unskew({str(k): str(v) for k, v in told["unskew"]["forms"].items()})
    unskew.centre_, unskew.floor_ = _numbers(told["unskew"]["centre"]), _numbers(told["unskew"]["floor"])
    standardise = Standardise()
    for name in ("low", "high", "mean", "deviation"):
        setattr(standardise, f"{name}_", _numbers(told["standardise"][name]))
    groups = Groups(*(np.array(told["groups"][name], dtype=float) for name in ("weights", "means", "precision")))
    names, shares, distances = tuple(map(str, told["names"])), np.array(told["shares"]), np.array(told["distances"])
    k, d = len(names), len(standardise.mean_)
    groups = Groups(groups.weights, groups.means.reshape(k, d), groups.precision.reshape(d, d))
    if not len(groups.weights) == len(shares) == len(distances) == k or k == 0:
        raise ValueError("the numbers of names, shares and centres differ")
    if not set(standardise.mean_) <= set(unskew.centre_) <= set(unskew.forms):
        raise ValueError("its features differ from part to part")
    if not all(np.isfinite(part).all() for part in (groups.weights, groups.means, groups.precision, shares, distances)):
        raise ValueError("a number is missing")
    pipeline = Pipeline([("unskew", unskew), ("standardise", standardise)])
    day = datetime.date.fromisoformat(told["day"])
    definitions = {str(id): str(value) for id, value in told["definitions"].items()}
    return Segmentation(pipeline, groups, names, day, int(told["customers"]), shares, distances, definitions)


def _numbers(told: dict[str, float]) -> dict[str, float]:
    numbers = {str(name): float(number) for name, number in told.items()}
    if not np.isfinite(list(numbers.values())).all():
        raise ValueError("a number is missing")
    return numbers
