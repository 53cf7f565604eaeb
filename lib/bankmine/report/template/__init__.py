"""The Jinja environment of everything that is written as HTML: names are escaped unless a template says ``safe``."""

from base64 import b64encode
from datetime import datetime
from hashlib import sha256
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

environment = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def moment(text: str | None) -> str:
    """Return an ISO time for readers.

    Parameters
    ----------
    text : str or None
        As a manifest holds it, ``2026-11-21T20:00:00Z``.

    Returns
    -------
    str
        ``2026-11-21 20:00 UTC``.
    """
    return f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M %Z}".strip() if text else "unknown"


def month(day: str) -> str:
    """Return the month of an ISO day for readers, ``December 2025``."""
    return f"{datetime.fromisoformat(day):%B %Y}"


SCRIPT = (Path(__file__).parent / "tables.js").read_text("utf-8")
"""The one script of a page; its policy allows it by its hash, and no other."""
environment.globals |= {"script": Markup(SCRIPT), "script_hash": b64encode(sha256(SCRIPT.encode()).digest()).decode()}
environment.filters |= {"moment": moment, "month": month}
