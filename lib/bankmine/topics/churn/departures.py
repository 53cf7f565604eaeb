"""Departures: on which day customers left, counted from the day on which each was first looked at."""

from __future__ import annotations

import datetime

import ibis
import ibis.expr.types as ir
import pandas as pd
from ibis import _

from bankmine.bank.snapshot import Snapshot
from bankmine.errors import BankmineError
from bankmine.features.labels import own_outflows
from bankmine.learning.sample import Sample
from bankmine.topics.churn.definition import CLOSURE, LENGTH, SILENT, Definition, emptied, holding


def followed(snapshot: Snapshot, sample: Sample, definition: Definition) -> pd.DataFrame:
    """Follow every customer of a sample from the first day in it to the day of leaving, or to the snapshot's.

    A customer has left on the day on which the last account was closed, or on which silence has lasted as long as the
    definition says, with deposits fallen. Nobody is followed before the first day looked at, so that there is no
    earlier life which only those who stayed could have (no left truncation); who has not left by now is censored.

    Parameters
    ----------
    snapshot : Snapshot
        What is known by now.
    sample : Sample
        Customers on the days on which they were present, from `churn_sample.customer_months`.
    definition : Definition
        What leaving means; the gap plays no part.

    Returns
    -------
    pd.DataFrame
        One row a customer, with the index of the customer's first row in the sample: `customer_id`, `origin`, `days`
        followed, whether `left`, and `kind` of leaving. `sample.predictors.loc[followed.index]` is what was known then.

    Raises
    ------
    BankmineError
        If the sample has no time, or no row before the snapshot's day.
    """
    if sample.day is None:
        raise BankmineError(
            "A table without time does not tell when customers left: name its column of days with `time`."
        )
    first = pd.DataFrame({"customer_id": sample.entity, "origin": sample.day}).sort_values("origin", kind="stable")
    first = first.drop_duplicates("customer_id").sort_index()
    first = first[first.origin < pd.Timestamp(snapshot.as_of)]
    if first.empty:
        raise BankmineError(f"Nobody was looked at before {snapshot.as_of}, so that nobody can be followed: add days.")
    left = _first_after(first, _departures(snapshot, definition, first.origin.min().date()).to_pandas())
    until = left.left_on.fillna(pd.Timestamp(snapshot.as_of))
    first["days"] = (until - first.origin).dt.days
    return first.assign(left=left.left_on.notna(), kind=left.kind)


def _first_after(first: pd.DataFrame, departures: pd.DataFrame) -> pd.DataFrame:
    """Return day and kind of each customer's first departure after the origin, with the index of the origins."""
    found = first.reset_index(names="row").merge(departures, on="customer_id")
    found = found.assign(left_on=pd.to_datetime(found.left_on))
    found = found[found.left_on > found.origin].sort_values("left_on", kind="stable").drop_duplicates("row")
    return found.set_index("row")[["left_on", "kind"]].reindex(first.index)


def _departures(snapshot: Snapshot, definition: Definition, since: datetime.date) -> ir.Table:
    """List the days on which customers left by closing or by silence; a silent one may come back and leave again."""
    parts = [_fallen_silent(snapshot, definition, since)]
    if "closed_on" in snapshot.accounts.columns:
        accounts = snapshot.accounts.group_by("customer_id").agg(
            still=_.closed_on.isnull().any(), left_on=_.closed_on.max()
        )
        parts.append(accounts.filter(~accounts.still).select("customer_id", "left_on", kind=ibis.literal(CLOSURE)))
    return ibis.union(*parts) if len(parts) > 1 else parts[0]


def _fallen_silent(snapshot: Snapshot, definition: Definition, since: datetime.date) -> ir.Table:
    """Find the days after a first one on which silence had lasted long enough.

    It takes the first and last own booking of each month: no silence of a month or more lies within one.
    """
    owners = snapshot.accounts.select("account_id", "customer_id")
    own = own_outflows(snapshot.transactions).inner_join(owners, "account_id")
    own = own.filter(own.date > ibis.literal(since - datetime.timedelta(days=definition.silent)))
    months = own.group_by("customer_id", month=own.date.truncate("M")).agg(day=own.date.max(), first=own.date.min())
    following = months["first"].lead(1).over(ibis.window(group_by="customer_id", order_by="month"))
    spells = months.mutate(following=following, length=ibis.literal(definition.silent))
    spells = spells.mutate(end=(spells.day + ibis.interval(days=definition.silent)).cast("date"))
    over = spells.end <= ibis.literal(snapshot.as_of)
    spells = spells.filter(over & (spells.following.isnull() | (spells.following > spells.end)))
    table = holding(snapshot, spells.select("customer_id", "day", LENGTH, "end"))
    table = emptied(snapshot, table.filter(table.stays), definition.fall)
    return table.filter(table.emptied).select("customer_id", left_on="end", kind=ibis.literal(SILENT))
