"""Check of the audit: whether its chain is whole, by itself and by what reports say of it, and what stands in it."""

from __future__ import annotations

import json
from pathlib import Path

from bankmine.errors import BankmineError
from bankmine.privacy import access, audit
from bankmine.privacy.keys import find_key

_DAY = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]"


def checked(reports: Path) -> tuple[list[str], list[str]]:
    """Say what stands in the audit, and what is wrong with it: the first line that is not as written, and the end.

    Each report says in its manifest which line of the audit told of it: anchors outside the file, without which nobody
    could see that lines were cut off at its end, or all of them written anew.
    """
    role, purpose = access.acting()
    access.require(role, "audit", purpose)
    file, key = audit.place(), find_key()
    chain = audit.verify(file) if file.exists() else audit.Chain()
    anchors, without = _anchors(reports)
    says = [
        f"{at[:16].replace('T', ' ')} UTC  {n:6,} × {event}{f' · {by}' if by else ''}"
        for (event, by), (n, at) in sorted(chain.done.items())
    ]
    says.append(f"lines: {len(chain.hashes):,}, in {file}; reports in {reports} that name one: {len(anchors):,}")
    since = len(chain.hashes) - max((head.number for _, head in anchors), default=0)
    if since > 0:
        says.append(
            f"lines since the last report: {since:,}; if they were cut off, nobody would miss them: run a report, or "
            "keep a copy of the file elsewhere"
        )
    if without:
        says.append(f"reports that name none: {without:,}, made before there was an audit, or changed since")
    says += [
        f"lines sealed by the key {name}, which is not here: {n:,}; their seals were not checked"
        for name, n in chain.sealed.items()
        if name and not (key and name == key.name)
    ]
    faults = [chain.fault] if chain.fault else []
    lost = [(head, told) for told, head in anchors if head.number > len(chain.hashes)]
    if lost:
        head, told = max(lost)
        faults.append(f"the end was cut off: {told} names line {head.number}, and there are {len(chain.hashes)}")
    other = [(head, told) for told, head in anchors
             if 0 < head.number <= len(chain.hashes) and chain.hashes[head.number - 1] != head.hash]  # fmt: skip
    if other:
        head, told = min(other)
        faults.append(f"line {head.number} is not the one that {told} names: the chain was written anew, or is another")
    return says, faults


def _anchors(reports: Path) -> tuple[list[tuple[str, audit.Head]], int]:
    """Read from manifests which line told of each report, and count those that do not say."""
    if not reports.is_dir():
        raise BankmineError(f"{reports} is no folder: give that of the reports with --reports.")
    found, without = [], 0
    for file in sorted(f for pattern in (f"{_DAY}/[!.]*.json", f"*/{_DAY}/[!.]*.json") for f in reports.glob(pattern)):
        try:
            told = json.loads(file.read_text("utf-8"))["audit"]
            found.append((str(file.relative_to(reports)), audit.Head(int(told["number"]), str(told["hash"]))))
        except (OSError, ValueError, LookupError, TypeError, RecursionError):
            without += 1
    return found, without
