"""Leak: predictors that alone tell nearly everything of the outcome, and how a page says so before all else."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from bankmine.bank.flat_predictors import SINCE

_SHORT = 60
"""Letters that names may take at the head of a sentence."""
_NAMED = 3


@dataclass(frozen=True)
class Leak:
    """Such predictors of a study; there are none in most."""

    found: pd.DataFrame
    """By predictor, the highest first: `auc` of it alone, and whether it is `kept`."""
    asked: bool
    """Whether what is kept was asked for, as of a flat table; a bank's predictors are kept and looked into."""

    @property
    def told(self) -> dict[str, object] | None:
        """What is `told` of them, the highest `auc`, and an `advice`, for an alert; None where there is none."""
        if self.found.empty:
            return None
        left, kept = self._left, list(map(str, self.found.index[self.found["kept"]]))
        what = [f"{_listed(left)} left out"] if left else []
        what += [f"{_listed(kept)} {'kept, as asked' if self.asked else 'among the predictors'}"] if kept else []
        who = "alone it tells" if len(self.found) == 1 else "each alone tells"
        told = f"With {' and '.join(what)}: {who} nearly everything of the outcome"
        name = left[0].removeprefix(SINCE) if left else ""
        named = f"keep={name}" if len(name) <= _SHORT else "keep= and its name"
        again = f"If it was known before, run again with {named}." if left else ""
        advice = f"Only what is written after the event tells so much. {again or 'Make sure when it is written.'}"
        return {"told": told, "auc": self.found["auc"].max(), "advice": advice}

    def without(self, template: str) -> str:
        """Begin the template of a sentence about a model by what the model was not given."""
        names = " and ".join(self._left)
        if not names:
            return template
        short = names if len(names) <= _SHORT else f"{len(self._left)} column{'s' if len(self._left) > 1 else ''}"
        told = short.replace("{", "{{").replace("}", "}}")  # a name is no part of the template
        return f"With {told} left out: {template[0].lower()}{template[1:]}"

    @property
    def _left(self) -> list[str]:
        return list(map(str, self.found.index[~self.found["kept"].astype(bool)]))


def _listed(names: list[str]) -> str:
    more = len(names) - _NAMED
    return " and ".join(names) if more <= 0 else f"{', '.join(names[:_NAMED])} and {more} more"
