"""Bins, weights of evidence, characteristics, points, bands and reasons, on applicants whose risk is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optbinning import OptimalBinning
from samples import HOME, HOSTILE_NAME, applicants, sample_of
from scipy.special import logit
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from bankmine.errors import BankmineError
from bankmine.judging.calibration import bands, distribution
from bankmine.judging.intervals import wilson
from bankmine.learning.fitting import Calibrator, apply_models
from bankmine.learning.sample import Sample
from bankmine.learning.splits import Split
from bankmine.topics.credit.bins import MISSING, OTHER, TRENDS, fit_bins, nonmonotone
from bankmine.topics.credit.points import REGISTRY, PointsLost
from bankmine.topics.credit.scorecard import Scale, ScorecardModel, Selection, bin_table, vif

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def people():
    return applicants(6000)


@pytest.fixture(scope="module")
def model(people):
    return ScorecardModel(trends={"use": "valley"}).fit(people.predictors.iloc[:4000], people.target.iloc[:4000])


def noise(rng, kind, size):
    draw = {"number": lambda: rng.normal(size=size), "flag": lambda: rng.random(size) < 0.3,
            "words": lambda: pd.Categorical(rng.choice(list("abcdefgh"), size))}  # fmt: skip
    return pd.Series(draw[kind]())


# --- bins


@pytest.mark.slow
def test_weights_and_information_value_are_those_of_the_definition(people, model):
    rows, bad = people.predictors.iloc[:4000], people.target.iloc[:4000]
    for name in ("debt", "home", "late"):
        bins = model.bins_[name]
        counts = pd.crosstab(bins.positions(rows[name]), bad)
        shares = counts / counts.sum()
        woe = np.log(shares[0.0] / shares[1.0])
        seen = counts.index[counts.index < bins.missing]
        assert bins.woe[seen] == pytest.approx(woe[seen].to_numpy())
        value = ((shares[0.0] - shares[1.0]) * woe)[seen].sum()
        assert value <= bins.value <= value + 0.01


def test_the_bins_are_those_of_optbinning_with_readable_edges(people, model):
    values, bad = people.predictors["debt"].iloc[:4000].to_numpy(), people.target.iloc[:4000].to_numpy()
    share = 25 / bad.sum()
    theirs = OptimalBinning(monotonic_trend="ascending", max_n_prebins=round(0.6 / share), min_prebin_size=share)
    theirs.fit(values, bad)
    ours = model.bins_["debt"]
    table = theirs.binning_table.build(add_totals=False)
    assert list(ours.good) == [*table["Non-event"].to_list()[: ours.missing], 0]
    assert ours.woe[: ours.missing] == pytest.approx(table["WoE"].to_numpy(float)[: ours.missing])
    assert max(len(f"{edge}") for edge in ours.edges) < 8


def test_edges_of_whole_numbers_are_whole(model):
    assert len(model.bins_["job"].edges)
    assert (model.bins_["job"].edges % 1 == 0).all()


@pytest.mark.property
@settings(max_examples=60)
@given(
    st.integers(0, 2**32 - 1), st.sampled_from([None, *TRENDS]), st.sampled_from([1, 3, 40, 10_000]), st.floats(0, 0.6)
)
def test_risk_does_not_turn_but_where_it_may(seed, trend, distinct, gaps):
    rng = np.random.default_rng(seed)
    values = rng.integers(0, distinct, 300) * 10.0 ** rng.integers(-12, 12) * rng.choice([-1, 1])
    bad = (rng.random(300) < 0.2 + 0.5 * (values > np.median(values))).astype(int)
    values[rng.random(300) < gaps] = np.nan
    bins = fit_bins(pd.Series(values), bad, trend)
    assert (np.diff(bins.edges) > 0).all()
    assert bins.good.sum() + bins.bad.sum() == 300
    assert bins.good[bins.missing] + bins.bad[bins.missing] == np.isnan(values).sum()
    assert np.isfinite(bins.woe).all()
    allowed = {None: {"rising", "falling"}, "valley": set(TRENDS), "peak": set(TRENDS)}.get(trend, {trend})
    assert bins.trend in allowed | {""}
    assert 0 <= bins.value_interval[0] <= bins.value_interval[1]


def test_missing_rare_and_new_values_have_bins_of_their_own(people, model):
    jobs, homes = model.bins_["job"], model.bins_["home"]
    assert jobs.labels[-1] == MISSING
    assert jobs.woe[jobs.missing] < -0.3
    assert homes.labels[-2:] == [MISSING, OTHER]
    rare = pd.Categorical([HOME[7], "never seen", None, HOME[0]])
    assert list(homes.positions(pd.Series(rare))) == [*[homes.missing + 1] * 2, homes.missing, _bin_of(homes, HOME[0])]
    assert model.bins_["debt"].woe[-1] == pytest.approx(0)  # nothing missing: nothing known of it


def _bin_of(bins, category):
    return next(i for i, group in enumerate(bins.groups) if category in group)


@pytest.mark.parametrize("low", [False, True])
def test_codes_have_a_bin_of_their_own_that_no_trend_binds(low):
    rng = np.random.default_rng(0)
    late = rng.poisson(1.0, 6000).astype(float)
    bad = (rng.random(6000) < 0.05 + 0.08 * late.clip(max=6)).astype(int)
    late[:60], bad[:60] = 98, np.arange(60) % 30 == 0  # "not told", and hardly ever bad
    late[60] = 400  # one row is no code
    values = pd.Series(-late if low else late)
    bins = fit_bins(values, bad, "falling" if low else "rising")
    place = bins.positions(values)
    assert bins.codes == ((1, 0) if low else (0, 1))
    assert set(place[:61]) == {0 if low else bins.missing - 1}
    assert not set(place[61:]) & set(place[:61])
    assert bins.trend == ("falling" if low else "rising")
    assert bins.woe[place[0]] > bins.woe[place[61:]].max() - 1e-9
    tail = pd.Series(np.exp(rng.normal(0, 3, 6000)))
    assert fit_bins(tail, bad).codes == (0, 0)


def test_more_bins_are_made_where_the_data_carry_them():
    rng = np.random.default_rng(0)
    values = pd.Series(rng.random(40_000))
    bad = (rng.random(40_000) < 0.02 + 0.3 * values**3).astype(int)
    few, many = (fit_bins(values[:n], bad[:n]) for n in (1500, 40_000))
    assert many.missing > 1.5 * few.missing
    rows = (many.good + many.bad)[: many.missing]
    assert (rows >= 400).all()


@pytest.mark.parametrize("values", [[np.nan] * 60, [7.0] * 60, [np.inf, -np.inf] * 30, [np.nan, 1.0] + [np.nan] * 58])
def test_nothing_can_be_told_of_a_characteristic_without_values(values):
    bad = np.arange(60) % 3 == 0
    bins = fit_bins(pd.Series(values), bad)
    assert bins.missing == 1
    assert bins.value < 0.01
    assert np.isfinite(bins.woe).all()
    words = fit_bins(pd.Series(pd.Categorical([f"w{i}" for i in range(60)])), bad)
    assert words.value == 0
    assert len(bin_table(words)) == 2


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["number", "flag", "words"])
def test_noise_is_seldom_taken_for_information(kind):
    passed = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        bins = fit_bins(noise(rng, kind, 1200), (rng.random(1200) < 0.15).astype(int))
        passed += bins.value > bins.by_chance
        assert bins.value_interval[0] == 0 or bins.value > bins.by_chance
    assert passed <= 7  # 3 are expected; 8 or more are seen once in a hundred times


@pytest.mark.slow
def test_intervals_hold_the_true_information_value():
    rates, share, held = np.array([0.1, 0.2, 0.35]), np.array([0.5, 0.3, 0.2]), 0
    good, bad = share * (1 - rates), share * rates
    true = ((good / good.sum() - bad / bad.sum()) * np.log((good / good.sum()) / (bad / bad.sum()))).sum()
    for seed in range(100):
        rng = np.random.default_rng(seed)
        group = rng.choice(3, 1500, p=share)
        bins = fit_bins(pd.Series(group.astype(float)), (rng.random(1500) < rates[group]).astype(int))
        held += bins.value_interval[0] <= true <= bins.value_interval[1]
    assert held >= 88


@pytest.mark.slow
def test_turns_are_seen_where_they_are(people):
    rows, bad = people.predictors.iloc[:4000], people.target.iloc[:4000].to_numpy()
    found = nonmonotone(rows, bad, ScorecardModel().fit(rows, bad).bins_)
    assert found.index[found["turns"]].tolist() == ["use"]
    assert found.loc["use", "turned"] == "valley"
    assert found.loc["use", "iv_turned"] > 1.3 * found.loc["use", "iv"]


# --- characteristics


def test_every_predictor_is_kept_or_has_a_reason(people, model):
    table = model.chosen_.table
    assert set(table.index) == set(people.predictors)
    assert (table["kept"] == (table["reason"] == "")).all()
    assert set(table.index[table["kept"]]) == {"debt", '收入 "元"', "use", "job", "late", "home"}
    assert "says the same as debt" in table.loc["debt twice", "reason"]
    assert "no two bins" in table.loc["constant", "reason"]
    assert "too little" in table.loc["noise", "reason"]
    assert list(model.card_.bins) == list(table.index[table["kept"]])
    assert table.loc[table["kept"], "iv"].is_monotonic_decreasing
    assert (table.loc[table["kept"], "coefficient_high"] < 0).all()


@pytest.mark.slow
def test_reasons_follow_the_rules(people):
    rows, bad = people.predictors, people.target

    def reason(name, **rules):
        return ScorecardModel(selection=Selection(**rules)).fit(rows, bad).chosen_.table.loc[name, "reason"]

    assert "tells too much" in reason("debt", most=0.1)
    assert "others tell more" in reason("home", number=1)
    assert "variance inflation" in reason("debt twice", alike=1.1)
    few = ScorecardModel().fit(people.predictors.iloc[:400], people.target.iloc[:400]).chosen_.table
    assert few["reason"].str.contains("may be chance: noise reaches").any()


def test_a_characteristic_that_turns_round_beside_others_is_left_out():
    rng = np.random.default_rng(0)
    a, own = rng.normal(size=(2, 6000))
    rows = pd.DataFrame({"a": a, "b": 0.8 * a + 0.6 * own})
    bad = rng.random(6000) < 1 / (1 + np.exp(1.5 - 2 * a + 0.6 * own))  # b alone rises; beside a it falls
    table = ScorecardModel(selection=Selection(alike=0.99, most=9)).fit(rows, bad).chosen_.table
    assert list(table["kept"]) == [True, False]
    assert "turn round" in table.loc["b", "reason"]


def test_inflation_is_that_of_regressions_on_the_others():
    rng = np.random.default_rng(1)
    rows = pd.DataFrame(rng.normal(size=(500, 3)), columns=list("abc")).assign(d=lambda t: t.a + t.b + 0.3 * t.c)
    rows["a"] += rng.normal(size=500)
    others = np.column_stack([np.ones(500), rows[["b", "c", "d"]]])
    left = rows["a"] - others @ np.linalg.lstsq(others, rows["a"], rcond=None)[0]
    assert vif(rows)["a"] == pytest.approx(rows["a"].var() / left.var())


# --- points


def test_a_scale_means_what_it_says():
    scale = Scale(600, 50, 20)
    assert scale.chance(np.array([600.0, 620.0, 580.0])) == pytest.approx([1 / 51, 1 / 101, 1 / 26])
    with pytest.raises(BankmineError, match="above 0"):
        Scale(odds=0)


def test_points_mean_calibrated_odds():
    """As many good ones to a bad one as the scale says, by the chances handed on, not by that before it."""
    sample = applicants(6000)
    split = Split(np.arange(3000), np.arange(3000, 4500), np.arange(4500, 6000), {})
    # of those calibrated by, many more go bad and the score tells less: the curve is neither level nor of slope 1
    odd = np.random.default_rng(0).random(1500) < 0.3
    target = sample.target.copy()
    target.iloc[3000:4500] = target.iloc[3000:4500].where(~odd, 1.0)
    sample = replace(sample, target=target)
    scale = Scale(500, 20, 40)
    recipe = Pipeline([("encode", FunctionTransformer()), ("model", ScorecardModel(scale))])
    found = apply_models({"scorecard": recipe}, sample, split)
    card, chance = found.fitted["scorecard"][-1].card_, found.probability["scorecard"]
    score = card.score(sample.at(split.test).predictors)
    assert ((1 - chance) / chance).to_numpy() == pytest.approx(20 * 2 ** ((score.to_numpy() - 500) / 40))
    # and it is that of the curve over the points before it, but for the rounding of points
    before = ScorecardModel(scale).fit(sample.at(split.train).predictors, sample.at(split.train).target)
    raw = [before.predict_proba(sample.at(part).predictors)[:, 1] for part in (split.tune, split.test)]
    curve = Calibrator().fit(raw[0], sample.at(split.tune).target)
    assert abs(curve.slope_ - 1) > 0.1
    away = logit(chance.to_numpy()) - logit(curve.predict(raw[1]))
    assert np.abs(away).max() <= 0.5 * len(card.bins) / scale.factor * (1 + curve.slope_)


def test_a_blank_that_applicants_leave_earns_nothing():
    rng = np.random.default_rng(1)
    months = np.where(rng.random(4000) < 0.3, np.nan, rng.integers(0, 100, 4000))
    bad = rng.random(4000) < np.where(np.isnan(months), 0.02, 0.3 - months / 500)  # who tells nothing is the safest
    rows = pd.DataFrame({"employment_months": months})
    free, held = (ScorecardModel(told=told).fit(rows, bad).card_ for told in ((), ("employment_months",)))
    blank = free.bins["employment_months"].missing
    assert free.points["employment_months"][blank] > free.points["employment_months"][:blank].max()
    points, bins = held.points["employment_months"], held.bins["employment_months"]
    assert bins.woe[blank] == 0
    assert points[blank] < points[:blank].max()


def test_points_are_the_rounded_log_odds_of_the_regression(people, model):
    rows, bad, card = people.predictors.iloc[:4000], people.target.iloc[:4000], model.card_
    woe = np.column_stack([bins.woe[bins.positions(rows[name])] for name, bins in card.bins.items()])
    exact = LogisticRegression(C=1.0).fit(woe, bad).decision_function(woe)
    told = logit(model.predict_proba(rows)[:, 1])
    half = 0.5 * len(card.bins) / card.scale.factor
    assert np.abs(told - exact).max() <= half + 1e-3
    assert card.score(rows).dtype == int
    assert card.score(rows).equals(card.points_of(rows).sum(axis=1).rename("score"))


@pytest.mark.slow
def test_another_scale_tells_the_same_chances_in_other_points(people, model):
    rows = people.predictors.iloc[:4000]
    other = ScorecardModel(Scale(0, 1, 100), trends={"use": "valley"}).fit(rows, people.target.iloc[:4000])
    score = other.card_.score(rows).to_numpy(float)
    odds = 1 / other.predict_proba(rows)[:, 1] - 1
    assert odds == pytest.approx(2 ** (score / 100))
    # points of 100 to double the odds are finer than those of 20, whose sum is off by 3 at most
    expected = 600 - 20 * np.log2(50) + score * 20 / 100
    assert np.abs(model.card_.score(rows) - expected).max() <= 0.5 * len(model.card_.bins) * 1.2 + 1e-3


def test_the_table_tells_every_bin(people, model):
    table = model.card_.table
    assert (table.groupby("characteristic")["rows"].sum() == 4000).all()
    assert (table.groupby("characteristic")["bad"].sum() == people.target.iloc[:4000].sum()).all()
    some = table[table["rows"] > 0].iloc[3]
    assert (some["bad_low"], some["bad_high"]) == pytest.approx(wilson(some["bad"], some["rows"]))
    debt = table[table["characteristic"] == "debt"].iloc[:-1]
    assert (debt["high"].iloc[:-1].to_numpy() == debt["low"].iloc[1:].to_numpy()).all()
    assert (debt["low"].iloc[0], debt["high"].iloc[-1]) == (-np.inf, np.inf)
    assert debt["points"].is_monotonic_decreasing
    homes = table.loc[table["characteristic"] == "home", "categories"].explode().dropna()
    assert set(homes) == set(HOME) - {HOME[6], HOME[7]} | ({HOME[6]} & set(homes))


def test_a_scorecard_ranks_those_it_has_not_seen(people, model):
    later, bad = people.predictors.iloc[4000:], people.target.iloc[4000:]
    chance = model.predict_proba(later)[:, 1]
    assert roc_auc_score(bad, chance) > 0.72
    assert abs(chance.mean() - bad.mean()) < 0.02
    assert (model.predict(later) == (chance > 0.5)).all()


@pytest.mark.slow
def test_nothing_is_learnt_from_rows_that_are_not_given(people, model):
    again = clone(model).fit(people.predictors.iloc[:4000], people.target.iloc[:4000])
    pd.testing.assert_frame_equal(again.card_.table, model.card_.table)
    assert again.trends == {"use": "valley"}
    changed = people.predictors.copy()
    changed.iloc[4000:, changed.columns.get_loc("debt")] = 1e12
    assert model.card_.score(changed).iloc[:4000].equals(model.card_.score(people.predictors).iloc[:4000])


@pytest.mark.slow
def test_odd_columns_do_no_harm():
    sample = sample_of(800, more=20)
    fitted = ScorecardModel().fit(sample.predictors.iloc[:400], sample.target.iloc[:400])
    later = sample.predictors.iloc[400:].copy()
    later.iloc[:50, :3] = np.nan
    later.iloc[50:90, 0] = np.inf
    later.iloc[90:99, 1] = -1e300
    chance = fitted.predict_proba(later)[:, 1]
    assert np.isfinite(chance).all()
    assert roc_auc_score(sample.target.iloc[400:], chance) > 0.65


def test_where_nothing_tells_anything_all_have_about_the_same_score():
    rng = np.random.default_rng(2)
    rows = pd.DataFrame({"a": np.ones(300), "b": np.full(300, np.nan)})
    fitted = ScorecardModel().fit(rows, rng.random(300) < 0.2)
    assert fitted.chosen_.table["kept"].sum() == 1
    assert fitted.card_.score(rows).nunique() == 1
    assert fitted.predict_proba(rows)[0, 1] == pytest.approx(0.2, abs=0.05)


def test_other_predictors_than_those_learnt_from_are_refused(people, model):
    with pytest.raises(BankmineError, match="'debt', which is not there"):
        model.predict_proba(people.predictors.drop(columns="debt"))
    with pytest.raises(BankmineError, match="'debt' as a number"):
        model.predict_proba(people.predictors.assign(debt="high"))
    with pytest.raises(BankmineError, match="'home' as words"):
        model.predict_proba(people.predictors.assign(home=1.0))
    with pytest.raises(BankmineError, match="cannot be 'up'"):
        ScorecardModel(trends={"debt": "up"}).fit(people.predictors, people.target)


# --- bands


def test_bands_add_up(people, model):
    later = people.at(np.arange(4000, 6000))
    score = model.card_.score(later.predictors)
    table = bands(score, later.target, later.entity)
    assert table["rows"].sum() == 2000
    assert table["bad"].sum() == later.target.sum()
    assert bands(score, later.target, later.entity, 6)["bad_rate"].is_monotonic_increasing
    assert (table["low"].iloc[0], table["high"].iloc[0]) > (table["low"].iloc[1], table["high"].iloc[1])
    cut = table.iloc[3]
    taken = later.target[score >= cut["low"]]
    assert cut["approved"] == pytest.approx(len(taken) / 2000)
    assert cut["bad_rate_approved"] == pytest.approx(taken.mean())
    assert cut["bad_refused"] == pytest.approx(1 - taken.sum() / later.target.sum())
    assert (table["bad_rate_low"] <= table["bad_rate"]).all()
    assert (table["bad_rate"] <= table["bad_rate_high"]).all()
    alone = bands(score, later.target, pd.Series(range(2000), later.entity.index)).iloc[0]
    assert (alone["bad_rate_low"], alone["bad_rate_high"]) == pytest.approx(
        wilson(alone["bad"], alone["rows"]), abs=0.003
    )


@pytest.mark.parametrize("target", [0.0, 1.0])
def test_bands_of_few_scores_and_of_one_outcome(target):
    score = pd.Series([500, 500, 500, 600, 600])
    table = bands(score, pd.Series([target] * 5), pd.Series(range(5)))
    assert table["rows"].tolist() == [2, 3]
    assert len(bands(score * 0, pd.Series([target] * 5), pd.Series(range(5)))) == 1
    with pytest.raises(BankmineError, match="outcome is known"):
        bands(score, pd.Series([np.nan] * 5), pd.Series(range(5)))


def test_distributions_are_of_good_and_bad_apart():
    found = distribution(pd.Series([500, 511, 549, 505]), pd.Series([0.0, 0.0, 1.0, np.nan]))
    assert found.index.tolist() == [500, 510, 520, 530, 540]
    assert found["good"].tolist() == [0.5, 0.5, 0, 0, 0]
    assert found["bad"].tolist() == [0, 0, 0, 0, 1]
    assert distribution(pd.Series([500.0]), pd.Series([0.0]))["bad"].isna().all()


# --- reasons


def reasoned(model: ScorecardModel, sample: Sample) -> PointsLost:
    return PointsLost(
        Pipeline([("model", model)]), sample, pd.Series(model.predict_proba(sample.predictors)[:, 1]), REGISTRY
    )


def test_points_lost_are_the_distance_from_the_typical_value_that_the_words_tell(people, model):
    found, factor = reasoned(model, people).pushes, model.card_.scale.factor
    lost = found.pushes * factor
    learnt = people.predictors.iloc[:4000]
    debt, bins = learnt["debt"].median(), model.card_.bins["debt"]
    same = bins.positions(people.predictors["debt"]) == bins.positions(pd.Series([debt]))[0]
    assert same.any()
    assert (lost.loc[same, "debt"] == 0).all()
    # rows scored now, whose own median is another: the words tell the one that the points are held against
    risky = people.at(np.flatnonzero(people.predictors["debt"] > people.predictors["debt"].quantile(0.8)))
    words = reasoned(model, risky).told.query("predictor == 'debt'")["words"]
    assert len(words)
    assert words.str.contains(f"typical {debt:.3g}", regex=False).all()
    short = lost.sum(axis=1) + model.card_.score(people.predictors)
    assert np.ptp(short) < 1e-9  # an applicant's losses sum up to the score's shortfall
    told = logit(model.predict_proba(people.predictors)[:, 1])
    assert (found.base + found.pushes.sum(axis=1)).to_numpy() == pytest.approx(told)


def test_reasons_name_what_costs_most_points(people, model):
    why = reasoned(model, people.at(np.arange(4000, 6000)))
    told, lost = why.told, why.pushes.pushes
    first = told[told["rank"] == 1]
    assert (first["predictor"] == lost.loc[first.index].idxmax(axis=1)).all()
    assert first["push"].to_numpy() == pytest.approx(lost.loc[first.index].max(axis=1).to_numpy())
    assert told.groupby(level=0)["push"].apply(lambda p: p.is_monotonic_decreasing).all()
    assert told["words"].str.contains("debt").any()
    assert told["rank"].max() == 4  # as many as the official interpretation of Regulation B takes for useful


def test_the_applicants_words_are_those_of_the_dictionary():
    rng = np.random.default_rng(0)
    debts, lines = rng.choice([0.1, 0.2, 0.3, 0.9], 2000), rng.choice([np.nan, 0.2, 0.9], 2000)
    debts[:3], lines[:3] = [0.9, 0.1, 0.1], [0.2, np.nan, 0.2]
    bad = rng.random(2000) < 0.1 + 0.4 * (debts > 0.5) + 0.3 * np.isnan(lines)
    rows = pd.DataFrame({"debt_to_income": debts, "bureau_utilisation": lines})
    sample = Sample(rows, pd.Series(bad.astype(float)), pd.Series(range(2000)))
    told = reasoned(ScorecardModel().fit(rows, bad), sample).told["words"]
    assert told.loc[[0]].tolist() == ["debts are 0.90 of the income (typical 0.30)"]
    assert told.loc[[1]].tolist() == ["no credit lines on record"]
    assert 2 not in told.index  # what costs this one nothing is no reason


def test_hostile_names_are_characteristics_like_others(people):
    bad = people.predictors[HOSTILE_NAME] > 0.5
    fitted = ScorecardModel().fit(people.predictors.assign(**{HOSTILE_NAME: bad + np.arange(6000) % 3}), bad)
    assert next(iter(fitted.card_.bins)) == HOSTILE_NAME
