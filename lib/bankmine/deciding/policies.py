"""Profit of policies: what acting as each of them says earned, as it turned out, and how sure that is.

Customers are drawn with all their rows (Field and Welsh, Journal of the Royal Statistical Society B 69, 2007); the same
draws serve all policies, so that differences are paired. Where one customer has rows in several months, each month is a
round of its own, and rounds are averaged, not added up: a customer is saved once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import pandas as pd

from bankmine.judging.intervals import draws, interval

RANDOM, KNOWN = "at random", "outcome known"
"""Two policies to hold every other against: no knowledge, and all of it."""
DRAWS = 200


@dataclass(frozen=True)
class Unsure:
    """A number that what is earned hangs on and that is only believed, as how often calls by a channel work."""

    slope: pd.Series
    """By row, what acting on it earns more for each unit of the number."""
    drawn: np.ndarray
    """Of what is believed: its mean, and `DRAWS` draws."""


def with_intervals(
    earned: pd.DataFrame, entity: pd.Series, rounds: pd.Series | None = None, seed: int = 0
) -> pd.DataFrame:
    """Add up what each policy, a column of `earned`, earned in a round, with the interval of the bootstrap by customer.

    `rounds` is the month or day of decision. Rows where anything is NaN do not count. Indexed by policy: `profit`,
    `low`, `high`, and how far it is `behind` the first, with `behind_low` and `behind_high`; in the currency.
    """
    earned = earned[earned.notna().all(axis=1)]
    return _table(resampled(earned, entity, rounds, seed), earned.columns)


def resampled(earned: pd.DataFrame, entity: pd.Series, rounds: pd.Series | None = None, seed: int = 0) -> np.ndarray:
    """Add up what each policy earned in a round, of the sample and of its resamples: shape (1 + draws, policies)."""
    number = max(rounds[earned.index].nunique(), 1) if rounds is not None else 1
    whose, people = pd.factorize(entity[earned.index], use_na_sentinel=False)
    sums = earned.astype(float).groupby(whose).sum().to_numpy() / number
    return draws(len(people), DRAWS, seed).T @ sums


def _table(drawn: np.ndarray, names: pd.Index) -> pd.DataFrame:
    table = _with_interval(drawn).set_index(names.astype(str))
    behind = _with_interval(drawn[:, :1] - drawn).set_index(table.index)
    table[["behind", "behind_low", "behind_high"]] = behind
    return table.rename_axis("policy")


def jointly(
    acted: pd.DataFrame, gain: pd.Series, unsure: Mapping[str, Unsure], entity: pd.Series,
    rounds: pd.Series | None = None,
) -> np.ndarray:  # fmt: skip
    """Resample what policies earned by customers and by what is believed, both at once: shape (1 + draws, policies).

    `gain` is what acting on a row earned were every number that one is `unsure` of 0. So there is one interval, of who
    happened to be there and of what is not known.
    """
    known = gain.notna()
    acted = acted[known].astype(float)
    drawn = resampled(acted.mul(gain[known], axis=0), entity, rounds)
    for one in unsure.values():
        drawn = drawn + resampled(acted.mul(one.slope[known], axis=0), entity, rounds) * one.drawn[:, None]
    return drawn


def profit_of(
    acted: pd.DataFrame, gain: pd.Series, entity: pd.Series, rounds: pd.Series | None = None,
    unsure: Mapping[str, Unsure] = MappingProxyType({}),
) -> pd.DataFrame:  # fmt: skip
    """Compare what policies earned: `actions` in a round, and the columns of `with_intervals`.

    `acted` says of each row whether a policy acts on it, or with which probability; `gain` is what acting on it earned,
    from `costs.realised`, and does not count where it is NaN; `unsure` as for `jointly`.
    """
    known = acted[gain.notna()].astype(float)
    table = _table(jointly(acted, gain, unsure, entity, rounds), acted.columns)
    number = max(rounds[known.index].nunique(), 1) if rounds is not None else 1
    table.insert(0, "actions", known.sum().to_numpy() / number)
    return table


def profit_curve(
    scores: pd.DataFrame, gain: pd.Series, entity: pd.Series, rounds: pd.Series | None = None, points: int = 41,
    seed: int = 0,
) -> pd.DataFrame:  # fmt: skip
    """Say what acting on the highest scores earns, by how many are acted on, against chance and full knowledge.

    Rows of equal score are taken in random order. Returns `policy` (`RANDOM` and `KNOWN` are added), `share` of the
    rows acted on, `actions` and `profit` of one round, `low` and `high`, at `points` from nobody to everybody.
    """
    known = gain.notna()
    gain, entity = gain[known].to_numpy(float), entity[known]
    month = np.zeros(len(gain), int) if rounds is None else pd.factorize(rounds[known])[0]
    whose, people = pd.factorize(entity, use_na_sentinel=False)
    share = np.unique(np.append(np.linspace(0, 0.2, points // 2), np.linspace(0.2, 1, points - points // 2)))
    weights = list(draws(len(people), DRAWS, seed).T[:, whose])
    policies = {str(name): score.to_numpy(float) for name, score in scores[known].items()}
    policies |= {RANDOM: np.zeros(len(gain)), KNOWN: gain}
    size = len(gain) / max(month.max(initial=0) + 1, 1)
    parts = [
        _with_interval(_curves(score, gain, month, weights, share)).assign(
            policy=policy, share=share, actions=share * size
        )
        for policy, score in policies.items()
    ]
    return pd.concat(parts, ignore_index=True)[["policy", "share", "actions", "profit", "low", "high"]]


def _curves(
    score: np.ndarray, gain: np.ndarray, month: np.ndarray, weights: list[np.ndarray], share: np.ndarray
) -> np.ndarray:
    """Return the profit of a round at each share, for each drawing of the rows: shape (drawings, shares)."""
    total = np.zeros((len(weights), len(share)))
    months = np.unique(month)
    for one in months:
        rows = np.flatnonzero(month == one)
        level = np.unique(-score[rows], return_inverse=True)[1]
        for i, weight in enumerate(weights):
            taken = np.append(0, np.bincount(level, weight[rows]).cumsum())
            earned = np.append(0, np.bincount(level, weight[rows] * gain[rows]).cumsum())
            total[i] += np.interp(share * taken[-1], taken, earned)
    return total / max(len(months), 1)


def _with_interval(drawn: np.ndarray) -> pd.DataFrame:
    low, high = interval(drawn)
    return pd.DataFrame({"profit": drawn[0], "low": low, "high": high})
