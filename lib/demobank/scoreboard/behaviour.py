"""Scores of 05_behaviour: needs in time, and chances that follow what a session was for."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment

from bankmine.bank.snapshot import Snapshot
from demobank.scoreboard.truth import Measure, Score, Truth, agreement, around, resampled, share
from demobank.web.sessions import STATES

BEHAVIOUR = "05_behaviour"
_SESSIONS = 20_000
_PAID = "days 1 to 5 after pay"
_FEASTS = {
    ("Chinese New Year", "two weeks before"): "new_year_ahead",
    ("Chinese New Year", "week"): "new_year",
    ("Golden Week", "week"): "golden_week",
}
_NEVER_MOVED = "log-ins"
"""What neither pay nor a festival moves."""
_FOUND = 0.5
"""Effects of a category by a fifth or more that a bank of a few thousand customers must find, as a share of all."""


def needs(truth: Truth, found: pd.DataFrame) -> list[Score]:
    """Score `behaviour_needs`: effects within their intervals, large ones found, and none found where there is none."""
    days = [truth.constant(f"spending.payday.{day}") for day in range(1, 6)]
    paid = found[found["moment"] == _PAID]
    spent, logged_in = paid[paid["need"] == "all"].assign(true=np.mean(days)), paid[paid["need"] == _NEVER_MOVED]
    rows = found[found["festival"].notna() & found["need"].ne("all")]
    rows = rows.assign(true=[_true(truth, *row) for row in rows[["festival", "moment", "need"]].to_numpy()])
    golden = rows[rows["festival"].eq("Golden Week") & rows["moment"].eq("week")]
    travel, groceries = (golden[golden["need"] == need] for need in ("travel", "groceries"))
    held, large, none = rows["true"].between(rows["low"], rows["high"]), _large(rows["true"]), rows["true"] == 1
    caught, wrong = (share((rows["found"] & planted).sum(), planted.sum()) for planted in (large, none))
    festive, no_effect = "effects of festivals on spending, by category, and log-ins", "no effect of a festival"
    return [
        _multiple("spending in the five days after pay", spent),
        _multiple("spending on travel in Golden Week", travel),
        _multiple("groceries in Golden Week, as at other times", groceries),
        Score(BEHAVIOUR, festive, "truth within the interval", share(held.sum(), len(rows)), (0.8, 1.0)),
        Score(BEHAVIOUR, festive, "found, of those of a fifth or more", caught, (_FOUND, 1.0)),
        Score(BEHAVIOUR, no_effect, "found all the same", wrong, (0.0, 0.1)),
        _multiple("log-ins in the five days after pay, as at other times", logged_in.assign(true=1.0)),
    ]


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


def next_step(truth: Truth, snapshot: Snapshot, judged: pd.DataFrame) -> list[Score]:
    """Score the chance to apply by what the session before the day was for.

    Parameters
    ----------
    truth : Truth
        Of the bank.
    snapshot : Snapshot
        Tells when sessions were.
    judged : pd.DataFrame
        `behaviour_next_judged` as handed on: `customer_id`, `day` and `chance_logistic`.
    """
    when = snapshot.events.group_by("session_id").agg(at=snapshot.events["at"].min()).to_pandas()
    told = truth.table("sessions").merge(when, on="session_id").sort_values("at")
    rows = judged.assign(at=pd.to_datetime(judged["day"]) + pd.Timedelta(days=1)).sort_values("at")
    told["at"], rows["at"] = told["at"].astype("datetime64[us]"), rows["at"].astype("datetime64[us]")
    last = pd.merge_asof(
        rows, told[["customer_id", "at", "state"]], on="at", by="customer_id", allow_exact_matches=False
    )
    buying, routine = (last["state"].eq(state).to_numpy() for state in ("buying", "routine"))
    multiple = resampled(lambda c, b, r: c[b].mean() / c[r].mean(), last["chance_logistic"].to_numpy(), buying, routine)
    what = "mean chance to apply, as a multiple of that after a routine session"
    return [Score(BEHAVIOUR, "a session to buy", what, multiple, (1.05, 2.5), "multiple")]


def _true(truth: Truth, festival: str, moment: str, need: str) -> float:
    name = _FEASTS.get((festival, moment)) if need != _NEVER_MOVED else None
    return float(truth.constant(f"spending.{name}.{need}")) if name else 1.0


def _large(effect: pd.Series) -> pd.Series:
    return np.log(effect).abs() > np.log(1.2) - 1e-9


def _multiple(what: str, row: pd.DataFrame) -> Score:
    value, low, high, true = row[["value", "low", "high", "true"]].to_numpy(float)[0].tolist()
    measure = Measure(value, low, high)
    return Score(BEHAVIOUR, what, "multiple of the usual", measure, tuple(map(float, around(true, measure))))
