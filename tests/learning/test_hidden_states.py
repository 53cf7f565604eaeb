"""Hidden states: planted ones are found and numbered by BIC, memory is worth what it is, names tell states apart."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from bankmine.features.sessions import purpose_of
from bankmine.learning import hidden_states
from bankmine.learning.hidden_states import Sequences

RATES = np.array([[4.0, 0.2, 0.5], [0.2, 3.0, 0.5]])


def drawn(stay: float, sequences: int = 60, seed: int = 0) -> tuple[Sequences, np.ndarray]:
    """Draw sequences of thirty rows of two states, and the states."""
    rng = np.random.default_rng(seed)
    state = (rng.integers(2, size=(sequences, 1)) + (rng.random((sequences, 30)) > stay).cumsum(axis=1)).ravel() % 2
    return Sequences(rng.poisson(RATES[state]), np.full(sequences, 30)), state


@pytest.fixture(scope="module")
def chain() -> hidden_states.Chain:
    return hidden_states.best(hidden_states.tried(drawn(0.9)[0]))


def test_planted_states_are_found_on_other_sequences_with_their_rates_and_moves(chain):
    rows, true = drawn(0.9, seed=1)
    order = np.argsort(-chain.lambdas_[:, 0])
    assert chain.lambdas_[order] == pytest.approx(RATES, rel=0.3)
    assert (np.argsort(order)[chain.likeliest(rows)] == true).mean() > 0.95
    moves = chain.by_sequence(rows)[1].sum(axis=0)
    assert np.diag(moves) / moves.sum(axis=1) == pytest.approx(0.9, abs=0.05)
    assert moves.sum() == pytest.approx(60 * 29)


@pytest.mark.parametrize(("stay", "better"), [(0.9, True), (0.5, False)])
def test_memory_is_worth_something_only_where_states_have_one(stay, better):
    (train, true), (test, later) = drawn(stay), drawn(stay, seed=1)
    chain = hidden_states.polished(hidden_states.fit(train, 2, 0), train)
    before = np.roll(true, 1), np.roll(later, 1)
    found = hidden_states.held_out(chain, train, test, before).sum()
    assert (found["hidden Markov chain"] - found["mixture without memory"] > 20) == better
    assert found["one state"] == found.min()
    assert (found["observed chain"] - found["mixture without memory"] > 20) == better


def test_other_fits_agree_whatever_number_they_give_a_state(chain):
    rows = [drawn(0.9, seed=seed)[0] for seed in range(3)]
    found = hidden_states.stability(chain, *rows).set_index("fit")
    assert found["same_state"].min() > 0.95
    assert found["adjusted_rand"].min() > 0.85


def test_names_are_told_apart_where_states_are_for_the_same():
    rates = pd.DataFrame({"product_fund": [5.0, 0.1, 0.1], "product_card": [0.1, 5.0, 0.1], "balance": [0.1, 0.1, 5.0]})
    told = hidden_states.named(rates, np.full(3, 1 / 3), purpose_of)["name"]
    assert told.tolist() == [
        "comparing products, most product_fund", "comparing products, most product_card", "everyday banking"
    ]  # fmt: skip
