"""Needs: parts of a report that a source cannot fill say so."""

from __future__ import annotations

from IPython.display import Markdown, display

from bankmine.bank.snapshot import Snapshot
from bankmine.report.findings import printable


def can_show(snapshot: Snapshot, *columns: str) -> bool:
    """Tell whether the source fills these columns, written `table.column`; where it does not, say so on the page."""
    lacking = snapshot.lacking(*columns)
    return runs(not lacking, f"the source has no {' and no '.join(lacking)}")


def runs(can: object, lacking: str) -> bool:
    """Tell whether a part of the page can run; where it cannot, say on the page what is lacking."""
    if not can:
        display(Markdown(f"*Not run, because {printable(lacking)}.*"))
    return bool(can)
