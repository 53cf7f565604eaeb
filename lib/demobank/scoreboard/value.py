"""Scores of 04_value: what it recovered of how often customers buy, when they stop, and what they would bring."""

from __future__ import annotations

import numpy as np
import pandas as pd

from demobank.scoreboard.truth import Measure, Score, Truth, around, calibration, rank, separation

VALUE = "04_value"
_YEAR = pd.Timedelta(days=365)


def of_tables(
    truth: Truth, buyers: pd.DataFrame, parameters: pd.DataFrame, totals: pd.DataFrame
) -> list[Score]:  # fmt: skip
    """Score what was foretold a year before the last day.

    `buyers` are those of that day: `x`, `rate`, the chance to buy `again`; `parameters` are of BG/NBD with intervals;
    `totals` what was foretold of the year since, with its interval, and what `came`.
    """
    day = pd.Timestamp(totals["day"].iloc[0])
    people = truth.table("customers").set_index("customer_id")
    both = buyers.set_index("customer_id").join(people)
    left = pd.to_datetime(both["left_on"])
    here = ~(left <= day)
    # at least one purchase a day of a Poisson process
    daily = 1 - np.exp(-both["purchases_per_day"])
    present = 1 - ((day - left).clip(pd.Timedelta(0), _YEAR) / _YEAR).fillna(0.0)
    told = parameters[parameters["fitted"] == "then"].set_index("parameter")
    gone = ((left > day - _YEAR) & (left <= day)).sum() / (both["x"] + 1).sum()
    order = rank(both.loc[here, "rate"], both.loc[here, "purchases_per_day"])
    level = calibration(both["rate"], daily * present)
    last, total = _of(told.loc["last"]), totals.iloc[0]
    wide, best = both["again"].to_numpy()[:, None], here.to_numpy(float)[:, None]
    apart = separation(wide, best, best)
    came = Measure(float(total["came"] / total["total"]), np.nan, np.nan)
    inside = (float(total["low"] / total["total"]), float(total["high"] / total["total"]))
    return [
        Score(VALUE, "purchases a day", "rank correlation of the rate while alive", order, (0.9, 0.995)),
        Score(VALUE, "purchases a day", "mean rate, as a multiple", level, (0.95, 1.1)),
        Score(
            VALUE,
            "leaving",
            "mean chance that a purchase is the last",
            last,
            tuple(map(float, around(gone, last))),
            "chance",
        ),
        Score(VALUE, "leaving", "chance to buy again: how far it sets apart who has left", apart, (0.85, 1)),
        Score(VALUE, "the year to come", "what came, as a multiple of what was foretold", came, inside),
    ]


def _of(row: pd.Series) -> Measure:
    return Measure(*(float(row[name]) for name in ("value", "low", "high")))
