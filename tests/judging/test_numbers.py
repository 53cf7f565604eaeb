"""Numbers without a format of their own: short, without exponent, and never rounded onto a limit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bankmine.judging.numbers import formatted, with_bounds, written


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


@pytest.mark.parametrize(
    ("value", "spec", "text"),
    [
        (0.0004, ".1%", "<0.1%"),
        (-0.0004, ".1%", ">-0.1%"),
        (0.996, ".0%", ">99%"),
        (0.9996, ".1%", ">99.9%"),
        (1.0, ".0%", "100%"),
        (0.0, ".1%", "0.0%"),
        (0.3, ",.0f", "<1"),
        (0.00004, "+.3f", "<0.001"),
        (1_234.5, ",.1f", "1,234.5"),
        (3, ",", "3"),
        (0.0123, "+.1pp", "+1.2 pp"),  # a difference of shares is in points, not in percent
        (-0.5, "+.0pp", "-50 pp"),
        (0.0002, "+.1pp", "<0.1 pp"),
    ],
)
def test_what_is_nearly_none_or_all_is_not_written_as_that(value, spec, text):
    assert formatted(value, spec) == text


@pytest.mark.parametrize(
    ("row", "spec", "text"),
    [
        ((0.71, 0.66, 0.75), ".2f", "0.71 (0.66–0.75)"),
        ((0.0100, 0.0098, 0.0103), ".0%", "1.00% (0.98%–1.03%)"),
        ((1.0, 0.916, 1.0), ".0%", "100% (92%–100%)"),
        ((0.998, 0.992, 0.9997), ".0%", "99.80% (99.20%–99.97%)"),
        ((1.0, 1.0, 1.0), ".2f", "1.00"),  # a group against itself
        ((5.0, float("nan"), float("nan")), ",.0f", "5"),
        ((float("nan"), 1.0, 2.0), ".1f", "n/a"),
    ],
)
def test_an_interval_is_written_so_that_its_ends_differ(row, spec, text):
    assert with_bounds(*row, spec, "–") == text
