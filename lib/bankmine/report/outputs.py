"""What a cell says or shows, as HTML that is safe to put in a page.

Cells display other people's text: names of customers, tickets, whatever a library writes. Plain text is escaped; HTML
and rendered Markdown pass an allow list; pictures become data URIs. Nothing that runs or is fetched gets through.
"""

import html
import re
from base64 import b64encode
from collections.abc import Callable

import nh3
from latex2mathml.converter import convert
from nbconvert.filters import Highlight2HTML, ansi2html
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from nbformat import NotebookNode

from bankmine.report.findings import printable

# A page is for reading; what is longer is in the notebook beside it.
MOST_TEXT = 20_000
MOST_HTML = 300_000

MATHML = {
    *("math", "mrow", "mi", "mn", "mo", "mtext", "mspace", "mstyle", "mpadded", "mphantom", "menclose", "mfrac"),
    *("msqrt", "mroot", "msub", "msup", "msubsup", "munder", "mover", "munderover", "mtable", "mtr", "mtd"),
}
LANDMARKS = {"area", "article", "aside", "footer", "header", "map", "nav"}
# Ours, nbconvert's, pandas', and the one to three letters of Pygments. A cell cannot borrow the page's own classes.
CLASS = re.compile(
    r"frame|dataframe|num|text|narrow|prose|finding|alert|lacking|highlight|ansi-[a-z-]+|[a-z][a-z0-9]{0,2}"
)
PICTURE = re.compile(r"data:image/(png|jpeg|gif|webp|svg\+xml);base64,")


def _attribute(tag: str, name: str, value: str) -> str | None:
    """Keep data URIs to pictures, pictures to data URIs, and classes to known ones."""
    if name == "src":
        return value if PICTURE.match(value) else None
    if name == "href":
        return None if value.startswith("data:") else value
    if name == "class":
        return " ".join(word for word in value.split() if CLASS.fullmatch(word)) or None
    return value


CLEANER = nh3.Cleaner(
    tags=(nh3.ALLOWED_TAGS | MATHML) - LANDMARKS,
    attributes=nh3.ALLOWED_ATTRIBUTES
    | {"*": {"class", "style", "dir", "lang"}, "math": {"display"}, "mo": {"stretchy", "fence"}, "mover": {"accent"}}
    | {"mstyle": {"displaystyle", "scriptlevel"}, "mspace": {"width"}, "mi": {"mathvariant"}, "mn": {"mathvariant"}}
    | {"mfrac": {"linethickness"}, "mtable": {"columnalign", "rowspacing"}},
    attribute_filter=_attribute,
    url_schemes={"http", "https", "mailto", "data"},
    # No colours: chosen for white paper, they are unreadable on a dark page.
    filter_style_properties={"text-align", "font-weight", "font-style"},
)


class _Renderer(IPythonRenderer):
    """nbconvert's Markdown with formulas as MathML, which needs no script."""

    def inline_math(self, body: str) -> str:
        return _formula(body, "inline")

    def block_math(self, body: str) -> str:
        return _formula(body, "block")

    def latex_environment(self, name: str, body: str) -> str:
        return _formula(rf"\begin{{{name}}}{body}\end{{{name}}}", "block")

    def image(self, text: str, url: str, title: str | None = None) -> str:
        if url.startswith("attachment:") and url.removeprefix("attachment:") not in self.attachments:
            url = ""  # nbconvert would stop here; the page names the picture instead
        return super().image(text, url, title)


def _formula(tex: str, display: str) -> str:
    try:
        return convert(tex, display=display)
    except Exception:  # latex2mathml's errors have no class in common; an author's slip is shown as it was typed
        return f"<code>{html.escape(tex)}</code>"


def markdown(source: str, attachments: dict | None = None) -> str:
    """Return Markdown as clean HTML.

    Parameters
    ----------
    source : str
        Markdown with TeX between dollar signs.
    attachments : dict, optional
        The cell's pictures: name → MIME type → base64.

    Returns
    -------
    str
        HTML with MathML, and attached pictures as data URIs.
    """
    renderer = _Renderer(escape=False, attachments=attachments or {}, exclude_anchor_links=True)
    return CLEANER.clean(MarkdownWithMath(renderer=renderer).render(source))


def code(source: str) -> str:
    """Return Python with its syntax marked by Pygments' classes.

    Parameters
    ----------
    source : str
        A cell's source.

    Returns
    -------
    str
        A ``pre`` in a ``div``.
    """
    return Highlight2HTML()(source)


def terminal(text: str) -> str:
    """Return terminal text as HTML: colours as classes, the rest as text.

    Parameters
    ----------
    text : str
        With or without ANSI escapes.

    Returns
    -------
    str
        To be put in a ``pre``; cut where nobody reads on.
    """
    more = f"\n… {len(text) - MOST_TEXT:,} more characters in the notebook" if len(text) > MOST_TEXT else ""
    return printable(ansi2html(text[:MOST_TEXT] + more))


def output(shown: NotebookNode) -> str:
    """Return one output of a cell as clean HTML.

    Parameters
    ----------
    shown : NotebookNode
        A stream, an error, or data under one or several MIME types.

    Returns
    -------
    str
        HTML; what cannot be shown is named, never dropped in silence.
    """
    if shown.output_type == "stream":
        text = f"<pre>{terminal(shown.text)}</pre>"
        return text if shown.name == "stdout" else f'<details class="folded"><summary>Log</summary>{text}</details>'
    if shown.output_type == "error":
        return f'<pre class="traceback">{terminal(chr(10).join(shown.traceback))}</pre>'
    return _richest(shown)


def _richest(shown: NotebookNode) -> str:
    """Return the richest of an output's forms that leaves something to see once it is cleaned."""
    for mime in (mime for mime in WRITERS if mime in shown.data):
        written = WRITERS[mime]("".join(shown.data[mime]), shown.get("metadata", {}).get(mime, {}))
        if written:
            return written
    return f'<p class="left-out">Not shown: an output of type {html.escape(", ".join(shown.data))}.</p>'


def _html(source: str, _: dict) -> str:
    if "sk-top-container" in source:  # scikit-learn's diagram of a model is unreadable without its style sheet
        return ""
    cleaned = CLEANER.clean(source) if len(source) <= MOST_HTML else ""
    return cleaned if "<img" in cleaned or nh3.clean(cleaned, tags=set()).strip() else ""


def _markdown(source: str, _: dict) -> str:
    return markdown(source)


def _text(source: str, _: dict) -> str:
    return f"<pre>{terminal(source)}</pre>"


def _picture(mime: str) -> Callable[[str, dict], str]:
    def write(source: str, metadata: dict) -> str:
        data = b64encode(source.encode()).decode() if mime.endswith("+xml") else "".join(source.split())
        width = metadata.get("width")
        size = f' width="{width}"' if isinstance(width, int) else ""
        alt = html.escape(str(metadata.get("alt", "")))
        return f'<figure><img src="data:{mime};base64,{html.escape(data)}" alt="{alt}"{size}></figure>'

    return write


WRITERS: dict[str, Callable[[str, dict], str]] = {
    "text/html": _html,
    "text/markdown": _markdown,
    **{mime: _picture(mime) for mime in ("image/svg+xml", "image/png", "image/jpeg", "image/gif")},
    "text/latex": _markdown,
    "text/plain": _text,
}
