"""Evidence: the rows that models learnt from and were judged by, so that a validator can compute figures again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from bankmine.study.study import Study

JUDGED, LEARNT = "judged", "learnt"


def rows_of(study: Study) -> pd.DataFrame:
    """Return the rows judged, and those that the model in use learnt from, by the sample's index.

    `customer_id`, `day`, `part` (judged or learnt) and `outcome` (missing where it is not known); of the rows judged
    the `chance` by the model in use, and that of each candidate as `chance_` and its name.
    """
    applied, learnt = study.fitted[0], study.sample.at(study.split.train)
    parts = [
        pd.DataFrame({"customer_id": rows.entity, "day": rows.day, "part": part, "outcome": rows.target})
        for part, rows in ((JUDGED, applied.rows), (LEARNT, learnt))
    ]
    chances = applied.probability.add_prefix("chance_")
    chances.insert(0, "chance", applied.probability[study.chosen])
    return pd.concat(parts).join(chances)
