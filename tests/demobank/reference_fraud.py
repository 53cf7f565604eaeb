"""The difficulty of fraud: what plain gradient boosting on point-in-time features reaches, out of time.

Trained on payments out of 2024-07 to 2025-05 with the labels known by the end of June 2025, tested on those of 2025-07
to 2025-11. Each feature uses only what was known when the payment was made. Bookings by the bank itself are left out.
"""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
from sklearn.metrics import average_precision_score, roc_auc_score
from xgboost import XGBClassifier

TRAINED = ("2024-07-01", "2025-06-01")
KNOWN_BY = "2025-06-30"
TESTED = ("2025-07-01", "2025-12-01")
KEPT = 0.15
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


def features(bank: Path) -> pd.DataFrame:
    """Payments out from the first day of training on, with features known at the time, label and truth."""
    engine = duckdb.connect()
    engine.sql("set threads = 1")
    engine.sql("create table spent as " + _SPENT.format(bank=bank))
    engine.sql("create table history as " + _HISTORY)
    for name, key in (("merchants", "merchant_id"), ("payees", "counterparty"), ("devices", "device_id")):
        engine.sql(f"create table {name} as " + _KNOWN.format(key=key))
    rows = engine.sql(_FEATURES.format(first=TRAINED[0])).df()
    truth = engine.sql(f"select transaction_id, scheme, fraud from '{bank}/truth/fraud/*.parquet'").df()
    return rows.merge(truth, on="transaction_id", how="left").assign(fraud=lambda d: d.fraud.eq(True))


def difficulty(bank: Path) -> dict[str, float]:
    """Average precision and ROC AUC against labels and truth, of the model, of an amount rule, and by scheme."""
    rows = features(bank)
    known = rows.is_fraud & (rows.fraud_known_on <= pd.Timestamp(KNOWN_BY))
    drawn = np.random.default_rng(0).random(len(rows)) < KEPT
    train = (rows["at"] < TRAINED[1]) & (known | drawn)
    test = rows[(rows["at"] >= TESTED[0]) & (rows["at"] < TESTED[1])]
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
