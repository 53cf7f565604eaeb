"""Repeat buying: drawn customers give their parameters back, and what is foretold is what the closed forms say."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import ibis
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import check_grad
from scipy.special import hyp2f1
from scipy.stats import norm

from bankmine.errors import BankmineError
from bankmine.features.purchases import seen
from bankmine.learning import repeat_buying
from bankmine.learning.repeat_buying import Buying, dependence, fit_buying, fit_spending, recalibrated

TRUTH = {"r": 0.9, "alpha": 20.0, "a": 0.8, "b": 2.5}
SPENT = {"p": 6.0, "q": 4.0, "v": 15.0}
MODEL = Buying(0.0, np.eye(4), **TRUTH)
WATCHED = 365


def drawn(customers: int = 4000, seed: int = 3) -> pd.DataFrame:
    """Draw customers as the models have it: each has a rate, a chance to stop and a mean."""
    rng = np.random.default_rng(seed)
    rate = rng.gamma(TRUTH["r"], 1 / TRUTH["alpha"], customers)
    stops = rng.beta(TRUTH["a"], TRUTH["b"], customers)
    last = rng.geometric(stops.clip(1e-6)) - 1  # purchases after the first, until one is the last
    watched = rng.uniform(100, WATCHED, customers)
    gaps = rng.exponential(1 / rate, (600, customers))
    at = gaps.cumsum(axis=0)
    # a customer may stop after a purchase that is not the first one
    made = (at <= watched) & (np.arange(600)[:, None] <= last)
    x = made.sum(axis=0)
    t_x = np.where(x > 0, np.take_along_axis(at, np.maximum(x - 1, 0)[None], axis=0)[0], 0.0)
    scale = rng.gamma(SPENT["q"], 1 / SPENT["v"], customers)
    spend = rng.gamma(SPENT["p"] * np.maximum(x, 1), 1 / scale) / np.maximum(x, 1)
    return pd.DataFrame({"x": x.astype(float), "t_x": t_x, "T": watched, "spend": np.where(x > 0, spend, np.nan)})


@pytest.fixture(scope="module")
def customers() -> pd.DataFrame:
    return drawn()


def holds(found: pd.DataFrame, truth: dict[str, float]) -> None:
    """Hold intervals, of 99.9 % instead of 95 %, against the truth: nine of them must hold at once, on any seed."""
    half = np.log(found["high"] / found["low"]) / 2 * norm.ppf(0.9995) / norm.ppf(0.975)
    assert (np.log(found["value"] / pd.Series(truth)).abs() < half).all(), found
    assert (found["high"] < 3 * found["low"]).all()  # an interval that tells something


def test_drawn_buyers_give_their_parameters_back(customers):
    found = fit_buying(customers)
    holds(found.parameters, TRUTH)
    holds(found.means, {"rate": TRUTH["r"] / TRUTH["alpha"], "last": TRUTH["a"] / (TRUTH["a"] + TRUTH["b"])})


def test_drawn_spending_gives_its_parameters_back(customers):
    holds(fit_spending(customers).parameters, SPENT)
    found = dependence(customers)
    assert found["low"] < 0 < found["high"]  # drawn to be independent


def test_what_a_customer_spends_lies_between_own_mean_and_that_of_all(customers):
    model = fit_spending(customers)
    often = pd.DataFrame({"x": [0.0, 1.0, 1e7], "spend": [np.nan, 50.0, 50.0]})
    of_all = model.p * model.v / (model.q - 1)
    assert model.expected(often) == pytest.approx([of_all, model.expected(often)[1], 50.0], rel=1e-4)
    assert of_all < model.expected(often)[1] < 50 or 50 < model.expected(often)[1] < of_all


@pytest.mark.parametrize("fit", [fit_buying, fit_spending])
def test_slopes_are_those_of_the_likelihood(customers, monkeypatch, fit):
    losses = []
    maximised = repeat_buying._maximised
    monkeypatch.setattr(repeat_buying, "_maximised", lambda loss, at: losses.append((loss, at)) or maximised(loss, at))
    fit(customers.head(400))
    loss, at = losses[0]
    for point in (at, at + 0.7):
        size = np.abs(loss(point)[1]).max()
        assert check_grad(lambda p: loss(p)[0], lambda p: loss(p)[1], point, epsilon=1e-6) < 1e-4 * size


def closed_form(x: float, t_x: float, watched: float, time: float) -> float:
    """Equation 10 of Fader, Hardie and Lee (2005)."""
    r, alpha, a, b = TRUTH.values()
    shrunk = ((alpha + watched) / (alpha + watched + time)) ** (r + x)
    curved = hyp2f1(r + x, b + x, a + b + x - 1, time / (alpha + watched + time))
    alive = 1 + (x > 0) * a / (b + x - 1) * ((alpha + watched) / (alpha + t_x)) ** (r + x)
    return (a + b + x - 1) / (a - 1) * (1 - shrunk * curved) / alive


CUSTOMERS = st.tuples(st.integers(0, 120), st.floats(0, 1), st.floats(1, 700), st.floats(0.1, 1100))


@settings(max_examples=60)
@given(CUSTOMERS)
def test_what_is_expected_is_the_closed_form_starts_at_nothing_and_rises(customer):
    x, part, watched, time = customer
    one = pd.DataFrame({"x": [float(x)], "t_x": [watched * part * (x > 0)], "T": [watched]})
    found = [MODEL.expected(one, t)[0] for t in (0.0, time / 2, time)]
    assert found[0] == 0
    assert 0 < found[1] < found[2] <= MODEL.rate(one)[0] * time * (1 + 1e-9)
    if np.isfinite(wanted := closed_form(x, one["t_x"][0], watched, time)):
        assert found[2] == pytest.approx(wanted, rel=2e-3)
    assert 0 <= MODEL.again(one, time)[0] <= min(MODEL.alive(one)[0], found[2] + 1e-9)


def test_customers_who_never_stop_are_expected_to_go_on():
    """Chances to stop so small that 1 − p is 1 for the machine must not make purchases vanish."""
    never = replace(MODEL, r=1e5, alpha=1e7, a=np.exp(-12.0), b=np.exp(12.0))  # who all buy at one rate, too
    one = pd.DataFrame({"x": [4.0], "t_x": [300.0], "T": [360.0]})
    assert never.expected(one, 365.0) == pytest.approx(never.rate(one) * 365, rel=1e-3)


def test_a_flat_likelihood_has_no_interval(recwarn):
    rng = np.random.default_rng(0)
    same = pd.DataFrame({"x": rng.poisson(8, 300).astype(float), "T": 400.0}).assign(t_x=lambda t: 390.0 * (t["x"] > 0))
    found = fit_buying(same)
    assert found.parameters[["low", "high"]].isna().any(axis=None)
    assert np.isfinite(found.parameters["value"]).all()
    assert np.isfinite(found.expected(same, 365.0)).all()
    assert not recwarn


def test_too_few_who_came_back_are_told(customers):
    with pytest.raises(BankmineError, match=r"^0 customers bought again: at least 30"):
        fit_buying(customers.assign(x=0.0))
    with pytest.raises(BankmineError, match=r"^0 customers spent something"):
        fit_spending(customers.assign(spend=0.0))


def test_chances_are_set_to_the_level_of_what_happened():
    chance = np.linspace(0.05, 0.95, 2000)
    happened = np.random.default_rng(0).random(2000) < chance / 2
    told = recalibrated(chance, happened, chance)
    assert told.mean() == pytest.approx(happened.mean(), abs=1e-3)
    assert (np.diff(told) > 0).all()
    assert recalibrated(chance, np.ones(2000, bool), chance) is chance


def test_purchases_of_a_tiny_table_are_summed_up_by_hand():
    rows = [("a", "2025-01-01", 10.0), ("a", "2025-01-01", 5.0), ("a", "2025-01-11", 20.0), ("a", "2025-01-21", 40.0),
            ("a", "2025-02-10", 7.0), ("b", "2025-01-30", 3.0), ("c", "2025-02-01", 9.0), ("d", "2024-12-31", 1.0),
            ("a", "2025-03-01", 99.0)]  # fmt: skip
    table = pd.DataFrame(rows, columns=["customer_id", "date", "amount"])
    table = table.assign(date=pd.to_datetime(table["date"]).dt.date, margin=table["amount"] / 10)
    days = pd.to_datetime(["2025-01-01", "2025-01-31", "2025-02-28"]).date
    found = seen(ibis.memtable(table), *days)
    columns = ["x", "t_x", "T", "spend", "spent", "earned", "later", "later_spent", "later_earned"]
    wanted = pd.DataFrame(
        [[2, 20, 30, 30, 75, 7.5, 1, 7, 0.7], [0, 0, 1, np.nan, 3, 0.3, 0, 0, 0]], ["a", "b"], columns, float
    )
    pd.testing.assert_frame_equal(found[columns], wanted, check_names=False)


def test_published_figures_of_cdnow(datasets: Path):
    """Fader, Hardie and Lee (2005, table 2): 2,357 customers, weeks."""
    file = datasets / "cdnow" / "CDNOW_sample.txt"
    if not file.exists():
        pytest.skip("CDNOW_sample.txt, the tenth of customers that figures were published of, is not here")
    rows = pd.read_csv(io.StringIO(file.read_text()), sep=r"\s+", header=None)
    table = pd.DataFrame({"customer_id": rows[1].astype(str), "date": pd.to_datetime(rows[2].astype(str)).dt.date,
                          "amount": rows[4], "margin": rows[4]})  # fmt: skip
    first, last, until = pd.to_datetime(["1997-01-01", "1997-09-30", "1998-06-30"]).date
    weeks = seen(ibis.memtable(table), first, last, until)
    weeks[["t_x", "T"]] /= 7
    found = fit_buying(weeks)
    assert [found.r, found.alpha, found.a, found.b] == pytest.approx([0.243, 4.414, 0.793, 2.426], abs=2e-3)
    assert found.loglik == pytest.approx(-9582.4, abs=0.2)
