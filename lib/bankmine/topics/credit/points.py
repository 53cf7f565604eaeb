"""The scorecard as SQL, and what costs applicants their points, in words.

The query compares, casts and adds, no more, so that PostgreSQL, DuckDB and their kin read it alike. Names and values
are those of somebody's data: sqlglot quotes them, and none of them stands in a comment.
"""

from __future__ import annotations

import sys
from functools import cached_property, reduce
from typing import ClassVar

import numpy as np
import pandas as pd
import sqlglot
from sqlglot import exp

from bankmine.errors import BankmineError
from bankmine.judging.contributions import Contributions
from bankmine.judging.reasons import load_reasons, reasons
from bankmine.study.why import Why
from bankmine.topics.credit.bins import FLAG, WORDS, Bins
from bankmine.topics.credit.scorecard import Scorecard
from bankmine.workspace import WORKSPACE

REGISTRY = WORKSPACE / "data" / "credit_reasons.yml"
"""Words for what is known of applicants, as `load_reasons` reads them."""
_DIALECT, _WIDTH = "postgres", 120
"""Of the query, which DuckDB reads, too; and characters of a line."""


def score_statement(card: Scorecard, table: str, grants_from: int | None = None) -> str:
    """Write a query that gives all columns of a table and, of each row, the `score`.

    With the score from which the risk is accepted, it tells of each row whether it is (`risk_accepted`); whether credit
    is granted hangs on the offer, too. A `BankmineError` says which name or category of the scorecard no database could
    hold.
    """
    _check(card)
    scale = card.scale
    told = f"{scale.base:g} points: {scale.odds:g} good to 1 bad; {scale.pdo:g} points more double the odds."
    points = [_case(str(name), bins, card.points[name]) for name, bins in card.bins.items()]
    score = reduce(lambda some, more: exp.Add(this=some, expression=more), points)
    rows = exp.Table(this=exp.to_identifier(table, quoted=True))
    query = sqlglot.select("*", exp.alias_(score, "score")).from_(rows)
    if grants_from is not None:
        told += f" The risk is accepted from {grants_from} points on."
        granted = exp.alias_(exp.column("score") >= grants_from, "risk_accepted")
        query = sqlglot.select("*", granted).from_(query.subquery("scored"))
    query.add_comments([told])
    return query.sql(_DIALECT, pretty=True, max_text_width=_WIDTH) + "\n"


def _case(column: str, bins: Bins, points: np.ndarray) -> exp.Case:
    """Write the points of one characteristic: the first condition that holds decides.

    What is missing or not finite has the points of the bin of missing values; a category that was rare in training or
    not there, those of its bin.
    """
    value = exp.column(column, quoted=True)
    missing, last = value.is_(exp.null()), bins.missing - 1
    if bins.kind == FLAG:
        bounds, last = {last: value}, 0
    elif bins.kind == WORDS:
        text = exp.cast(value, exp.DataType.Type.VARCHAR)
        bounds, last = {place: text.isin(*group) for place, group in enumerate(bins.groups)}, bins.missing + 1
    else:
        number, most = exp.cast(value, exp.DataType.Type.DOUBLE), sys.float_info.max
        # neither infinity nor, as databases order it, what is not a number is between these
        missing = missing.or_(number.between(_number(-most), _number(most)).not_())
        bounds = {place: number < _number(edge) for place, edge in enumerate(bins.edges)}
    case = exp.Case().when(missing, exp.convert(int(points[bins.missing])))
    for place, condition in bounds.items():
        case = case.when(condition, exp.convert(int(points[place])))
    return case.else_(exp.convert(int(points[last])))


def _number(value: float) -> exp.Expression:
    """Write a number with an exponent, so that no database takes it for a decimal and rounds it."""
    told = repr(abs(float(value)))
    size = exp.Literal.number(told if "e" in told else f"{told}e0")
    return exp.Neg(this=size) if value < 0 else size


def _check(card: Scorecard) -> None:
    names = [str(name) for name in card.bins]
    if wrong := [name for name in names if not name or "\0" in name]:
        raise BankmineError(f"No column of a database can be called {wrong[0]!r}: rename it in the source.")
    folded = [name.casefold() for name in names]
    if twice := [name for name, low in zip(names, folded, strict=True) if folded.count(low) > 1]:
        told = ", ".join(map(repr, twice[:3]))
        raise BankmineError(f"Databases take the columns {told} for the same: rename them in the source.")
    if odd := [(b.name, c) for b in card.bins.values() for group in b.groups for c in group if "\0" in c]:
        name, category = odd[0]
        raise BankmineError(
            f"Category {category!r} of {name!r} holds the character 0, which not every database can hold: clean it and "
            "fit the scorecard anew."
        )


class PointsLost(Why):
    """Why applicants have fewer points than others, in words that they can be told.

    Points are lost against those of the typical value in the rows learnt from, which the words tell beside the own one:
    against a mean, who is typical may lose points and be told so. Reasons are up to four: more are not likely to help
    an applicant (official interpretation of Regulation B, 12 CFR 1002, supplement I, 9(b)(2)).
    """

    most: ClassVar[int] = 4

    @cached_property
    def pushes(self) -> Contributions:
        """Points lost by each characteristic, as log-odds; below 0 where the row has more than is typical."""
        card, typical = self.model[-1].card_, self.model[-1].typical_
        usual = pd.Series({c: card.points[c][b.positions(_one(typical[c], b))[0]] for c, b in card.bins.items()})
        lost = usual - card.points_of(self.rows.predictors)
        return Contributions(lost / card.scale.factor, float(card.scale.offset - usual.sum()) / card.scale.factor)

    @cached_property
    def told(self) -> pd.DataFrame:
        """The reasons, as of `reasons.reasons`, with the values that are typical of the rows learnt from."""
        words = load_reasons(self.register)
        return reasons(self.pushes, self.rows.predictors, words, self.most, self.model[-1].typical_)


def _one(value: object, bins: Bins) -> pd.Series:
    """Return a value as a column of the kind that was binned."""
    return pd.Series([value], dtype="category" if bins.kind == WORDS else float)
