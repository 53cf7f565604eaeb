"""Scores of behaviour: whether chances of the next step follow what the last session was for, which nobody sees."""

from __future__ import annotations

import pandas as pd

from bankmine.bank.snapshot import Snapshot
from demobank.scoreboard.truth import Score, Truth, resampled

BEHAVIOUR = "05_behaviour"


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
