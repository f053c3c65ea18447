"""Hand arrays of any layout to the kernels, piece by piece, over the threads."""

import os
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from xent._kernels.cpu import fast, split, sums, threads
from xent._kernels.cpu import rows as row_kernels
from xent._kernels.cpu.jit import Function, array, compiled
from xent._kernels.cpu.layout import Reader, Writer
from xent._kernels.cpu.rows import PROBABILITIES, SKIPPED
from xent._kernels.cpu.select import GENERAL, Choice, choose, choose_soft
from xent.core.batch import units
from xent.core.row import NO_CAP

Array = NDArray[Any]
SERIAL = 2**15  # elements below which a second thread costs more than it saves
MODERATE = {"float32": (2.0**-60, 2.0**30), "float64": (2.0**-700, 2.0**700)}  # weights that kernels on vectors take
Weights = tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]
NO_ROWS = np.empty((0, 0))
NO_EXTRAS = (np.empty((0, 0)), np.empty(0, np.int64))


class Rows(NamedTuple):
    """What the row kernel takes, besides logits and what it writes."""

    classes: NDArray[np.int64]
    q: Array | None
    mass: NDArray[np.float64]
    factor: NDArray[np.float64]
    class_weight: NDArray[np.float64]
    smoothing: float
    z_scale: float
    logit_scale: float
    softcap: float
    scale: NDArray[np.float64]

    def part(self, rows: Any) -> "Rows":  # an index of one axis
        """The same of some rows; `q` has to be two-dimensional."""

        def some(array: NDArray[Any]) -> NDArray[Any]:
            return array[rows] if array.size else array

        q = None if self.q is None else self.q[rows]
        mass, factor, scale = some(self.mass), some(self.factor), some(self.scale)
        return self._replace(classes=some(self.classes), q=q, mass=mass, factor=factor, scale=scale)

    def hindrances(self) -> tuple[str, ...]:
        """The options that only the kernel "rows" knows."""
        found = {
            "logit_scale": self.logit_scale != 1.0,
            "softcap": self.softcap != NO_CAP,
            "class weights with smoothing": self.smoothing != 0.0 and self.class_weight.size > 0,
        }
        return tuple(name for name, there in found.items() if there)


class Results(NamedTuple):
    """What the row kernel gave."""

    losses: NDArray[np.float64]  # (N,)
    z_losses: NDArray[np.float64]  # (N,)
    extras: NDArray[np.float64]  # (N, 3) lse, entropy, log_prob; or (0, 0)
    predicted: NDArray[np.int64]  # (N,); or (0,)

    @classmethod
    def room(cls, n: int, *, extras: bool) -> "Results":
        """Arrays for n rows."""
        return cls(
            np.empty(n), np.zeros(n), np.empty((n, 3) if extras else (0, 0)), np.empty(n if extras else 0, np.int64)
        )


def run_rows(logits: Array, given: Rows, grad: Array | None, *, extras: bool, thread_limit: int | None) -> Results:
    """Run the kernels over all rows of logits (*shape, V); grad, of the same shape, is written.

    A row goes one way whatever is beside it: those that most rows do not go with are copied and done apart.
    """
    (most, usual), *ways = ways_of(logits.dtype.name, logits.shape[-1], given)
    results = Results.room(given.classes.size, extras=extras)
    if extras and (ways or most.kernel != "rows"):  # "rows" alone has them; loss and gradient are what they are without
        _run(GENERAL, logits, given, None, results, thread_limit)
        extras = False
    apart = []
    for choice, mask in ways:
        where = np.flatnonzero(mask)
        at = np.unravel_index(where, logits.shape[:-1])
        some = given._replace(q=None).part(where)
        if given.q is not None:
            some = some._replace(q=given.q[at])
        part, copy = Results.room(where.size, extras=False), logits[at]
        _run(choice, copy, some, None if grad is None else copy, part, thread_limit)
        apart.append((where, at, part, copy))
    if ways:
        given = given._replace(classes=np.where(usual, given.classes, SKIPPED))
    into = results if extras else results._replace(extras=results.extras[:0], predicted=results.predicted[:0])
    _run(most, logits, given, grad, into, thread_limit)
    for where, at, part, copy in apart:
        results.losses[where], results.z_losses[where] = part.losses, part.z_losses
        if grad is not None:
            grad[at] = copy
    return results


def ways_of(dtype: str, classes: int, given: Rows) -> list[tuple[Choice, NDArray[np.bool_]]]:
    """Which rows (N,) that count go which way, at least one way, that of most rows first."""
    counts, hindrances = given.classes != SKIPPED, given.hindrances()
    choice, (least, most) = choose(dtype, classes, hindrances), MODERATE["float64" if dtype == "float64" else "float32"]
    if hindrances or not counts.any():
        return [(choice, counts)]
    if given.q is None and not given.factor.size and -most <= given.scale.min() and given.scale.max() <= most:
        return [(choice, counts)]
    size = np.abs(given.scale * given.factor if given.factor.size else given.scale)
    fits, soft = size <= most, given.classes == PROBABILITIES
    if given.q is not None:
        moderate = (least <= given.mass) & (least <= size) & (np.maximum(1.0, size) * given.mass <= most)
        fits &= ~soft | moderate
        if given.class_weight.size:
            fits &= ~soft
    masks = counts & fits & ~soft, counts & fits & soft, counts & ~fits
    found = zip((choice, choose_soft(classes), GENERAL), masks, strict=True)
    return sorted((way for way in found if way[1].any()), key=lambda way: -np.count_nonzero(way[1]))


def _run(
    choice: Choice, logits: Array, given: Rows, grad: Array | None, results: Results, thread_limit: int | None
) -> None:
    """Run one kernel over all rows; `results` and grad are written."""
    n, classes = given.classes.size, logits.shape[-1]
    general, soft = choice.kernel == "rows", choice.kernel == "soft"
    dtype = logits.dtype.newbyteorder("=")
    if general:
        dtype = np.dtype(np.float64 if dtype == np.float64 else np.float32)
    reader, q_reader = Reader(logits, dtype), None
    if given.q is not None and (general or soft):
        q_reader = Reader(given.q, np.dtype(np.float64) if general else given.q.dtype.newbyteorder("="))
    writer = None if grad is None else Writer(grad, dtype)
    extras = results.extras.size > 0 and general
    slowest = next((r for r in (reader, q_reader, writer) if r is not None and not r.direct), reader)
    size = 0 if writer is None or not writer.direct else n * classes * dtype.itemsize

    count = thread_limit or available()
    if split.worth_it(choice.kernel, n, classes, count) and slowest.direct:
        x, room = reader.read(0, n), np.empty((0, 0), dtype) if writer is None else writer.read(0, n)
        parts = (given.classes, given.factor, given.scale, given.smoothing, given.z_scale)
        split.run(dtype.name, x, *parts, results.losses, results.z_losses, room, whole=size, count=count)
        return

    def piece(first: int, last: int) -> None:
        for lo, hi in slowest.cuts(first, last):
            room = np.empty((0, 0), dtype) if writer is None else writer.read(lo, hi)
            x, some = reader.read(lo, hi), given._replace(q=None).part(slice(lo, hi))
            probabilities = NO_ROWS if q_reader is None else q_reader.read(lo, hi)
            losses, z_losses = results.losses[lo:hi], results.z_losses[lo:hi]
            if general:
                target = (some.classes, probabilities, some.mass, some.factor, some.class_weight)
                options = (some.smoothing, some.z_scale, some.logit_scale, some.softcap)
                wanted = (results.extras[lo:hi], results.predicted[lo:hi]) if extras else NO_EXTRAS
                row_kernel(dtype.name)(x, *target, *options, some.scale, losses, z_losses, *wanted, room)
            else:
                parts = (some.scale, some.smoothing, some.z_scale, losses, z_losses, room)
                if soft:
                    fast.run_soft(dtype.name, x, probabilities, some.classes, some.mass, *parts, whole=size)
                else:
                    fast.run(choice.kernel, dtype.name, x, some.classes, some.factor, *parts, whole=size)
            if writer is not None:
                writer.write(lo, hi, room)

    threads.run(piece, cut_rows(n, classes, thread_limit))


def run_softmax(logits: Array, out: Array, thread_limit: int | None) -> None:
    """Probabilities of logits (*shape, V) into out, of the same shape."""
    dtype = np.dtype(np.float64 if logits.dtype.itemsize == 8 else np.float32)  # bytes
    reader, writer = Reader(logits, dtype), Writer(out, dtype)
    kernel = compiled(row_kernels.softmax, array(dtype.name, 2), array(dtype.name, 2, written=True))

    def piece(first: int, last: int) -> None:
        for lo, hi in (writer if reader.direct else reader).cuts(first, last):
            room = writer.read(lo, hi)
            kernel(reader.read(lo, hi), room)
            writer.write(lo, hi, room)

    n = int(np.prod(logits.shape[:-1], dtype=np.int64))
    threads.run(piece, cut_rows(n, logits.shape[-1], thread_limit))


def cut_rows(n: int, classes: int, thread_limit: int | None) -> list[tuple[int, int]]:
    """Row ranges, one a thread."""
    limit = thread_limit or available()
    count = max(1, min(limit, n, n * classes // SERIAL))
    return [(n * k // count, n * (k + 1) // count) for k in range(count)]


@cache
def available() -> int:
    """How many threads may run, as it was at the first call; a forked child asks anew."""
    return threads.available()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=available.cache_clear)


@cache
def row_kernel(dtype: str) -> Function:
    """The row kernel for float32 or float64 logits."""
    vector, matrix = array("float64", 1), array("float64", 2)
    # fmt: off
    return compiled(
        row_kernels.rows,
        array(dtype, 2), array("int64", 1), matrix, vector, vector, vector,
        "float64", "float64", "float64", "float64", vector,
        array("float64", 1, written=True), array("float64", 1, written=True),
        array("float64", 2, written=True), array("int64", 1, written=True), array(dtype, 2, written=True),
    )
    # fmt: on


def weigh(
    q: Array, n: int, class_weight: NDArray[np.float64], smoothing: float, thread_limit: int | None
) -> tuple[Weights, int, int]:
    """What the n rows of q (*shape, V) weigh; how many probabilities are bad, and the flat position of the first.

    (index, mass, factor, row_weight), (n,) each: see `targets.weigh`.
    """
    classes = q.shape[-1]
    found = np.empty(n, np.int64), np.empty(n), np.empty(n), np.empty(n)
    reader = Reader(q, q.dtype.newbyteorder("="))
    kernel = weigh_kernel(reader.dtype.name)
    wrong: list[tuple[int, int]] = []

    def piece(first: int, last: int) -> None:
        for lo, hi in reader.cuts(first, last):
            rows = reader.read(lo, hi)
            whole, _ = fast.as_whole(reader.dtype.name, rows, rows)
            bad = kernel(whole, class_weight, smoothing, *(each[lo:hi] for each in found))
            if bad:
                with np.errstate(invalid="ignore"):  # NaN
                    good = (rows >= 0) & (rows < np.inf)
                if not good.all():
                    wrong.append((lo * classes + int(good.argmin()), good.size - int(np.count_nonzero(good))))

    threads.run(piece, cut_rows(n, classes, thread_limit))
    return found, sum(bad for _, bad in wrong), min(wrong, default=(0, 0))[0]


@cache
def weigh_kernel(dtype: str) -> Function:
    """The kernel that weighs targets of a dtype."""
    from xent._kernels.cpu import targets  # it binds Numba

    written = array("float64", 1, written=True)
    return compiled(
        targets.weigh,
        *(array(fast.AS_WHOLE.get(dtype, dtype), 2), array("float64", 1), "float64"),
        *(array("int64", 1, written=True), written, written, written),
    )


class ExactSum(NamedTuple):
    """A sum of products, in units of core.batch.GRID, and how many of them are not finite."""

    units: int
    plus_infinities: int
    minus_infinities: int
    nans: int


def exact_sum(
    index: NDArray[np.int64],
    a: NDArray[np.float64],
    b: NDArray[np.float64],
    x: NDArray[np.float64],
    thread_limit: int | None = 1,
) -> ExactSum:
    """Sum of a·b·x over the rows that count, exactly; a and b may be empty (all 1)."""
    cuts = cut_rows(index.size, 1, thread_limit)
    if len(cuts) > 1:
        parts: list[ExactSum] = []

        def piece(lo: int, hi: int) -> None:
            part = slice(lo, hi)
            parts.append(exact_sum(index[part], a[part], b[part], x[part]))

        threads.run(piece, cuts)
        return ExactSum(*map(sum, zip(*parts, strict=True)))
    vector, written = array("float64", 1), array("int64", 1, written=True)
    kernel = compiled(sums.add_products, array("int64", 1), vector, vector, vector, written, written, written)
    counts, hard = np.zeros(3, np.int64), np.empty(index.size, np.int64)
    total = 0
    for lo in range(0, index.size, sums.MOST_ROWS):
        part = slice(lo, lo + sums.MOST_ROWS)
        limbs = np.zeros(sums.LIMBS, np.int64)
        left = kernel(index[part], a[part], b[part], x[part], limbs, counts, hard)
        total += sums.whole(limbs)
        for i in (hard[:left] + lo).tolist():
            total += units(float(a[i]) if a.size else 1.0, float(b[i]) if b.size else 1.0, float(x[i]))
    return ExactSum(total, *counts.tolist())
