"""Attributes of people are found by the words of a name, however it is written."""

from __future__ import annotations

import pytest

from bankmine.learning.personal import personal_attributes


@pytest.mark.parametrize(
    "name",
    ["gender", "Customer_Age", "customerAge", "days_since_dob", "zip", "ZIP", "city_pop", "annual_income", "lat",
     "性别", "客户年龄", "Marital_Status"],
)  # fmt: skip
def test_attributes_of_people_are_found(name):
    assert personal_attributes(["amount", name]) == [name]


@pytest.mark.parametrize("name", ["average", "usage_30d", "percentage", "amount", "package", "V1", "merchant", "金额"])
def test_what_only_sounds_like_one_is_none(name):
    assert personal_attributes([name]) == []
