"""Sequence models: an LSTM and a one-dimensional CNN over days on which something happened, small, in JAX, an extra.

Steps that a row does not have leave no trace: they do not move the state of the LSTM, and the CNN neither sums nor sees
them. Windows are as long for everybody, whoever joined or left, and scales are of the rows learnt from.
"""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bankmine.errors import BankmineError

if TYPE_CHECKING:
    import jax

STEPS, UNITS, SEEDS = 32, 24, 5
"""Days that are seen at most, the newest ones; size of the state or of a layer; nets of each kind."""
_EPOCHS, _BATCH, _RATE = 6, 256, 4e-3
_MEAN, _SQUARE, _SMALL = 0.9, 0.999, 1e-8
"""Of Adam (Kingma and Ba, International Conference on Learning Representations 2015)."""
_CENTURY = 100_000
"""Days, more than there are, by which customers are set apart in one order of all days."""


def require_jax() -> None:
    """Say how to get JAX where it is not there; importing it takes seconds, so nothing here does it before it must."""
    if importlib.util.find_spec("jax") is None:
        raise BankmineError("sequence models need JAX: make deep")


@dataclass(frozen=True)
class Steps:
    """Days `told` by numbers, shape (days, numbers), and of each row in which `place` its own are and how long `ago`.

    Both of shape (rows, STEPS), the newest last; the place of a step that is not there is −1.
    """

    told: np.ndarray
    place: np.ndarray
    ago: np.ndarray


def steps_before(rows: pd.DataFrame, daily: pd.DataFrame, window: int) -> Steps:
    """Find what was counted in the `window` days up to each row's day; both tables have `customer_id` and `day`."""
    daily = daily.sort_values(["customer_id", "day"])
    people = pd.Index(daily["customer_id"].unique())
    at, asked = ((f["day"] - pd.Timestamp(0)).dt.days.to_numpy() for f in (daily, rows))
    order = people.get_indexer(daily["customer_id"]) * _CENTURY + at
    until = people.get_indexer(rows["customer_id"]) * _CENTURY + asked
    end, begin = (np.searchsorted(order, edge, side="right") for edge in (until, until - window))
    place = end[:, None] + np.arange(-STEPS, 0)
    place = np.where(place >= begin[:, None], place, -1)
    ago = np.where(place >= 0, asked[:, None] - at[place], 0)
    told = np.log1p(daily.drop(columns=["customer_id", "day"]).to_numpy(np.float32))
    return Steps(told, place.astype(np.int32), np.log1p(ago).astype(np.float32))


def foretold(given: Steps, outcome: np.ndarray, learnt: np.ndarray, asked: np.ndarray) -> pd.DataFrame:
    """Fit nets of each kind and seed on the rows `learnt`, and apply them to the rows `asked`, both positions.

    A row a net and row asked: `model`, `seed`, `seconds` of processor time and number of `weights` of the net, the
    position `row`, and log `odds`.
    """
    import jax

    steps, there = _scaled(given, learnt), given.place >= 0
    train, target = (steps[learnt], there[learnt]), outcome[learnt].astype(np.float32)
    told = []
    for model, (start, net) in NETS.items():
        fit = jax.jit(lambda key, *given, start=start, net=net: _fitted(key, start, net, *given))
        for seed in range(SEEDS):
            begun = time.process_time()
            weights = fit(jax.random.key(seed), *train, target)
            odds = np.asarray(jax.jit(net)(weights, steps[asked], there[asked]))
            size = sum(w.size for w in jax.tree.leaves(weights))
            cost = {"seconds": time.process_time() - begun, "weights": size}
            told.append(pd.DataFrame({"model": model, "seed": seed, **cost, "row": asked, "odds": odds}))
    return pd.concat(told, ignore_index=True)


def _scaled(given: Steps, learnt: np.ndarray) -> np.ndarray:
    """Return the numbers of each step, shape (rows, STEPS, numbers + 1), by the scales of the rows learnt from."""
    steps = np.concatenate([given.told[given.place], given.ago[..., None]], axis=2)
    seen = steps[learnt][given.place[learnt] >= 0]
    spread = seen.std(axis=0)
    steps = (steps - seen.mean(axis=0)) / np.where(spread > 0, spread, 1)
    return np.where(given.place[..., None] >= 0, steps, np.float32(0))


def _fitted(
    key: jax.Array, start: Callable, net: Callable, steps: jax.Array, there: jax.Array, target: jax.Array
) -> dict[str, jax.Array]:
    """Learn weights by Adam, at a rate that falls to nothing, in `_EPOCHS` rounds of batches."""
    import jax
    from jax import numpy as jnp

    size = min(_BATCH, len(target))
    batches = len(target) // size
    keys = jax.random.split(key, _EPOCHS + 1)
    order = jax.vmap(lambda k: jax.random.permutation(k, len(target))[: batches * size])(keys[1:]).reshape(-1, size)

    def loss(weights: dict[str, jax.Array], rows: jax.Array) -> jax.Array:
        odds = net(weights, steps[rows], there[rows])
        return jnp.mean(jax.nn.softplus(odds) - target[rows] * odds)

    def step(state: tuple, now: tuple) -> tuple:
        weights, mean, square = state
        number, rows = now
        slope = jax.grad(loss)(weights, rows)
        mean = jax.tree.map(lambda m, g: _MEAN * m + (1 - _MEAN) * g, mean, slope)
        square = jax.tree.map(lambda s, g: _SQUARE * s + (1 - _SQUARE) * g**2, square, slope)
        rate = _RATE * (1 - (number - 1) / len(order)) * jnp.sqrt(1 - _SQUARE**number) / (1 - _MEAN**number)
        moved = jax.tree.map(lambda w, m, s: w - rate * m / (jnp.sqrt(s) + _SMALL), weights, mean, square)
        return (moved, mean, square), None

    first = start(keys[0], steps.shape[-1])
    nothing = jax.tree.map(jnp.zeros_like, first)
    numbers = jnp.arange(1, len(order) + 1, dtype=jnp.float32)
    return jax.lax.scan(step, (first, nothing, nothing), (numbers, order))[0][0]


def _weights(key: jax.Array, **shapes: tuple[int, ...]) -> dict[str, jax.Array]:
    """Draw weights whose sums have a variance of about 1, and a constant of 0 for what is not drawn."""
    import jax
    from jax import numpy as jnp

    keys = dict(zip(shapes, jax.random.split(key, len(shapes)), strict=True))
    drawn = {n: jax.random.normal(keys[n], shape) / jnp.sqrt(np.prod(shape[:-1])) for n, shape in shapes.items()}
    return drawn | {f"{n}_0": jnp.zeros(shape[-1]) for n, shape in shapes.items()}


def _lstm_weights(key: jax.Array, numbers: int) -> dict[str, jax.Array]:
    return _weights(key, enter=(numbers, 4 * UNITS), again=(UNITS, 4 * UNITS), out=(UNITS, 1))


def _lstm(weights: dict[str, jax.Array], steps: jax.Array, there: jax.Array) -> jax.Array:
    """Return log odds by the last state (Hochreiter and Schmidhuber, Neural Computation 9, 1997)."""
    import jax
    from jax import numpy as jnp

    def step(state: tuple, now: tuple) -> tuple:
        (shown, kept), (given, there) = state, now
        enter, forget, new, show = jnp.split(given + shown @ weights["again"], 4, axis=-1)
        cell = jax.nn.sigmoid(forget + 1) * kept + jax.nn.sigmoid(enter) * jnp.tanh(new)
        moved = jax.nn.sigmoid(show) * jnp.tanh(cell), cell
        return tuple(jnp.where(there[:, None], n, o) for n, o in zip(moved, state, strict=True)), None

    given = (steps @ weights["enter"] + weights["enter_0"]).swapaxes(0, 1)
    state = jnp.zeros((len(steps), UNITS))
    (shown, _), _ = jax.lax.scan(step, (state, state), (given, there.T))
    return (shown @ weights["out"] + weights["out_0"])[:, 0]


def _cnn_weights(key: jax.Array, numbers: int) -> dict[str, jax.Array]:
    return _weights(key, first=(3 * numbers, UNITS), second=(3 * UNITS, UNITS), out=(2 * UNITS, 1))


def _cnn(weights: dict[str, jax.Array], steps: jax.Array, there: jax.Array) -> jax.Array:
    """Return log odds by the sum and the largest of what two layers see in three steps next to each other."""
    from jax import numpy as jnp

    there = there[..., None]
    steps = steps * there
    for name in ("first", "second"):
        edged = jnp.pad(steps, ((0, 0), (1, 1), (0, 0)))
        three = jnp.concatenate([edged[:, :-2], steps, edged[:, 2:]], axis=2)  # on a CPU, faster than a convolution
        steps = jnp.maximum(three @ weights[name] + weights[f"{name}_0"], 0) * there
    pooled = jnp.concatenate([steps.sum(axis=1) / STEPS, steps.max(axis=1)], axis=1)
    return (pooled @ weights["out"] + weights["out_0"])[:, 0]


NETS = {"lstm": (_lstm_weights, _lstm), "cnn": (_cnn_weights, _cnn)}
"""Kinds of nets: how weights begin, and what comes of them."""
