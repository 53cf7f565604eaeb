"""Profit: signs and units on cases worked by hand, capacity, and the order of policies."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from empulse.datasets import load_churn_tv_subscriptions
from empulse.metrics import AUEPC, CostMatrix, EmpiricalMaxProfit, Metric, empc_score, empcs_score, savings_score
from hypothesis import given, settings
from hypothesis import strategies as st

from bankmine.deciding import costs as profit
from bankmine.deciding import policies as profit_curves

ROWS = pd.Index(list("abcd"), name="row")
COSTS = profit.Costs(
    tp=pd.Series([20.0, 20, 20, 20], ROWS),
    fp=pd.Series([20.0, 20, 20, 20], ROWS),
    fn=pd.Series([100.0, 400, 10, 100], ROWS),
    tn=pd.Series(0.0, ROWS),
)


def sample(seed: int, rows: int = 60) -> tuple[pd.Series, pd.Series, pd.DataFrame]:
    """Gains, whose they are, and two scores of some rows; customers have several rows, and scores have ties."""
    rng = np.random.default_rng(seed)
    gain = pd.Series(np.where(rng.random(rows) < 0.2, 50.0, -5.0) * rng.random(rows))
    scores = pd.DataFrame({"good": gain + rng.normal(0, 5, rows), "tied": rng.integers(0, 3, rows)})
    return gain, pd.Series(rng.integers(0, rows // 3, rows)), scores


def test_acting_earns_what_leaving_costs_less_what_acting_costs():
    assert COSTS.if_event.tolist() == [80, 380, -10, 80]
    assert COSTS.if_none.tolist() == [-20] * 4
    assert profit.expected(pd.Series([0.5, 0.0, 1.0, 0.2], ROWS), COSTS).tolist() == [30, -20, -10, 0]
    earned = profit.realised(pd.Series([1.0, 0.0, np.nan, 1.0], ROWS), COSTS)
    assert earned.tolist()[:2] == [80, -20]
    assert earned.isna().tolist() == [False, False, True, False]


def test_the_bootstrap_leaves_the_sum_as_it_is_and_averages_rounds():
    acted = pd.DataFrame({"all": True, "none": False, "half": 0.5}, index=ROWS)
    gain = pd.Series([80.0, -20, np.nan, 40], ROWS)
    once = profit_curves.profit_of(acted, gain, pd.Series(list("xxyz"), ROWS))
    assert once["profit"].tolist() == [100, 0, 50]
    assert once["actions"].tolist() == [3, 0, 1.5]
    assert once["behind"].tolist() == [0, 100, 50]
    assert (once["low"] <= once["profit"]).all()
    assert (once["high"] >= once["profit"]).all()
    twice = profit_curves.profit_of(acted, gain, pd.Series(list("xxyz"), ROWS), pd.Series([1, 1, 2, 2], ROWS))
    assert twice["profit"].tolist() == [50, 0, 25]


def test_a_customer_with_many_rows_makes_the_interval_wider():
    gain = pd.Series(np.tile([10.0, -2.0], 200))
    acted = pd.DataFrame({"all": np.ones(400)})
    widths = [
        profit_curves.profit_of(acted, gain, pd.Series(whose)).pipe(lambda t: t["high"] - t["low"]).iloc[0]
        for whose in (np.arange(400), np.arange(400) % 20)
    ]
    assert widths[1] > 2 * widths[0]


@pytest.mark.slow
@settings(max_examples=20)
@given(st.integers(0, 10_000), st.lists(st.floats(0, 1), min_size=3, max_size=3))
def test_capacity_is_never_exceeded_and_nothing_is_done_at_a_loss(seed, shares):
    rng = np.random.default_rng(seed)
    score = pd.Series(rng.choice([np.nan, -1, 0, 1, 2, 3], 50), rng.permutation(50))
    tier, month = (pd.Series(rng.integers(0, 3, 50), score.index) for _ in range(2))
    share = tier.map(dict(enumerate(shares)))
    chosen = profit.choose(score, [tier, month], share, above=0)
    for group, rows in score.groupby([tier, month]):
        room = int(np.floor(shares[group[0]] * len(rows) + 1e-9))
        taken = rows[chosen[rows.index]]
        assert sorted(taken) == sorted(rows[rows > 0].nlargest(room))


def test_the_highest_are_chosen_and_of_equal_ones_the_smaller_index():
    score = pd.Series([1.0, 3, 2, 2, np.nan], list("eadcb"))
    chosen = profit.choose(score, [pd.Series(0, score.index)], pd.Series(0.4, score.index))
    assert chosen[chosen].index.tolist() == ["a", "c"]


@pytest.mark.slow
@settings(max_examples=20)
@given(st.integers(0, 10_000))
def test_full_knowledge_is_never_beaten_and_chance_is_a_straight_line(seed):
    gain, whose, scores = sample(seed)
    curve = profit_curves.profit_curve(scores, gain, whose, points=9).pivot_table(
        index="share", columns="policy", values="profit"
    )
    best = curve[profit_curves.KNOWN]
    assert (curve.le(best + 1e-9, axis=0)).all().all()
    assert np.allclose(curve[profit_curves.RANDOM], curve.index * gain.sum())
    assert np.allclose(curve.loc[1.0], gain.sum())
    assert np.allclose(curve.loc[0.0], 0)


def test_a_curve_is_the_sum_of_the_first_rows_of_each_round():
    gain = pd.Series([5.0, -1, 3, -2, 7, np.nan])
    month = pd.Series([1, 1, 2, 2, 2, 2])
    score = pd.DataFrame({"s": [2.0, 1, 5, 4, 4, 9]})
    curve = profit_curves.profit_curve(score, gain, pd.Series(range(6)), month, points=11).query("policy == 's'")
    whole, half = curve.set_index("share")["profit"].loc[[1.0, 0.2]]
    assert whole == pytest.approx((4 + 8) / 2)
    # a fifth of two rows is 0.4 rows of the first one; of three rows it is 0.6
    assert half == pytest.approx((0.4 * 5 + 0.6 * 3) / 2)


def test_metrics_agree_with_a_sum_by_hand_and_know_no_threshold_where_nothing_pays():
    target = pd.Series([1.0, 1, 1, 0], ROWS)
    probabilities = pd.DataFrame({"right": [0.8, 0.9, 0.7, 0.1], "wrong": [0.1, 0.2, 0.3, 0.9]}, index=ROWS)
    table = profit.profit_metrics(target, probabilities, COSTS)
    # acting on b, then a: 380 + 80 over four rows; c costs more than it earns
    assert table.loc["right", "max_profit"] == pytest.approx(460 / 4)
    assert table.loc["right", "best_share"] == pytest.approx(0.5)
    assert table.loc["right", "auepc"] > table.loc["wrong", "auepc"]
    acts = np.array([1, 1, 0, 0])
    cost = {f"{n}_cost": getattr(COSTS, n).to_numpy() for n in ("tp", "fp", "fn", "tn")}
    assert table.loc["right", "savings"] == pytest.approx(savings_score(target.to_numpy(int), acts, **cost))
    # 20 + 20 + 10 against 80, which acting on all four costs
    assert table.loc["right", "savings"] == pytest.approx(1 - 50 / 80)


@pytest.mark.parametrize("target", [[1.0] * 4, [0.0] * 4, [np.nan] * 4])
def test_one_outcome_or_none_gives_no_metrics_but_profits(target):
    target = pd.Series(target, ROWS)
    table = profit.profit_metrics(target, pd.DataFrame({"m": 0.5}, index=ROWS), COSTS)
    assert table.isna().all().all()
    gain = profit.realised(target, COSTS)
    whose = pd.Series(list("abcd"), ROWS)
    assert profit_curves.profit_of(pd.DataFrame({"m": True}, index=ROWS), gain, whose)["profit"].notna().all()
    assert profit_curves.profit_curve(pd.DataFrame({"m": 0.5}, index=ROWS), gain, whose)["profit"].notna().all()


@pytest.mark.slow
def test_a_flat_table_with_costs_of_its_own_reports_profit_by_them():
    told = load_churn_tv_subscriptions(backend=pd)
    costs = profit.told_costs(pd.DataFrame(told.instance_costs))
    gain = profit.realised(told.target, costs)
    everybody = profit_curves.profit_of(pd.DataFrame({"all": True}, index=gain.index), gain, pd.Series(gain.index))
    event = told.target == 1
    assert everybody.loc["all", "profit"] == pytest.approx(
        (costs.fn - costs.tp)[event].sum() - costs.fp[~event].sum(), rel=1e-9
    )
    chosen = profit.expected(told.target * 0.9 + 0.01, costs) > 0
    assert gain[chosen].sum() > max(gain.sum(), 0)


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([1, 6]))
def test_profit_metrics_are_those_of_the_literature_s_package(seed, digits):
    rng, rows = np.random.default_rng(seed), 300
    target = pd.Series((rng.random(rows) < 0.2).astype(float))
    score = pd.Series(np.round(0.3 * target + 0.7 * rng.random(rows), digits))
    costs = profit.Costs(*(pd.Series(rng.random(rows) * most) for most in (5, 8, 60, 1)))
    truth, given = target.to_numpy(int), score.to_numpy()
    assert profit.empc(target, score) == pytest.approx(empc_score(truth, given), abs=1e-9)
    assert profit.empcs(target, score) == pytest.approx(empcs_score(truth, given), abs=1e-9)
    each = {name: getattr(costs, name).to_numpy() for name in ("tp", "fp", "fn", "tn")}
    matrix = CostMatrix().add_tp_cost("tp").add_fp_cost("fp").add_fn_cost("fn").add_tn_cost("tn")
    best, area = Metric(matrix, EmpiricalMaxProfit()), Metric(matrix, AUEPC(normalize=True))
    acts = (profit.expected(score, costs) > 0).to_numpy(int)
    saved = savings_score(truth, acts, **{f"{name}_cost": cost for name, cost in each.items()})
    theirs = [best(truth, given, **each), best.optimal_rate(truth, given, **each), area(truth, given, **each), saved]
    assert profit.profit_metrics(target, score.to_frame("m"), costs).loc["m"].tolist() == pytest.approx(
        theirs, abs=1e-9
    )


def test_one_interval_is_of_the_customers_and_of_what_is_believed():
    """One profit had two intervals, of each alone: the variances of both add up."""
    rng = np.random.default_rng(0)
    event = pd.Series(rng.random(4000) < 0.1)
    acted, more = pd.DataFrame({"all": np.ones(4000)}), pd.Series(np.where(event, 100.0, 0.0))
    never, whose = pd.Series(-2.0, event.index), event.index.to_series()
    believed = np.append(0.3, rng.beta(60, 140, profit_curves.DRAWS))

    def width(gain: pd.Series, **unsure: np.ndarray) -> float:
        given = {name: profit_curves.Unsure(more, drawn) for name, drawn in unsure.items()}
        table = profit_curves.profit_of(acted, gain, whose, unsure=given)
        assert table.loc["all", "profit"] == pytest.approx((never + 0.3 * more).sum())
        return table.loc["all", "high"] - table.loc["all", "low"]

    of_customers = width(never + 0.3 * more)
    of_belief = 2 * 1.96 * believed[1:].std() * more.sum()
    assert width(never, success=believed) == pytest.approx(np.hypot(of_customers, of_belief), rel=0.2)
    assert of_belief > of_customers
