"""The traps of the book's loss layers, each with its smallest input: what each layer makes of it, what is right."""

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from xent.core.item import item_of

Result = float | str  # a number, or the name of what was raised
Show = Callable[[Any], float]  # takes a fresh layer

NO_LAYER = "-"  # volume 1 has no Time layer
H = 1e-4  # the step of the book's gradient check
ROWS = np.array([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]])
SOFT = np.array([[0.1, 0.2, 0.7], [0.5, 0.3, 0.2]])
LABELS = np.array([2, 0])
ONE_HOT = np.array([[0, 0, 1], [1, 0, 0]])


@dataclass(frozen=True, slots=True)
class Trap:
    """One input that goes wrong somewhere."""

    number: int  # rows of the same number belong together
    text: str  # ASCII, at most 35 characters: the input, and what of the answer is shown
    show: Show
    right: float | None  # the exact answer; None: an error is right
    time: bool = False  # for the Time layer, which only volume 2 has


@dataclass(frozen=True, slots=True)
class Compared:
    """One trap, and what every layer makes of it."""

    trap: Trap
    results: dict[str, Result]

    def good(self, who: str) -> bool:
        """Whether that layer is right, to six digits."""
        came, right = self.results[who], self.trap.right
        if right is None:
            return isinstance(came, str) and came.endswith("Error")
        if isinstance(came, str):
            return came == NO_LAYER
        return math.isclose(came, right, rel_tol=1e-6, abs_tol=1e-30) or (math.isnan(came) and math.isnan(right))


@dataclass(frozen=True, slots=True, repr=False)
class Comparison:
    """The traps, one after the other: `print` it, or take `to_dict()`."""

    rows: tuple[Compared, ...]

    def to_dict(self) -> list[dict[str, Any]]:
        """One dictionary a trap: number, input, the right answer (None: an error) and what each layer gave."""
        return [{"trap": r.trap.number, "input": r.trap.text, "right": r.trap.right, **r.results} for r in self.rows]

    def __str__(self) -> str:
        """A table of at most 80 columns, in ASCII."""
        names = list(self.rows[0].results)
        lines = [f"{'':3}{'input: what is shown':35}" + "".join(f"{name:>13} " for name in names)]
        for row in self.rows:
            cells = (f"{_cell(row.results[name]):>13}{' ' if row.good(name) else '!'}" for name in names)
            lines.append(f"{row.trap.number:2} {row.trap.text:35}{''.join(cells)}")
        lines += ["", "!  not the right answer          -  volume 1 has no such layer"]
        return "\n".join(line.rstrip() for line in lines)

    def __repr__(self) -> str:
        return f"<Comparison of {len(self.rows)} inputs>"


def compare(layers: dict[str, tuple[Callable[[], Any] | None, Callable[[], Any] | None]]) -> Comparison:
    """Every trap with every pair of (plain layer, Time layer)."""
    rows = []
    for trap in TRAPS:
        makers = {who: pair[trap.time] for who, pair in layers.items()}
        rows.append(
            Compared(
                trap, {who: NO_LAYER if make is None else outcome(trap.show, make()) for who, make in makers.items()}
            )
        )
    return Comparison(tuple(rows))


def outcome(show: Show, layer: object) -> Result:
    """The number, or the name of what was raised."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return float(show(layer))
        except Exception as error:  # noqa: BLE001 -- what it raises is the answer
            return type(error).__name__


def _cell(result: Result) -> str:
    return result.replace("AttributeError", "AttributeErr") if isinstance(result, str) else f"{result:.6g}"


def _loss(x: Any, t: Any) -> Show:  # noqa: ANN401 -- whatever a layer may be given
    return lambda layer: layer.forward(np.array(x), t)


def _gradient(x: Any, t: Any, *place: int) -> Show:  # noqa: ANN401 -- the same
    def show(layer: Any) -> float:  # noqa: ANN401 -- any layer
        layer.forward(np.array(x), t)
        return layer.backward()[place]  # type: ignore[no-any-return]  # a number of an array

    return show


def _check(x: Any, t: Any) -> Show:  # noqa: ANN401 -- the same
    """Slope of forward by x[0, 0], by central differences, over the analytic one: 1 where they belong together."""

    def show(layer: Any) -> float:  # noqa: ANN401 -- any layer
        up, down = np.array(x), np.array(x)
        up[0, 0] += H
        down[0, 0] -= H
        slope = (layer.forward(up, t) - layer.forward(down, t)) / (2 * H)
        layer.forward(np.array(x), t)
        return slope / layer.backward()[0, 0]  # type: ignore[no-any-return]  # a number of an array

    return show


def _twice(x: Any, t: Any, *place: int) -> Show:  # noqa: ANN401 -- the same
    def show(layer: Any) -> float:  # noqa: ANN401 -- any layer
        layer.forward(np.array(x), t)
        layer.backward()
        return layer.backward()[place]  # type: ignore[no-any-return]  # a number of an array

    return show


def _mean(x: Any, t: Any) -> float:  # noqa: ANN401 -- nested lists
    """The exact mean loss of rows, by the definition."""
    return math.fsum(item_of(list(row), target).loss for row, target in zip(x, t, strict=True)) / len(x)


def _slope(x: Any, t: Any, place: int, rows: int = 1) -> float:  # noqa: ANN401 -- a list
    """The exact derivative of the mean over `rows` rows by one logit of a row."""
    return item_of(list(x), t).gradient[place] / rows


GONE = np.array([[[1.0, 2.0, 3.0], [0.0, 0.0, -2000.0]]])  # the probability of the last class underflows
BROKEN = np.array([[[1.0, 2.0, 3.0], [np.nan, 0.0, 0.0]]])
FIRST = item_of([1.0, 2.0, 3.0], 2)

TRAPS = (
    Trap(1, "x (3,), one-hot t: gradient at t", _gradient(ROWS[0], ONE_HOT[0], 2), FIRST.gradient[2]),
    Trap(2, "x (3,), t = np.array(2): gradient", _gradient(ROWS[0], np.array(2), 2), FIRST.gradient[2]),
    Trap(2, "x (3,), t = np.array([2]): gradient", _gradient(ROWS[0], np.array([2]), 2), FIRST.gradient[2]),
    Trap(2, "x (3,), t = 2: gradient", _gradient(ROWS[0], 2, 2), FIRST.gradient[2]),
    Trap(3, "probability targets: loss", _loss(ROWS, SOFT), _mean(ROWS, SOFT.tolist())),
    Trap(3, "probability targets: gradient", _gradient(ROWS, SOFT, 0, 2), _slope(ROWS[0], SOFT[0].tolist(), 2, 2)),
    Trap(4, "t of shape (N, 1): loss", _loss(ROWS, LABELS[:, None]), FIRST.loss),
    Trap(5, "label -1: loss", _loss(ROWS, np.array([2, -1])), None),
    Trap(6, "label 3 of 3 classes: loss", _loss(ROWS, np.array([2, 3])), None),
    Trap(6, "labels [2.0, 0.0]: loss", _loss(ROWS, np.array([2.0, 0.0])), FIRST.loss),
    Trap(6, "t a list: loss", _loss(ROWS, [2, 0]), FIRST.loss),
    Trap(7, "x = [100, 0, 0], t = 0: loss", _loss([[100.0, 0, 0]], np.array([0])), _mean([[100.0, 0, 0]], [0])),
    Trap(8, "x = [1000, 0, 0], t = 1: loss", _loss([[1000.0, 0, 0]], np.array([1])), 1000.0),
    Trap(9, "x = [16,0,0], t=1: slope/gradient", _check([[16.0, 0, 0]], np.array([1])), 1.0),
    Trap(10, "x (N, T, V), labels (N, T): loss", _loss(ROWS[None], LABELS[None]), FIRST.loss),
    Trap(10, "x (N, T, V), one-hot: loss", _loss(ROWS[None], ONE_HOT[None]), FIRST.loss),
    Trap(11, "one class, N labels: loss", _loss([[1.0], [2.0]], np.array([0, 0])), 0.0),
    Trap(11, "no rows: loss", _loss(np.zeros((0, 3)), np.zeros(0, int)), 0.0),
    Trap(12, "x = [inf, 0, 0], t = 0: loss", _loss([[math.inf, 0, 0]], np.array([0])), math.nan),
    Trap(13, "Time: ignored row, x -2000: loss", _loss(GONE, np.array([[2, -1]])), FIRST.loss, time=True),
    Trap(14, "Time: NaN in an ignored row: loss", _loss(BROKEN, np.array([[2, -1]])), FIRST.loss, time=True),
    Trap(14, "Time: NaN there: gradient there", _gradient(BROKEN, np.array([[2, -1]]), 0, 1, 0), 0.0, time=True),
    Trap(14, "Time: all ignored: loss", _loss(ROWS[None], np.array([[-1, -1]])), 0.0, time=True),
    Trap(14, "Time: label -100: loss", _loss(ROWS[None], np.array([[2, -100]])), FIRST.loss, time=True),
    Trap(15, "Time: x = [1000, 0, 0], t = 1: loss", _loss([[[1000.0, 0, 0]]], np.array([[1]])), 1000.0, time=True),
    Trap(
        16,
        "Time: 2nd backward: gradient at t",
        _twice(ROWS[None], LABELS[None], 0, 0, 2),
        FIRST.gradient[2] / 2,
        time=True,
    ),
)
