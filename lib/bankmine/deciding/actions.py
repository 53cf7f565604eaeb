"""Actions: what is done about a row, by the theme of its strongest reason, as a register of people says."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from bankmine.registers import entries

OTHER = "other"
"""Theme whose action serves where there is none of its own."""


@dataclass(frozen=True)
class Action:
    """What to do about rows whose strongest reason belongs to a theme."""

    id: str
    action: str


def load_actions(told: object, file: Path) -> dict[str, str]:
    """Read the section `actions` of a register: theme -> action."""
    return {one.id: one.action for one in entries(told, Action, file, "actions")}


def action_of(theme: pd.Series, actions: dict[str, str]) -> pd.Series:
    """Return the action for the theme of each row."""
    return theme.map(actions).fillna(actions[OTHER]).astype(object)
