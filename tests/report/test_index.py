"""The index: what is new, what failed, what changed, whatever state the folder of reports is in."""

import json

import pytest
from browser import BROKEN_LINKS, NARROW, OVERFLOWING, WIDE, opened, violations
from bs4 import BeautifulSoup

from bankmine.report.index import _change, write_index

pytestmark = pytest.mark.browser


SCRIPT = "<script>alert(1)</script>"


def found(name, text, formats, headline=True, **values):
    record = {"id": f"churn.{name}", "text": text, "values": values, "formats": formats}
    return record | {"headline": headline, "alert": False}


def share(value, customers=1000):
    text = f"{value:.1%} of {customers:,} left."
    return found("left", text, {"share": ".1%", "customers": ","}, share=value, customers=customers)


def report(out, as_of, name="06_churn", source=None, failed=False, finished="2026-01-01T00:00:00Z", **changes):
    folder = out / (source or "") / as_of
    folder.mkdir(parents=True, exist_ok=True)
    manifest = {
        "report": name,
        "title": "Who is leaving?",
        "audience": "marketing",
        "status": "failed" if failed else "ok",
        "error": f"KeyError: {SCRIPT}" if failed else None,
        "source": {"name": source or "demo", "title": f"Bank {source}" if source else "The demo bank"},
        "as_of": as_of,
        "finished_at": finished,
        "findings": [],
        "alerts": [],
    } | changes
    stem = name + (".failed" if failed else "")
    (folder / f"{stem}.json").write_text(json.dumps(manifest), encoding="utf-8")
    (folder / f"{stem}.html").write_text("<!DOCTYPE html><title>A report</title>", encoding="utf-8")


def soup(out):
    return BeautifulSoup(write_index(out).read_text(encoding="utf-8"), "html.parser")


def text(tag):
    return " ".join(tag.get_text(" ").split())


def matrix(page):
    return [[text(cell) for cell in row.find_all(["th", "td"])] for row in page.select(".matrix tbody tr")]


@pytest.fixture(scope="module")
def years(tmp_path_factory):
    """Two years of months of eighteen reports, with everything that goes wrong."""
    out = tmp_path_factory.mktemp("reports")
    quarter = found("active.share", "A quarter, 25%, are active.", {"share": ".0%"}, share=0.25)
    for month in range(24):
        for number in range(1, 19):
            day, name = f"{2024 + month // 12}-{month % 12 + 1:02d}-28", f"{number:02d}_a_question"
            alerts = [f"{SCRIPT} has not banked for 9 days."] if (month + number) % 7 == 0 else []
            failed = (month * number) % 11 == 6
            report(out, day, name, failed=failed, alerts=alerts, findings=[share(0.1 + month / 1000), quarter])
    report(out, "1994-01-31", source="berka", findings=[share(0.5)])
    (out / "2025-12-28" / "03_a_question.json").write_text("{", encoding="utf-8")
    return write_index(out)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everyone_can_read_it(chromium, years, scheme):
    with opened(chromium, years, scheme=scheme) as page:
        assert violations(page) == []


@pytest.mark.parametrize("viewport", [NARROW, WIDE])
def test_many_dates_fit_on_every_screen(chromium, years, viewport):
    with opened(chromium, years, viewport) as page:
        assert page.evaluate(OVERFLOWING) == []
        assert page.evaluate(BROKEN_LINKS) == []
        assert page.locator("summary", has_text="12 older dates").is_visible()
        assert page.locator("script").count() == 0


def test_every_link_leads_to_a_page(years):
    links = BeautifulSoup(years.read_text(encoding="utf-8"), "html.parser").select("a[href]:not([href^='#'])")
    assert len(links) > 400
    assert all((years.parent / link["href"]).is_file() for link in links)


def test_no_reports_yet(chromium, tmp_path):
    with opened(chromium, write_index(tmp_path / "new")) as page:
        assert page.get_by_role("heading", name="No reports yet").is_visible()
        assert violations(page) == []


def test_headlines_are_compared_with_the_run_before(tmp_path):
    report(tmp_path, "2025-10-31", findings=[share(0.5, 1)])
    report(tmp_path, "2025-11-30", findings=[share(0.10, 1000)])
    report(tmp_path, "2025-12-31", findings=[share(0.123, 990), found("quiet", "x", {}, headline=False, x=1)])
    said = soup(tmp_path).select_one(".said")
    assert text(said.p) == "12.3% of 990 left."
    assert [text(row) for row in said.select("dl > div")] == ["share 12.3% +2.3 pp", "customers 990 −10"]
    assert text(said).endswith("Change since 2025-11-30.")


def test_other_sources_and_failed_runs_are_not_compared_with(tmp_path):
    report(tmp_path, "2025-10-31", findings=[share(0.10)])
    report(tmp_path, "2025-11-30", failed=True, findings=[share(0.9)])
    report(tmp_path, "2025-11-30", source="berka", findings=[share(0.5)])
    report(tmp_path, "2025-12-31", findings=[share(0.11)])
    demo, berka = soup(tmp_path).select(".said")
    assert "share 11.0% +1.0 pp" in text(demo)
    assert text(berka).endswith("First run: nothing to compare with.")


@pytest.mark.parametrize(
    ("value", "earlier", "spec", "change"),
    [
        (0.123, 0.12, ".1%", "+0.3 pp"),
        (0.12, 0.123, "+.1%", "−0.3 pp"),
        (0.1201, 0.12, ".1%", "no change"),
        (0.12, 0.1201, ".1%", "no change"),
        (12_000, 11_000, ",", "+1,000"),
        (12_000.0, 11_000, ",d", "+1,000"),
        (1.5, 2, ">8.2f", "−0.50"),
        (0.5, None, ".1%", "before: n/a"),
        (None, 0.5, ".1%", ""),
        (7.0, 3, "nonsense", "+4"),
        (3, 3, "", "no change"),
        (3.5, 3, "", "+0.5"),
    ],
)
def test_changes_are_as_precise_as_the_values(value, earlier, spec, change):
    assert _change(value, earlier, spec) == change


def test_numbers_that_are_missing_or_new_say_so(tmp_path):
    report(tmp_path, "2025-11-30", findings=[found("auc", "x", {}, auc=None)])
    after = [found("auc", "AUC", {"auc": ".2f"}, auc=0.7), found("new", "New", {}, n=3, gone=None, on="2025-12-01")]
    report(tmp_path, "2025-12-31", findings=after)
    rows = [text(row) for row in soup(tmp_path).select("dl > div")]
    assert rows == ["auc 0.70 before: n/a", "n 3 new", "gone n/a new"]


def test_a_failed_run_leads_to_the_last_good_one(tmp_path):
    report(tmp_path, "2025-11-30", findings=[share(0.10)])
    report(tmp_path, "2025-12-31", failed=True)
    page = soup(tmp_path)
    said = page.select_one(".said")
    assert text(said.select_one(".error")) == f"KeyError: {SCRIPT}"
    assert said.a["href"] == "2025-11-30/06_churn.html"
    assert page.h3.a["href"] == "2025-12-31/06_churn.failed.html"
    assert "Numbers of 2025-11-30." in text(said)
    assert matrix(page) == [["2025-12-31", "✕ FAILED"], ["2025-11-30", "✓ OK"]]
    assert page.find(id="runs-1").table["class"] == ["matrix"]
    assert text(page.select_one(".counts")) == "1 report: ✕ 1 failed or unreadable"


def test_good_and_failed_runs_of_one_day(tmp_path):
    report(tmp_path, "2025-11-30", failed=True, finished="2026-01-01T01:00:00Z")
    report(tmp_path, "2025-11-30", finished="2026-01-01T02:00:00Z")
    report(tmp_path, "2025-12-31", finished="2026-01-01T01:00:00Z", alerts=["Look."])
    report(tmp_path, "2025-12-31", failed=True, finished="2026-01-01T02:00:00Z")
    page = soup(tmp_path)
    # a good run takes away what failed before it, so that what is there failed later, whatever a clock said
    assert matrix(page) == [["2025-12-31", "✕ FAILED ▲ 1 alert"], ["2025-11-30", "✕ FAILED ✓ OK"]]
    assert page.select_one(".said").a["href"] == "2025-12-31/06_churn.html"


def test_a_failure_is_not_hidden_by_a_clock_that_went_back(tmp_path):
    report(tmp_path, "2025-12-31", finished="2026-01-01T02:00:00Z")
    report(tmp_path, "2025-12-31", failed=True, finished="2026-01-01T01:00:00Z")
    assert text(soup(tmp_path).select_one(".counts")) == "1 report: ✕ 1 failed or unreadable"


def test_a_run_that_ended_after_now_is_marked(tmp_path):
    report(tmp_path, "2025-12-31", finished="2999-01-01T00:00:00Z")
    page = soup(tmp_path)
    assert "which is after now: a clock is wrong" in text(page.select_one(".error"))
    assert matrix(page) == [["2025-12-31", "✓ OK"]]


def test_a_page_that_is_lost_is_told(tmp_path):
    report(tmp_path, "2025-12-31")
    (tmp_path / "2025-12-31" / "06_churn.html").unlink()
    page = soup(tmp_path)
    assert "Its page is lost: run it again." in text(page.select_one(".error"))
    assert page.h3.a is None


CRAFTED = {
    "a format that fills the memory": {"findings": [found("x", "x", {"n": "999999999d"}, n=3)]},
    "a number beyond all": {"findings": [found("x", "x", {}, n=10**400)]},
    "an id that is a list": {"findings": [found("x", "x", {}, n=1) | {"id": [1]}]},
    "no number": {"findings": [found("x", "x", {}, n=float("nan"))]},
}


@pytest.mark.parametrize("changes", CRAFTED.values(), ids=CRAFTED)
def test_crafted_manifests_end_no_run(tmp_path, changes):
    report(tmp_path, "2025-11-30", **changes)
    report(tmp_path, "2025-12-31", **changes)
    assert matrix(soup(tmp_path))[0] == ["2025-12-31", "✓ OK"]


def test_a_manifest_without_end_is_unreadable(tmp_path):
    report(tmp_path, "2025-12-31")
    (tmp_path / "2025-12-31" / "06_churn.json").write_text("[" * 200_000, "utf-8")
    assert matrix(soup(tmp_path)) == [["2025-12-31", "✕ unreadable"]]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b'{"report": "06_churn", "title": "Who',
        b"\xff\xfe\x00",
        b"[]",
        b'"text"',
        b"{}",
        b'{"status": "ok"}',
        b'{"status": "running", "title": "x"}',
        b'{"status": "ok", "title": "x", "findings": [{}]}',
        b'{"status": "ok", "title": "x", "findings": "none"}',
        b'{"status": "ok", "title": "x", "source": "demo"}',
        b'{"status": "ok", "title": "x", "alerts": 3}',
    ],
)
def test_manifests_that_cannot_be_read_are_shown_as_such(tmp_path, content):
    report(tmp_path, "2025-11-30", findings=[share(0.1)])
    report(tmp_path, "2025-12-31")
    (tmp_path / "2025-12-31" / "06_churn.json").write_bytes(content)
    page = soup(tmp_path)
    assert matrix(page)[0] == ["2025-12-31", "✕ unreadable"]
    assert "The manifest 06_churn.json cannot be read" in text(page.select_one(".error"))
    assert "Last good report: 2025-11-30" in text(page.select_one(".said"))


def test_only_manifests_are_read_and_nothing_is_left_behind(tmp_path):
    report(tmp_path, "2025-12-31", name="客户 churn & value")
    for other in ["2025-12-31/.06_churn.json", "notes.json", "berka/notes.json", "berka/drafts/06_churn.json"]:
        (tmp_path / other).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / other).write_text("{", encoding="utf-8")
    (tmp_path / "index.html").write_text("old", encoding="utf-8")
    page = soup(tmp_path)
    assert matrix(page) == [["2025-12-31", "✓ OK"]]
    assert page.h3.a["href"].startswith("2025-12-31/%E5%AE%A2")
    assert write_index(tmp_path).read_bytes() == write_index(tmp_path).read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {"2025-12-31", "berka", "index.html", "notes.json"}


def test_json_that_a_report_hands_on_is_no_report(tmp_path):
    (tmp_path / "2025-12-31").mkdir()
    (tmp_path / "2025-12-31" / "fraud_model.json").write_text("{}", "utf-8")
    page = write_index(tmp_path).read_text("utf-8")
    assert "fraud_model" not in page
    assert "unreadable" not in page.partition("<main")[0].partition("</style>")[2]
