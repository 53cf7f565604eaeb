"""Panels of large banks: about as many customers as asked for, the same ones each month, and all of a smaller one."""

from __future__ import annotations

import ibis
import pytest

from bankmine.features.spine import drawn


@pytest.fixture(scope="module")
def customers() -> ibis.Table:
    return ibis.duckdb.connect().create_table("customers", {"id": [f"C{i:08}" for i in range(20_000)]})


def panel(customers: ibis.Table, share: float) -> set[str]:
    return set(customers.filter(drawn(customers.id, share)).to_pandas()["id"])


@pytest.mark.parametrize("share", [0.01, 0.3, 0.9])
def test_a_panel_holds_about_its_share(customers, share):
    assert len(panel(customers, share)) == pytest.approx(20_000 * share, rel=0.15)


def test_a_smaller_panel_is_part_of_a_larger_one_and_does_not_hang_on_who_else_is_there(customers):
    small, large = panel(customers, 0.1), panel(customers, 0.3)
    assert small < large
    half = customers.filter(customers.id < "C00010000")
    assert panel(half, 0.3) == {one for one in large if one < "C00010000"}
