"""Measure how long recommendations for a large bank take; part of `make bench`."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
from scipy.sparse import csr_array

from bankmine.learning.recommenders import MODELS, recommend, top

CUSTOMERS, PRODUCTS, SHOWN = 1_000_000, 8, 3
GOAL = 60


def recommendation_bench() -> None:
    """Learn all models of what customers hold, and list the first three products that each may be offered."""
    rng = np.random.default_rng(0)
    common = np.linspace(0.6, 0.05, PRODUCTS)
    had = rng.random((CUSTOMERS, PRODUCTS), dtype=np.float32) < common
    history, recent = (
        csr_array(had.astype(np.float32)),
        csr_array((had & (rng.random(had.shape) < 0.1)).astype(np.float32)),
    )
    barred = csr_array(had | (rng.random(had.shape) < 0.2))
    segment = pd.Series(rng.choice(list("abcdef"), CUSTOMERS))
    names, products = pd.Index(np.arange(CUSTOMERS).astype(str)), pd.Index([f"product {i}" for i in range(PRODUCTS)])
    start = time.perf_counter()
    for model, scores in recommend(history, recent, segment).items():
        lists = top(scores, SHOWN, barred)
        who, rank = np.nonzero(lists >= 0)
        offers = pd.DataFrame({"product": products[lists[who, rank]], "rank": rank + 1}, names[who])
        print(f"  {model}: {len(offers):,} offers, {time.perf_counter() - start:.1f} s so far")
    seconds = time.perf_counter() - start
    told = f"{seconds:.0f} s, {seconds / GOAL:.2f} of the goal of {GOAL} s"
    print(f"recommendations for {CUSTOMERS:,} customers × {PRODUCTS} products by {len(MODELS)} models: {told}")


if __name__ == "__main__":
    recommendation_bench()
