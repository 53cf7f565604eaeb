"""Lacking: parts are made once; one that cannot be says why, and so does all that would have been made from it."""

from __future__ import annotations

import pytest

from bankmine.errors import BankmineError
from bankmine.lacking import Lacking, optional, part


class Bread:
    """Two parts of which the second needs the first, and one that does without it."""

    def __init__(self, flour: int) -> None:
        self.flour, self.made = flour, []

    @part
    def dough(self) -> int:
        self.made.append("dough")
        if not self.flour:
            raise BankmineError("there is no flour: buy some")
        return self.flour * 2

    @part
    def loaf(self) -> int:
        self.made.append("loaf")
        return self.dough + 1

    @part
    def meal(self) -> str:
        return f"soup and {optional(self, 'loaf')}"


def test_a_part_is_made_when_it_is_asked_for_and_once():
    bread = Bread(2)
    assert bread.made == []
    assert (bread.loaf, bread.loaf, bread.dough) == (5, 5, 4)
    assert bread.made == ["loaf", "dough"]


def test_what_cannot_be_made_says_why_and_so_does_what_needs_it():
    bread = Bread(0)
    assert bread.loaf == bread.dough == Lacking("there is no flour: buy some")
    assert bread.made == ["loaf", "dough"]
    assert bread.meal == "soup and not there: there is no flour: buy some"


def test_a_fault_of_the_code_is_no_lack():
    bread = Bread("flour")
    with pytest.raises(TypeError):
        _ = bread.loaf
    assert not isinstance(Bread(1).loaf, Lacking)  # and parts made after it are as before


def test_whatever_is_asked_of_what_is_lacking_is_lacking_too():
    lacking = Lacking("no costs are told")
    assert lacking.table.head(3)["profit"].iloc[0] is lacking
    assert not lacking
    assert list(lacking) == []
    assert all(found is lacking for found in (lacking < 1, lacking <= 1, lacking > 1, lacking >= 1))
    assert lacking.why in repr(lacking)
    with pytest.raises(AttributeError):
        _ = lacking._repr_html_  # Jupyter asks whether there is such a method, and is told no
    assert str(lacking) == "not there: no costs are told"
