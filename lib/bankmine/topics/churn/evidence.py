"""Evidence of churn: what was foretold of whom and why, and which columns were suspected, for validators."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pandas as pd

from bankmine.judging.leaks import sentinel
from bankmine.judging.reasons import load_reasons, reasons
from bankmine.study.evidence import rows_of

if TYPE_CHECKING:
    from bankmine.topics.churn.study import BankChurn

_REASONS = 3


def evidence(study: BankChurn) -> dict[str, pd.DataFrame]:
    """Return what a study of churn hands on to validators.

    `churn_judged`: rows as of `study.evidence`, those judged with the themes of their reasons, `reason_1` first;
    `churn_pushes`: log-odds that each predictor adds to the rows of the last day judged; `churn_suspects`: what the
    leak sentinel says where the column that is refused as knowing the future stands among the predictors.
    """
    pushes, rows = study.seen.pushes, study.seen.rows
    told = reasons(pushes, rows.predictors, load_reasons(study.reasons), _REASONS)
    themes = pd.DataFrame(
        {f"reason_{rank + 1}": told.loc[told["rank"] == rank + 1, "theme"] for rank in range(_REASONS)}
    )
    last = rows.day[rows.day == rows.day.max()].index
    return {
        "churn_judged": rows_of(study).join(themes).set_index("customer_id"),
        "churn_pushes": pushes.pushes.loc[last].astype("float32").set_index(rows.entity[last].rename("customer_id")),
        "churn_suspects": _suspects(study),
    }


def _suspects(study: BankChurn) -> pd.DataFrame:
    column = study.suspicious_column()
    if column is None:
        return study.suspects
    learnt, today = study.sample.at(study.split.train), study.today
    careless = replace(learnt, predictors=learnt.predictors.assign(**{column.name: column}))
    return sentinel(careless, today.predictors.assign(**{column.name: column.loc[today.target.index]}))
