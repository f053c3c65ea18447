"""The drawings of a sweep's report, by matplotlib, as inline SVG that follows the page's theme.

Axes are logarithmic, to base 2 where batch sizes and learning rates are powers of two. A drawing of which nothing is
finite is empty HTML.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

from xent._page import Html, colours
from xent.train.plots import SETTINGS, dress, picture
from xent.train.sweep_fit import WELL_BELOW
from xent.train.sweep_options import rate
from xent.train.sweep_record import Best, CellResult, Spread, Sweep

_SIZE = (5.2, 3.4)
"""Inches of 72 points. On a phone a point is about one pixel, so that 10-point text stays readable."""
_TICKS = 8
"""Labels on an axis of powers of two, at most."""
_SHADES = 12
"""Steps of a heat map's colour."""
_FAR = 64.0
"""Losses this many times the least one, and above, are drawn alike: nothing is learned there."""


@mpl.rc_context(SETTINGS)
def updates(sweep: Sweep, reduction: str) -> Html:
    """Fewest updates to each target by batch size, the fit through the headline's, and the line of perfect scaling."""
    found = [c for c in sweep.comparisons if (c.reduction, c.kind) == (reduction, "target")]
    if not found or not _points(found[-1].best, lambda best: best.value):
        return Html("")
    c, headline = colours(), found[-1]
    figure, axes = _axes()
    for other in found[:-1]:
        shown = _points(other.best, lambda best: best.value)
        axes.plot([p[0] for p in shown], [p[1] for p in shown], color=c["soft"], linewidth=0.9, dashes=(4, 2))
        if shown:
            _say(axes, f"{other.goal:g}", shown[0][:2], "soft", (-4, 0), "right")
    shown = _points(headline.best, lambda best: best.value)
    size, most, *_ = shown[0]
    sizes = sweep.batch_sizes
    axes.plot(
        sizes, [most * size / b for b in sizes], color=c["b"], linewidth=1.2, dashes=(1.5, 1.5), label="updates ∝ 1/B"
    )
    fit = headline.critical
    if fit is not None and fit.batch_size is not None and fit.least_updates and fit.least_rows:
        smooth = [sizes[0] * (sizes[-1] / sizes[0]) ** (k / 60) for k in range(61)]
        axes.plot(
            smooth, [fit.least_updates + fit.least_rows / b for b in smooth], color=c["a"], linewidth=1.0, label="fit"
        )
        _upright(axes, fit.batch_size, "critical")
    _bars(axes, shown, "a", "o", f"to a loss of {headline.goal:g}")
    _base2(axes.xaxis, sizes)
    axes.set_yscale("log")
    low = min(p[1] for other in found for p in _points(other.best, lambda best: best.value))
    axes.set_ylim(max(low / 2, 0.5), 2 * max(p[3] for p in shown))
    _tens(axes)
    _ends(axes, "batch size", "updates")
    dress(axes, "", many=True)
    return picture(
        figure, f"updates to a loss by batch size, {reduction}; the numbers are in the table", f"upd-{reduction}-"
    )


@mpl.rc_context(SETTINGS)
def best_lr(sweep: Sweep) -> Html:
    """The best learning rate by batch size, of mean and sum, and the line of a rate that doubles with the batch."""
    c = colours()
    figure, axes = _axes()
    drawn, values = False, [1.0]
    for reduction, colour, marker in (("sum", "b", "s"), ("mean", "a", "o")):
        found = sweep.comparison(reduction, "target")
        shown = _points(found.best, _own) if found else []
        if not shown:
            continue
        if reduction == "mean":
            sizes = [p[0] for p in shown]
            guide = [shown[0][1] * b / sizes[0] for b in sizes]
            axes.plot(sizes, guide, color=c["soft"], linewidth=1.2, dashes=(1.5, 1.5), label="lr ∝ B")
        values += [p[k] for p in shown for k in (1, 2, 3)]
        _bars(axes, shown, colour, marker, reduction)
        edges = [best for best in (found.best if found else ()) if best.lr is None and best.lr_seen is not None]
        if edges:
            at = [best.lr_seen for best in edges if best.lr_seen is not None]
            axes.plot([b.batch_size for b in edges], at, "x", ms=7, mec=c[colour], label=f"{reduction}, refused: edge")
            values += at
        knee = found.critical.batch_size if found and found.critical else None
        if knee is not None and not drawn:
            _upright(axes, knee, "critical")
        drawn = True
    if not drawn:
        return Html("")
    _base2(axes.xaxis, sweep.batch_sizes)
    _base2(axes.yaxis, values[1:], 2.0)
    _ends(axes, "batch size", "best learning rate")
    dress(axes, "", many=True)
    return picture(figure, "best learning rate by batch size; the numbers are in the table", "lr-")


@mpl.rc_context(SETTINGS)
def heat(sweep: Sweep, reduction: str, kind: str) -> Html:
    """Losses over learning rate and batch size: the stronger the colour, the lower; rings are best values."""
    cells = [cell for cell in sweep.cells if cell.reduction == reduction]
    value = _loss_of(kind)
    finite = [loss for cell in cells if (loss := value(cell)) is not None and loss > 0]
    if not finite:
        return Html("")
    c, least = colours(), min(finite)
    far = min(max(finite), _FAR * least)
    sizes, lrs = sorted({cell.batch_size for cell in cells}), sorted({cell.lr for cell in cells})
    figure, axes = _axes()
    for cell in cells:
        loss = value(cell)
        share = 0.0 if loss is None else 1.0 - math.log(max(loss, least) / least) / max(math.log(far / least), 1e-9)
        shade = math.ceil(_SHADES * min(max(share, 0.0), 1.0)) / _SHADES
        corner = (lrs.index(cell.lr) - 0.5, sizes.index(cell.batch_size) - 0.5)
        axes.add_patch(Rectangle(corner, 1, 1, facecolor=c["line"], edgecolor=c["paper"], linewidth=0.8))
        if shade > 0.0:
            axes.add_patch(Rectangle(corner, 1, 1, facecolor=c["a"], edgecolor="none", linewidth=0.0, alpha=shade))
    found = sweep.comparison(reduction, kind)
    for best in found.best if found else ():
        if best.lr_seen is not None:
            at = (lrs.index(best.lr_seen), sizes.index(best.batch_size))
            axes.plot(*at, "x" if best.lr is None else "o", ms=6.5, mew=1.9, mfc=c["paper"], mec=c["b"])
    axes.set(xlim=(-0.6, len(lrs) - 0.4), ylim=(-0.6, len(sizes) - 0.4))
    _places(axes.xaxis, lrs, rate)
    _places(axes.yaxis, sizes, str)
    _ends(axes, "learning rate", "batch size")
    dress(axes, "", many=False)
    axes.grid(visible=False)
    what = f"{sweep.data_rows} {sweep.unit}" if kind == "data" else f"{sweep.updates} updates"
    return picture(
        figure,
        f"heat map, {reduction}, training loss after {what}; sweep.csv has the numbers",
        f"heat-{reduction}-{kind}-",
    )


def well_below(sweep: Sweep) -> float | None:
    """A quarter of the headline's critical batch size; None where there is none."""
    found = sweep.comparison("mean", "target") or sweep.comparison("sum", "target")
    knee = found.critical.batch_size if found and found.critical else None
    return None if knee is None else knee / WELL_BELOW


@mpl.rc_context(SETTINGS)
def collapse(sweep: Sweep, limit: float | None) -> Html:
    """Loss at equal data by lr/B, a line a batch size: those up to `limit` in one colour."""
    c = colours()
    figure, axes = _axes()
    lowest, highest, named = math.inf, 0.0, set()
    for size in sweep.batch_sizes:
        mine = [cell for cell in sweep.cells if (cell.reduction, cell.batch_size) == ("mean", size)]
        points = [(cell.lr / size, cell.at_data.median) for cell in sorted(mine, key=lambda cell: cell.lr)]
        shown = [(x, y) for x, y in points if y is not None and y > 0]
        if not shown:
            continue
        lowest, highest = min(lowest, *(y for _, y in shown)), max(highest, sweep.initial_loss * 2)
        small = limit is None or size <= limit
        label = f"B up to {limit:.0f}" if small and limit is not None else "larger B" if not small else "every B"
        axes.plot(
            [x for x, _ in shown], [y for _, y in shown], color=c["a" if small else "b"], linewidth=1.3,
            linestyle="-" if small else (0, (3, 1.5)), label=None if label in named else label,
        )  # fmt: skip
        named.add(label)
    if not named:
        return Html("")
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_ylim(lowest / 1.4, highest)
    low, high = axes.get_xlim()
    ticks = [2.0**k for k in range(math.ceil(math.log2(low)), math.floor(math.log2(high)) + 1)]
    axes.set_xticks(ticks[:: -(-len(ticks) // _TICKS)])
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: _power(x)))
    axes.xaxis.set_minor_locator(NullLocator())
    _tens(axes)
    _ends(axes, "learning rate / batch size", "training loss")
    dress(axes, "", many=True)
    return picture(figure, "training loss by learning rate over batch size, a line a batch size", "collapse-")


@mpl.rc_context(SETTINGS)
def noise(sweep: Sweep) -> Html:
    """Noise scale and critical batch size as the loss falls, from left to right."""
    c = colours()
    figure, axes = _axes()
    kinds: list[tuple[str, str, str, Any, Callable[[Any], Spread | None]]] = [
        ("tr Σ / |G|²", "a", "o", "-", lambda each: each.scale),
        ("two batches", "soft", "+", (0, (1.5, 1.5)), lambda each: each.estimated),
        ("with curvature", "b", "s", (0, (4, 2)), lambda each: each.curved),
    ]
    drawn = False
    for name, colour, marker, style, pick in kinds:
        each = [(one.loss, spread.median) for one in sweep.noise if (spread := pick(one)) is not None]
        shown = [(x, y) for x, y in each if y is not None and y > 0]
        if shown:
            axes.plot(
                [x for x, _ in shown], [y for _, y in shown], marker=marker, ms=5, color=c[colour], linestyle=style,
                linewidth=1.3, label=name,
            )  # fmt: skip
            drawn = True
    fits = [(f.goal, f.critical.batch_size) for f in sweep.comparisons if f.critical and f.reduction == "mean"]
    known = [(x, y) for x, y in fits if y is not None]
    if known:
        axes.plot(
            [x for x, _ in known],
            [y for _, y in known],
            "D",
            ms=6,
            mfc=c["paper"],
            mec=c["good"],
            mew=1.8,
            label="critical batch, fit",
        )
    if not drawn:
        return Html("")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.invert_xaxis()
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    _tens(axes)
    _ends(axes, "training loss, falling", sweep.unit)
    dress(axes, "", many=True)
    return picture(figure, "noise scale by training loss; the numbers are in the table", "noise-")


def _axes() -> tuple[Figure, Axes]:
    """An empty drawing."""
    figure = Figure(figsize=_SIZE, layout="constrained")
    return figure, figure.add_subplot()


def _points(best: Sequence[Best], pick: Callable[[Best], Spread]) -> list[tuple[int, float, float, float]]:
    """Batch size, median, lowest and highest of each batch size whose best is one."""
    found = []
    for each in best:
        value = pick(each)
        if each.lr is not None and value.median is not None:
            low = value.median if value.low is None else value.low
            found.append((each.batch_size, value.median, low, value.median if value.high is None else value.high))
    return found


def _own(best: Best) -> Spread:
    """The best learning rate and the seeds' own ones."""
    return Spread(best.lr, best.lr_low, best.lr_high)


def _loss_of(kind: str) -> Callable[[CellResult], float | None]:
    """Median loss of a point of the grid."""
    return lambda cell: (cell.at_data if kind == "data" else cell.at_updates).median


def _bars(axes: Axes, shown: Sequence[tuple[int, float, float, float]], colour: str, marker: str, label: str) -> None:
    """Points with the range of the seeds."""
    c = colours()
    below = [max(p[1] - p[2], 0.0) for p in shown]
    above = [max(p[3] - p[1], 0.0) for p in shown]
    axes.errorbar(
        [p[0] for p in shown], [p[1] for p in shown], yerr=[below, above], color=c[colour], fmt=marker, ms=5,
        linewidth=1.2, label=label, capsize=0,
    )  # fmt: skip


def _upright(axes: Axes, at: float, words: str) -> None:
    """A line at a batch size."""
    c = colours()
    axes.axvline(at, color=c["soft"], linewidth=0.8, dashes=(2, 2), zorder=0)
    axes.annotate(
        f"{words} {at:.0f}", (at, 0.0), (-4, 5), xycoords=("data", "axes fraction"), textcoords="offset points",
        ha="right", color=c["soft"], fontsize=10,
    )  # fmt: skip


def _say(axes: Axes, words: str, at: Sequence[float], colour: str, off: tuple[int, int], side: str) -> None:
    """Words beside a point."""
    axes.annotate(
        words, (at[0], at[1]), off, textcoords="offset points", ha=side, va="center", color=colours()[colour],
        fontsize=9,
    )  # fmt: skip


def _base2(axis: Any, values: Sequence[float], room: float = 1.6) -> None:  # noqa: ANN401  # XAxis or YAxis
    """A scale of powers of two around the values."""
    low, high = min(values), max(values)
    which = axis.axis_name
    axis.axes.set(**{f"{which}scale": "log"})
    axis.axes.set(**{f"{which}lim": (low / room, high * room)})
    first, last = round(math.log2(low)), round(math.log2(high))
    step = -(-(last - first + 1) // _TICKS)
    axis.set_ticks([2.0**k for k in range(first, last + 1, step)])
    axis.set_major_formatter(FuncFormatter(lambda x, _: _power(x)))
    axis.set_minor_locator(NullLocator())


def _power(value: float) -> str:
    """A power of two, short.

    >>> _power(0.25), _power(1024.0), _power(2.0**-12)
    ('1/4', '1024', '2⁻¹²')
    """
    exponent = round(math.log2(value))
    if -10 <= exponent <= 13:  # noqa: PLR2004  # as wide as a label may be
        return rate(2.0**exponent)
    return "2" + str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def _tens(axes: Axes) -> None:
    """Labels of a logarithmic vertical axis as plain numbers."""
    low, high = axes.get_ylim()
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0,) if high > 300 * low else (1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_minor_locator(NullLocator())


def _places(axis: Any, values: Sequence[Any], form: Callable[[Any], str]) -> None:  # noqa: ANN401  # XAxis or YAxis
    """Labels of columns or rows: the first and every k-th."""
    step = -(-len(values) // (_TICKS if axis.axis_name == "x" else 12))
    at = list(range(0, len(values), step))
    axis.set_ticks(at, [form(values[k]) for k in at])


def _ends(axes: Axes, below: str, beside: str) -> None:
    """What the axes count."""
    axes.set_xlabel(below)
    axes.set_ylabel(beside)
    axes.yaxis.label.set_color(colours()["soft"])
