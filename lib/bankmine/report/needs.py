"""Needs: parts of a report that a source cannot fill say so."""

from __future__ import annotations

from IPython.display import Markdown, display

from bankmine.bank.snapshot import Snapshot


def can_show(snapshot: Snapshot, *columns: str) -> bool:
    """Tell whether the source fills these columns, written `table.column`; where it does not, say so on the page."""
    lacking = snapshot.lacking(*columns)
    if lacking:
        display(Markdown(f"*Not run, because the source has no {' and no '.join(lacking)}.*"))
    return not lacking
