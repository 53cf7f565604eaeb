"""The two layers of a page: the Decision, which one screen shows, and the Evidence, folded by sections."""

from __future__ import annotations

from dataclasses import dataclass

from bs4 import BeautifulSoup, Tag
from markupsafe import Markup

ABOUT = "about"
"""Anchor of the section that holds what a notebook says before its first question."""


@dataclass
class Section:
    """A part of a page under its heading; `id` is where links to it lead, `parts` are its subsections."""

    title: str
    id: str
    parts: list[dict]
    body: Markup
    """Cleaned piece by piece."""


def layers(soup: BeautifulSoup) -> tuple[Section | None, list[Section]]:
    """Split a page: its first section is the Decision, what follows is the Evidence, beginning with what came before.

    A notebook without questions has no Decision: all of it is one section.
    """
    before, sections = [], []
    for node in list(soup.contents):
        if isinstance(node, Tag) and node.name == "h2":
            sections.append([node])
        else:
            (sections[-1] if sections else before).append(node)
    decision = _section(_code_last(soup, _named_cells(sections[0]))) if sections else None
    about = [Section("What is this report about?", ABOUT, [], _html(before))] if _html(before).strip() else []
    return decision, about + [_section(nodes) for nodes in sections[1:]]


def _section(nodes: list) -> Section:
    heading, *rest = nodes
    found = [node for node in rest if isinstance(node, Tag)]
    headings = [h for node in found for h in ([node] if node.name == "h3" else node.find_all("h3"))]
    parts = [{"text": " ".join(h.get_text().split()), "id": h["id"]} for h in headings]
    return Section(" ".join(heading.get_text().split()), heading["id"], parts, _html(rest))


def _named_cells(nodes: list) -> list:
    """Give cells of tables the name of their column: on a phone rows are read down, without the head of the table."""
    for table in (table for node in nodes if isinstance(node, Tag) for table in node.select("table.frame")):
        names = [head.get_text(" ", strip=True) for head in table.thead.tr.find_all(["th", "td"])]
        for row in table.tbody.find_all("tr"):
            for name, cell in zip(names, row.find_all(["th", "td"]), strict=True):
                cell["data-column"] = name
    return nodes


def _code_last(soup: BeautifulSoup, nodes: list) -> list:
    """Let a decider read without code between the sentences: it is folded together at the end."""
    code = [node for node in nodes if isinstance(node, Tag) and "folded" in node.get("class", [])]
    if not code:
        return nodes
    folded = soup.new_tag("details", attrs={"class": "folded"})
    folded.append(summary := soup.new_tag("summary"))
    summary.string = "How this was computed"
    for node in code:
        node["open"] = ""
        folded.append(node.extract())
    return [*(node for node in nodes if not any(node is one for one in code)), folded]


def _html(nodes: list) -> Markup:
    return Markup("".join(map(str, nodes)))
