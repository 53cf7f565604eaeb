"""Drift: an index whose alarm knows how many rows it has seen."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bankmine.errors import BankmineError
from bankmine.judging.drift import alarm, psi, psi_by_day, psi_table


def columns(rows: int, seed: int, wide: int = 3) -> pd.DataFrame:
    """Return numbers, some zero or missing, a flag, a rare flag and categories."""
    rng = np.random.default_rng(seed)
    spent = {f"spend_{i}": rng.lognormal(size=rows) * (rng.random(rows) < 0.6) for i in range(wide)}
    return pd.DataFrame({
        **spent, "age": np.where(rng.random(rows) < 0.1, np.nan, rng.normal(45, 15, rows)),
        "has_app": rng.random(rows) < 0.97, "blocked": rng.random(rows) < 0.02,
        "products": pd.array(rng.integers(0, 5, rows), dtype="Int64"),
        "城市": pd.Categorical(rng.choice(["京", "沪", "<b>"], rows, p=[0.6, 0.39, 0.01])),
        "job": rng.choice(np.array(["a", "b", None], dtype=object), rows),
    })  # fmt: skip


def one(then, now) -> pd.Series:
    return psi_table(pd.DataFrame({"x": then}), pd.DataFrame({"x": now})).iloc[0]


def test_the_index_is_the_sum_of_its_definition():
    then = pd.Series(np.arange(1000.0))
    now = pd.Series(np.concatenate([np.arange(500.0)] * 2))
    found = one(then, now)
    by_hand = 5 * (0.2 - 0.1) * np.log(2) + 5 * (0.0005 - 0.1) * np.log(0.0005 / 0.1)
    assert found.psi == pytest.approx(by_hand)
    assert found.bins == 10
    assert psi(np.array([0.5, 0.5]), np.array([0.6, 0.4]), 100, 100) == pytest.approx(0.1 * np.log(0.6 / 0.4))


def test_a_shift_of_no_account_is_none_however_many_rows_make_it_sure():
    rows = np.arange(200_000) % 10
    slightly, notably = (np.where((rows == 9) & (np.arange(200_000) % 100 < part), 0, rows) for part in (20, 90))
    assert alarm(10, 200_000, 200_000) < one(rows, slightly).psi < 0.01
    assert one(rows, slightly).shifted.item() is False
    assert one(rows, notably).shifted.item() is True


@pytest.mark.parametrize(("n", "published"), [(100, 0.36), (500, 0.067), (1000, 0.033), (10_000, 0.0036)])
def test_the_alarm_is_what_chance_reaches_in_one_of_twenty_cases(n, published):
    rng = np.random.default_rng(n)
    drawn = rng.multinomial(n, np.full(10, 0.1), size=(2, 4000)) / n
    found = [psi(then, now, n, n) for then, now in zip(*drawn, strict=True)]
    assert np.quantile(found, 0.95) == pytest.approx(published, rel=0.1)
    assert alarm(10, n, n) == pytest.approx(published, rel=0.1)
    assert np.mean(np.array(found) > alarm(10, n, n)) == pytest.approx(0.06, abs=0.025)


@pytest.mark.slow
def test_one_of_twenty_tables_has_a_false_alarm_however_many_columns():
    alarms = [psi_table(columns(1500, s, wide=10), columns(600, s + 1000, wide=10)).shifted.any() for s in range(100)]
    assert np.mean(alarms) <= 0.1
    single = [one(columns(1500, s).age, columns(600, s + 1000).age).shifted for s in range(150)]
    assert 0.01 <= np.mean(single) <= 0.11


def test_a_shift_is_found_where_it_is():
    then, now = columns(4000, 0), columns(2000, 1)
    now["age"] += 5
    now["has_app"] &= np.arange(2000) % 20 > 0
    now["城市"] = now["城市"].cat.add_categories(["深"]).where(np.arange(2000) % 10 > 0, "深")
    found = psi_table(then, now).set_index("column")
    assert set(found.index[found.shifted]) == {"age", "has_app", "城市"}
    assert found.index[0] in {"age", "城市"}
    assert found.loc["城市", "new"] == pytest.approx(0.1)
    assert (found["new"].drop("城市") == 0).all()


def test_missing_values_are_a_bin_of_their_own():
    then, now = columns(2000, 0).age, columns(2000, 1).age
    gone = one(then, now.where(np.arange(2000) % 3 > 0))
    assert gone.shifted
    assert gone.missing_then == pytest.approx(then.isna().mean())
    assert gone.missing_now == pytest.approx(now.where(np.arange(2000) % 3 > 0).isna().mean())
    assert gone.bins == 11
    assert one(then.dropna(), now).missing_then == 0


@pytest.mark.slow
@settings(max_examples=80, deadline=None)
@given(st.data())
def test_any_column_has_a_finite_index_that_is_zero_for_itself(data):
    number = st.floats(allow_nan=True, allow_infinity=True)
    kind = data.draw(st.sampled_from([number, st.sampled_from([0.0, 1.0]), st.sampled_from(["a", "b", None, "é"])]))
    then = pd.Series(data.draw(st.lists(kind, min_size=1, max_size=60)))
    now = pd.Series(data.draw(st.lists(kind, min_size=1, max_size=60)))
    found = one(then, now)
    assert 0 <= found.psi < np.inf
    assert found.alarm > 0
    assert one(then, then).psi == pytest.approx(0)
    assert not one(then, then).shifted


def test_bins_are_those_of_the_rows_learnt_from():
    then = pd.Series(np.repeat([0.0, 1.0], [20, 980]))
    assert one(then, pd.Series(np.repeat([0.0, 1.0], [200, 800]))).shifted
    assert one(pd.Series(np.ones(500)), pd.Series(np.full(500, 1.01))).shifted
    assert one(pd.Series(np.ones(500)), pd.Series(np.full(500, 0.99))).shifted
    assert one(pd.Series(np.full(500, np.nan)), pd.Series(np.ones(500))).shifted
    assert not one(pd.Series(np.ones(500)), pd.Series(np.ones(300))).shifted
    extreme = one(pd.Series(np.arange(1000.0)), pd.Series(np.arange(1000.0) + np.where(np.arange(1000) > 950, 1e9, 0)))
    assert extreme.psi == 0


def test_rows_of_one_customer_do_not_make_an_alarm():
    rng = np.random.default_rng(0)
    false_alarms = np.zeros(2)
    for _ in range(60):
        then, now = (pd.DataFrame({"x": np.repeat(rng.normal(size=400), 6)}) for _ in range(2))
        owner = pd.Series(np.repeat(np.arange(400), 6))
        told = psi_table(then, now).shifted[0], psi_table(then, now, owner, owner).shifted[0]
        false_alarms += told
    assert false_alarms[0] > 30
    assert false_alarms[1] <= 8


def test_each_later_day_is_compared_with_what_was_learnt_from():
    then, now = columns(3000, 0), columns(3000, 1)
    day = pd.Series(pd.date_range("2025-10-31", periods=3, freq="ME")[np.arange(3000) // 1000])
    now.loc[day == day.max(), "age"] += 20
    found = psi_by_day(then, now, day, entity_now=pd.Series(now.index))
    assert found.loc[found.shifted, ["day", "column"]].to_numpy().tolist() == [[day.max(), "age"]]
    october = found[found.day == day.min()].set_index("column").psi
    expected = psi_table(then, now[day == day.min()]).set_index("column").psi
    pd.testing.assert_series_equal(october.sort_index(), expected.sort_index())
    assert found["alarm"].min() > psi_table(then, now[day == day.min()])["alarm"].min()


def test_what_cannot_be_compared_is_refused():
    rows = columns(50, 0)
    with pytest.raises(BankmineError, match="there are none"):
        psi_table(rows, rows.iloc[:0])
    with pytest.raises(BankmineError, match="not there now: 城市, job"):
        psi_table(rows, rows.drop(columns=["城市", "job"]))
