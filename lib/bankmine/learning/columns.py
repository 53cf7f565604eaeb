"""Columns: which of a source's own columns a model may use, as registers say that people answer for."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from bankmine.errors import BankmineError
from bankmine.registers import entries, read_yaml
from bankmine.workspace import WORKSPACE

ALLOWED, PROTECTED, REFUSED = "allowed", "protected", "refused"
"""A protected column never enters a model; it stays beside it, to see whom decisions fall on."""
UNDATED = WORKSPACE / "data" / "undated.yml"
"""Columns of customers that have no date: one register for all questions."""
_NOT_LISTED = "Not listed: ask its owner whether it can know the future"


@dataclass(frozen=True)
class ColumnRule:
    """Whether a model may use a column, why, and who says so."""

    id: str
    use: str
    reason: str
    owner: str


def load_columns(file: Path, among: Collection[str] = (ALLOWED, PROTECTED, REFUSED)) -> dict[str, ColumnRule]:
    """Read rules by column: of a register that is a list of them, or that has one named `columns`.

    A BankmineError names the entry that lacks a field, has an unknown one, comes twice, or has a use not `among` these.
    """
    told = read_yaml(file)
    found = entries(told.get("columns") if isinstance(told, dict) else told, ColumnRule, file, "columns")
    if wrong := [rule for rule in found if rule.use not in among]:
        raise BankmineError(f"{file}: use of {wrong[0].id} is one of {', '.join(among)}, not {wrong[0].use!r}.")
    return {rule.id: rule for rule in found}


def load_undated() -> dict[str, ColumnRule]:
    """Read which columns of customers without a date a model may learn from."""
    return load_columns(UNDATED, (ALLOWED, REFUSED))


def uses(names: Collection[str], rules: Mapping[str, ColumnRule], otherwise: str = REFUSED) -> pd.DataFrame:
    """Say of each column its `use`, `reason` and `owner`; the use of one that has no rule is `otherwise`."""
    told = [rules.get(name, ColumnRule(name, otherwise, _NOT_LISTED, "")) for name in names]
    table = pd.DataFrame([vars(rule) for rule in told], columns=["id", "use", "reason", "owner"])
    return table.set_index("id").rename_axis("column")
