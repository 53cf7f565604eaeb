"""The difficulty of the demo bank: plain, honest models land in these bands on five banks of full size."""

from __future__ import annotations

import datetime as dt
from functools import cache
from pathlib import Path

import duckdb
import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd
import pytest
from sklearn.cluster import KMeans
from sklearn.metrics import average_precision_score, roc_auc_score
from xgboost import XGBClassifier

from bankmine.bank.snapshot import Snapshot, open_source
from bankmine.features.bookings import fell_silent
from bankmine.features.customers import features
from bankmine.features.spine import spine_of
from demobank.customers.world import LATENTS
from demobank.scoreboard.truth import agreement

pytestmark = pytest.mark.seeds

FRAUD_TRAINED = ("2024-07-01", "2025-06-01")
FRAUD_KNOWN_BY = "2025-06-30"
FRAUD_TESTED = ("2025-07-01", "2025-12-01")
GENUINE_KEPT = 0.15
"""Share of the genuine rows that are trained on."""

_SPENT = """
    select transaction_id, account_id, customer_id, product, "at", "at"::date as day, amount, channel, category, kind,
        merchant_id, counterparty, country, device_id, coalesce(is_fraud, false) as is_fraud, fraud_known_on,
        date_diff('day', try_cast(birth_date as date), "at"::date) / 365.25 as age, region,
        date_diff('day', opened_on, "at"::date) as days_open
    from (select distinct on (transaction_id) * from '{bank}/transactions/*.parquet' where amount > 0)
    join '{bank}/accounts/*.parquet' using (account_id) join '{bank}/customers/*.parquet' using (customer_id)
    where direction = 'out' and kind not in ('interest', 'fee') and channel <> 'internal' and "at"::date >= opened_on
        and "at" between '2023-10-01' and '2025-12-31' and product in ('current', 'credit_card')
"""
_HISTORY = """
    select *,
        count(*) over hour as n_1h, count(*) over one as n_1d, count(*) over seven as n_7d,
        count(*) over thirty as n_30d,
        sum(amount) over one as sum_1d, sum(amount) over seven as sum_7d, sum(amount) over thirty as sum_30d,
        avg(amount) over before as mean_90d, max(amount) over before as max_90d,
        avg(amount) over alike as mean_category,
        date_diff('second', lag("at") over account, "at") as seconds_since,
        row_number() over (partition by customer_id, device_id order by "at") as nth_device,
        row_number() over (partition by customer_id, counterparty order by "at") as nth_payee,
        row_number() over (partition by customer_id, merchant_id order by "at") as nth_merchant,
        count(*) over (partition by merchant_id order by "at" range between interval 30 day preceding and current row)
            as merchant_n_30d
    from spent
    window account as (partition by account_id order by "at"),
        hour as (account range between interval 1 hour preceding and current row),
        one as (account range between interval 1 day preceding and current row),
        seven as (account range between interval 7 day preceding and current row),
        thirty as (account range between interval 30 day preceding and current row),
        before as (account range between interval 90 day preceding and interval 1 second preceding),
        alike as (partition by account_id, category order by "at"
            range between interval 180 day preceding and interval 1 second preceding)
"""
_KNOWN = """
    select {key}, fraud_known_on as day, sum(count(*)) over (partition by {key} order by fraud_known_on) as frauds
    from spent where is_fraud and {key} is not null group by {key}, fraud_known_on
"""
_FEATURES = """
    select h.* exclude (merchant_id, counterparty, device_id, customer_id, account_id, region),
        hour("at") + minute("at") / 60 as hour, dayofweek("at") as weekday, h.device_id is null as no_device,
        amount / mean_90d as to_mean, amount / max_90d as to_max, amount / mean_category as to_category,
        amount % 100 = 0 as round_hundred, country <> 'CN' as abroad,
        coalesce(m.frauds, 0) as merchant_frauds, coalesce(m.frauds, 0) / (merchant_n_30d + 5) as merchant_share,
        coalesce(p.frauds, 0) as payee_frauds, coalesce(d.frauds, 0) as device_frauds
    from history h
    asof left join merchants m on h.merchant_id = m.merchant_id and h.day > m.day
    asof left join payees p on h.counterparty = p.counterparty and h.day > p.day
    asof left join devices d on h.device_id = d.device_id and h.day > d.day
    where "at" >= '{first}'
"""
TRAIN = [dt.date(2024, 3, 31), dt.date(2024, 6, 30), dt.date(2024, 9, 30)]
TEST = [dt.date(2025, 3, 31), dt.date(2025, 6, 30)]
GAP, SILENT, PRESENT = 90, 90, 30
"""Who moved money in the last 30 days and none at all from day 91 to day 180 left in between; the outcome of the last
training day is known before the first test day."""


def payments_with_features(bank: Path) -> pd.DataFrame:
    """Payments out from the first day of training on, with features known at the time, label and truth."""
    engine = duckdb.connect()
    engine.sql("set threads = 1")
    engine.sql("create table spent as " + _SPENT.format(bank=bank))
    engine.sql("create table history as " + _HISTORY)
    for name, key in (("merchants", "merchant_id"), ("payees", "counterparty"), ("devices", "device_id")):
        engine.sql(f"create table {name} as " + _KNOWN.format(key=key))
    rows = engine.sql(_FEATURES.format(first=FRAUD_TRAINED[0])).df()
    truth = engine.sql(f"select transaction_id, scheme, fraud from '{bank}/truth/fraud/*.parquet'").df()
    return rows.merge(truth, on="transaction_id", how="left").assign(fraud=lambda d: d.fraud.eq(True))


def fraud_found(bank: Path) -> dict[str, float]:
    """Average precision and ROC AUC against labels and truth, of the model, of an amount rule, and by scheme.

    Plain gradient boosting on features that use only what was known when the payment was made, trained on payments out
    of 2024-07 to 2025-05 with the labels known by the end of June 2025, tested on those of 2025-07 to 2025-11. Bookings
    by the bank itself are left out.
    """
    rows = payments_with_features(bank)
    known = rows.is_fraud & (rows.fraud_known_on <= pd.Timestamp(FRAUD_KNOWN_BY))
    drawn = np.random.default_rng(0).random(len(rows)) < GENUINE_KEPT
    train = (rows["at"] < FRAUD_TRAINED[1]) & (known | drawn)
    test = rows[(rows["at"] >= FRAUD_TESTED[0]) & (rows["at"] < FRAUD_TESTED[1])]
    left_out = ["transaction_id", "at", "day", "is_fraud", "fraud_known_on", "scheme", "fraud"]
    x = rows.drop(columns=left_out)
    x = x.assign(**{name: x[name].astype("category") for name in ("product", "channel", "category", "kind", "country")})
    model = XGBClassifier(
        n_estimators=300, max_depth=5, learning_rate=0.07, subsample=0.8, colsample_bytree=0.7, min_child_weight=3,
        enable_categorical=True, random_state=0,
    )  # fmt: skip
    model.fit(x[train], known[train])
    score = model.predict_proba(x.loc[test.index])[:, 1]
    genuine = ~test.fraud
    by_scheme = {
        f"ap_{scheme}": average_precision_score((test.scheme == scheme)[own], score[own])
        for scheme in ("compromised_card", "compromised_merchant", "account_takeover", "push_payment")
        for own in [(genuine | (test.scheme == scheme)).to_numpy()]
    }
    return {
        "ap": average_precision_score(test.is_fraud, score), "auc": roc_auc_score(test.is_fraud, score),
        "ap_truth": average_precision_score(test.fraud, score), "auc_truth": roc_auc_score(test.fraud, score),
        "ap_amount": average_precision_score(test.is_fraud, test.amount), "base": float(test.is_fraud.mean()),
        **by_scheme,
    }  # fmt: skip


@cache
def customer_months(folder: Path) -> pd.DataFrame:
    """Return features and outcome of every customer who was present, on each day of TRAIN and TEST."""
    snapshot = open_source(str(folder)).as_of(TEST[-1] + dt.timedelta(days=GAP + SILENT))
    spine = spine_of(snapshot, TRAIN + TEST)
    rows = dated(features(snapshot, spine)).merge(silent_after(snapshot, spine, GAP, SILENT), on=["customer_id", "day"])
    before = silent_after(snapshot, spine, -PRESENT, PRESENT).rename(columns={"fell_silent": "absent"})
    rows = rows.merge(before, on=["customer_id", "day"])
    return rows[~rows.pop("absent").astype(bool)].reset_index(drop=True)


def silent_after(snapshot: Snapshot, spine: ir.Table, shift: int, days: int) -> pd.DataFrame:
    """Return who moved no money in `days` days that begin `shift` days after the day of the spine."""
    shifted = spine.mutate(day=spine.day + ibis.interval(days=shift))
    found = dated(fell_silent(snapshot, shifted, days))
    found["day"] -= pd.Timedelta(days=shift)
    return found


def dated(table: ir.Table) -> pd.DataFrame:
    """Fetch a table with its days as timestamps."""
    rows = table.to_pandas()
    rows["day"] = pd.to_datetime(rows.day)
    return rows


def churn_auc(folder: Path, leak: bool = False) -> float:
    """Train on earlier days, test on later ones; `leak` adds the column that is overwritten after the event."""
    rows = customer_months(folder)
    predictors = rows.drop(columns=["customer_id", "day", "fell_silent"]).astype(float)
    if leak:
        told = pd.read_parquet(folder / "customers", columns=["customer_id", "mailing_status"])
        predictors["stopped"] = rows.merge(told, on="customer_id").mailing_status.eq("stopped").astype(float)
    train = rows.day.isin(pd.to_datetime(TRAIN))
    model = XGBClassifier(n_estimators=150, max_depth=3, learning_rate=0.06, subsample=0.8, n_jobs=2, random_state=0)
    model.fit(predictors[train], rows.fell_silent[train].astype(int))
    return roc_auc_score(rows.fell_silent[~train].astype(int), model.predict_proba(predictors[~train])[:, 1])


def test_leavers_can_be_told_but_not_well(seed_bank):
    assert 0.72 <= churn_auc(seed_bank) <= 0.85


def test_a_model_given_the_leaking_column_jumps(seed_bank):
    honest, leaking = churn_auc(seed_bank), churn_auc(seed_bank, leak=True)
    assert leaking > honest + 0.08


def test_kinds_of_customers_overlap_but_can_be_told(seed_bank):
    people = pd.read_parquet(seed_bank / "truth" / "customers")
    runs = [KMeans(5, n_init=1, random_state=start).fit(people[list(LATENTS)]) for start in range(10)]
    best = min(runs, key=lambda run: run.inertia_)
    found = agreement(best.labels_, people["segment"].to_numpy())
    assert 0.5 <= found.value <= 0.8


def test_no_column_of_the_bank_tells_the_kind(seed_bank):
    people = pd.read_parquet(seed_bank / "customers").merge(
        pd.read_parquet(seed_bank / "truth" / "customers")[["customer_id", "segment"]]
    )
    for column in people.columns.difference(["customer_id", "segment", "birth_date", "joined_on"]):
        value = people[column].fillna("unknown").astype(str)
        shares = pd.crosstab(value, people["segment"], normalize="index")
        assert np.average(shares.max(axis=1), weights=value.value_counts().reindex(shares.index)) < 0.9, column


def test_fraud_is_neither_easy_nor_hopeless(seed_bank):
    found = fraud_found(seed_bank)
    assert 0.30 < found["ap"] < 0.70
    assert found["auc"] < 0.99
    assert found["ap_amount"] < 0.1 * found["ap"]
    assert found["ap_push_payment"] < found["ap_account_takeover"]
