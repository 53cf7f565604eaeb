"""The study of behaviour: when customers spend and log in, how they bank, and what they do next."""

from __future__ import annotations

import datetime

import pandas as pd

from bankmine.bank.snapshot import Snapshot, open_source
from bankmine.lacking import Lacking, optional, part
from bankmine.study.heading import Headed
from bankmine.topics.behaviour.how import How
from bankmine.topics.behaviour.next_step import NextStep, next_step
from bankmine.topics.behaviour.when import When


def study(source: str, as_of: str | datetime.date) -> Behaviour:
    """Open a source and set up the study of behaviour; nothing is computed before it is asked for.

    Parameters
    ----------
    source : str
        Name or path of a bank.
    as_of : str or date
        Last day to know.

    Raises
    ------
    BankmineError
        If the source cannot be used.
    """
    return Behaviour(open_source(source).as_of(as_of))


class Behaviour(Headed):
    """How the customers of a bank behave: three questions about the same days."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.source = snapshot
        self.when, self.how = When(snapshot), How(snapshot)

    @part
    def next(self) -> NextStep:
        """What customers do next in app and web: a question with an outcome."""
        return next_step(self.source)

    @part
    def handed_on(self) -> dict[str, pd.DataFrame]:
        """Habits of each customer in one table, and what each of the three adds for validators."""
        sections = [section for section in (self.when, self.how, optional(self, "next")) if section]
        told = [optional(section, "customers") for section in sections]
        told = [frame for frame in told if not isinstance(frame, Lacking)]
        files = {"behaviour": pd.concat(told, axis=1).rename_axis("customer_id")} if told else {}
        for section in sections:
            files |= section.files()
        return files
