"""Charts of a study: each on a figure of its own, and none left behind by a chart that cannot be drawn."""

import re

import matplotlib.pyplot as plt
import seaborn as sns
from matplotlib.axes import Axes

from bankmine.errors import BankmineError
from bankmine.lacking import Lacking
from bankmine.study.charts import chart
from tests.test_architecture import LIBRARY


class Drawn:
    """Two charts that leave it to seaborn where to draw, one of its own size and one that cannot be."""

    @chart
    def bars(self) -> Axes:
        return sns.barplot(x=[1, 2], y=["a", "b"])

    @chart
    def line(self) -> Axes:
        return sns.lineplot(x=[1, 2], y=[1, 2])

    @chart
    def large(self) -> Axes:
        return plt.figure(figsize=(12, 9)).subplots()

    @chart
    def none(self) -> Axes:
        raise BankmineError("no rows")


def test_each_chart_has_a_figure_of_its_own_whatever_is_open():
    plt.figure().subplots().errorbar([1], [1], [1])
    drawn, before = Drawn(), set(plt.get_fignums())
    figures = [drawn.bars.figure, drawn.line.figure, drawn.large.figure]
    assert len({figure.number for figure in figures} - before) == len(figures)
    assert [len(figure.axes) for figure in figures] == [1, 1, 1]
    assert isinstance(drawn.none, Lacking)
    assert set(plt.get_fignums()) == before | {figure.number for figure in figures}
    plt.close("all")


def test_every_part_that_is_drawn_is_a_chart():
    shared = re.compile(r"@part\n\s+def (\w+)\(self\) -> (?:Axes|Figure|sns\.FacetGrid):")
    assert not {str(file): found for file in LIBRARY.rglob("*.py") if (found := shared.findall(file.read_text()))}
