"""Evidence of churn: what was foretold of whom and why, and which columns were suspected, for validators."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from bankmine.judging.reasons import load_reasons, reasons
from bankmine.study.evidence import rows_of
from bankmine.study.why import Seen

if TYPE_CHECKING:
    from bankmine.topics.churn.study import BankChurn

MODEL = "xgboost"
"""The model whose reasons and pushes are handed on, whichever is in use: so that days and banks compare."""
_REASONS = 3


def evidence(study: BankChurn) -> dict[str, pd.DataFrame]:
    """Return what a study of churn hands on to validators.

    `churn_judged`: rows as of `study.evidence`, those judged with the themes of XGBoost's reasons, `reason_1` first;
    `churn_pushes`: log-odds that each predictor adds by XGBoost to the rows of the last day judged; `churn_suspects`:
    what the leak sentinel says of predictors and of the columns that are refused, as the page shows it.
    """
    applied = study.fitted[0]
    seen = study.seen if study.chosen == MODEL else Seen(applied.fitted[MODEL], applied.rows)
    pushes, rows = seen.pushes, seen.rows
    told = reasons(pushes, rows.predictors, load_reasons(study.reasons), _REASONS)
    themes = pd.DataFrame({
        f"reason_{rank}": told.loc[told["rank"] == rank, "theme"] for rank in range(1, _REASONS + 1)
    })  # fmt: skip
    last = rows.day[rows.day == rows.day.max()].index
    return {
        "churn_judged": rows_of(study).join(themes).set_index("customer_id"),
        "churn_pushes": pushes.pushes.loc[last].astype("float32").set_index(rows.entity[last].rename("customer_id")),
        "churn_suspects": study.suspects,
    }
