"""Splits: nothing is known before its time, and no entity is in two parts of a sample without time."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bankmine.errors import BankmineError
from bankmine.learning.sample import Sample
from bankmine.learning.splits import (
    PARTS,
    for_scoring,
    held_out,
    month_ends,
    out_of_time,
    rolling_origin,
    stratified_folds,
)

AS_OF = pd.Timestamp("2025-12-31")
SIZES = st.integers(1, 4)
DELAYS = st.integers(0, 200)


def dated(months: int, customers: int = 30, delay_days: int = 120, rate: float = 0.3, seed: int = 0) -> Sample:
    """Return a row for most customers at each month end up to AS_OF, in random order.

    Outcomes are unknown where the delay ends after AS_OF, and of one row in twenty.
    """
    rng = np.random.default_rng(seed)
    days = pd.date_range(end=AS_OF, periods=months, freq="ME")
    rows = pd.MultiIndex.from_product([range(customers), days], names=["customer", "day"]).to_frame(index=False)
    rows = rows[rng.random(len(rows)) < 0.9].sample(frac=1, random_state=seed).reset_index(drop=True)
    target = pd.Series((rng.random(len(rows)) < rate).astype(float))
    target[(rows.day + pd.Timedelta(days=delay_days) > AS_OF) | (rng.random(len(rows)) < 0.05)] = np.nan
    return Sample(pd.DataFrame({"x": rng.normal(size=len(rows))}), target, rows.customer, rows.day)


def undated(entities: int, most: int = 3, rate: float = 0.3, seed: int = 0) -> Sample:
    """Return up to `most` rows of each entity, in random order, a tenth of the outcomes unknown."""
    rng = np.random.default_rng(seed)
    entity = rng.permutation(np.repeat(np.arange(entities), rng.integers(1, most + 1, entities)))
    target = np.where(rng.random(len(entity)) < 0.1, np.nan, (rng.random(len(entity)) < rate).astype(float))
    return Sample(pd.DataFrame({"x": rng.normal(size=len(entity))}), pd.Series(target), pd.Series(entity))


def known_in_time(sample, earlier, later, delay_days):
    """Whether every outcome of the earlier rows was known on the first day of the later ones."""
    return sample.day.iloc[earlier].max() + pd.Timedelta(days=delay_days) <= sample.day.iloc[later].min()


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(st.integers(1, 30), DELAYS, SIZES, SIZES, SIZES, st.integers(0, 3))
def test_every_part_was_known_when_the_next_one_began(months, delay, train, tune, test, seed):
    sample = dated(months, delay_days=delay, seed=seed)
    try:
        split = out_of_time(sample, delay, train, tune, test)
    except BankmineError as error:
        assert "lacking" in str(error)  # noqa: PT017 - a refusal must say what is lacking
        return
    assert known_in_time(sample, split.train, split.tune, delay)
    assert known_in_time(sample, split.tune, split.test, delay)
    assert sample.known[np.concatenate([split.train, split.tune, split.test])].all()
    for part, size in zip(PARTS, (train, tune, test), strict=True):
        rows = getattr(split, part)
        assert (np.diff(rows) > 0).all()
        assert len(split.days[part]) == size
        assert set(split.days[part]) == set(sample.day.iloc[rows])
        whole = sample.day.isin(split.days[part]).to_numpy() & sample.known
        np.testing.assert_array_equal(rows, np.flatnonzero(whole))


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(st.integers(6, 30), DELAYS, SIZES, SIZES, SIZES)
def test_no_later_month_would_have_done(months, delay, train, tune, test):
    sample = dated(months, delay_days=delay)
    known = pd.DatetimeIndex(np.unique(sample.day[sample.known]))
    try:
        days = out_of_time(sample, delay, train, tune, test).days
    except BankmineError:
        return
    assert days["test"][-1] == known[-1]
    for part, later in (("train", "tune"), ("tune", "test")):
        after = known[known > days[part][-1]]
        assert (after + pd.Timedelta(days=delay) > days[later][0]).all()


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(st.integers(1, 20), DELAYS)
def test_a_refusal_says_what_would_do(months, delay):
    sample = dated(months, delay_days=delay)
    try:
        out_of_time(sample, delay)
    except BankmineError as error:
        if wanted := dict(re.findall(r"(\w+)=(\d+)", str(error))):
            out_of_time(sample, delay, **{part: int(n) for part, n in wanted.items()})


def test_the_months_that_are_lacking_are_counted():
    with pytest.raises(BankmineError, match=r"6 months to train on .* by 2025-03-31, 120 days .* 5 are lacking"):
        out_of_time(dated(14), 120, tune=1, test=2)
    with pytest.raises(BankmineError, match=r"3 months .* 2 of them are lacking"):
        out_of_time(dated(5), 120)
    with pytest.raises(BankmineError, match="at least 1"):
        out_of_time(dated(20), 120, tune=0)
    with pytest.raises(BankmineError, match="by entity"):
        out_of_time(undated(50), 120)


@pytest.mark.parametrize(("rate", "said"), [(0.0, "None of"), (1.1, "All of")])
def test_one_outcome_teaches_nothing(rate, said):
    with pytest.raises(BankmineError, match=f"^{said}.*define the event otherwise"):
        out_of_time(dated(24, rate=rate), 120)


def test_days_within_months_are_split_by_whole_months_or_by_days():
    sample = dated(24, customers=60)
    sample = replace(sample, day=sample.day - pd.to_timedelta(np.arange(len(sample)) % 28, unit="D"))
    split = out_of_time(sample, 120, train=3, tune=1, test=2)
    assert known_in_time(sample, split.train, split.tune, 120)
    assert known_in_time(sample, split.tune, split.test, 120)
    assert sample.day.iloc[split.test].dt.to_period("M").nunique() == 2
    by_day = out_of_time(sample, 120, train=90, tune=30, test=40, period="D")
    assert known_in_time(sample, by_day.train, by_day.tune, 120)
    assert [len(by_day.days[part]) for part in PARTS] == [90, 30, 40]


def test_rows_without_a_day_are_in_no_part():
    sample = dated(24)
    sample = replace(sample, day=sample.day.where(np.arange(len(sample)) % 5 > 0))
    split = out_of_time(sample, 120)
    assert sample.day.iloc[np.concatenate([split.train, split.tune, split.test])].notna().all()


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(st.integers(8, 30), DELAYS, SIZES, SIZES)
def test_what_scores_today_learnt_from_all_that_is_known_today(months, delay, train, tune):
    sample = dated(months, delay_days=delay)
    try:
        split = for_scoring(sample, AS_OF.date(), delay, train, tune)
    except BankmineError as error:
        assert "lacking" in str(error)  # noqa: PT017
        return
    assert known_in_time(sample, split.train, split.tune, delay)
    assert known_in_time(sample, split.tune, split.test, delay)
    assert split.days["test"] == (AS_OF,)
    assert len(split.test) == (sample.day == AS_OF).sum()
    assert split.days["tune"][-1] == sample.day[sample.known & (sample.day + pd.Timedelta(days=delay) <= AS_OF)].max()


@pytest.mark.slow
@settings(max_examples=30, deadline=None)
@given(DELAYS, SIZES, SIZES, SIZES)
def test_no_other_month_end_is_needed(delay, train, tune, test):
    sample = dated(36, customers=8, delay_days=delay)
    days = month_ends(AS_OF.date(), delay, train, tune, test)
    kept = sample.at(sample.day.isin(pd.to_datetime(days)).to_numpy())
    past = [s.days for s in (out_of_time(rows, delay, train, tune, test) for rows in (sample, kept))]
    assert past[0] == past[1]
    assert {day for part in PARTS for day in past[0][part]} | {AS_OF} == set(pd.to_datetime(days))
    today = for_scoring(kept, AS_OF, delay, 1, 1).days
    assert max(today["train"]) >= max(past[0]["train"])


def test_a_day_within_a_month_is_scored_from_month_ends():
    days = month_ends(pd.Timestamp("2025-12-15").date(), 120)
    assert str(days[-1]) == "2025-12-15"
    assert [str(d) for d in days if str(d) > "2025-04"] == ["2025-05-31", "2025-06-30", "2025-07-31", "2025-12-15"]
    assert len(days) == 1 + 3 + 2 + 6


def test_a_day_without_rows_cannot_be_scored():
    with pytest.raises(BankmineError, match="no row of 2025-12-30"):
        for_scoring(dated(24), pd.Timestamp("2025-12-30"), 120)


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(st.integers(1, 20), DELAYS, st.integers(1, 5))
def test_folds_in_time_keep_the_delay(months, delay, folds):
    sample = dated(months + 7, delay_days=delay)
    rows = np.flatnonzero(sample.day > AS_OF - pd.Timedelta(days=31 * months))
    try:
        found = rolling_origin(sample, rows, delay, folds)
    except BankmineError as error:
        assert "can be foretold" in str(error)  # noqa: PT017
        return
    assert 1 <= len(found) <= folds
    firsts = [sample.day.iloc[test].min() for _, test in found]
    assert firsts == sorted(firsts)
    for train, test in found:
        assert known_in_time(sample, train, test, delay)
        assert sample.day.iloc[test].nunique() == 1
        assert set(train) | set(test) <= set(rows[sample.known[rows]])


@settings(max_examples=30, deadline=None)
@given(st.integers(150, 300), st.floats(0.2, 0.4), st.integers(0, 5))
def test_no_entity_is_in_two_parts(entities, rate, seed):
    sample = undated(entities, rate=rate, seed=seed)
    split = held_out(sample, seed)
    owners = [set(sample.entity.iloc[getattr(split, part)]) for part in PARTS]
    assert sum(map(len, owners)) == len(set.union(*owners))
    rows = np.sort(np.concatenate([split.train, split.tune, split.test]))
    np.testing.assert_array_equal(rows, np.flatnonzero(sample.known))
    np.testing.assert_array_equal(held_out(sample, seed).test, split.test)
    assert split.days == {"train": (), "tune": (), "test": ()}
    ever = sample.target.groupby(sample.entity).max()
    assert abs(ever[list(owners[2])].mean() - ever.mean()) < 0.02
    assert len(owners[2]) / sum(map(len, owners)) == pytest.approx(0.25, abs=0.02)


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 5), st.integers(1, 3), st.integers(0, 5))
def test_folds_of_entities_are_whole_and_all_tested(folds, repeats, seed):
    sample = undated(150, seed=seed)
    rows = np.flatnonzero(np.arange(len(sample)) % 7 > 0)
    found = stratified_folds(sample, rows, folds, repeats, seed)
    assert len(found) == folds * repeats
    for train, test in found:
        assert not set(sample.entity.iloc[train]) & set(sample.entity.iloc[test])
        np.testing.assert_array_equal(np.sort(np.concatenate([train, test])), rows[sample.known[rows]])
    for repeat in range(repeats):
        tested = np.concatenate([test for _, test in found[repeat * folds : (repeat + 1) * folds]])
        np.testing.assert_array_equal(np.sort(tested), rows[sample.known[rows]])


def test_a_handful_of_events_is_not_divided():
    sample = undated(300, rate=0.02)
    for divided in (held_out, lambda s: stratified_folds(s, np.arange(len(s)))):
        with pytest.raises(BankmineError, match="20 are needed"):
            divided(sample)


def test_the_table_says_what_each_part_holds():
    sample = dated(24)
    split = out_of_time(sample, 120)
    table = split.table(sample)
    assert table.index.tolist() == list(PARTS)
    assert table.loc["test", "last"] == pd.Timestamp("2025-08-31")
    assert table.loc["train", "rows"] == len(split.train)
    assert table.loc["tune", "rate"] == pytest.approx(sample.target.iloc[split.tune].mean())
    assert held_out(undated(100)).table(undated(100))["first"].isna().all()
