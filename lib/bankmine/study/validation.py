"""Validation: what a validator asks of a model, what its page answers, and what is watched from now on.

The questions are in `data/validation.yml` and belong to model validation. A notebook hands over what its parts found;
what it does not hand over is shown as not answered, so that a page cannot look more complete than it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from bankmine.bank.registers import entries, read_yaml
from bankmine.bank.sources import WORKSPACE
from bankmine.errors import BankmineError

REGISTRY = WORKSPACE / "data" / "validation.yml"
ANSWERED, PARTLY, OPEN, FOR_PEOPLE = "answered", "answered in part", "not answered", "for people"
LIMITS = ("auc", "events", "share", "given", "fixed")


@dataclass(frozen=True)
class Lacking:
    """Handed over in place of an answer: why a part of the page is not there."""

    why: str


@dataclass(frozen=True)
class Rule:
    """Where questions come from, what it says, and how far that was checked."""

    id: str
    name: str
    said: str
    certain: str


@dataclass(frozen=True)
class Question:
    """What a validator asks, and the parts of the page or the people that answer it."""

    id: str
    rule: str
    theme: str
    asks: str
    models: list[str]
    shown: list[str] = field(default_factory=list)
    people: str = ""


@dataclass(frozen=True)
class Assumption:
    """What must hold, what goes wrong otherwise, and the parts of the page that check it."""

    id: str
    assumption: str
    otherwise: str
    models: list[str]
    checked: list[str]


@dataclass(frozen=True)
class Watched:
    """What is watched in use: the fact, the kind of limit, how often, what then and by whom."""

    id: str
    metric: str
    models: list[str]
    fact: str
    limit: str
    cadence: str
    action: str
    owner: str
    value: float = float("nan")


@dataclass(frozen=True)
class Register:
    """The whole file."""

    owner: str
    rules: dict[str, Rule]
    questions: list[Question]
    assumptions: list[Assumption]
    monitoring: list[Watched]

    @property
    def models(self) -> set[str]:
        """Kinds of models that there are questions for."""
        return {model for question in self.questions for model in question.models}


def load_register(file: Path = REGISTRY) -> Register:
    """Read the register.

    Raises
    ------
    BankmineError
        If an entry lacks a field or has an unknown one, a question names no rule of the file, is answered by nothing or
        by both page and people, or a limit is of no known kind.
    """
    told = read_yaml(file)
    if not isinstance(told, dict) or set(told) != {"owner", "rules", "questions", "assumptions", "monitoring"}:
        raise BankmineError(f"{file} must hold owner, rules, questions, assumptions and monitoring.")
    kinds = {"rules": Rule, "questions": Question, "assumptions": Assumption, "monitoring": Watched}
    read = {name: entries(told[name], kind, file, name) for name, kind in kinds.items()}
    register = Register(**{**read, "owner": told["owner"], "rules": {rule.id: rule for rule in read["rules"]}})
    for question in register.questions:
        if question.rule not in register.rules or bool(question.shown) == bool(question.people):
            raise BankmineError(f"{file}: question {question.id} needs a rule of the file, and shown or people.")
    if wrong := [w.id for w in register.monitoring if w.limit not in LIMITS]:
        raise BankmineError(f"{file}: {wrong[0]} has a limit that is none of {', '.join(LIMITS)}.")
    return register


def validation_table(model: str, given: Mapping[str, object], register: Register | None = None) -> pd.DataFrame:
    """Hold the questions for a kind of model against what its page shows.

    Parameters
    ----------
    model : str
        `churn`, `credit` or `fraud`.
    given : mapping of str to object
        Part of the page -> what it found, in words or as a number; None or `Lacking` where it is not there.
    register : Register, optional
        Of the workspace where it is not given.

    Returns
    -------
    pd.DataFrame
        One row a question: `rule`, `theme`, `question`, `shown in` (parts of the page), `status` and `answer`: what the
        parts found, or why they did not.

    Raises
    ------
    BankmineError
        If there are no questions for this kind of model, or something is handed over that answers none.
    """
    register = register or load_register()
    asked = asked_of(model, register.questions, register)
    known = {part for q in asked for part in q.shown} | {
        part for a in asked_of(model, register.assumptions, register) for part in a.checked
    }
    if strange := sorted(set(given) - known):
        raise BankmineError(
            f"No question for {model} is answered by {strange[0]!r}, only by {', '.join(sorted(known))}."
        )
    rows = [(register.rules[q.rule].name, q.theme, q.asks, *_answer(q.shown, q.people, given)) for q in asked]
    return pd.DataFrame(rows, columns=["rule", "theme", "question", "shown in", "status", "answer"])


def assumption_table(model: str, given: Mapping[str, object], register: Register | None = None) -> pd.DataFrame:
    """List what must hold for a model, what goes wrong otherwise, and what the page found when it checked.

    Parameters
    ----------
    model, given, register
        As for `validation_table`.

    Returns
    -------
    pd.DataFrame
        `assumption`, `otherwise`, `checked in`, `status`, `found`; an assumption that nothing can check is not
        answered.
    """
    register = register or load_register()
    assumed = asked_of(model, register.assumptions, register)
    rows = [(a.assumption, a.otherwise, *_answer(a.checked, "", given)) for a in assumed]
    return pd.DataFrame(rows, columns=["assumption", "otherwise", "checked in", "status", "found"])


def funnel(steps: Mapping[str, int]) -> pd.DataFrame:
    """Say how many rows are left after each step on the way to a sample.

    Parameters
    ----------
    steps : mapping of str to int
        What is required -> rows that are left, from all to those modelled.

    Returns
    -------
    pd.DataFrame
        `step`, `rows`, `left_out` by it, `share` of the first.

    Raises
    ------
    BankmineError
        If a step has more rows than the one before: it is no step of the same funnel.
    """
    rows = pd.Series(steps, dtype="int64")
    if (more := rows.diff() > 0).any():
        raise BankmineError(f"The sample grows at {more.idxmax()!r}: count the rows left after each step.")
    first = rows.iloc[0] if len(rows) else 0
    left_out = -rows.diff().fillna(0).astype("int64")
    return pd.DataFrame({"step": rows.index, "rows": rows.to_numpy(), "left_out": left_out.to_numpy(),
                         "share": (rows / first if first else rows * np.nan).to_numpy()})  # fmt: skip


def asked_of(model: str, told: list, register: Register) -> list:
    """Pick the entries of a register that are for a kind of model.

    Raises
    ------
    BankmineError
        If there are no questions for this kind.
    """
    if model not in register.models:
        raise BankmineError(f"No questions for {model!r}; there are some for {', '.join(sorted(register.models))}.")
    return [entry for entry in told if model in entry.models]


def _answer(parts: list[str], people: str, given: Mapping[str, object]) -> tuple[str, str, str]:
    """Return where a question is answered, how far, and the answer."""
    if people:
        return "", FOR_PEOPLE, f"to be answered by {people}"
    lacking = [part for part in parts if given.get(part) is None or isinstance(given[part], Lacking)]
    status = ANSWERED if parts and not lacking else OPEN if len(lacking) == len(parts) else PARTLY
    told = [f"{_words(part)}: {_told(given.get(part), part in given)}" for part in parts]
    return ", ".join(map(_words, parts)), status, "; ".join(told) or "nothing on this page checks it"


def _words(part: str) -> str:
    return part.replace("_", " ")


def _told(found: object, handed_over: bool) -> str:
    if isinstance(found, Lacking):
        return f"not there, as {found.why}"
    if found is None:
        return "not there for this source" if handed_over else "not shown on this page"
    return f"{found:,.3g}" if isinstance(found, float | np.floating) else str(found)
