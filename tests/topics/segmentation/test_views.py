"""Views of the same customers: how far they agree, and not more than they do."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats.contingency import association as scipy_association

from bankmine.topics.segmentation import agreement as views

RNG = np.random.default_rng(3)


def test_cramers_v_is_that_of_scipy():
    frame = pd.DataFrame({"one": RNG.integers(0, 4, 300), "other": RNG.integers(0, 3, 300)})
    (row,) = views.association(frame).to_dict("records")
    assert row["cramers_v"] == pytest.approx(scipy_association(pd.crosstab(frame.one, frame.other).to_numpy()))
    assert row["corrected"] < row["cramers_v"]


def test_views_that_follow_from_each_other_agree_fully():
    group = RNG.integers(0, 5, 400)
    (row,) = views.association(pd.DataFrame({"one": group, "other": np.array(list("vwxyz"))[group]})).to_dict("records")
    assert (row["corrected"], row["p"] < 1e-9) == (pytest.approx(1), True)


@pytest.mark.slow
def test_without_agreement_the_interval_starts_at_zero():
    found = [
        views.association(pd.DataFrame({"one": RNG.integers(0, 8, 500), "other": RNG.integers(0, 6, 500)})).iloc[0]
        for _ in range(40)
    ]
    assert np.mean([row.low == 0 for row in found]) > 0.9
    assert np.mean([row.cramers_v for row in found]) > 0.1 > 0.04 > np.mean([row.corrected for row in found])


@pytest.mark.slow
def test_the_interval_holds_the_true_agreement():
    held = 0
    for _ in range(60):
        one = RNG.integers(0, 4, 800)
        other = np.where(RNG.random(800) < 0.4, one, RNG.integers(0, 4, 800))  # Cramér's V is 0.4
        row = views.association(pd.DataFrame({"one": one, "other": other})).iloc[0]
        held += row.low <= 0.4 <= row.high
    assert held >= 52


@pytest.mark.property
@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xy")), min_size=1, max_size=40))
def test_agreement_lies_between_none_and_full(pairs):
    (row,) = views.association(pd.DataFrame(pairs, columns=["one", "other"])).to_dict("records")
    if not np.isnan(row["corrected"]):
        assert 0 <= row["corrected"] <= 1
        assert 0 <= row["low"] <= row["high"] <= 1


def test_every_pair_is_compared_over_those_with_both_labels():
    frame = pd.DataFrame({"a": list("xxyy"), "b": ["u", None, "v", "u"], "c": list("zzzz")})
    found = views.association(frame).set_index(["one", "other"])
    assert found.customers.to_dict() == {("a", "b"): 3, ("a", "c"): 4, ("b", "c"): 3}
    assert np.isnan(found.loc[("a", "c"), "cramers_v"])  # one label says nothing


def test_demographic_groups_use_what_there_is():
    customers = pd.DataFrame({"age_years": [34, 35, 55, None], "city_tier": [1, 3, None, 2]})
    assert views.demographic_groups(customers).tolist() == [
        "under 35, large city", "35 to 54, smaller city", "55 and over, city unknown", "age unknown",
    ]  # fmt: skip
    assert views.demographic_groups(customers[["age_years"]]).tolist()[:2] == ["under 35", "35 to 54"]
    assert views.demographic_groups(customers[[]]).eq("unknown").all()
