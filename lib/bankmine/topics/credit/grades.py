"""Grades: the long-run default rate, and a master scale that is held against what became of each grade."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from scipy import stats

from bankmine.errors import BankmineError
from bankmine.judging import disclosure
from bankmine.judging.calibration import jeffreys
from bankmine.judging.intervals import shown, with_interval
from bankmine.lacking import Lacking, optional
from bankmine.learning.sample import CONFIDENCE
from bankmine.study import charts
from bankmine.topics.credit.rules import Grade, load_grades

if TYPE_CHECKING:
    from bankmine.topics.credit.granting import CreditStudy

CAUTION = 0.9
"""Confidence of the margin of conservatism: the true average is above it in one of ten cases."""
_FEWEST = 4
"""Quarters, at least, of which a long-run average is made."""
_MANY = 30
"""Credits of a grade by whose interval the axis is chosen: that of a handful would leave the others flat."""
HOLDS, TOO_LOW, NOBODY = "holds", "foretold too low", "nobody"


def long_run(vintages: pd.DataFrame) -> dict[str, object]:
    """Average the default rates of closed quarters, each counting alike, as CRE36 of the Basel framework asks.

    `rate`, the `margin` of conservatism for what so few quarters leave unsure (one-sided, Student's t), `cautious`:
    both together, and how many `quarters` there are, from the `first` to the `last`.
    """
    closed = vintages[vintages["closed"]]
    if len(closed) < _FEWEST:
        raise BankmineError(f"outcomes of {len(closed)} quarters are known as a whole, and {_FEWEST} are needed")
    rate, error = closed["rate"].mean(), stats.sem(closed["rate"])
    margin = float(stats.t.ppf(CAUTION, len(closed) - 1) * error)
    told = {"rate": rate, "margin": margin, "cautious": rate + margin, "quarters": len(closed)}
    return told | {"first": closed.index[0], "last": closed.index[-1], "years": len(closed) / 4}


def merged(scale: Sequence[Grade], chance: pd.Series, entity: pd.Series, smallest: int) -> list[Grade]:
    """Merge grades of too few customers with a neighbour, and what is empty between them: see `disclosure.merged`."""
    codes = np.searchsorted([grade.up_to for grade in scale], chance.to_numpy(float), side="left")
    own = pd.Series(pd.Categorical.from_codes(codes, [grade.id for grade in scale], ordered=True), chance.index)
    names = dict(zip(own, disclosure.merged(own, smallest, entity), strict=True))
    found: dict[str, Grade] = {}
    for i, grade in enumerate(scale):
        goes_on = [names.get(later.id) for later in scale[i:]]
        before = next(reversed(found), None)
        name = before if before in goes_on else names.get(grade.id, grade.id)
        found[name] = Grade(name, grade.up_to)
    return list(found.values())


def backtest(target: pd.Series, chance: pd.Series, grades: Sequence[Grade]) -> pd.DataFrame:
    """Hold the rate foretold for each grade against what came of it, by `calibration.jeffreys`.

    Of known outcomes by grade: `up_to`, `rows`, `foretold`, `bad`, `rate` with `low` and `high`, `p` (the chance that
    the true rate is no higher than foretold) and `verdict`, wrong for about one of twenty scales that are right.
    """
    edges = [grade.up_to for grade in grades]
    place = pd.Series(np.searchsorted(edges, chance.to_numpy(float), side="left"), chance.index)
    rows = []
    for i, grade in enumerate(grades):
        own = target[place == i].dropna()
        if not len(own):
            rows.append((grade.id, grade.up_to, 0, np.nan, 0, *(np.nan,) * 4, NOBODY))
            continue
        foretold, bad = chance[own.index].mean(), int(own.sum())
        p, low, high = jeffreys(bad, len(own), foretold)
        verdict = TOO_LOW if p < (1 - CONFIDENCE) / len(grades) else HOLDS
        rows.append((grade.id, grade.up_to, len(own), foretold, bad, own.mean(), low, high, p, verdict))
    names = ["grade", "up_to", "rows", "foretold", "bad", "rate", "low", "high", "p", "verdict"]
    return pd.DataFrame(rows, columns=names).set_index("grade")


def table(found: pd.DataFrame, cautious: float) -> pd.DataFrame:
    """Return a back-test for a page; `cautious` is the factor by which a rate grows with the margin of conservatism."""
    told = found.assign(**{"bad rate": with_interval(found, "rate", ".1%")}, cautious=found["foretold"] * cautious)
    told = told.rename(columns={"up_to": "chance up to", "cautious": "with margin"})
    columns = ["chance up to", "rows", "foretold", "with margin", "bad", "bad rate", "p", "verdict"]
    return shown(told[columns], **{"chance up to": ".1%", "foretold": ".1%", "with margin": ".1%", "p": ".3f"})


def chart(found: pd.DataFrame) -> Axes:
    """Draw the rates foretold and observed of each grade, with intervals."""
    found = found[found["rows"] > 0]
    axis, place = plt.figure().subplots(), np.arange(len(found))
    away = found["rate"] - found["low"], found["high"] - found["rate"]
    axis.errorbar(place, found["rate"], yerr=np.clip(away, 0, None), fmt="o", capsize=3, label="came out")
    axis.scatter(place, found["foretold"], marker="D", facecolors="none", edgecolors="C1", s=60, label="foretold")
    axis.set_xticks(place, [f"{g}\n{n:,}" for g, n in zip(found.index, found["rows"], strict=True)])
    many = found.loc[found["rows"] >= _MANY, "high"]
    points = found[["rate", "foretold"]].max(axis=None)  # none is cut off; the intervals of a few credits may be
    axis.set_ylim(0, min(1.0, max(1.2 * many.max(), 1.1 * points)) if len(many) else 1.0)
    axis.legend()
    return charts.titled(
        axis, "Bad rate by grade, with intervals of 95 %", "grade, and credits", "bad rate", percent="y"
    )


def grades(study: CreditStudy) -> pd.DataFrame:
    """Hold the master scale against what became of those judged: `backtest`."""
    rows = study.judged.rows
    return backtest(rows.target, study.judged.probability[study.chosen], load_grades())


def grades_table(study: CreditStudy) -> pd.DataFrame:
    """Return the same for a page, with the margin of conservatism where it is known."""
    long = optional(study, "long_run")
    return table(_told(study), np.nan if isinstance(long, Lacking) else long["cautious"] / long["rate"])


def grades_chart(study: CreditStudy) -> Axes:
    """Draw the rates foretold and observed by grade."""
    return chart(_told(study))


def graded(study: CreditStudy) -> dict[str, object]:
    """Say how many of the `used` grades were foretold too low (`wrong`), and `which`."""
    used = study.grades[study.grades["rows"] > 0]
    wrong = used.index[used["verdict"] == TOO_LOW]
    return {"used": len(used), "wrong": len(wrong), "which": f": {', '.join(wrong)}" if len(wrong) else ""}


def _told(study: CreditStudy) -> pd.DataFrame:
    """Return the same by grades that so many customers are in that a page may tell of them."""
    rows, chance = study.judged.rows, study.judged.probability[study.chosen]
    known = rows.target.dropna().index
    return backtest(rows.target, chance, merged(load_grades(), chance[known], rows.entity[known], study.smallest_group))
