"""The index: what is new, what failed, what changed, whatever state the folder of reports is in."""

import json

import pytest
from browser import BROKEN_LINKS, NARROW, OVERFLOWING, WIDE, opened, unfold, violations
from bs4 import BeautifulSoup

from bankmine.report.index import write_index
from bankmine.report.month import change

pytestmark = pytest.mark.browser


SCRIPT = "<script>alert(1)</script>"


def found(name, text, formats, headline=True, alert=False, **values):
    record = {"id": f"churn.{name}", "text": text, "values": values, "formats": formats}
    return record | {"headline": headline, "alert": alert}


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
        "owner": "retention",
        "due": "2026-01-10",
        "number": "churn.left.share",
        "meaning": "of customers left",
        "decision": "churn.call",
        "findings": [],
        "alerts": [],
    } | changes
    stem = name + (".failed" if failed else "")
    (folder / f"{stem}.json").write_text(json.dumps(manifest), encoding="utf-8")
    (folder / f"{stem}.html").write_text("<!DOCTYPE html><title>A report</title>", encoding="utf-8")
    (folder / f"{stem}.ipynb").write_text("{}", encoding="utf-8")


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
            loud = [found("silent", text, {}, alert=True) for text in alerts]
            told = [share(0.1 + month / 1000), quarter, *loud]
            report(out, day, name, failed=failed, alerts=alerts, findings=told)
    report(out, "1994-01-31", source="berka", findings=[share(0.5)])
    (out / "2025-12-28" / "03_a_question.json").write_text("{", encoding="utf-8")
    return write_index(out)


@pytest.mark.parametrize("viewport", [NARROW, WIDE])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everyone_can_read_it(chromium, years, scheme, viewport):
    with opened(chromium, years, viewport, scheme=scheme) as page:
        assert violations(page) == []
        unfold(page)
        assert violations(page) == []


@pytest.mark.parametrize("viewport", [NARROW, WIDE])
def test_many_dates_fit_on_every_screen(chromium, years, viewport):
    with opened(chromium, years, viewport) as page:
        assert not page.locator(".matrix").first.is_visible()
        unfold(page)
        assert page.evaluate(OVERFLOWING) == []
        assert page.evaluate(BROKEN_LINKS) == []
        assert page.locator("summary", has_text="12 older dates").is_visible()
        assert page.locator("script").count() == 0


def test_every_link_leads_to_a_page(years):
    links = BeautifulSoup(years.read_text(encoding="utf-8"), "html.parser").select("a[href]:not([href^='#'])")
    assert len(links) > 400
    assert all((years.parent / link["href"].partition("#")[0]).is_file() for link in links)


def test_no_reports_yet(chromium, tmp_path):
    with opened(chromium, write_index(tmp_path / "new")) as page:
        assert page.get_by_role("heading", name="No reports yet").is_visible()
        assert violations(page) == []


def test_headlines_are_compared_with_the_run_before(tmp_path):
    report(tmp_path, "2025-10-31", findings=[share(0.5, 1)])
    report(tmp_path, "2025-11-30", findings=[share(0.10, 1000)])
    report(tmp_path, "2025-12-31", findings=[share(0.123, 990), found("quiet", "x", {}, headline=False, x=1)])
    said = soup(tmp_path).select_one(".said details")
    assert text(said.summary) == "All headlines and changes since 2025-11-30"
    assert text(said.p) == "12.3% of 990 left."
    assert [text(row) for row in said.select("dl > div")] == ["share 12.3% +2.3 pp", "customers 990 −10"]


def call(customers):
    text = f"Call {customers} customers by 10 January."
    return found("call", text, {"customers": ","}, headline=False, customers=customers)


def test_a_question_has_one_number_its_history_and_a_decision_of_somebody(tmp_path):
    for month, left in ((10, 0.10), (11, 0.14), (12, 0.12)):
        day = f"2025-{month}-{30 if month == 11 else 31}"
        report(tmp_path, day, findings=[share(left), call(month)])
    (row,) = soup(tmp_path).select(".questions tbody tr")
    assert [text(cell) for cell in row.select(".number p")] == ["12.0% of customers left", "−2.0 pp since 2025-11-30"]
    line = row.svg
    assert line["aria-label"] == "of customers left. 2025-10-31: 10.0%, 2025-11-30: 14.0%, 2025-12-31: 12.0%"
    points = [tuple(map(float, point.split(","))) for point in line.polyline["points"].split()]
    assert [y for _, y in points] == [28, 4, 16]  # high is up
    assert points[0][0] == 4
    assert points[1][0] == pytest.approx(4 + 112 * 30 / 61, abs=0.1)  # as far apart as the days are
    assert points[2] == (float(line.circle["cx"]), float(line.circle["cy"]))
    assert text(row.select_one(".said > p")) == "Call 12 customers by 10 January."
    assert text(row.select_one(".who")) == "retention 2026-01-10"


def test_a_first_run_has_no_history_and_a_report_without_the_number_says_so(tmp_path):
    report(tmp_path, "2025-12-31", findings=[share(0.12)])
    report(tmp_path, "2025-12-31", name="07_credit", number="credit.cut", owner="", decision="", findings=[])
    left, credit = soup(tmp_path).select(".questions tbody tr")
    assert not left.svg
    assert text(left.select(".number p")[1]) == "First run: nothing to compare with."
    assert text(left.select_one(".said > p")) == "12.0% of 1,000 left."  # the first headline stands in
    assert text(credit.select_one(".number")) == "n/a"
    assert text(credit.select_one(".who")) == "nobody is named"
    assert text(credit.select_one(".said")) == "This run recorded no headline finding."


def loud(limit, raised=True):
    text = f"Share is above {limit}."
    return {"alerts": [text] if raised else [], "findings": [found("limit", text, {}, alert=raised)]}


def test_alerts_come_first_with_their_age_and_lead_to_their_place(tmp_path):
    for day, raised in (("2025-09-30", True), ("2025-10-31", False), ("2025-11-30", True), ("2025-12-31", True)):
        report(tmp_path, day, **loud(day[5:7], raised))
        report(tmp_path, day, name="08_fraud", **loud(7, day == "2025-12-31"))
    page = soup(tmp_path)
    assert [text(h) for h in page.select("main h2, main h3")] == ["The demo bank, December 2025", "Alerts", "Questions"]
    first, second = page.select(".alerts li")
    assert text(first.p) == "▲ Share is above 12."
    assert text(first.select(".quiet")[0]) == (
        "As of 2025-12-31 , raised since 2025-11-30 · retention, by 2026-01-10 · 06 churn"
    ).replace(" ,", ",")
    assert "new" in text(second)
    assert first.a["href"] == "2025-12-31/06_churn.html#finding-1"


def test_the_scoreboard_comes_last_and_the_history_is_folded(tmp_path):
    report(tmp_path, "2025-12-31", name="00_scoreboard", of_truth=True, findings=[share(0.9)], alerts=["A row failed."])
    report(tmp_path, "2025-12-31", findings=[share(0.1)])
    page = soup(tmp_path)
    order = [tag.name if tag.name == "details" else text(tag) for tag in page.select("section > h3, section > details")]
    assert order == ["Alerts", "Questions", "details", "Can the analyses be trusted?"]
    assert not page.select_one("section > details").has_attr("open")
    assert [len(table.select("tbody tr")) for table in page.select(".questions")] == [1, 1]


def test_other_sources_and_failed_runs_are_not_compared_with(tmp_path):
    report(tmp_path, "2025-10-31", findings=[share(0.10)])
    report(tmp_path, "2025-11-30", failed=True, findings=[share(0.9)])
    report(tmp_path, "2025-11-30", source="berka", findings=[share(0.5)])
    report(tmp_path, "2025-12-31", findings=[share(0.11)])
    demo, berka = soup(tmp_path).select(".questions tbody tr")
    assert "share 11.0% +1.0 pp" in text(demo)
    assert "+1.0 pp since 2025-10-31" in text(demo.select_one(".number"))
    assert "First run: nothing to compare with." in text(berka)


@pytest.mark.parametrize(
    ("value", "earlier", "spec", "told"),
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
def test_changes_are_as_precise_as_the_values(value, earlier, spec, told):
    assert change(value, earlier, spec) == told


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
    assert page.select_one(".questions th a")["href"] == "2025-12-31/06_churn.failed.html"
    assert "Last good report: 2025-11-30 , of which this is" in text(said)
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
    assert page.select_one(".questions tbody th a") is None


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
        b'{"report": "06_churn", "status": "ok"}',
        b'{"report": "07_credit", "status": "ok", "title": "x"}',
        b'{"report": "06_churn", "status": "running", "title": "x"}',
        b'{"report": "06_churn", "status": "ok", "title": "x", "findings": [{}]}',
        b'{"report": "06_churn", "status": "ok", "title": "x", "findings": "none"}',
        b'{"report": "06_churn", "status": "ok", "title": "x", "source": "demo"}',
        b'{"report": "06_churn", "status": "ok", "title": "x", "alerts": 3}',
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
    assert page.select_one(".questions th a")["href"].startswith("2025-12-31/%E5%AE%A2")
    assert write_index(tmp_path).read_bytes() == write_index(tmp_path).read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {"2025-12-31", "berka", "index.html", "notes.json"}


@pytest.mark.parametrize("content", ["{}", "[", '{"status": "ok", "title": "A model", "report": "fraud"}'])
def test_json_that_a_report_hands_on_is_no_report(tmp_path, content):
    report(tmp_path, "2025-12-31")
    for name in ("fraud_model.json", "fraud_model.html"):  # also with a page of its own beside it
        (tmp_path / "2025-12-31" / name).write_text(content, "utf-8")
    page = soup(tmp_path)
    assert "fraud_model" not in page.get_text()
    assert text(page.select_one(".counts")) == "1 report: ✓ 1 OK"
