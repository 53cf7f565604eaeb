"""Charts: one look, Chinese labels, colours that colour-blind readers tell apart, and never without alt text."""

import html
import io
from pathlib import Path

import matplotlib.pyplot as plt
import seaborn as sns
from IPython.display import HTML, Image, display
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image as Pixels

from bankmine.lacking import Lacking
from bankmine.report.findings import printable

DPI = 144
CSS_DPI = 96
COLOURS = 128
CHINESE_FONTS = ("notosanscjk-regular", "wqy-microhei")

STYLE = {
    # Customers' data may hold two dollar signs; between them there is no formula.
    "text.parse_math": False,
    "figure.figsize": (7.5, 4),
    "figure.dpi": CSS_DPI,
    "axes.titlelocation": "left",
    "axes.titlesize": 12,
    "axes.titlepad": 10,
    "axes.labelsize": 9.5,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "legend.fontsize": 9,
    "legend.frameon": False,
    "axes.edgecolor": "#8a95a1",
    "axes.labelcolor": "#3d4a57",
    "text.color": "#1c2733",
    "xtick.color": "#3d4a57",
    "ytick.color": "#3d4a57",
    "grid.color": "#e3e8ed",
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def use_theme() -> None:
    """Set the look of every chart that follows."""
    # Families by name: from a generic one such as "sans-serif" matplotlib takes a single font, without fallback.
    fonts = ["DejaVu Sans", *_chinese_fonts()]
    sns.set_theme(context="notebook", style="whitegrid", palette="colorblind", font=fonts, rc=STYLE)


def show(fig: Figure | Axes | sns.axisgrid.Grid | Lacking, alt: str) -> None:
    """Display a chart as a small PNG with alternative text, and close it.

    Parameters
    ----------
    fig : Figure, Axes, seaborn grid, or Lacking
        The chart; where it is lacking, the page says why.
    alt : str
        What the chart shows, for those who cannot see it.

    Raises
    ------
    ValueError
        If the alternative text is empty.
    """
    if not alt.strip():
        raise ValueError("show(fig, alt): say in alt what the chart shows, for those who cannot see it")
    if isinstance(fig, Lacking):
        told = html.escape(printable(f"{alt}: not drawn, as {fig.why}"))
        display(HTML(f'<p class="lacking">{told}</p>'))
        return
    figure = fig.figure
    png, width = _png(figure)
    plt.close(figure)
    display(Image(data=png, format="png", width=width, alt=" ".join(alt.split())))


def _png(figure: Figure) -> tuple[bytes, int]:
    """Draw a figure in few colours, a third of the size of full colour; return it with its width on a page."""
    drawn, small = io.BytesIO(), io.BytesIO()
    plain = {"compress_level": 0}  # it is packed below, in fewer colours
    figure.savefig(drawn, format="png", dpi=DPI, bbox_inches="tight", facecolor="white", pil_kwargs=plain)
    pixels = Pixels.open(drawn).convert("RGB")
    pixels.quantize(COLOURS, dither=Pixels.Dither.NONE).save(small, format="png", optimize=True)
    return small.getvalue(), round(pixels.width * CSS_DPI / DPI)


def _chinese_fonts() -> list[str]:
    """Register the Chinese fonts of this machine; matplotlib's own list may be older than they are."""
    paths = [Path(path) for path in font_manager.findSystemFonts()]
    found = [path for name in CHINESE_FONTS for path in paths if path.stem.lower() == name]
    for path in found:
        font_manager.fontManager.addfont(path)
    return [font_manager.get_font(path).family_name for path in found]
