"""Glossary: words of the trade lead to what they mean, once in every section of a page, without a script."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml
from bs4 import BeautifulSoup, NavigableString

GLOSSARY = Path(__file__).parent / "template" / "glossary.yml"
_UNTOUCHED = ["a", "code", "pre", "math", "summary", "thead", "button", "h1", "h2", "h3", "h4"]
"""Where no link may stand, or none is read."""


@dataclass(frozen=True)
class Term:
    """A word of the trade, how pages write it, and what it means."""

    term: str
    words: list[str]
    says: str

    @property
    def id(self) -> str:
        """Anchor; no heading has two hyphens in a row."""
        return f"term--{re.sub(r'[^a-z]+', '-', self.term.lower())}"


@cache
def _terms() -> tuple[dict[str, Term], re.Pattern]:
    terms = [Term(**entry) for entry in yaml.safe_load(GLOSSARY.read_text("utf-8"))]
    by_word = {word if word.isupper() else word.lower(): term for term in terms for word in term.words}
    written = [w if w.isupper() else f"(?i:{re.escape(w)})" for w in sorted(by_word, key=len, reverse=True)]
    return by_word, re.compile(rf"(?<![\w-])({'|'.join(written)})(?![\w-])")


def explain(soup: BeautifulSoup) -> list[Term]:
    """Link the first use of each term in every section to the glossary; return the terms that the page uses."""
    by_word, pattern = _terms()
    used: dict[str, Term] = {}
    in_section: set[str] = set()
    for node in list(soup.find_all(["h2", True], recursive=True)):
        if node.name == "h2":
            in_section = set()
        if node.name in _UNTOUCHED or node.find_parent(_UNTOUCHED):
            continue
        for text in [child for child in node.children if type(child) is NavigableString]:
            pieces = []
            for piece in pattern.split(text):
                term = by_word.get(piece) or by_word.get(piece.lower())
                if term is None or term.term in in_section or not pattern.fullmatch(piece):
                    pieces.append(NavigableString(piece))
                    continue
                in_section.add(term.term)
                used[term.term] = term
                link = soup.new_tag("a", attrs={"class": "term", "href": f"#{term.id}", "title": term.says})
                link.string = piece
                pieces.append(link)
            if any(piece.name for piece in pieces):
                text.replace_with(*pieces)
    return sorted(used.values(), key=lambda term: term.term.lower())
