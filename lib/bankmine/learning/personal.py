"""Personal: which columns tell what a person is, as gender, age and home do, by their names."""

from __future__ import annotations

import re
from collections.abc import Iterable

_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
"""Words of a name, however they are joined: Customer_Age, customerAge, days_since_dob."""
_OF_PEOPLE = re.compile(
    "age|born|birth|birthday|birthdate|dob|gender|sex|marital|married|children|dependents|nationality|citizenship|race|"
    "ethnicity|ethnic|religion|disability|education|degree|occupation|profession|job|employment|income|salary|region|"
    "city|county|province|zip|zipcode|postcode|postal|lat|latitude|long|lon|lng|longitude"
)
_IN_CHINESE = re.compile(
    "性别|年龄|出生|生日|婚姻|子女|国籍|民族|宗教|学历|教育|职业|职位|收入|工资|省份|城市|地区|邮编"
)


def personal_attributes(names: Iterable[str]) -> list[str]:
    """Return those of some columns that are attributes of people, in their order."""
    return [name for name in names if _IN_CHINESE.search(name) or any(map(_of_people, _WORDS.findall(name)))]


def _of_people(word: str) -> bool:
    return _OF_PEOPLE.fullmatch(word.lower()) is not None
