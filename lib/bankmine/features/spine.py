"""Windows: sums over 30, 90, 180 and 365 days before each day of a spine, from sums over periods.

Each period falls into one of four disjoint bands of age; a window is the sum of its bands. So every booking is summed
up once, not once a window and day, which is what makes hundreds of features on a dozen days cheap.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from operator import add

import ibis.expr.types as ir

WINDOWS = (30, 90, 180, 365)
"""Lengths in days; the spine's day is the last of them."""

KEYS = ("customer_id", "day")


def by_window(bands: ir.Table, spine: ir.Table, measures: list[str]) -> ir.Table:
    """Turn sums by band into sums by window.

    Parameters
    ----------
    bands : ir.Table
        One row for each spine row and band in which something happened.
    spine : ir.Table
        `customer_id`, `day`.
    measures : list of str
        Columns of `bands` that can be added up.

    Returns
    -------
    ir.Table
        One row a spine row, with `<measure>_<window>d`, 0 where nothing happened.
    """
    wide = beside(spine, [
        bands.filter(bands.band == i).select(*KEYS, **{f"{m}_band{i}": bands[m] for m in measures})
        for i, _ in enumerate(WINDOWS)
    ])  # fmt: skip
    sums = {
        m: list(accumulate((wide[f"{m}_band{i}"].fill_null(0) for i, _ in enumerate(WINDOWS)), add)) for m in measures
    }
    return wide.select(*KEYS, **{f"{m}_{w}d": sums[m][i] for i, w in enumerate(WINDOWS) for m in measures})


def beside(spine: ir.Table, parts: Sequence[ir.Table]) -> ir.Table:
    """Put the columns of tables beside a spine, in one step, as each step takes an expression long to compile.

    Parameters
    ----------
    spine : ir.Table
        `customer_id`, `day` and whatever else.
    parts : sequence of ir.Table
        `customer_id`, `day`, at most one row a spine row; what is not there is null. No other name comes twice.
    """
    table = spine
    for i, part in enumerate(parts):
        table = table.left_join(part, KEYS, rname=f"{{name}}_of_{i}")
    return table.drop(*(f"{k}_of_{i}" for i, _ in enumerate(parts) for k in KEYS))


def trend(total: ir.NumericValue, weighted_by_age: ir.NumericValue, window: int) -> ir.NumericValue:
    """Slope of the least-squares line through the daily sums of a window, per 30 days.

    The days of a window are evenly spaced, so the slope needs only two sums: with t = window − 1 − age and its
    mean m = (window − 1) / 2, slope = Σ (t − m) · amount / Σ (t − m)² and Σ (t − m)² = window (window² − 1) / 12.

    Parameters
    ----------
    total, weighted_by_age : ir.NumericValue
        Σ amount and Σ amount · age over the window.
    window : int
        Days.

    Returns
    -------
    ir.NumericValue
        Change of the daily sum over 30 days, in the unit of the amounts.
    """
    centred = (window - 1) / 2 * total - weighted_by_age
    return centred * 30 / (window * (window**2 - 1) / 12)
