"""Scores of the finished analyses: what each recovered of what was planted, one function an analysis.

A function takes the truth and what an analysis found, and returns scores with the bounds that hold on any seed.
"""

from __future__ import annotations

import datetime
from functools import reduce

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score
from threadpoolctl import threadpool_limits

from bankmine.bank.contract import TABLES
from bankmine.bank.rules import MEANINGS
from bankmine.bank.snapshot import Snapshot
from demobank.customers.world import LATENTS
from demobank.customers.world import SEGMENTS as KINDS
from demobank.scoreboard.truth import Score, Truth, agreement, balanced, kappa, precision, rank, recall, share

QUALITY, PROFILE, SEGMENTS, _LABEL = "01_data_quality", "02_profiling", "03_segmentation", "06_churn"
_ALL = (0.999, 1.0)
_YOUNG = pd.Timedelta(days=31)
_SILENCES = {
    "silent_week": (
        "transactions", "timeliness", "{region}/{channel}/{since:%Y-%m-%d}",
        "a week without card terminals in one region", "no other silent week",
    ),
    "silent_day": (
        "events", "timeliness", "{channel}/{since:%Y-%m-%d}",
        "a day on which the app recorded nothing", "no other silent day",
    ),
    "emptied_month": (
        "transactions", "completeness", "{column}/{since:%Y-%m}",
        "a month in which {} is left out in part", "no other month left out",
    ),
    "left_out_in_region": (
        "customers", "completeness", "{column}/{region}",
        "a region in which {} is left out more often", "no other region left out",
    ),
}  # fmt: skip
"""Check -> table and rule of the catalogue, how its key is written, and what is planted and what is not, in words."""
_INACTIVE = "inactive"
_STATES = ("new", "active", "fading", "gone")
_STATE_OF = {"acquisition": "new", "growth": "active", "maturity": "active", "decline": "fading", "lost": "gone"}
"""Stage of life by the rules -> the state that was planted."""


def defects(truth: Truth, snapshot: Snapshot, findings: pd.DataFrame) -> list[Score]:
    """Score the rules: the share of the planted bad rows that was left out, and of what was left out, that was bad.

    What the bank delivers after the day of the snapshot is not looked for. `findings` has the `check` and the `count`
    of each broken rule.
    """
    planted = truth.table("defects")
    planted = _delivered(snapshot, planted[planted["rule"].isin(MEANINGS)])
    left_out = {name: _left_out(snapshot, name, rows["key"]) for name, rows in planted.groupby("table")}
    scores = [
        Score(QUALITY, f"{table}: {MEANINGS[rule]}", "share found", recall(left_out[table], rows["key"]), _ALL)
        for (table, rule), rows in planted.groupby(["table", "rule"])
    ]
    counted = int(findings.loc[findings["check"].isin(MEANINGS), "count"].sum())
    true = share(min(sum(map(len, left_out.values())), counted), counted)
    return [*scores, Score(QUALITY, "nothing else is wrong", "share of the finds that were planted", true, _ALL)]


def silences(truth: Truth, findings: pd.DataFrame, as_of: datetime.date) -> list[Score]:
    """Score the search for what no rule sees, and of what else was found; what is younger than a month may be missed.

    `findings` has by `check` the `column`, `region`, `channel` and the day (`since`) of each find.
    """
    catalogue = truth.table("defects").groupby(["table", "rule"])["key"].agg(list)
    scores = []
    for check, (table, rule, written, what, no_other) in _SILENCES.items():
        keys = pd.Series(catalogue[table, rule])
        day = pd.to_datetime(keys.str.rpartition("/")[2], format="ISO8601", errors="coerce")
        planted = keys[~(day > pd.Timestamp(as_of) - _YOUNG)]
        seen = [written.format(**find) for find in findings[findings["check"] == check].to_dict("records")]
        for key in planted:
            there = recall(seen, [key])
            scores.append(Score(QUALITY, what.format(key.partition("/")[0]), "share found", there, (1, 1)))
        if len(planted):
            true = precision(seen, planted)
            scores.append(Score(QUALITY, no_other, "share of the finds that were planted", true, (0.5, 1)))
    return scores


def portraits(truth: Truth, customers: pd.DataFrame) -> list[Score]:
    """Score features of a portrait against the traits behind them; `customers` is indexed by customer."""
    both = customers.join(truth.table("customers").set_index("customer_id"), rsuffix="_true")
    told, used = both[both["annual_income"].notna()], both[both["transactions_90d"] >= 5]
    remote = (used["channel_mobile_count_90d"] + used["channel_online_count_90d"]) / used["transactions_90d"]
    digital, income = rank(remote, used["digital"]), rank(told["annual_income"], told["true_income"])
    rate = rank(used["transactions_90d"], used["purchases_per_day"])
    return [
        Score(PROFILE, "digital affinity", "rank correlation of the share of remote bookings", digital, (0.5, 0.95)),
        Score(PROFILE, "true income", "rank correlation of the stated income", income, (0.85, 0.99)),
        Score(PROFILE, "purchase rate", "rank correlation of the bookings of 90 days", rate, (0.5, 0.98)),
    ]


def lifecycle(truth: Truth, stages: pd.DataFrame) -> list[Score]:
    """Score stages of life; `stages` has `customer_id`, `day` and `stage`, best of a year of month ends."""
    months = truth.table("months").rename(columns={"month_end": "day"})
    rows = stages.assign(day=pd.to_datetime(stages["day"]).dt.date, told=stages["stage"].astype(str).map(_STATE_OF))
    rows = rows.merge(months, on=["customer_id", "day"])
    told, true = (_codes(rows, column) for column in ("told", "state"))
    decline = rows["told"] == "fading"
    fading, active = (rows["state"] == state for state in ("fading", "active"))
    seen, wrong = share((decline & fading).sum(), fading.sum()), share((decline & active).sum(), active.sum())
    return [
        Score(SEGMENTS, "stage of life", "balanced accuracy", balanced(told, true), (0.76, 0.88)),
        Score(SEGMENTS, "stage of life", "agreement beyond chance (kappa)", kappa(told, true), (0.76, 0.92)),
        Score(SEGMENTS, "customers who fade", "share in decline", seen, (0.25, 0.6)),
        Score(SEGMENTS, "customers who are active", "share in decline", wrong, (0, 0.05)),
    ]


def segments(truth: Truth, labels: pd.Series) -> list[Score]:
    """Score behavioural segments; `labels` is indexed by customer, `inactive` marks those who are in none.

    Segments must come within 0.05 of the adjusted Rand index that the best of ten k-means starts reaches on the traits
    themselves, which no bank observes.
    """
    both = truth.table("customers").set_index("customer_id").join(labels.astype(str).rename("found"), how="inner")
    placed, left = both["found"] != _INACTIVE, both["left_on"].notna()
    inside = both[placed]
    with threadpool_limits(1):  # threads wait for each other longer than so few rows take
        starts = [KMeans(len(KINDS), n_init=1, random_state=s).fit_predict(inside[list(LATENTS)]) for s in range(10)]
    best = max(adjusted_rand_score(inside["segment"], start) for start in starts)
    same = agreement(inside["found"].to_numpy(), inside["segment"].to_numpy())
    stays, gone = share((placed & ~left).sum(), (~left).sum()), share((left & ~placed).sum(), (~placed).sum())
    return [
        Score(SEGMENTS, "five overlapping kinds of customers", "adjusted Rand index", same, (best - 0.05, 0.95)),
        Score(SEGMENTS, "customers who never left", "share in a segment", stays, (0.97, 1)),
        Score(SEGMENTS, "customers set apart as inactive", "share that has left", gone, (0.9, 1)),
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


def _codes(rows: pd.DataFrame, column: str) -> np.ndarray:
    """Lay states out as numbers, customers × days, −1 where not known."""
    codes = rows.assign(code=pd.Categorical(rows[column], _STATES).codes.astype(int))
    wide = codes.pivot_table(index="customer_id", columns="day", values="code", fill_value=-1)
    return wide.to_numpy().astype(int)


def _delivered(snapshot: Snapshot, planted: pd.DataFrame) -> pd.DataFrame:
    """Return the planted rows that are there on the day: of a key that comes twice, the second one."""
    parts = []
    for table, rows in planted.groupby("table"):
        there = _count(snapshot.delivered[table], table, rows["key"]).reindex(rows["key"], fill_value=0).to_numpy()
        parts.append(rows[there > rows["rule"].eq("duplicate_key")])
    return pd.concat(parts)


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
