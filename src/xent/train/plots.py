"""The report's drawings, by matplotlib, as inline SVG that follows the page's theme.

matplotlib chooses ticks, scales and layout; `xent._page.themed` swaps its colours for the page's variables. Every
function returns HTML, or nothing where there is nothing finite to draw.
"""

import io
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

from xent._page import Html, colours, themed

_SIZE = (5.2, 3.1)
"""Inches of 72 points: at a phone's 358 px a point is about one pixel, so 10-point text stays readable."""
_DECADES = 20.0
"""A loss whose largest value is more than this many times its smallest is drawn on a logarithmic axis."""
_DRAWN = 1000
"""More epochs than this are thinned to one in k: a curve is never drawn finer than half a pixel."""


@dataclass(frozen=True)
class Curve:
    """One line: what it is called, its colour by name, its dashes, a value an epoch (NaN or inf leaves a gap)."""

    name: str
    colour: str
    dashes: tuple[float, float] | None
    values: Sequence[float]


def curves(epochs: Sequence[int], lines: Sequence[Curve], *, axis: str, label: str, prefix: str, best: int | None = None, share: bool = False) -> Html:
    """Values by epoch; `best` is the epoch whose weights were kept; a share keeps to [0, 1]."""
    c = colours()
    finite = [value for line in lines for value in line.values if math.isfinite(value)]
    if not finite:
        return Html("")
    with _drawing() as (figure, axes):
        step = -(-len(epochs) // _DRAWN)
        for line in lines:
            shown = [value if math.isfinite(value) else math.nan for value in line.values]
            axes.plot(
                epochs[::step],
                shown[::step],
                color=c[line.colour],
                label=line.name,
                linewidth=1.8,
                dashes=line.dashes or (None, None),
                marker="o" if len(epochs) == 1 else None,
            )
        if best is not None:
            axes.axvline(best, color=c["soft"], linewidth=0.8, dashes=(2, 2), zorder=0)
            mark = lines[-1].values[list(epochs).index(best)]
            if math.isfinite(mark):
                axes.plot([best], [mark], marker="o", markersize=7, markerfacecolor=c["paper"], markeredgecolor=c[lines[-1].colour], markeredgewidth=1.8)
            late = best > (epochs[0] + epochs[-1]) / 2
            axes.annotate(f"epoch {best} kept", (best, 1), (-5 if late else 5, -2), xycoords=("data", "axes fraction"), textcoords="offset points", ha="right" if late else "left", va="top", color=c["soft"], fontsize=9)
        _scale(axes, finite, share=share)
        axes.set_xlabel("epoch")
        axes.set_title(axis + (", log scale" if axes.get_yscale() == "log" else ""), loc="left", fontsize=10, color=c["soft"])
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=7))
        if len(lines) > 1:
            axes.legend(frameon=False, fontsize=9, handlelength=2.6, labelcolor=c["ink"])
        return _picture(figure, label, prefix)
