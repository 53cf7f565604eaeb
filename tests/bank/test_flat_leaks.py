"""Leaks of flat tables: what alone tells nearly everything is left out and told, and nothing else is."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from bankmine.bank.flat import Flat, open_flat
from bankmine.bank.flat_leaks import alone, telling
from bankmine.errors import BankmineError
from bankmine.report.source_check import flat_lines
from bankmine.study.leak import Leak

ROWS = 400
LEFT = np.arange(ROWS) % 5 == 0
RNG = np.random.default_rng(0)


def strong(auc: float, seed: int, rows: np.ndarray = LEFT) -> np.ndarray:
    """Draw a number whose AUC is about as told."""
    noise = np.random.default_rng(seed).normal(size=len(rows))
    return noise + rows * np.sqrt(2) * norm.ppf(auc)


def table(**columns: object) -> pd.DataFrame:
    return pd.DataFrame({"left": np.where(LEFT, "yes", "no"), "age": RNG.integers(20, 70, ROWS) / 1.0, **columns})


def opened(frame: pd.DataFrame, folder, **how) -> Flat:
    frame.to_csv(folder / "table.csv", index=False)
    return open_flat(str(folder / "table.csv"), "left", **how)


SCORE = np.where(LEFT, 0.97, 0.001) + RNG.random(ROWS) / 100
LEAKS = {
    "a score": {"score": SCORE},
    "its complement too": {"score": SCORE, "rest": 1 - SCORE},
    "a word": {"score": np.where(LEFT, RNG.choice(["gone", "closed"], ROWS), RNG.choice(["here", "new"], ROWS))},
    "what is there for leavers only": {"score": np.where(LEFT, RNG.random(ROWS), np.nan)},
    "all but a few": {"score": np.where(RNG.random(ROWS) < 0.03, ~LEFT, LEFT) + RNG.random(ROWS) / 10},
}


@pytest.mark.parametrize("columns", LEAKS.values(), ids=LEAKS)
def test_a_leak_is_left_out_and_told(tmp_path, columns):
    flat = opened(table(**columns), tmp_path)
    assert set(flat.predictors) == {"age"}
    assert set(flat.leaks.index) == set(columns)
    assert not flat.leaks["kept"].any()
    reasons = flat.dropped.set_index("column")["reason"]
    assert reasons["score"].startswith("alone it tells nearly everything (AUC ")
    assert any("left out: " in line and "keep=score" in line for line in flat_lines(flat))
    told = Leak(flat.leaks, asked=True)
    assert told.told["told"].startswith("With ")
    assert "keep=" in told.told["advice"]
    assert (
        told.without("The model ranks {value}")
        == f"With {' and '.join(flat.leaks.index)} left out: the model ranks {{value}}"
    )


def test_it_is_kept_where_that_is_asked_for_and_told_all_the_same(tmp_path):
    frame = table(score=SCORE, **{"a, b": 1 - SCORE})
    flat = opened(frame, tmp_path, keep="score")
    assert set(flat.predictors) == {"age", "score"}
    assert flat.leaks["kept"].to_dict() == {"score": True, "a, b": False}
    assert "With a, b left out and score kept, as asked" in Leak(flat.leaks, asked=True).told["told"]
    assert any("score: alone it tells" in line for line in flat.remarks)
    assert set(opened(frame, tmp_path, keep="a, b").predictors) == {"age", "a, b"}
    assert set(opened(frame, tmp_path, keep=" score , age").predictors) == {"age", "score"}
    with pytest.raises(BankmineError, match=r"keep=scor: there is no such column\. Did you mean score"):
        opened(frame, tmp_path, keep="scor")


def test_the_target_under_another_name_is_a_leak_too(tmp_path):
    frame = table(state=np.where(LEFT, "gone", "here"))
    flat = opened(frame, tmp_path)
    assert set(flat.predictors) == {"age"}
    assert flat.leaks["auc"].to_dict() == {"state": 1.0}
    assert "under another name" in flat.dropped.set_index("column")["reason"]["state"]
    assert set(opened(frame, tmp_path, keep="state").predictors) == {"age", "state"}


def test_a_date_that_tells_all_is_named_as_it_is_kept(tmp_path):
    day = pd.Timestamp("2025-06-30")
    frame = table(month=day.date(), closed=[str((day - pd.Timedelta(days=5 if gone else 900 + i)).date())
                                            for i, gone in enumerate(LEFT)])  # fmt: skip
    assert list(opened(frame, tmp_path, time="month").leaks.index) == ["days_since_closed"]
    kept = opened(frame, tmp_path, time="month", keep="closed")
    assert "days_since_closed" in kept.predictors


def test_what_is_only_strong_is_no_leak(tmp_path):
    assert opened(table(a=strong(0.93, 1), b=strong(0.9, 2)), tmp_path).leaks.empty
    near = pd.DataFrame({"a": strong(0.957, 3), "b": strong(0.945, 8)})
    auc = alone(near, pd.Series(LEFT * 1.0))
    assert auc["a"] >= 0.95 > auc["b"]
    assert telling(near, pd.Series(LEFT * 1.0)).empty
    far = pd.DataFrame({"a": near["a"], "b": strong(0.6, 4)})
    assert list(telling(far, pd.Series(LEFT * 1.0)).index) == ["a"]


def test_too_few_rows_tell_nothing():
    few = pd.Series([1.0] * 9 + [0.0] * 300 + [np.nan] * 100)
    assert telling(pd.DataFrame({"a": few.fillna(0)}), few).empty
    enough = pd.Series([1.0] * 10 + [0.0] * 300 + [np.nan] * 100)
    assert list(telling(pd.DataFrame({"a": enough.fillna(0)}), enough).index) == ["a"]


def test_every_second_row_may_be_an_event():
    target = pd.Series(np.arange(60) % 2 * 1.0)
    words = pd.DataFrame({"word": np.array(["a", "b", "c"])[np.arange(60) % 3]})
    assert alone(words, target)["word"] < 0.7


def test_rare_events_of_a_large_table_are_all_looked_at():
    target = pd.Series((np.arange(300_000) % 10_000 == 0) * 1.0)
    found = telling(pd.DataFrame({"flag": target, "noise": np.arange(300_000) % 17}), target)
    assert found.to_dict() == {"flag": 1.0}


@settings(max_examples=60)
@given(st.lists(st.tuples(st.booleans(), st.sampled_from([0.0, 1.0, 2.0, 3.0, np.nan])), min_size=4, max_size=60))
def test_the_auc_of_numbers_is_that_of_scikit_learn(rows):
    outcome, value = (pd.Series(part) for part in zip(*rows, strict=True))
    if outcome.nunique() < 2:
        return
    score = value.fillna(-1.0)
    expected = roc_auc_score(outcome, score)
    assert alone(value.to_frame("x"), outcome * 1.0)["x"] == pytest.approx(max(expected, 1 - expected))


def test_a_name_is_no_part_of_a_template():
    leak = Leak(pd.DataFrame({"auc": [1.0], "kept": [False]}, index=["{value}"]), asked=True)
    assert leak.without("The model: {value:.2f}").format(value=0.5) == "With {value} left out: the model: 0.50"
    long = Leak(pd.DataFrame({"auc": [1.0] * 2, "kept": [False] * 2}, index=["x" * 130, "y" * 130]), asked=True)
    assert long.without("The model") == "With 2 columns left out: the model"
    assert "x" * 130 in long.told["told"]
