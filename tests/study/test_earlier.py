"""Lists of earlier reports: held against what became of them, and set aside where they are not what they were."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from bankmine.judging.intervals import wilson_clustered
from bankmine.lacking import Lacking
from bankmine.report.handed_on import REPORTS, earlier_lists
from bankmine.study.earlier import Became, judged

AS_OF = dt.date(2025, 12, 31)
COLUMNS = {"customer_id": str, "called": bool, "probability": float}
WORDS = {"acted": "called", "others": "others", "event": "left", "so_far": "left so far"}


def listed(day: str, rows: int = 40) -> pd.DataFrame:
    """Ten to be called, of whom four leave, and thirty others, of whom three do."""
    names = [f"C{i}" for i in range(rows)]
    return pd.DataFrame({
        "customer_id": names, "as_of": dt.date.fromisoformat(day), "called": np.arange(rows) < 10, "probability": 0.25,
    })  # fmt: skip


def became(delay: int):
    def found(rows: pd.DataFrame, day: dt.date) -> Became:
        number = rows["customer_id"].str[1:].astype(int)
        event = ((number < 4) | number.between(20, 22)).astype(object).where(number < 39)
        known_on = pd.Timestamp(day) + pd.Timedelta(days=delay)
        return Became(rows["called"], event, rows["probability"], rows["customer_id"], known_on)

    return found


@pytest.fixture
def reports(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv(REPORTS, str(tmp_path))
    return tmp_path


def put(reports: Path, day: str, rows: pd.DataFrame | None = None, status: str = "ok") -> Path:
    file = reports / day / "06_calls" / "calls.parquet"
    file.parent.mkdir(parents=True, exist_ok=True)
    (listed(day) if rows is None else rows).to_parquet(file, index=False)
    manifest = {"report": "06_calls", "status": status, "files": {"06_calls/calls.parquet": file.stat().st_size}}
    (reports / day / "06_calls.json").write_text(json.dumps(manifest))
    return file


def found(delay: int = 30):
    return judged(earlier_lists("calls.parquet", SimpleNamespace(as_of=AS_OF)), COLUMNS, became(delay), AS_OF, **WORDS)


def share_of(hits: int, rows: int) -> tuple[float, float]:
    return wilson_clustered(pd.Series(np.arange(rows) < hits), pd.Series(np.arange(rows)))


def test_the_newest_list_of_which_all_is_known_is_held_against_what_became_of_it(reports):
    for day in ("2025-09-30", "2025-10-31", "2025-12-15", "2025-12-31"):
        put(reports, day)
    told = found()
    assert told.day == pd.Timestamp("2025-10-31")
    facts = told.headline
    assert (facts["acted"], facts["events"], facts["foretold"]) == (10, 4, 2.5)
    assert (facts["low"], facts["high"]) == share_of(4, 10)
    assert (facts["others"], facts["others_events"]) == (29, 3)  # one whose outcome nobody knows does not count
    assert (facts["others_low"], facts["others_high"]) == share_of(3, 29)
    assert facts["event"] == "left"
    assert told.set_aside is None
    page = told.table
    assert page.index.unique().tolist() == ["2025-12-15", "2025-10-31", "2025-09-30"]  # that of the day itself is none
    assert page["known"].iloc[0] == "so far; all on 2026-01-14"
    assert page["known"].iloc[2] == "since 2025-11-30"


def test_before_all_is_known_what_has_come_so_far_is_said_to_be_that(reports):
    put(reports, "2025-11-30")
    facts = found(delay=120).headline
    assert facts["event"] == "left so far (all is known on 2026-03-30)"
    assert facts["events"] == 4


def test_without_an_earlier_list_it_is_said(reports):
    assert found().headline == found().table == Lacking("no earlier list is here; later reports judge this one")


HOSTILE = {
    "empty": (lambda f: f.write_bytes(b""), "cannot be read"),
    "no parquet": (lambda f: f.write_bytes(b"PAR1" + b"\xff" * 90), "cannot be read"),
    "cut off": (lambda f: f.write_bytes(f.read_bytes()[:-30]), "cannot be read"),
    "damaged inside": (
        lambda f: f.write_bytes(f.read_bytes()[:30] + b"\xff" * 60 + f.read_bytes()[90:]),
        "cannot be read",
    ),
    "a folder": (lambda f: (f.unlink(), f.mkdir()), "not what a report"),
    "a column less": (lambda f: listed("2025-11-30").drop(columns="called").to_parquet(f), "no column called"),
    "no day": (lambda f: listed("2025-11-30").drop(columns="as_of").to_parquet(f), "no column as_of"),
    "text for a number": (lambda f: listed("2025-11-30").assign(probability="<b>").to_parquet(f), "column probability"),
    "a number for yes": (lambda f: listed("2025-11-30").assign(called=2).to_parquet(f), "column called"),
    "nobody": (lambda f: listed("2025-11-30").assign(customer_id=None).to_parquet(f), "customer_id"),
    "of another day": (lambda f: listed("2025-10-31").to_parquet(f), "rows are of 2025-10-31"),
}


@pytest.mark.parametrize("fault", HOSTILE)
def test_a_list_that_is_not_what_it_was_is_set_aside_and_the_others_are_judged(fault, reports):
    put(reports, "2025-10-31")
    file = put(reports, "2025-11-30")
    spoil, why = HOSTILE[fault]
    spoil(file)
    if file.is_file():  # also where the manifest was changed with it
        (file.parent.parent / "06_calls.json").write_text(
            json.dumps({"status": "ok", "files": {"06_calls/calls.parquet": file.stat().st_size}})
        )
    told = found()
    assert told.day == pd.Timestamp("2025-10-31")
    assert told.headline["events"] == 4
    assert told.set_aside["count"] == 1
    assert told.set_aside["which"].startswith("2025-11-30: ")
    assert why in told.set_aside["which"]


@pytest.mark.parametrize(
    "manifest", ["[]", "{", '{"status": "failed", "files": {}}', '{"status": "ok", "files": 3}', ""]
)
def test_what_no_good_report_tells_of_is_no_list(manifest, reports):
    file = put(reports, "2025-11-30")
    (file.parent.parent / "06_calls.json").write_text(manifest)
    put(reports, "2025-10-31").write_bytes(b"of another size")
    told = found()
    assert told.headline == Lacking("no earlier list can be read")
    assert told.set_aside["count"] == 2
