"""The catalogue: values of parameters take the type of the notebook's default."""

from __future__ import annotations

import pytest

from bankmine.errors import BankmineError
from bankmine.report.catalogue import Parameter, choose, load_catalogue, typed_value


@pytest.mark.parametrize(
    ("default", "given", "value"),
    [
        (3, "4", 4),
        (3, "-1_000", -1000),
        (0.5, "1", 1.0),
        (0.5, "1e-3", 0.001),
        (True, "FALSE", False),
        (True, False, False),
        ("2025-01-31", "2024-02-29", "2024-02-29"),
        ("", "2025-02-30", "2025-02-30"),
        ("", "0007", "0007"),
        ("", 7, "7"),
        ([1], "[2, 3]", [2, 3]),
        (["a"], ["b"], ["b"]),
        ({}, "{'a': 1}", {"a": 1}),
    ],
)
def test_a_value_takes_the_type_of_the_default(default, given, value):
    found = typed_value(Parameter("p", default, ""), given)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("default", "given", "kind"),
    [
        (3, "4.0", "a whole number"),
        (3, "True", "a whole number"),
        (3, "", "a whole number"),
        (0.5, "many", "a number"),
        (0.5, "True", "a number"),
        (True, "yes", "true or false"),
        (True, "1", "true or false"),
        ("2025-01-31", "2025-02-30", "a date"),
        ("2025-01-31", "", "a date"),
        ([1], "2", "a list"),
        ([1], "__import__('os').getcwd()", "a list"),
        ({}, "[]", "a mapping"),
    ],
)
def test_a_value_of_another_type_is_refused(default, given, kind):
    with pytest.raises(BankmineError, match=f"^Parameter p: .* is not {kind}"):
        typed_value(Parameter("p", default, ""), given)


def test_the_workspace_declares_notebooks_that_take_source_and_day():
    for report in load_catalogue().values():
        assert {"source", "as_of"} <= set(report.parameters)
        assert all(p.help for p in report.parameters.values())


def test_reports_are_chosen_by_name_number_or_topic_and_once():
    assert [r.name for r in choose(["2", "01", "profiling", "01_data_quality"])] == ["02_profiling", "01_data_quality"]
