"""Segments: how many, which, what they are called, and what they are like."""

from __future__ import annotations

import dataclasses
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import multivariate_normal
from segment_customers import DAY, REGISTRY, customers, structureless, values
from sklearn.metrics import adjusted_rand_score

from bankmine.errors import BankmineError
from bankmine.topics.segmentation.groups import CLEAR, MINIMUM, SMALLEST, Groups, _chosen, choose, group, kmeans
from bankmine.topics.segmentation.measures import readable
from bankmine.topics.segmentation.model import ALL, INACTIVE, fit
from bankmine.topics.segmentation.portrait import picture, profile, profile_table, rules


@pytest.fixture(scope="module")
def bank():
    return values()


@pytest.fixture(scope="module")
def choice(bank):
    return choose(bank, REGISTRY)


@pytest.fixture(scope="module")
def model(bank):
    return fit(bank, REGISTRY, DAY, 5)


@pytest.fixture(scope="module")
def segments(model, bank):
    return model.assign(bank)


def blobs(size: int = 600, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    kind = rng.choice(3, size, p=(0.5, 0.3, 0.2))
    # long and thin in one direction: k-means alone cuts across
    return np.array([[0, 0], [3, 0], [6, 0]])[kind] + rng.normal(size=(size, 2)) * (0.5, 4), kind


def test_the_mixture_finds_groups_of_one_shape_that_k_means_cuts_across():
    points, kind = blobs()
    assert adjusted_rand_score(kind, group(points, 3).labels(points)) > 0.95
    assert adjusted_rand_score(kind, kmeans(points, 3, seed=0)[0]) < 0.6


def test_groups_come_in_order_of_size_and_do_not_depend_on_the_order_of_customers():
    points, _ = blobs()
    found = group(points, 3)
    assert np.bincount(found.labels(points)).tolist() == sorted(np.bincount(found.labels(points)), reverse=True)
    order = np.random.default_rng(1).permutation(len(points))
    again = group(points[order], 3)
    assert (again.labels(points[order]) == found.labels(points)[order]).mean() > 0.99


@pytest.mark.property
@given(st.integers(0, 10_000), st.integers(1, 4))
def test_the_label_is_the_group_that_is_most_probable_by_the_normal_density(seed, k):
    rng = np.random.default_rng(seed)
    groups = Groups(rng.dirichlet(np.ones(k)), rng.normal(size=(k, 3)), np.eye(3))
    points = rng.normal(size=(20, 3))
    density = [w * multivariate_normal(m).pdf(points) for w, m in zip(groups.weights, groups.means, strict=True)]
    assert (np.argmax(density, axis=0) == groups.labels(points)).all()
    assert (groups.distance(points) >= 0).all()


@pytest.mark.slow
def test_five_kinds_are_counted_as_five_and_the_argument_names_the_criteria(choice):
    assert choice.k == 5
    assert choice.table.loc[5, "merit"] == choice.table["merit"].max()
    assert choice.table.loc[5, "smallest"] >= SMALLEST
    assert all(word in choice.argument for word in ("silhouette", "gap", "5 are taken", "mixture agree"))
    assert choice.table[CLEAR].iloc[1:].between(-1, 1).all()


@pytest.mark.slow
def test_the_number_has_the_largest_product_of_the_criteria_among_those_of_segments_that_are_large_enough(choice):
    table = choice.table
    gain, clear = table["gap"] - table["gap"].iloc[0], table[CLEAR]
    expected = gain.clip(lower=0) / gain.max() * clear / clear.max() * table["agreement"]
    np.testing.assert_allclose(table["merit"].iloc[1:], expected.iloc[1:])
    table = table.copy()
    table.loc[5, "smallest"] = SMALLEST - 0.001
    assert _chosen(table).k == table["merit"].drop([1, 5]).idxmax()
    none_large = _chosen(table.assign(smallest=0.01))
    assert none_large.k == 1
    assert "below 5%" in none_large.argument


@pytest.mark.slow
def test_customers_of_one_kind_are_one_segment():
    choice = choose(structureless(), REGISTRY)
    assert choice.k == 1
    assert "one segment is taken" in choice.argument
    model = fit(structureless(), REGISTRY, DAY, choice.k)
    assert model.names == (ALL,)


@pytest.mark.slow
def test_segments_of_the_same_customers_are_the_same_again(model, bank, segments):
    again = fit(bank, REGISTRY, DAY, 5)
    assert again.names == model.names
    pd.testing.assert_series_equal(again.assign(bank), segments)
    shuffled = bank.sample(frac=1, random_state=3)
    other = fit(shuffled, REGISTRY, DAY, 5)
    assert set(other.names) == set(model.names)
    assert adjusted_rand_score(other.assign(bank), segments) > 0.97


def test_names_are_unique_and_say_what_is_so(model, bank, segments):
    assert len(set(model.names)) == 5
    words = {f.high: (f.id, 1) for f in REGISTRY.features} | {f.low: (f.id, -1) for f in REGISTRY.features}
    comparable = pd.DataFrame(model.points(bank), index=bank.index, columns=model.pipeline.transform(bank).columns)
    means = comparable.groupby(segments, observed=False).mean()
    for name in model.names:
        for word in name.split(", "):
            feature, sign = words[word]
            assert means.loc[name, feature] * sign >= 0.3


def test_shares_and_distances_are_those_of_the_customers(model, bank, segments):
    np.testing.assert_allclose(segments.value_counts(normalize=True).loc[list(model.names)], model.shares)
    assert list(model.shares) == sorted(model.shares, reverse=True)
    distance = pd.Series(model.groups.distance(model.points(bank)), index=bank.index)
    np.testing.assert_allclose(distance.groupby(segments, observed=False).mean(), model.distances)


def test_all_customers_get_a_segment_and_the_inactive_are_apart(model):
    bank = customers(400)
    bank.iloc[:30, bank.columns.get_loc("transactions_365d")] = 3
    found = model.assign_all(bank, REGISTRY)
    assert (found.iloc[:30] == INACTIVE).all()
    assert not (found.iloc[30:] == INACTIVE).any()
    assert found.cat.categories.tolist() == [*model.names, INACTIVE]


def test_a_registry_that_defines_something_anew_is_not_applied_to_old_segments(model):
    richer = [dataclasses.replace(f, value="2 * inflow_365d") if f.id == "income" else f for f in REGISTRY.features]
    with pytest.raises(BankmineError, match="defines income anew"):
        model.assign_all(customers(50), dataclasses.replace(REGISTRY, features=tuple(richer)))


DEGENERATE = {
    "three customers": lambda v: v.iloc[:3],
    "one customer": lambda v: v.iloc[:1],
    "all the same": lambda v: v.iloc[[0] * 300].set_axis([f"C{i}" for i in range(300)]),
    "two kinds of rows": lambda v: v.iloc[[0, 1] * 200].set_axis([f"C{i}" for i in range(400)]),
    "constant columns": lambda v: v.assign(income=5.0, remote=0.5, age=40.0),
    "one column": lambda v: v[["income"]],
    "missing columns": lambda v: v[["income", "age", "groceries"]],
    "unknown values": lambda v: v.mask(np.random.default_rng(0).random(v.shape) < 0.6),
    "nothing known": lambda v: v * np.nan,
    "huge values": lambda v: v.assign(income=np.where(np.arange(len(v)) < 5, 1e30, v["income"])),
}


def refused(why: str, *, where: bool) -> AbstractContextManager:
    return pytest.raises(BankmineError, match=why) if where else nullcontext()


@pytest.mark.slow
@pytest.mark.parametrize("name", DEGENERATE)
def test_degenerate_customers_lead_to_a_clear_result(name, bank):
    some = DEGENERATE[name](bank.iloc[:200])
    choice = choose(some, REGISTRY)
    for k in {choice.k, 4}:
        model = fit(some, REGISTRY, DAY, k)
        found = model.assign(some)
        assert len(found) == len(some)
        assert not found.isna().any()
        assert 1 <= len(model.names) == len(set(model.names)) <= k
        assert np.isfinite(model.distances).all()
        assert not profile(some, found, REGISTRY).empty or name == "nothing known"
        sizes = found.value_counts().loc[lambda n: n > 0]
        with refused("one segment only", where=len(sizes) < 2 or sizes.min() < 5):
            rules(some, found, REGISTRY)
        with refused("fewer than two features vary", where=min(model.points(some).shape) < 2):
            picture(model, some, REGISTRY)
    if name in ("three customers", "one customer"):
        assert f"{MINIMUM} are needed" in choice.argument
    if name in ("all the same", "nothing known"):
        assert "No feature differs" in choice.argument


def test_no_customers_and_no_segments_are_told(bank):
    with pytest.raises(BankmineError, match="No customer is active"):
        fit(bank.iloc[:0], REGISTRY, DAY, 3)
    with pytest.raises(BankmineError, match="No customer is active"):
        choose(bank.iloc[:0], REGISTRY)
    for number in (-2, 0, 21):
        with pytest.raises(BankmineError, match=f"{number} segments cannot be formed"):
            fit(bank, REGISTRY, DAY, number)


def test_a_profile_gives_each_segment_and_all_with_intervals(bank, segments):
    found = profile(bank, segments, REGISTRY).set_index(["feature", "segment"])
    age = found.loc["age"]
    assert age.loc[ALL, "mean"] == pytest.approx(bank["age"].mean())
    assert (age["low"] < age["mean"]).all()
    assert (age["mean"] < age["high"]).all()
    assert (age["median_low"] <= age["median"]).all()
    assert (age["median"] <= age["median_high"]).all()
    table = profile_table(found.reset_index())
    assert table.columns.tolist() == [*segments.cat.categories, ALL]
    assert table.loc["age", ALL].startswith("40")


@pytest.mark.slow
def test_intervals_hold_the_truth_as_often_as_they_say():
    rng, held = np.random.default_rng(0), []
    for _ in range(300):
        draw = pd.DataFrame({"age": rng.normal(40, 10, 60)})
        group = pd.Series(pd.Categorical(["a"] * 60), index=draw.index)
        row = profile(draw, group, REGISTRY).iloc[0]
        held.append((row["low"] < 40 < row["high"], row["median_low"] < 40 < row["median_high"]))
    mean, median = np.mean(held, axis=0)
    assert 0.92 < mean < 0.98
    assert 0.93 < median < 0.99  # order statistics are discrete, so that the interval is a little wide


def test_rules_are_the_segments_they_say_and_count_right(bank, segments):
    found = rules(bank, segments, REGISTRY)
    assert found.accuracy > found.baseline + 0.2
    assert found.table["customers"].sum() == len(bank)
    assert set(found.table["segment"]) <= set(segments.cat.categories)
    assert (found.table["rule"].str.count(" and ") <= 7).all()
    weighted = (found.table["right"] * found.table["customers"]).sum() / len(bank)
    assert weighted >= found.accuracy - 0.02  # on the customers they were made from, rules do no worse


def test_a_rule_is_told_in_units_and_with_round_limits():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"income": np.where(np.arange(400) < 200, 1000, 9000) + rng.random(400), "age": 40.0})
    frame["remote"] = np.where(np.arange(400) % 200 < 100, 0.1, 0.9)
    names = np.where(frame["income"] < 5000, "poor", np.where(frame["remote"] < 0.5, "rich", "rich and digital"))
    found = rules(frame, pd.Series(pd.Categorical(names)), REGISTRY)
    told = dict(zip(found.table["segment"], found.table["rule"], strict=True))
    assert told["poor"] == "money in a month at most 5,000"
    assert told["rich"].startswith("money in a month above 5,000 and share of app and web in own errands at most 50%")
    assert found.accuracy == 1


def test_a_rule_holds_for_as_many_customers_as_it_says_with_its_round_limit():
    income = np.linspace(100, 9900, 401)
    names = pd.Series(pd.Categorical(np.where(income < 5437, "poor", "rich")))
    found = rules(pd.DataFrame({"income": income}), names, REGISTRY)
    assert found.table["rule"].tolist() == ["money in a month at most 5,400", "money in a month above 5,400"]
    assert found.table["customers"].tolist() == [(income <= 5400).sum(), (income > 5400).sum()]
    assert found.accuracy < 1


def test_conditions_that_do_not_change_the_segment_are_not_told():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"income": np.where(np.arange(600) < 200, 1000.0, 9000), "age": rng.uniform(20, 80, 600)})
    mixed = (frame["age"] > 60) & (rng.random(600) < 0.3)
    names = pd.Series(pd.Categorical(np.where((frame["income"] < 5000) | mixed, "poor", "rich")))
    found = rules(frame, names, REGISTRY, depth=2)
    assert found.table["rule"].tolist() == ["money in a month at most 5,000", "money in a month above 5,000"]


def test_the_picture_shows_what_it_says(model, bank, segments):
    found = picture(model, bank, REGISTRY)
    assert 0 < found.explained[1] <= found.explained[0] < 1
    assert (found.points["segment"] == segments.loc[found.points.index]).all()
    assert found.points[["x", "y"]].corr().iloc[0, 1] == pytest.approx(0, abs=1e-6)
    assert all(found.axes)


@pytest.mark.slow
def test_a_source_without_channels_categories_and_birth_dates_has_segments_all_the_same():
    bank = customers(600)
    bank = bank.drop(columns=[c for c in bank if c.startswith(("channel_", "category_")) or c == "age_years"])
    some = readable(bank, REGISTRY)
    assert "remote" not in some
    model = fit(some, REGISTRY, DAY, 3)
    assert model.assign_all(bank, REGISTRY).notna().all()
