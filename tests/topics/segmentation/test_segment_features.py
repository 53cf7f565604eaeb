"""The registry of segments, readable features, and the way they are made comparable."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import yaml
from bank_fixtures import write_parquet
from hypothesis import given
from hypothesis import strategies as st
from random_bank import random_bank
from segment_customers import REGISTRY, customers, values

from bankmine.bank.snapshot import open_source
from bankmine.errors import BankmineError
from bankmine.features.customers import features
from bankmine.features.population import is_active
from bankmine.topics.segmentation import measures as sf
from bankmine.topics.segmentation.groups import Standardise, Unskew, preprocessing


def written(tmp_path, change) -> object:
    told = yaml.safe_load(sf.REGISTRY.read_text("utf-8"))
    change(told)
    file = tmp_path / "segments.yml"
    file.write_text(yaml.safe_dump(told, allow_unicode=True), "utf-8")
    return file


@pytest.mark.slow
def test_every_registered_feature_is_complete_and_can_be_computed_of_a_bank(tmp_path):
    snapshot = open_source(str(write_parquet(random_bank(), tmp_path))).as_of("2025-06-30")
    found = features(snapshot).to_pandas().set_index("customer_id")
    readable = sf.readable(found, REGISTRY)
    assert list(readable) == [f.id for f in REGISTRY.features]
    assert all(vars(f)[field] for f in REGISTRY.features for field in vars(f))
    assert {f.privacy for f in REGISTRY.features} <= {"ordinary", "sensitive"}
    assert is_active(found, REGISTRY).dtype == bool
    assert 0 < is_active(found, REGISTRY).sum() <= len(found)


def test_readable_features_are_in_their_units():
    bank = customers(50)
    found = sf.readable(bank, REGISTRY)
    months = bank["tenure_days"].clip(30, 365) / (365.25 / 12)
    np.testing.assert_allclose(found["income"], bank["inflow_365d"] / months)
    np.testing.assert_allclose(found[[f.id for f in REGISTRY.features if f.form == "mix"]].sum(axis=1), 1)
    assert (found["debts"] >= 0).all()  # a balance below zero is a debt
    shares = found[[f.id for f in REGISTRY.features if f.unit == "share"]]
    assert ((shares >= 0) & (shares <= 1)).all().all()


def test_shares_of_nothing_are_unknown_not_infinite():
    bank = customers(3)
    bank.loc[:, [c for c in bank if c.startswith(("channel_", "category_"))]] = 0
    bank = bank.assign(category_cash_outflow_365d=5.0, outflow_365d=0.0)
    found = sf.readable(bank, REGISTRY)
    assert found[["remote", "groceries", "cash"]].isna().all().all()
    assert not np.isinf(found).any().any()


@pytest.mark.parametrize(
    ("bookings", "tenure", "active"),
    [(12, 3000, True), (11, 3000, False), (6, 40, True), (5, 40, False), (7, 200, True)],
)
def test_who_books_once_a_month_and_six_times_is_active(bookings, tenure, active):
    bank = customers(1).assign(transactions_365d=bookings + 9, channel_internal_count_365d=9, tenure_days=tenure)
    assert is_active(bank, REGISTRY).tolist() == [active]


def test_without_channels_all_bookings_count_for_activity():
    bank = customers(5).drop(columns=[c for c in customers(1) if c.startswith("channel_")])
    assert is_active(bank, REGISTRY).all()


def test_missing_and_constant_features_are_left_out_and_told():
    bank = customers(300).drop(columns=["age_years", "deposits_mean_365d"]).assign(category_cash_outflow_365d=0.0)
    found = sf.readable(bank, REGISTRY)
    pipeline = preprocessing(REGISTRY).fit(found)
    comparable = pipeline.transform(found)
    assert {"age", "deposits", "cash"}.isdisjoint(comparable.columns)
    ids = {f.name: f.id for f in REGISTRY.features}
    assert {ids["age"], ids["deposits"]}.isdisjoint(found.columns)
    kept_out = ["share of cash in outflow", "shopping in purchases", "health in purchases"]
    assert {ids[name] for name in kept_out} <= set(found.columns) - set(comparable.columns)
    assert ids["money in a month"] in comparable.columns


def test_comparable_features_have_mean_zero_and_variance_one_and_no_gaps():
    found = values()
    found.iloc[::7, :6] = np.nan
    comparable = preprocessing(REGISTRY).fit_transform(found)
    np.testing.assert_allclose(comparable.mean(), 0, atol=1e-9)
    np.testing.assert_allclose(comparable.std(ddof=0), 1)
    assert comparable.index.equals(found.index)


def test_comparable_features_are_what_the_registry_says():
    frame = pd.DataFrame({"amount": [1.0, 3, 10], "share": [0.0, 0.5, 1], "a": [0.5, 0.2, 0.2], "b": [0.3, 0.2, 0.2],
                          "c": [0.2, 0.6, 0.6], "age": [30.0, np.nan, 50]})  # fmt: skip
    found = Unskew({"amount": "amount", "share": "share", "age": "plain"} | dict.fromkeys("abc", "mix")).fit_transform(
        frame
    )
    assert found.columns.tolist() == ["amount", "share", "age", "a", "b"]
    np.testing.assert_allclose(found["amount"], np.log(frame["amount"] + 0.3))
    np.testing.assert_allclose(found["share"], [np.log(0.1 / 1.1), 0, np.log(1.1 / 0.1)])
    assert found["age"].tolist() == [30, 40, 50]
    drawn = (frame[list("abc")] + 0.2 * frame[list("abc")].mean()) / 1.2
    middle = drawn.prod(axis=1) ** (1 / 3)
    np.testing.assert_allclose(found["a"], np.log(drawn["a"] / middle))


def test_next_month_is_measured_with_the_rod_of_this_one():
    found = values()
    pipeline = preprocessing(REGISTRY).fit(found)
    richer = found.assign(income=found["income"] * 3)
    assert pipeline.transform(richer)["income"].mean() > 0.8
    alone = pipeline.transform(found.iloc[[5]])
    pd.testing.assert_frame_equal(alone, pipeline.transform(found).iloc[[5]])


def test_a_feature_that_disappears_is_told():
    pipeline = preprocessing(REGISTRY).fit(values(200))
    with pytest.raises(BankmineError, match="formed with age, which is not there"):
        pipeline.transform(values(200).drop(columns="age"))


@pytest.mark.property
@given(
    amounts=st.lists(st.floats(0, 1e9), min_size=3, max_size=40), unit=st.floats(0.01, 1000),
    shares=st.lists(st.floats(0, 1), min_size=3, max_size=40),
)  # fmt: skip
def test_transforms_keep_the_order_stay_finite_and_do_not_depend_on_the_currency(amounts, unit, shares):
    size = min(len(amounts), len(shares))
    frame = pd.DataFrame({"amount": amounts[:size], "share": shares[:size]})
    forms = {"amount": "amount", "share": "share"}
    found = Unskew(forms).fit_transform(frame)
    assert np.isfinite(found).all().all()
    for name in forms:
        order = frame[name].to_numpy().argsort(kind="stable")
        assert (np.diff(found[name].to_numpy()[order]) >= -1e-9).all()
    other = Unskew(forms).fit_transform(frame.assign(amount=frame["amount"] * unit))
    shift = (other["amount"] - found["amount"]).to_numpy()
    if (frame["amount"] > 1e-6).all():
        np.testing.assert_allclose(shift, shift[0], atol=1e-6)


@pytest.mark.property
@given(st.lists(st.lists(st.floats(0, 1000), min_size=3, max_size=3), min_size=4, max_size=30))
def test_a_mix_says_the_same_of_a_basket_of_any_size(baskets):
    frame = pd.DataFrame(baskets, columns=["a", "b", "c"])
    frame = frame[frame.sum(axis=1) > 1e-3]
    share = frame.div(frame.sum(axis=1), axis=0)
    twice = (frame * 7).div((frame * 7).sum(axis=1), axis=0)
    found, again = (Unskew(dict.fromkeys("abc", "mix")).fit_transform(f) for f in (share, twice))
    assert np.isfinite(found).all().all()
    pd.testing.assert_frame_equal(found, again, rtol=1e-6, atol=1e-9)


@pytest.mark.property
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60))
def test_standardised_features_lie_within_the_limits_they_were_fitted_with(numbers):
    frame = pd.DataFrame({"x": numbers})
    fitted = Standardise().fit(frame)
    found = fitted.transform(frame * 1000)
    if found.empty or "x" not in found:
        assert np.ptp(np.quantile(numbers, [0.01, 0.99])) <= 1e-9 * (1 + abs(np.quantile(numbers, 0.99))) + 1e-12
    else:
        edge = [(fitted.low_["x"] - fitted.mean_["x"]) / fitted.deviation_["x"],
                (fitted.high_["x"] - fitted.mean_["x"]) / fitted.deviation_["x"]]  # fmt: skip
        assert found["x"].between(edge[0] - 1e-9, edge[1] + 1e-9).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r["features"][0].pop("owner"), "is not a list of features"),
        (lambda r: r["features"].append(dict(r["features"][0])), "the id income comes twice"),
        (lambda r: r["features"][0].update(form="rank"), "income has an unknown form or use"),
        (lambda r: r.pop("active"), "is not a registry of segments"),
        (lambda r: r["names"][0].update(words=["rich"]), "no feature has the word 'rich'"),
    ],
)
def test_a_broken_registry_is_told(tmp_path, change, message):
    with pytest.raises(BankmineError, match=message):
        sf.load_registry(written(tmp_path, change))


def test_a_value_that_cannot_be_computed_is_told(tmp_path):
    file = written(tmp_path, lambda r: r["features"][0].update(value="inflow_365d +* 2"))
    with pytest.raises(BankmineError, match=r"segments.yml: Feature income: 'inflow_365d \+\* 2' cannot be read"):
        sf.load_registry(file)
    file = written(tmp_path, lambda r: r["features"][0].update(value="inflow_365d + 'a'"))
    with pytest.raises(BankmineError, match=r"Feature income: .* cannot be computed"):
        sf.readable(customers(5), sf.load_registry(file))


def test_segments_take_the_first_name_that_fits_once_and_keep_their_words_else():
    described = ["large deposits, travelling", "high income, large deposits", "large deposits, quiet", "average"]
    called = REGISTRY.called(described)
    assert [n.name for n in called] == ["travelling savers", "savers", "large deposits, quiet", "average"]
    assert all(n.to_do and n.owner for n in called[:2])
    assert not called[2].to_do


def test_who_closed_the_last_account_is_not_active():
    bank = customers(1).assign(transactions_365d=60, channel_internal_count_365d=0, tenure_days=3000)
    assert is_active(bank, REGISTRY).tolist() == [True]
    assert is_active(bank.assign(accounts=0), REGISTRY).tolist() == [False]
