"""The study of channels: how they are used, what contacts through each do, what the app does, and whom to reach how."""

from __future__ import annotations

import datetime

import pandas as pd

from bankmine.bank.snapshot import Snapshot, open_source
from bankmine.lacking import Lacking, optional, part
from bankmine.study.heading import Headed
from bankmine.topics.channels.app import App
from bankmine.topics.channels.decide import Decide
from bankmine.topics.channels.effects import Effects
from bankmine.topics.channels.journeys import Journeys
from bankmine.topics.channels.use import Use


def study(source: str, as_of: str | datetime.date) -> Channels:
    """Open a bank and set up the study of its channels; nothing is computed before it is asked for.

    Parameters
    ----------
    source : str
        Name or path of a bank.
    as_of : str or date
        Last day to know.

    Raises
    ------
    BankmineError
        If the source cannot be used. Where it tells too little, the study's parts are lacking and say so.
    """
    return Channels(open_source(source).as_of(as_of))


class Channels(Headed):
    """Channels of a bank: their use, their effects, and who is best reached through which."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.source = snapshot
        self.use, self.journeys = Use(snapshot), Journeys(snapshot)
        self.effects, self.app = Effects(snapshot), App(snapshot)
        self.decide = Decide(snapshot, self.effects)

    @part
    def handed_on(self) -> dict[str, pd.DataFrame]:
        """The channel of each customer, effects of contacts and of the app, and how channels are used."""
        files = {
            "channel_for": optional(self.decide, "channel_for"), "channel_effects": optional(self, "channel_effects"),
            "channel_contrasts": optional(self.effects, "comparable"),
            "channel_policies": optional(self.decide, "policies"),
        }  # fmt: skip
        found = {name: frame for name, frame in files.items() if not isinstance(frame, Lacking)}
        return found | self.use.files() | self.journeys.files()

    @part
    def channel_effects(self) -> pd.DataFrame:
        """All effects by `contrast` and `estimate`: of contacts on the chance to respond, of the app on half a year."""
        parts = [optional(self.effects, "estimates"), optional(self.app, "estimates")]
        there = [p.rename_axis(["contrast", "estimate"]) for p in parts if not isinstance(p, Lacking)]
        return pd.concat(there) if there else self.effects.estimates
