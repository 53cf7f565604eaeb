"""Heading: what a study says of itself in a notebook, above what was read."""

from __future__ import annotations

from html import escape

from bankmine.bank.flat import Flat
from bankmine.bank.snapshot import Snapshot


class Headed:
    """A study of what was read, which a notebook shows by a few facts; by the tables alone where it adds none."""

    source: Snapshot | Flat

    def _facts(self) -> dict[str, object]:
        return {}

    def __repr__(self) -> str:
        return "\n".join(f"{name}: {told}" for name, told in self._about().items())

    def _repr_mimebundle_(self, **_: object) -> dict[str, object]:
        read, about = self.source._repr_mimebundle_(), self._about()
        if len(about) == 1:
            return read
        rows = "".join(f"<tr><th>{escape(name)}</th><td>{escape(str(told))}</td></tr>" for name, told in about.items())
        return read | {
            "text/plain": f"{self!r}\n\n{read['text/plain']}",
            "text/html": f"<table>{rows}</table><details><summary>What was read</summary>{read['text/html']}</details>",
        }

    def _about(self) -> dict[str, object]:
        return {"source": f"{self.source.source.title}, as of {self.source.as_of}"} | self._facts()
