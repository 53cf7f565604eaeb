"""Attribution: what part of journeys that end in a purchase is put down to each channel; descriptive, no effect.

Last touch gives all to the channel touched last. The removal effect takes journeys for a Markov chain, each step of
which depends on the one before alone, and says which part of purchases would be lost if all who come into a channel
left (Anderl and others, International Journal of Research in Marketing 33, 2016). Both credit a channel with customers
who would have bought anyway, as those who are about to buy look around more.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import sparse

from bankmine.errors import BankmineError
from bankmine.features.touches import BEGUN, NOTHING, TAKEN
from bankmine.judging.intervals import draws, interval

_ROUNDS = 400


def attributed(moves: pd.DataFrame, rounds: int = _ROUNDS) -> pd.DataFrame:
    """Put purchases down to channels, in two ways, with intervals that draw customers.

    Parameters
    ----------
    moves : pd.DataFrame
        `customer_id`, `start`, `end` and `n`, as of `features.touches.moves`.

    Returns
    -------
    pd.DataFrame
        A row a channel: `last_touch`, its share of the purchases after a touch; `removal`, the part of all purchases
        that its removal would lose; `share`, that as a part of the sum over channels; each with `_low` and `_high`.
    """
    channels = sorted({*moves["start"], *moves["end"]} - {BEGUN, TAKEN, NOTHING})
    if not channels:
        raise BankmineError("no channel is touched before a product is taken or not")
    counts = _resampled(moves, channels, rounds)
    if not counts[0, 1:, -2].any():
        raise BankmineError("no product is taken after a touch of a channel")
    last = _shares(counts[:, 1:, -2])
    removal = removal_effects(counts)
    found = {"last_touch": last, "removal": removal, "share": _shares(removal)}
    columns = {}
    for name, values in found.items():
        columns |= dict(zip((name, f"{name}_low", f"{name}_high"), (values[0], *interval(values)), strict=True))
    return pd.DataFrame(columns, pd.Index(channels, name="channel"))


def removal_effects(counts: np.ndarray) -> np.ndarray:
    """Compute the part of purchases lost where a channel is removed, exactly, for each table of moves in a stack.

    `counts` has the shape (tables, 1 + channels, channels + 2): rows are the start and the channels, columns the
    channels, a purchase, and nothing. NaN where there is no purchase.
    """
    leaving = counts.sum(axis=2, keepdims=True)
    chances = np.divide(counts, leaving, out=np.zeros(counts.shape), where=leaving > 0)
    whole = _purchases(chances)
    without = [_purchases(chances * (np.arange(counts.shape[2]) != i)) for i in range(counts.shape[2] - 2)]
    with np.errstate(invalid="ignore"):  # 0 / 0 is not known
        return np.clip(1 - np.stack(without, axis=1) / whole[:, None], 0, 1)  # rounding only


def _purchases(chances: np.ndarray) -> np.ndarray:
    """Return the chance of a purchase from the start (Kemeny and Snell, Finite Markov Chains, 1960, theorem 3.3.7)."""
    among, bought = chances[:, 1:, :-2], chances[:, 1:, -2:-1]
    from_each = np.linalg.solve(np.eye(among.shape[1]) - among, bought)[..., 0]
    return chances[:, 0, -2] + (chances[:, 0, :-2] * from_each).sum(axis=1)


def _resampled(moves: pd.DataFrame, channels: list[str], rounds: int) -> np.ndarray:
    """Lay moves out as `removal_effects` takes them, once as they are and once for each draw of the customers."""
    whose, customers = pd.factorize(moves["customer_id"])
    row = pd.Index([BEGUN, *channels]).get_indexer(moves["start"])
    column = pd.Index([*channels, TAKEN, NOTHING]).get_indexer(moves["end"])
    shape = len(channels) + 1, len(channels) + 2
    cells = np.ravel_multi_index((row, column), shape)
    by_cell = sparse.csr_array((moves["n"].to_numpy(float), (cells, whose)), (shape[0] * shape[1], len(customers)))
    return (by_cell @ draws(len(customers), rounds)).T.reshape(-1, *shape)


def _shares(values: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return values / values.sum(axis=1, keepdims=True)
