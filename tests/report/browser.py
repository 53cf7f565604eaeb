"""Pages as a reader opens them: screens, and what stands in the way of reading."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Browser, Page

NARROW = {"width": 360, "height": 740}
WIDE = {"width": 1280, "height": 900}
AXE = "async () => (await axe.run(document, {resultTypes: ['violations'], preload: false})).violations"
# Elements that stick out of the page, unless they are in a box that scrolls.
OVERFLOWING = """() => document.documentElement.scrollWidth <= document.documentElement.clientWidth ? [] :
  [...document.querySelectorAll('body *')]
    .filter(e => !e.closest('.scroll, pre'))
    .filter(e => e.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
    .map(e => e.outerHTML.slice(0, 120))"""
BROKEN_LINKS = """() => [...document.querySelectorAll('a[href^="#"]')]
  .map(a => a.getAttribute('href')).filter(h => !document.getElementById(decodeURIComponent(h.slice(1))))"""


@contextmanager
def opened(
    browser: Browser, file: Path, viewport: dict = WIDE, scheme: str = "light", policy: bool = True, anchor: str = ""
) -> Iterator[Page]:
    """Open a file; fail in the end if the page asked for anything, complained, or opened a dialog.

    Without its `policy` (the content security policy) only the cleaning stands between a hostile text and the reader.
    """
    context = browser.new_context(viewport=viewport, color_scheme=scheme, bypass_csp=not policy)
    page, trouble = context.new_page(), []
    own = (f"{file.as_uri()}#", "data:", "blob:")
    page.on("request", lambda r: None if f"{r.url}#".startswith(own) else trouble.append(r.url))
    page.on("console", lambda message: trouble.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.on("dialog", lambda dialog: (trouble.append(dialog.message), dialog.dismiss()))
    page.goto(f"{file.as_uri()}#{anchor}" if anchor else file.as_uri())
    yield page
    context.close()
    assert trouble == []


def violations(page: Page) -> list[str]:
    """Return the serious and critical violations that axe-core finds, one line each."""
    page.evaluate(AXE_SCRIPT)
    return [
        f"{found['id']}: {node['html'][:160]} {node.get('failureSummary', '')}"
        for found in page.evaluate(AXE)
        if found["impact"] in ("serious", "critical")
        for node in found["nodes"]
    ]


def unfold(page: Page) -> None:
    """Open all that is folded."""
    page.evaluate("() => document.querySelectorAll('details').forEach(d => d.open = true)")
