"""The report's drawings, by matplotlib, as inline SVG that follows the page's theme.

matplotlib chooses ticks, scales and layout; `xent._page.themed` swaps its colours for the page's variables. A drawing
of which nothing is finite is empty HTML.
"""

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from xent._page import Html, colours, share, themed

_SIZE = (5.2, 3.0)
"""Inches of 72 points. On a phone a point is about one pixel, so that 10-point text stays readable."""
_HUGE = 1e300
"""A value beyond this leaves a gap, as an infinite one does: there is no room above it for an axis."""
_WIDE = 20.0
"""Values whose largest is more than this many times the smallest are drawn on a logarithmic axis."""
_POINTS = 800
"""Of more epochs than this, a curve is drawn through the lowest and the highest of each few: no spike is lost."""
_SIDE = 0.2
"""Words nearer than this to an end of the line from 0 to 1 are set towards its middle."""
_NEAR_ONE = 0.6
"""An accuracy that gets above this is drawn on an axis that goes up to 1."""
SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "xent",
    "font.size": 11,
    "font.family": "sans-serif",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.unicode_minus": True,
    "path.simplify": True,
    "path.simplify_threshold": 0.25,
}


@dataclass(frozen=True)
class Curve:
    """One line: its name, its colour by name, its dashes in points, and a value an epoch; NaN and inf leave a gap."""

    name: str
    colour: str
    dashes: tuple[float, float] | None
    values: Sequence[float]


def by_epoch(
    epochs: Sequence[int], lines: Sequence[Curve], *, title: str, label: str, prefix: str, kept: int | None = None
) -> Html:
    """Curves over epochs; the epoch whose weights were kept is marked on the last of them.

    A title that speaks of accuracy gets a linear axis, up to 1 if it comes near; anything else a logarithmic one if it
    is positive and spans more than a factor of 20.
    """
    finite = [value for line in lines for value in line.values if _drawable(value)]
    if not finite:
        return Html("")
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=_SIZE, layout="constrained")
        axes = figure.add_subplot()
        for line in lines:
            _draw(axes, epochs, line)
        fraction = "accuracy" in title
        log = not fraction and min(finite) > 0 and max(finite) > _WIDE * min(finite)
        _scale(axes, finite, fraction=fraction, log=log)
        if kept is not None:
            _mark(axes, epochs, lines[-1], kept, low=fraction)
        dress(axes, title + (", log axis" if log else ""), many=len(lines) > 1)
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
        return picture(figure, label, prefix)


def interval(accuracy: float, low: float, high: float, baseline: float, *, label: str, prefix: str) -> Html:
    """The accuracy and its interval on the line from 0 to 1, the commonest class's share below it."""
    if not all(map(math.isfinite, (accuracy, low, high, baseline))):
        return Html("")
    c = colours()
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(_SIZE[0], 0.7))
        axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
        axes.plot([0, 1], [0, 0], color=c["line"], linewidth=6, solid_capstyle="round")
        axes.plot([low, high], [0, 0], color=c["a"], linewidth=6, solid_capstyle="butt")
        axes.plot([accuracy], [0], "o", ms=9, mfc=c["paper"], mec=c["a"], mew=2)
        axes.plot([baseline], [0], "|", ms=13, mec=c["b"], mew=2)
        for value, words, colour, up in (
            (accuracy, f"this model {share(accuracy)}", "a", True),
            (baseline, f"commonest class {share(baseline)}", "b", False),
        ):
            side = "left" if value < _SIDE else "right" if value > 1 - _SIDE else "center"
            axes.annotate(
                words, (value, 0), (0, 9 if up else -9), textcoords="offset points", color=c[colour], fontsize=11,
                ha=side, va="bottom" if up else "top",
            )  # fmt: skip
        axes.set(xlim=(-0.012, 1.012), ylim=(-1, 1))
        axes.set_axis_off()
        return picture(figure, label, prefix)


def _drawable(value: float) -> bool:
    return abs(value) < _HUGE  # so NaN and infinities are not


def _draw(axes: Axes, epochs: Sequence[int], line: Curve) -> None:
    shown = [value if _drawable(value) else math.nan for value in line.values]
    kept = _thinned(shown)
    alone = sum(map(_drawable, line.values)) == 1  # a line needs two points
    axes.plot(
        [epochs[i] for i in kept],
        [shown[i] for i in kept],
        color=colours()[line.colour],
        label=line.name,
        linewidth=1.6 if len(kept) == len(shown) else 1.0,
        linestyle=(0, line.dashes) if line.dashes else "-",
        marker="o" if alone else None,
        markersize=4,
    )


def _thinned(values: Sequence[float]) -> list[int]:
    """Places of the values to draw: all, or of each block the lowest and the highest, and one gap if it has one.

    >>> len(_thinned([0.0] * 800)), len(_thinned([0.0] * 799 + [1.0] * 2)) <= 800
    (800, True)
    """
    if len(values) <= _POINTS:
        return list(range(len(values)))
    size = -(-2 * len(values) // _POINTS)
    kept = set()
    for start in range(0, len(values), size):
        block = range(start, min(start + size, len(values)))
        finite = [i for i in block if math.isfinite(values[i])]
        kept |= {min(finite, key=values.__getitem__), max(finite, key=values.__getitem__)} if finite else set()
        kept |= set([i for i in block if math.isnan(values[i])][:1])
    return sorted(kept)


def _scale(axes: Axes, finite: Sequence[float], *, fraction: bool, log: bool) -> None:
    if fraction:
        low, high = min(finite), max(finite)
        high = 1.0 if high > _NEAR_ONE else high
        axes.set_ylim(max(0.0, low - 0.08 * (high - low) - 0.002), high + 0.04 * (high - low) + 0.002)
    elif log:
        axes.set_ylim(min(finite) / 1.4, max(finite) * 1.4)  # before the scale, whose own margins can overflow
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
    else:
        axes.set_ylim(min(0.0, *finite), None)


def _mark(axes: Axes, epochs: Sequence[int], line: Curve, kept: int, *, low: bool) -> None:
    c = colours()
    value = line.values[list(epochs).index(kept)]
    axes.axvline(kept, color=c["soft"], linewidth=0.8, dashes=(2, 2), zorder=0)
    if _drawable(value):
        axes.plot([kept], [value], "o", ms=7, mfc=c["paper"], mec=c[line.colour], mew=1.8)
    late = kept > (epochs[0] + epochs[-1]) / 2
    axes.annotate(
        f"epoch {kept} kept",
        (kept, 0.0 if low else 1.0),
        (-5 if late else 5, 4 if low else -2),
        xycoords=("data", "axes fraction"),
        textcoords="offset points",
        ha="right" if late else "left",
        va="bottom" if low else "top",
        color=c["soft"],
        fontsize=10,
    )


def dress(axes: Axes, title: str, *, many: bool) -> None:
    """Title on the left and legend on the right above the axes, where no curve can run into them; quiet lines."""
    c = colours()
    axes.set_title(title, loc="left", fontsize=11, color=c["ink"])
    if many:
        axes.legend(
            loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2, frameon=False, fontsize=10, labelcolor=c["ink"],
            handlelength=2.4, columnspacing=1.2, borderaxespad=0.0, borderpad=0.35,
        )  # fmt: skip
    axes.grid(axis="y", color=c["line"], linewidth=0.6)
    axes.set_axisbelow(True)
    for spine in axes.spines.values():
        spine.set_color(c["soft"])
    axes.tick_params(color=c["soft"], labelcolor=c["soft"], labelsize=10, which="both")
    axes.xaxis.label.set_color(c["soft"])


def picture(figure: Figure, label: str, prefix: str) -> Html:
    """The figure as inline SVG in the page's colours; see `xent._page.themed`."""
    text = io.StringIO()
    figure.savefig(text, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return themed(text.getvalue(), label, prefix)
