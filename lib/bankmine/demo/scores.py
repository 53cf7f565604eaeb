"""Scores of the finished analyses: what each recovered of what was planted, one function an analysis.

A function takes the truth and what an analysis found, and returns scores with the bounds that hold on any seed.
"""

from __future__ import annotations

from functools import reduce

import ibis
import ibis.expr.types as ir
import pandas as pd

from bankmine.bank.contract import TABLES
from bankmine.bank.rules import MEANINGS
from bankmine.bank.snapshot import Snapshot
from bankmine.demo.truth import Score, Truth, precision, rank, recall, share

_QUALITY, _PROFILE, _LABEL = "01_data_quality", "02_profiling", "06_churn"
_ALL = (0.999, 1.0)


def defects(truth: Truth, snapshot: Snapshot) -> list[Score]:
    """Score the rules: the share of the planted bad rows that was left out, and of what was left out, that was bad."""
    planted = truth.table("defects")
    planted = planted[planted["rule"].isin(MEANINGS)]
    left_out = {name: _left_out(snapshot, name, rows["key"]) for name, rows in planted.groupby("table")}
    scores = [
        Score(_QUALITY, f"{table}: {MEANINGS[rule]}", "share found", recall(left_out[table], rows["key"]), _ALL)
        for (table, rule), rows in planted.groupby(["table", "rule"])
    ]
    counted = int(snapshot.violations()["count"].sum())
    true = share(min(sum(map(len, left_out.values())), counted), counted)
    return [*scores, Score(_QUALITY, "nothing else is wrong", "share of the finds that were planted", true, _ALL)]


def gaps(truth: Truth, found: pd.DataFrame) -> list[Score]:
    """Score the search for silent weeks: `found` has `region`, `channel` and `week` of each gap."""
    planted = truth.table("defects").query("rule == 'timeliness' and table == 'transactions'")["key"]
    seen = found["region"] + "/" + found["channel"] + "/" + found["week"].dt.strftime("%Y-%m-%d")
    there, true = recall(seen, planted), precision(seen, planted)
    return [
        Score(_QUALITY, "a week without card terminals in one region", "share found", there, (1, 1)),
        Score(_QUALITY, "no other silent week", "share of the finds that were planted", true, (0.5, 1)),
    ]


def portraits(truth: Truth, customers: pd.DataFrame) -> list[Score]:
    """Score features of a portrait against the traits behind them; `customers` is indexed by customer."""
    both = customers.join(truth.table("customers").set_index("customer_id"), rsuffix="_true")
    told, used = both[both["annual_income"].notna()], both[both["transactions_90d"] >= 5]
    remote = (used["channel_mobile_count_90d"] + used["channel_online_count_90d"]) / used["transactions_90d"]
    digital, income = rank(remote, used["digital"]), rank(told["annual_income"], told["true_income"])
    rate = rank(used["transactions_90d"], used["purchases_per_day"])
    return [
        Score(_PROFILE, "digital affinity", "rank correlation of the share of remote bookings", digital, (0.5, 0.95)),
        Score(_PROFILE, "true income", "rank correlation of the stated income", income, (0.85, 0.99)),
        Score(_PROFILE, "purchase rate", "rank correlation of the bookings of 90 days", rate, (0.5, 0.98)),
    ]


def silence(truth: Truth, labels: pd.DataFrame) -> list[Score]:
    """Score the label of silent attrition; `labels` has `customer_id`, `day` and `fell_silent`."""
    rows = labels.dropna(subset="fell_silent").merge(truth.table("customers")[["customer_id", "left_on"]])
    gone = pd.to_datetime(rows["left_on"]) <= pd.to_datetime(rows["day"])
    silent = rows["fell_silent"].astype(bool)
    found, wrong = share((silent & gone).sum(), gone.sum()), share((silent & ~gone).sum(), (~gone).sum())
    return [
        Score(_LABEL, "customers who have left", "share labelled as silent", found, (0.6, 1)),
        Score(_LABEL, "customers who are still there", "share labelled as silent", wrong, (0, 0.02)),
    ]


def _left_out(snapshot: Snapshot, table: str, keys: pd.Series) -> set[str]:
    """Return those of the keys of which a row did not make it into the snapshot, or the one value that was spoiled."""
    if table == "customers":  # a bad birth date is dropped and its row stays
        dateless = snapshot.customers.filter(snapshot.customers.birth_date.isnull())
        return set(dateless.select("customer_id").to_pandas()["customer_id"]) & set(keys)
    before, after = (_count(rows[table], table, keys) for rows in (snapshot.delivered, snapshot.tables))
    return set(before.index[before > after.reindex(before.index, fill_value=0)])


def _count(rows: ir.Table, table: str, keys: pd.Series) -> pd.Series:
    """Count the rows of each of these keys."""
    label = reduce(lambda left, right: left + "/" + right, [rows[c].cast("string") for c in TABLES[table].key])
    labelled = rows.select(label=label)
    wanted = labelled.filter(labelled.label.isin(ibis.memtable(pd.DataFrame({"key": keys.unique()}))["key"]))
    return wanted.group_by("label").agg(rows=ibis._.count()).to_pandas().set_index("label")["rows"]
