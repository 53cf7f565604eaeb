"""Numbers without a format of their own: short, without exponent, and never rounded onto a limit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bankmine.judging.numbers import written


@pytest.mark.parametrize(
    ("value", "others", "text"),
    [
        (1_314_055.8, (), "1,314,056"),
        (375.728, (), "376"),
        (4.5e-05, (), "<0.0001"),
        (-4.5e-05, (), ">-0.0001"),
        (2.0, (), "2"),
        (0.5, (), "0.5"),
        (0.0, (), "0"),
        (0.9996, (), "0.9996"),  # near 1 and not 1
        (0.961, (0.9996,), "0.961"),
        (0.1996, (0.2,), "0.1996"),  # below its limit
        (0.1996, (), "0.200"),
        (91.7, (88.0,), "91.7"),
        (1e-05, (2e-05,), "0.00001"),
        (float("nan"), (), "n/a"),
        (float("inf"), (), "+∞"),
    ],
)
def test_numbers_are_short_and_told_apart(value, others, text):
    assert written(value, *others) == text


@pytest.mark.property
@given(value=st.floats(-1e9, 1e9), limit=st.floats(-1e9, 1e9))
def test_a_value_is_within_its_digits_and_has_no_exponent(value, limit):
    text = written(value, limit)
    assert "e" not in text
    if "<" not in text and ">" not in text:
        assert float(text.replace(",", "")) == pytest.approx(value, rel=0.006, abs=1e-9)
