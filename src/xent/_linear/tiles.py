"""Some rows and some classes at a time, where whole rows are too large: logits are computed twice.

First the states of all rows, then loss and gradient tile by tile.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from xent._kernels.cpu import launch, threads
from xent._kernels.cpu.jit import Function, array, compiled
from xent._kernels.cpu.linear import finish, fold
from xent._linear.cuts import PIECE, ranges
from xent._linear.matrix import Rows
from xent._linear.spread import Spread
from xent._linear.task import Gradients, Task
from xent.core.row import EMPTY, NO_CAP

Array = NDArray[Any]
NO_ROWS = np.empty((0, 0))


class States:
    """What the kernels are given of every row that counts, and what they leave there."""

    def __init__(self, task: Task, scale: NDArray[np.float64], *, extras: bool) -> None:
        whole, spec, n = task.problem.batch, task.problem.spec, task.problem.rows
        pick = task.hidden.pick(0, n)

        def of_rows(values: Array) -> Array:
            return np.ascontiguousarray(values[pick]) if values.size else values

        self.task, self.scale = task, scale
        self.index, self.mass, self.factor = of_rows(whole.index), of_rows(whole.mass), of_rows(whole.factor)
        self.options = (spec.logit_scale, NO_CAP if spec.softcap is None else spec.softcap)
        self.z_scale, self.smoothing, self.class_weight = (
            spec.lse_square_scale,
            spec.label_smoothing,
            whole.class_weight,
        )
        weighted = bool(self.smoothing or self.z_scale or task.targets is not None)
        self.tops, self.rests = np.full(n, EMPTY.max), np.full(n, EMPTY.rest)
        self.places = np.full(n, -1, np.int64)
        self.others, self.at_top = np.zeros(n if weighted else 0), np.zeros(n if weighted else 0)
        self.results = no_results(n, extras=extras)
        self.q = task.targets

    def fold(self, x: Array, first_row: int, first: int) -> None:
        """Take a tile of logits into the states of its rows."""
        kernel, classes = fold_kernel(x.dtype.name), self.task.problem.classes

        def piece(lo: int, hi: int, rows: slice) -> None:
            of_row = (self.tops[rows], self.rests[rows], self.places[rows], self.others[rows], self.at_top[rows])
            target = (self.index[rows], self._q(rows, first, x.shape[1]), self.mass[rows], self.class_weight)
            kernel(x[lo:hi], first, *target, self.smoothing, classes, *self.options, *of_row)

        self._over_rows(piece, x, first_row)

    def finish(self, x: Array, first_row: int, first: int, results: launch.Results, *, gradient: bool) -> None:
        """Add a tile of logits to the results; with `gradient`, that is written in the logits' place."""
        kernel, classes = finish_kernel(x.dtype.name), self.task.problem.classes

        def piece(lo: int, hi: int, rows: slice) -> None:
            of_row = (self.tops[rows], self.rests[rows], self.places[rows], self.others[rows], self.at_top[rows])
            target = (self.index[rows], self._q(rows, first, x.shape[1]), self.mass[rows], self.factor[rows])
            options = (self.class_weight, self.smoothing, classes, self.z_scale, *self.options, self.scale[rows])
            grad = x[lo:hi] if gradient else NO_ROWS.astype(x.dtype)
            kernel(x[lo:hi], first, *target, *options, *of_row, *(part[rows] for part in results), grad)

        self._over_rows(piece, x, first_row)

    def _q(self, rows: slice, first: int, count: int) -> NDArray[np.float64]:
        """Probabilities of some rows and classes, as float64."""
        if self.q is None:
            return NO_ROWS
        block = Rows(self.q.source[..., first : first + count], self.q.chosen, np.dtype(np.float64))
        return np.ascontiguousarray(block.read(rows.start, rows.stop))

    def _over_rows(self, piece: Function, x: Array, first_row: int) -> None:
        """piece(first row of x, after the last, the same rows as a slice of all) over the threads, in small parts."""
        step = x.shape[0] if self.q is None else max(1, PIECE // (8 * x.shape[1]))

        def part(first: int, last: int) -> None:
            for lo in range(first, last, step):
                hi = min(lo + step, last)
                piece(lo, hi, slice(first_row + lo, first_row + hi))

        threads.run(part, launch.cut_rows(x.shape[0], x.shape[1], self.task.problem.spec.threads))


def by_tiles(task: Task, spread: Spread, factor: float) -> None:
    """Do it. factor: what the gradient is multiplied by."""
    problem, gradients, cut, n = task.problem, task.gradients, task.cut, task.problem.rows
    scale = np.full(n, factor / spread.number)
    if problem.batch.sample_weight.size:
        scale = problem.batch.sample_weight[task.hidden.pick(0, n)] / spread.number * factor
    states = States(task, scale, extras=spread.wanted)
    tiles = Tiles(task)
    for tile in tiles.over(0, n):
        states.fold(tile.logits, tile.lo, tile.first)
    if gradients is None:
        for tile in tiles.over(0, n):
            states.finish(tile.logits, tile.lo, tile.first, states.results, gradient=False)
    elif cut.hidden in {0, n}:
        sweep(tiles, states, HiddenSum(task, gradients, 0, n), WeightSum(task, gradients), states.results)
    else:  # d_hidden is rounded once: it is added up in a copy for some rows at a time, in sweeps of their own
        sweep(tiles, states, None, WeightSum(task, gradients), states.results)
        for lo, hi in ranges(n, cut.hidden):
            again = no_results(n, extras=spread.wanted)
            sweep(tiles, states, HiddenSum(task, gradients, lo, hi), None, again)
    spread.put(task.hidden.pick(0, n), states.results)


def no_results(n: int, *, extras: bool) -> launch.Results:
    """Results of n rows, before the first class."""
    return launch.Results(
        np.zeros(n), np.zeros(n), np.zeros((n, 3) if extras else (0, 0)), np.zeros(n if extras else 0, np.int64)
    )


class Tile(NamedTuple):
    """Some rows and some classes."""

    lo: int  # the first row
    hi: int  # the row after the last
    first: int  # the first class
    logits: Array  # (hi - lo, v); valid until the next tile
    hidden: Array  # (hi - lo, D)
    weight: Array  # (v, D)


class Tiles:
    """Tile after tile of logits, in one piece of memory."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.memory = np.empty(task.cut.rows * task.cut.classes, task.problem.work)

    def over(self, first_row: int, last_row: int) -> Iterator[Tile]:
        """Every tile of these rows, classes outermost."""
        task, cut = self.task, self.task.cut
        parts = [(first_row + lo, first_row + hi) for lo, hi in ranges(last_row - first_row, cut.rows)]
        kept = task.hidden.read(*parts[0]) if len(parts) == 1 else None
        for v, last in ranges(task.problem.classes, cut.classes):
            w = task.weight.read(v, last)
            for lo, hi in parts:
                h = task.hidden.read(lo, hi) if kept is None else kept
                x = self.memory[: (hi - lo) * (last - v)].reshape(hi - lo, last - v)
                task.logits(h, w, v, x)
                yield Tile(lo, hi, v, x, h, w)


class HiddenSum:
    """d_hidden of some rows, added up where it belongs, or in a copy that is rounded into its place once."""

    def __init__(self, task: Task, gradients: Gradients, first: int, last: int) -> None:
        self.task, self.target, self.first, self.last = task, gradients.d_hidden, first, last
        self.copy: Array | None = None
        if not self.target.direct:
            self.copy = np.empty((last - first, task.problem.width), task.problem.work)

    def add(self, lo: int, hi: int, g: Array, w: Array, *, first: bool) -> None:
        """Add what some classes give."""
        into = self.target.read(lo, hi) if self.copy is None else self.copy[lo - self.first : hi - self.first]
        self.task.product(into, g, w, first=first)

    def done(self) -> None:
        """Every class has been added."""
        if self.copy is not None:
            self.target.write(self.first, self.last, self.copy)


class WeightSum:
    """d_weight of a block of classes after the other, added up in the same two ways."""

    def __init__(self, task: Task, gradients: Gradients) -> None:
        self.task, self.target = task, gradients.d_weight
        self.copy: Array | None = None
        if self.target.dtype != task.problem.work:
            self.copy = np.empty((task.cut.classes, task.problem.width), task.problem.work)

    def add(self, v: int, g: Array, h: Array, *, first: bool, last: bool) -> None:
        """Add what some rows give."""
        place = self.target[v : v + g.shape[1]]
        into = place if self.copy is None else self.copy[: g.shape[1]]
        self.task.product(into, g.T, h, first=first)
        if last and self.copy is not None:
            place[...] = into


def sweep(
    tiles: Tiles,
    states: States,
    d_hidden: HiddenSum | None,
    d_weight: WeightSum | None,
    results: launch.Results,
) -> None:
    """Results and gradients of some rows, now that their states are known."""
    first, last = (0, states.index.size) if d_hidden is None else (d_hidden.first, d_hidden.last)
    for tile in tiles.over(first, last):
        g = tile.logits
        states.finish(g, tile.lo, tile.first, results, gradient=True)
        if d_hidden is not None:
            d_hidden.add(tile.lo, tile.hi, g, tile.weight, first=tile.first == 0)
        if d_weight is not None:
            d_weight.add(tile.first, g, tile.hidden, first=tile.lo == first, last=tile.hi == last)
            tiles.task.add_to_bias(tile.first, g)
    if d_hidden is not None:
        d_hidden.done()


def fold_kernel(dtype: str) -> Function:
    """The first kernel for float32 or float64 logits."""
    read, write, number = array("float64", 1), array("float64", 1, written=True), "float64"
    # fmt: off
    return compiled(
        fold, array(dtype, 2), "int64", array("int64", 1), array("float64", 2), read, read, number, "int64", number,
        number, write, write, array("int64", 1, written=True), write, write,
    )
    # fmt: on


def finish_kernel(dtype: str) -> Function:
    """The second."""
    read, write, number = array("float64", 1), array("float64", 1, written=True), "float64"
    # fmt: off
    return compiled(
        finish, array(dtype, 2), "int64", array("int64", 1), array("float64", 2), read, read, read, number, "int64",
        number, number, number, read, read, read, array("int64", 1), read, read, write, write,
        array("float64", 2, written=True), array("int64", 1, written=True), array(dtype, 2, written=True),
    )
    # fmt: on
