"""A run's drawings, by matplotlib, as inline SVG that follows the page's theme; empty where nothing is to be drawn."""

import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

from xent._page import Html, colours, themed
from xent.bench.peers import OURS
from xent.bench.record import Measured, Record

WIDTH = 5.2  # inches of 72 points; on a phone a point is about a pixel
FEWEST = 3  # shapes in a row that make a sweep
_SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "xent",
    "font.size": 10,
    "font.family": "sans-serif",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
}


@dataclass(frozen=True)
class Look:
    """How a peer is drawn: colour by name, marker, filled or not."""

    colour: str
    marker: str
    filled: bool = True


LOOKS = {
    OURS: Look("a", "o"),
    "xent-new": Look("a", "o", filled=False),
    "torch": Look("b", "s"),
    "compile": Look("b", "s", filled=False),
    "jax": Look("good", "^"),
    "tensorflow": Look("good", "^", filled=False),
    "numpy": Look("soft", "D"),
    "scipy": Look("soft", "D", filled=False),
    "sklearn": Look("ink", "v", filled=False),
}
_OTHER = Look("ink", "x")
_DECADES = 100.0  # an axis over less has marks at 2 and 5 too
_LONG = 100_000.0
_RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def times(record: Record, shapes: Sequence[Measured], *, prefix: str, reference: str = "a copy of the logits") -> Html:
    """Every peer's time over the reference's, a line a shape."""
    rows = [each for each in shapes if each.reference is not None]
    if not rows:
        return Html("")
    with mpl.rc_context(_SETTINGS):
        figure = Figure(figsize=(WIDTH, 1.45 + 0.36 * len(rows)), layout="constrained")
        axes = figure.add_subplot()
        for peer in _peers(rows):
            points = [
                (ratio, place)
                for place, measured in enumerate(rows)
                if (found := measured.of(peer)) is not None and (ratio := measured.ratio(found)) is not None
            ]
            _draw(axes, record.label(peer), LOOKS.get(peer, _OTHER), points, line=False)
        axes.axvline(1.0, color=colours()["soft"], linewidth=1.0, dashes=(3, 2), zorder=0)
        axes.set_yticks(range(len(rows)), [each.task.name for each in rows])
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_xscale("log")
        _log(axes.xaxis)
        axes.set_xlabel(f"time, times that of {reference}")
        _dress(figure, axes, grid="x")
        return _picture(figure, f"time of each peer over that of {reference}, for {len(rows)} shapes", prefix)


def growth(record: Record, shapes: Sequence[Measured], *, by: str, prefix: str) -> Html:
    """Nanoseconds a logit against the number of rows (`by` "rows") or of classes; shapes that differ in that alone."""
    rows = sorted((each for each in shapes if not each.skipped), key=lambda each: getattr(each.task, by))
    if len(rows) < FEWEST:
        return Html("")
    with mpl.rc_context(_SETTINGS):
        figure = Figure(figsize=(WIDTH, 3.9), layout="constrained")
        axes = figure.add_subplot()
        for peer in _peers(rows):
            points = [
                (getattr(measured.task, by), found.median / measured.task.elements * 1e9)
                for measured in rows
                if (found := measured.of(peer)) is not None
            ]
            _draw(axes, record.label(peer), LOOKS.get(peer, _OTHER), points, line=True)
        copies = [(getattr(each.task, by), each.reference) for each in rows]
        shown = [(place, copy.median) for place, copy in copies if copy is not None]
        scale = {getattr(each.task, by): 1e9 / each.task.elements for each in rows}
        places, heights = [place for place, _ in shown], [median * scale[place] for place, median in shown]
        axes.plot(places, heights, color=colours()["soft"], linewidth=1.2, dashes=(4, 2), label="copy", zorder=1)
        axes.set(xscale="log", yscale="log")
        _log(axes.xaxis)
        _log(axes.yaxis)
        axes.set_xticks([getattr(each.task, by) for each in rows])
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xlabel(by)
        axes.set_ylabel("nanoseconds a logit")
        _dress(figure, axes, grid="y")
        return _picture(figure, f"nanoseconds a logit of each peer against the number of {by}", prefix)


def errors(record: Record, shapes: Sequence[Measured], *, prefix: str) -> Html:
    """Worst error in ULP against the time over the reference's: low and left is good; infinite errors at the top."""
    points = {
        peer: [
            (ratio, found.worst)
            for measured in shapes
            if (found := measured.of(peer)) is not None
            and (ratio := measured.ratio(found)) is not None
            and found.worst is not None
        ]
        for peer in _peers(shapes)
    }
    finite = [error for each in points.values() for _, error in each if math.isfinite(error)]
    if not finite:
        return Html("")
    top = 10 * max(*finite, 1.0)
    with mpl.rc_context(_SETTINGS):
        figure = Figure(figsize=(WIDTH, 3.9), layout="constrained")
        axes = figure.add_subplot()
        for peer, each in points.items():
            shown = [(ratio, min(max(error, 0.1), top)) for ratio, error in each]
            _draw(axes, record.label(peer), LOOKS.get(peer, _OTHER), shown, line=False)
        axes.set(xscale="log", yscale="log")
        _log(axes.xaxis)
        _log(axes.yaxis)
        axes.set_xlabel("time, times that of the copy")
        axes.set_ylabel("worst error, ULP")
        _dress(figure, axes, grid="both")
        return _picture(figure, "worst error in ULP of each peer against its time", prefix)


def sweeps(record: Record) -> dict[str, list[Measured]]:
    """Shapes that differ in the number of rows alone, and in that of classes alone: the longest such lists."""
    plain = [each for each in record.shapes if not each.task.hidden and not each.skipped]
    found = {}
    for by, other in (("rows", "classes"), ("classes", "rows")):
        lists: dict[int, list[Measured]] = {}
        for each in plain:
            lists.setdefault(getattr(each.task, other), []).append(each)
        longest = max(lists.values(), key=len, default=[])
        if len(longest) >= FEWEST:
            found[by] = longest
    return found


def _peers(shapes: Iterable[Measured]) -> list[str]:
    """Who has times, ours last so that it lies on top; no references."""
    found = {each.peer for measured in shapes for each in measured.results if each.seconds}
    known = [name for name in LOOKS if name in found and name != OURS]
    return known + sorted(found - set(LOOKS) - _REFERENCES) + [OURS] * (OURS in found)


_REFERENCES = {"copy-1", "copy-n", "products"}


def _draw(axes: Axes, name: str, look: Look, points: Sequence[tuple[float, float]], *, line: bool) -> None:
    if not points:
        return
    colour = colours()[look.colour]
    ours = look.colour == "a" and look.filled
    axes.plot(
        *zip(*points, strict=True), label=name, color=colour, marker=look.marker, markersize=6.5 if ours else 5,
        linestyle="-" if line else "", linewidth=2.0 if ours else 1.0, zorder=4 if ours else 3,
        markerfacecolor=colour if look.filled else colours()["paper"], markeredgecolor=colour, markeredgewidth=1.1,
    )  # fmt: skip


def _log(axis: Any) -> None:  # noqa: ANN401  # matplotlib's axis
    low, high = axis.get_data_interval()
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if high < _DECADES * low else (1.0,)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: _tick(value)))
    axis.set_minor_formatter(NullFormatter())


def _tick(value: float) -> str:
    """A number at an axis.

    >>> _tick(0.5), _tick(20.0), _tick(1e7)
    ('0.5', '20', '10⁷')
    """
    return f"{value:g}" if value < _LONG else "10" + str(round(math.log10(value))).translate(_RAISED)


def _dress(figure: Figure, axes: Axes, *, grid: str) -> None:
    c = colours()
    handles, names = axes.get_legend_handles_labels()
    order = sorted(range(len(names)), key=lambda i: not names[i].startswith("xent"))  # ours first, though drawn last
    order.sort(key=lambda i: names[i] != "xent")
    handles, names = [handles[i] for i in order], [names[i] for i in order]
    figure.legend(
        handles, names, loc="outside upper left", ncols=3, frameon=False, fontsize=9.5, labelcolor=c["ink"],
        handlelength=1.4, columnspacing=1.0, borderaxespad=0.0, handletextpad=0.4, numpoints=1,
    )  # fmt: skip
    axes.grid(axis=grid, color=c["line"], linewidth=0.6)  # type: ignore[arg-type]  # "x", "y" or "both"
    axes.set_axisbelow(True)
    for spine in axes.spines.values():
        spine.set_color(c["soft"])
    axes.tick_params(color=c["soft"], labelcolor=c["ink"], labelsize=9.5, which="both")
    axes.xaxis.label.set_color(c["soft"])
    axes.yaxis.label.set_color(c["soft"])


def _picture(figure: Figure, label: str, prefix: str) -> Html:
    text = io.StringIO()
    figure.savefig(text, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return themed(text.getvalue(), label, prefix)
