"""The register of what channels cost: read as written, and refused where it makes no sense."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from bankmine.errors import BankmineError
from bankmine.features.value import load_rules
from bankmine.topics.channels.costs import BELIEVED, HIGH, LOW, REGISTRY, load_costs


@pytest.mark.parametrize("currency", ["CNY", "CZK"])
def test_what_is_believed_of_an_errand_is_the_cost_of_a_booking(currency: str):
    costs, bookings = load_costs(currency), load_rules(currency).costs
    assert costs.errand[BELIEVED].to_dict() == {c: bookings[c] for c in costs.errand.index}
    assert costs.contact.columns.tolist() == [LOW, BELIEVED, HIGH]


@pytest.mark.parametrize("currency", ["EUR", ""])
def test_a_currency_without_a_section_is_told_that_nothing_is_assumed(currency: str):
    with pytest.raises(BankmineError, match="assumed nowhere"):
        load_costs(currency)


def changed(**change: object) -> dict[str, object]:
    return yaml.safe_load(REGISTRY.read_text("utf-8"))["CNY"] | change


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"errand": {"branch": {"low": 3, "believed": 2, "high": 4}}}, "must rise"),
        ({"errand": {"branch": {"low": -1, "believed": 2, "high": 4}}}, "must rise"),
        ({"errand": {"branch": {"low": 1, "believed": 2}}}, "not a register"),
        ({"errand": {"branch": {"low": True, "believed": 2, "high": 4}}}, "no amount"),
        ({"errand": {"branch": {"low": "1", "believed": 2, "high": 4}}}, "no amount"),
        ({"contact": 3}, "not a register"),
        ({"contact": None}, "not a register"),
        ({"status": "fact"}, "assumption or measured"),
        ({"version": "new"}, "must be a day"),
        ({"more": 1}, "not a register"),
    ],
)
def test_a_register_that_makes_no_sense_is_refused(tmp_path: Path, change: dict[str, object], why: str):
    file = tmp_path / "channels.yml"
    file.write_text(yaml.safe_dump({"CNY": changed(**change)}), "utf-8")
    with pytest.raises(BankmineError, match=why):
        load_costs("CNY", file)
