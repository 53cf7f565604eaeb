"""What a report hands on: tables and models, for other systems, people, other reports and the next run.

They lie in a folder of the report, beside its page. In a run they are staged and take their places together with the
report, if it is good. In JupyterLab they are written at once. Every table is keyed by customer and as-of day, so that
the days can be put one under the other. With a key they are encrypted, by the runner or in JupyterLab here, and
`privacy.sealing.read_sealed` is how they are read.
"""

from __future__ import annotations

import datetime
import io
import json
import os
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from bankmine.bank.flat import Flat
from bankmine.bank.snapshot import Snapshot
from bankmine.bank.sources import SOURCES
from bankmine.errors import BankmineError
from bankmine.features.consent import agreed
from bankmine.lacking import Lacking
from bankmine.privacy import audit
from bankmine.privacy.keys import find_key
from bankmine.privacy.register import load_register
from bankmine.privacy.sealing import sealed
from bankmine.report.catalogue import load_catalogue
from bankmine.report.files import refuse_half_rotated
from bankmine.report.provenance import obstacle
from bankmine.report.secrecy import hide
from bankmine.workspace import WORKSPACE

if TYPE_CHECKING:  # the runner imports this module, and learns and draws nothing
    from bankmine.study.study import Study

STAGE, REPORTS, FAILED = "BANKMINE_STAGE", "BANKMINE_REPORTS", "BANKMINE_FAILED"
"""Set by the runner: the folder to stage in, that of the source's reports, and the reports that failed in this run."""
_NOTEBOOK = "JPY_SESSION_NAME"
"""Set by Jupyter's server: the path of the notebook."""


def hand_on(study: Study) -> dict[str, str] | Lacking:
    """Write what is handed on by a study beside its report.

    Returns
    -------
    dict of str to str, or Lacking
        The names of the `files`, for a finding; lacking where nothing can leave.
    """
    handed_on = study.handed_on
    if isinstance(handed_on, Lacking):
        return handed_on
    lists = {n: c for n, c in handed_on.items() if isinstance(c, pd.DataFrame) and c.attrs.get("list")}
    _refuse_barred(lists, study.source)
    _tell({name: content for name, content in handed_on.items() if isinstance(content, pd.DataFrame)}, study.source)
    paths = [_write(name, content, study.source) for name, content in handed_on.items()]
    paths += [_write_list(name, frame, study.source) for name, frame in lists.items()]
    return {"files": ", ".join(path.name for path in paths)}


def _refuse_barred(lists: dict[str, pd.DataFrame], source: Snapshot | Flat) -> None:
    """Refuse lists for a purpose of which people are contacted where somebody on them did not agree to it."""
    if isinstance(source, Flat) or not source.purpose:
        return
    wanted = load_register(source.source.folder).purpose(source.purpose).contact
    hidden = [c for c in wanted if f"customers.{c}" in source.unseen]
    if hidden and (names := [name for name, frame in lists.items() if len(frame)]):
        raise BankmineError(
            f"List {names[0]} for the purpose {source.purpose} holds customers, and who agreed is hidden from role "
            f"{source.role}: let it see customers.{' and customers.'.join(hidden)}, or take all off it (`may_contact`)."
        )
    if hidden or not (consents := [c for c in wanted if source.has(f"customers.{c}")]):
        return  # as far as the source tells
    allowed = agreed(source.customers, consents).customer_id.to_pyarrow().to_pylist()
    for name, frame in lists.items():
        if barred := int((~frame.index.isin(allowed)).sum()):
            raise BankmineError(
                f"List {name} holds {barred:,} customers who did not agree to {' and '.join(consents)}, which the "
                f"purpose {source.purpose} asks for: take them off it (`may_contact`)."
            )


def write_table(frame: pd.DataFrame, name: str, snapshot: Snapshot | Flat) -> Path:
    """Write a table as Parquet.

    Parameters
    ----------
    frame : pd.DataFrame
        Indexed by customer.
    name : str
        Of the file, without its ending.
    snapshot : Snapshot or Flat
        Tells the as-of day.

    Returns
    -------
    Path
        The file; in a run it is moved beside the report at the end.
    """
    frame = frame.rename_axis("customer_id")
    _tell({name: frame}, snapshot)
    return _write(name, frame, snapshot)


def _tell(tables: dict[str, pd.DataFrame], snapshot: Snapshot | Flat) -> None:
    """Tell the audit what is handed on, before it is."""
    told = {n: {"rows": len(t), "columns": audit.names(map(str, t.reset_index().columns))} for n, t in tables.items()}
    as_of = {"source": snapshot.source.name, "fingerprint": snapshot.fingerprint, "as_of": str(snapshot.as_of)}
    audit.record("handed on", **as_of, tables=told)


def _write(name: str, content: pd.DataFrame | str, snapshot: Snapshot | Flat) -> Path:
    """Write a table as Parquet, with the as-of day beside its key, or a text as it is: the whole file, or none."""
    if isinstance(content, str):
        return _leave(name, hide(content, snapshot.source.secrets).encode(), snapshot)
    keyed = _blanked(content.reset_index(), snapshot.source.secrets)
    keyed.insert(1, "as_of", pd.Timestamp(snapshot.as_of).date())
    return _leave(f"{name}.parquet", keyed.to_parquet(index=False), snapshot)


def _leave(file: str, content: bytes, snapshot: Snapshot | Flat) -> Path:
    """Write a whole file, or none; a run encrypts what it takes from the stage."""
    path = place_for(file, snapshot)
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(content if STAGE in os.environ else encrypted(content, "/".join(path.parts[-3:])))
    part.replace(path)
    return path


def encrypted(content: bytes, about: str) -> bytes:
    """Encrypt what is handed on, where there is a key; `about` is its day, report and name."""
    key = find_key()
    return sealed(content, about, key) if key else content


def _blanked(frame: pd.DataFrame, secrets: list[str]) -> pd.DataFrame:
    """Blank what must not leave, wherever it stands in text."""
    words = frame.select_dtypes(exclude=["number", "bool", "datetime"]) if secrets else frame[[]]
    return frame.assign(**{c: [hide(v, secrets) for v in values.tolist()] for c, values in words.items()})


def _write_list(name: str, frame: pd.DataFrame, snapshot: Snapshot | Flat) -> Path:
    """Write a list that people work through as xlsx."""
    content = as_list(_blanked(frame.reset_index(), snapshot.source.secrets), name, snapshot.as_of)
    return _leave(f"{name}.xlsx", content, snapshot)


def as_list(frame: pd.DataFrame, name: str, as_of: datetime.date | str) -> bytes:
    """Return a list as xlsx: text is text, never a formula or a link, the same on every run."""
    as_text, out = {"options": {"strings_to_formulas": False, "strings_to_urls": False}}, io.BytesIO()
    with pd.ExcelWriter(out, engine="xlsxwriter", engine_kwargs=as_text) as writer:
        writer.book.set_properties({"created": pd.Timestamp(as_of).to_pydatetime()})
        frame.to_excel(writer, sheet_name=name[:31], index=False, freeze_panes=(1, 1))
    return out.getvalue()


def place_for(file: str, snapshot: Snapshot | Flat) -> Path:
    """Return where a file of this report is to be written; its folder is there."""
    report = Path(os.environ.get(_NOTEBOOK, "notebook")).stem
    if STAGE not in os.environ:
        refuse_half_rotated(_reports(snapshot))
    folder = Path(os.environ[STAGE]) if STAGE in os.environ else _reports(snapshot) / str(snapshot.as_of) / report
    folder.mkdir(parents=True, exist_ok=True)
    return folder / file


def earlier(file: str, snapshot: Snapshot | Flat) -> Path | None:
    """Find the newest file of this name that a report of an earlier day left; None where there is none."""
    return max(_of_earlier_days(file, snapshot), default=None)


def earlier_lists(file: str, snapshot: Snapshot | Flat) -> dict[str, Path | str]:
    """Find all files of this name that good reports of earlier days handed on: day -> file, or what is wrong with it.

    A file that no manifest of its day tells of, or of another size, is not what a report left.
    """
    found = _of_earlier_days(file, snapshot)
    told = "it is not what a report of that day left"
    return {f.parent.parent.name: f if _handed_on(f) else told for f in sorted(found)}


def _of_earlier_days(file: str, snapshot: Snapshot | Flat) -> Iterator[Path]:
    found = _reports(snapshot).glob(f"????-??-??/*/{file}")
    return (f for f in found if f.parent.parent.name < str(snapshot.as_of))


def _handed_on(file: Path) -> bool:
    """Whether the manifest of the good report in whose folder a file lies tells of it, as large as it is."""
    try:
        told = json.loads(file.parent.with_name(f"{file.parent.name}.json").read_text("utf-8"))
        size = told["files"][f"{file.parent.name}/{file.name}"]
        return told["status"] == "ok" and file.is_file() and file.stat().st_size == size
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return False


def received(report: str, file: str, snapshot: Snapshot | Flat) -> Path:
    """Return a file that a report of this day handed on, of these data and by the code and registers that are now.

    Parameters
    ----------
    report : str
        Name of the report that wrote it.
    file : str
        Its name.
    snapshot : Snapshot or Flat
        Tells the source and the day.

    Raises
    ------
    BankmineError
        If the report did not run so, or handed on no such file; it says which report to run.
    """
    folder = _reports(snapshot) / str(snapshot.as_of)
    failed, known = report in json.loads(os.environ.get(FAILED, "[]")), load_catalogue()
    if report not in known:
        raise BankmineError(f"there is no report {report} in this workspace")
    if why := "failed in this run" if failed else obstacle(known[report], folder, snapshot):
        source = "" if _is_default(snapshot) else f" --source {shlex.quote(str(snapshot.source.folder))}"
        raise BankmineError(f"{report} {why}: bankmine run {report}{source} --as-of {snapshot.as_of}")
    if f"{report}/{file}" not in json.loads((folder / f"{report}.json").read_text("utf-8"))["files"]:
        raise BankmineError(f"{report} handed on no {file}: its page says why")
    return folder / report / file


def _reports(snapshot: Snapshot | Flat) -> Path:
    """Folder of the source's reports: the runner's, or the workspace's."""
    if REPORTS in os.environ:
        return Path(os.environ[REPORTS])
    return WORKSPACE / "reports" / ("" if _is_default(snapshot) else snapshot.source.name)


def _is_default(snapshot: Snapshot | Flat) -> bool:
    return snapshot.source.folder == SOURCES / "demo"
