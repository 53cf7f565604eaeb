"""Monitoring plan: what is watched once a model is in use, at which limit, and who acts then.

What is watched is in `data/validation.yml`. Limits know how many rows and events a month has: a fixed one would cry
wolf in a small bank and sleep in a large one.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy import stats

from bankmine.study.validation import Register, Watched, asked_of, load_register

FALSE_ALARMS = 0.01
"""Chance that a limit is crossed in a month in which nothing changed."""


def monitoring_plan(model: str, facts: Mapping[str, float], register: Register | None = None) -> pd.DataFrame:
    """Say what is watched, and at which limit, given how many rows and events a month has.

    Parameters
    ----------
    model : str
        As for `validation_table`.
    facts : mapping of str to float
        `rows` scored in a month, `events` and `actions` of a month, and by the name in the register what each metric is
        today; for limits of the kind `given` also `<fact>_below` or `<fact>_above`. What is absent is not known.

    Returns
    -------
    pd.DataFrame
        `metric`, `now`, `below` and `above` (alarm outside; missing where that side has none, or the facts do not
        tell), `cadence`, `action`, `owner`. Limits other than fixed ones are crossed by chance in one of a hundred
        months.
    """
    register = register or load_register()
    rows = []
    for watched in asked_of(model, register.monitoring, register):
        now = float(facts.get(watched.fact, np.nan))
        rows.append((watched.metric, now, *_limit(watched, now, facts), watched.cadence, watched.action, watched.owner))
    return pd.DataFrame(rows, columns=["metric", "now", "below", "above", "cadence", "action", "owner"])


def _limit(watched: Watched, now: float, facts: Mapping[str, float]) -> tuple[float, float]:
    """Return the lower and the upper limit; NaN where there is none, or the facts do not tell."""
    none, chance = float("nan"), FALSE_ALARMS
    rows, events, actions = (float(facts.get(name, np.nan)) for name in ("rows", "events", "actions"))
    if watched.limit == "fixed":
        return none, watched.value
    if watched.limit == "given":
        return tuple(float(facts.get(f"{watched.fact}_{side}", np.nan)) for side in ("below", "above"))
    if watched.limit == "events":
        return tuple(stats.poisson.ppf((chance / 2, 1 - chance / 2), now))
    if watched.limit == "share":
        return stats.binom.ppf(chance, actions, now) / actions if actions > 0 else none, none
    return now + stats.norm.ppf(chance) * _auc_error(now, events, rows - events), none


def _auc_error(auc: float, events: float, others: float) -> float:
    """Return the standard error of an AUC (Hanley and McNeil, Radiology 143, 1982)."""
    if not min(events, others) > 0:
        return float("nan")
    one, two = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    spread = auc * (1 - auc) + (events - 1) * (one - auc**2) + (others - 1) * (two - auc**2)
    return float(np.sqrt(spread / (events * others)))
