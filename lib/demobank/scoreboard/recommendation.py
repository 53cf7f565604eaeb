"""Scores of 10_recommendation: whether the planted pair, order and chances are found, and no pair that is none."""

from __future__ import annotations

import numpy as np
import pandas as pd

from bankmine.bank.contract import PRODUCTS
from bankmine.bank.snapshot import Snapshot
from demobank.books.accounts import affinity, follows, true_chance
from demobank.customers.world import LATENTS
from demobank.scoreboard.truth import Measure, Score, Truth, calibration, rank, recall

RECOMMENDATION = "10_recommendation"
_AFFINITY, _NULL = {"mortgage", "insurance"}, {"credit_card", "term_deposit"}
_ORDER = [("savings", "term_deposit"), ("savings", "fund")]
_DAYS = 180
"""That chances look ahead."""
_SURELY = 0.95
"""Share of customers from which one product is said to come before another."""
_OWN = ("savings", "term_deposit", "insurance")
"""Products that customers decide on alone: neither a bank's decision nor friends or campaigns add to them much."""


def of_tables(
    truth: Truth, snapshot: Snapshot, rules: pd.DataFrame, order: pd.DataFrame, chances: pd.DataFrame
) -> list[Score]:
    """Score rules and orders by what was planted, and chances by each customer's own and by what came."""
    found = rules[rules["found"]]
    pairs = [{one, other} for one, other in zip(found["antecedent"], found["consequent"], strict=True)]
    sure = order[order["share"] >= _SURELY]
    seen = [*zip(sure["first"], sure["then"], strict=True)]
    alarms = Measure(float(pairs.count(_NULL)), np.nan, np.nan)
    scores = [
        Score(RECOMMENDATION, "mortgage and insurance go together", "is found",
              Measure(float(_AFFINITY in pairs), np.nan, np.nan), (1, 1), "count"),
        Score(RECOMMENDATION, "cards and term deposits do not", "found all the same", alarms, (0, 0), "count"),
        Score(RECOMMENDATION, "savings before term deposits and funds", "are found", recall(seen, _ORDER), (1, 1)),
    ]  # fmt: skip
    both = _with_truth(truth, snapshot, chances[chances["product"].isin(_OWN)])
    for product, own in both.groupby("product"):
        what = f"who takes {product}, of those without it".replace("_", " ")
        measure = rank(own["chance"].to_numpy(float), own["true"].to_numpy(float))
        scores.append(Score(RECOMMENDATION, what, "rank correlation with the true chance", measure, (0.2, 0.95)))
    came = calibration(chances["chance"].to_numpy(float), chances["took"].to_numpy(float))
    what = "products taken, of all customers"
    return [*scores, Score(RECOMMENDATION, what, "mean chance, as a multiple of what came", came, (0.6, 1.7))]


def _with_truth(truth: Truth, snapshot: Snapshot, chances: pd.DataFrame) -> pd.DataFrame:
    """Put each customer's true chance beside the one that was told, of those who are still customers."""
    day = pd.Timestamp(chances["day"].iloc[0])
    people = truth.table("customers").set_index("customer_id")
    accounts = snapshot.accounts.select("customer_id", "product", "opened_on").to_pandas()
    opened = accounts.assign(opened_on=pd.to_datetime(accounts["opened_on"])).pivot_table(
        index="customer_id", columns="product", values="opened_on", aggfunc="min"
    )
    opened = opened.reindex(people.index)
    here = people["left_on"].isna() | (pd.to_datetime(people["left_on"]) > day)
    holds = opened.reindex(columns=list(PRODUCTS)).notna().to_numpy()
    found = []
    for product, own in chances.groupby("product"):
        number = PRODUCTS.index(product)
        waited = (day - opened[PRODUCTS[follows(number)]]).dt.days
        score = affinity(people[list(LATENTS)].to_numpy(), holds, number)
        true = true_chance(score, waited.where(waited >= 0).to_numpy(float), number, _DAYS)
        table = pd.Series(true, people.index)[here].rename("true")
        found.append(own.merge(table, left_on="customer_id", right_index=True))
    return pd.concat(found)
