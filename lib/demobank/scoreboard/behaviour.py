"""Scores of the study of behaviour: what it recovered of what sessions are for."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment

from demobank.scoreboard.truth import Measure, Score, Truth, agreement
from demobank.web.sessions import STATES

BEHAVIOUR = "05_behaviour"
_SESSIONS = 20_000


def states(truth: Truth, sessions: pd.DataFrame, transitions: pd.DataFrame) -> list[Score]:
    """Score decoded states by session (`session_id`, `state`) and chances from one to the next (`from`, `to`, `share`).

    States are matched with planted ones by the sessions that they share; those of which no pair is left count as wrong.
    """
    both = sessions.merge(truth.table("sessions")[["session_id", "state"]], on="session_id", suffixes=("", "_true"))
    counts = pd.crosstab(both["state"], both["state_true"]).reindex(columns=STATES, fill_value=0)
    found, true = linear_sum_assignment(counts, maximize=True)
    name = {counts.index[i]: STATES[j] for i, j in zip(found, true, strict=True)}
    own = transitions.assign(**{end: transitions[end].map(name) for end in ("from", "to")}).dropna()
    pairs = zip(own["from"], own["to"], strict=True)
    planted = np.array([truth.constant(f"events.transition.{before}.{after}") for before, after in pairs])
    off, every = np.abs(own["share"] - planted), len(STATES) ** 2
    worst = Measure(float(off.max()) if len(own) == every else np.nan, np.nan, np.nan)
    drawn = both.sample(min(_SESSIONS, len(both)), random_state=0)
    same = agreement(drawn["state"].to_numpy(), drawn["state_true"].to_numpy())
    number = Measure(float(sessions["state"].nunique()), np.nan, np.nan)
    return [
        Score(BEHAVIOUR, "what sessions are for", "adjusted Rand index", same, (0.55, 0.75)),
        Score(BEHAVIOUR, "from session to session", "largest error of a chance", worst, (0, 0.12)),
        Score(BEHAVIOUR, "kinds of sessions", "number of states", number, (4, 4), "count"),
    ]
