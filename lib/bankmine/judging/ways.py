"""Ways of choosing among several things to do, judged on rows on which others chose: what each would have brought."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd


def brought(
    ways: Mapping[str, np.ndarray], arm: np.ndarray, likely: np.ndarray, expected: np.ndarray, got: np.ndarray
) -> pd.DataFrame:
    """Return for each row what each way of choosing would have brought, right on average: a column a way.

    A way gives the number of an arm for each row; `arm` is the one that was chosen, `likely` and `expected` have a
    column an arm, how likely it was and what a model expects of it; `got` is what came. Right where either of the two
    models is (AIPW: Dudík and others, Statistical Science 29, 2014).
    """
    place = np.arange(len(arm))
    return pd.DataFrame({
        way: expected[place, does] + (arm == does) / likely[place, does] * (got - expected[place, arm])
        for way, does in ways.items()
    })  # fmt: skip
